//! `servers`: the metric servers that a program sends to, over the routes of Proxmox VE: `/api2/json/cluster/metrics/server`.

use crate::dump::encoded;
use crate::outcome::{Failure, Result};
use crate::remote::{Access, Remote};
use crate::table::{Align, Table};
use crate::text::{meant, visible};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use ureq::http::Method;

/// Where servers are managed.
const PATH: &str = "/api2/json/cluster/metrics/server";
/// Types of servers.
const TYPES: [&str; 3] = ["graphite", "influxdb", "opentelemetry"];

/// Arguments of the command.
#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Address of the program.
    #[arg(long, value_name = "URL", global = true, env = "FERROMETER_URL", default_value = "http://127.0.0.1:9620")]
    url: String,
    #[command(flatten)]
    access: Access,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists all.
    List,
    /// Shows one with its options.
    Show { id: String },
    /// Adds one; it is asked before it is kept.
    Add {
        id: String,
        /// Type: graphite, influxdb or opentelemetry.
        #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
        kind: String,
        /// Host name or IP address.
        #[arg(long, value_name = "HOST")]
        server: String,
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
        #[command(flatten)]
        options: Options,
    },
    /// Changes options of one.
    Set {
        id: String,
        #[command(flatten)]
        options: Options,
        /// Option that goes back to its default. May be given several times.
        #[arg(long, value_name = "KEY")]
        delete: Vec<String>,
    },
    /// Asks whether a server is there and takes what it is sent: it is set to what it is, which the program tests.
    Test { id: String },
    /// Sends nothing more to one, and keeps its options.
    Disable { id: String },
    /// Sends to one again.
    Enable { id: String },
    /// Removes one.
    Remove { id: String },
}

#[derive(Debug, Args)]
struct Options {
    /// Option, KEY=VALUE, by Proxmox' names: path, proto, bucket, organization, influxdbproto, timeout, mtu, … May be given several
    /// times.
    #[arg(long = "option", short, value_name = "KEY=VALUE", value_parser = pair)]
    options: Vec<(String, String)>,
    /// File with the token of the server, which no argument should show.
    #[arg(long, value_name = "FILE")]
    server_token_file: Option<PathBuf>,
}

fn kind(text: &str) -> std::result::Result<String, String> {
    if TYPES.contains(&text) {
        return Ok(text.to_owned());
    }
    let hint = meant(text, TYPES).map(|word| format!("; did you mean {word}?")).unwrap_or_default();
    Err(format!("known are {}{hint}", TYPES.join(", ")))
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let wrong = || format!("{:?}: expected KEY=VALUE", visible(text));
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(wrong)?;
    if key == "token" {
        return Err("a token as an argument can be seen by others: --server-token-file names a file with it".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

impl Options {
    fn fields(&self) -> Result<Vec<(String, String)>> {
        let mut fields = self.options.clone();
        if let Some(path) = &self.server_token_file {
            let text =
                String::from_utf8(crate::remote::read_file(path)?).map_err(|_| Failure::file(path, &"is no text"))?;
            fields.push(("token".to_owned(), text.trim().to_owned()));
        }
        Ok(fields)
    }
}

/// Runs the command.
pub(crate) fn run(command: &Command, is_json: bool) -> Result {
    let api = Api { remote: command.access.open(&command.url)?, is_json };
    match &command.what {
        What::List => api.list(),
        What::Show { id } => {
            let one = api.get(id)?;
            api.show(&one)
        }
        What::Add { id, kind, server, port, options } => {
            let own = [("type", kind.clone()), ("server", server.clone()), ("port", port.to_string())];
            let mut fields: Vec<(String, String)> =
                own.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            fields.extend(options.fields()?);
            api.send(Method::POST, id, &fields)?;
            api.told(id, "added")
        }
        What::Set { id, options, delete } => {
            let mut fields = options.fields()?;
            if !delete.is_empty() {
                fields.push(("delete".to_owned(), delete.join(",")));
            }
            if fields.is_empty() {
                return Err(Failure::Usage("nothing is to be changed: expected --option or --delete".to_owned()));
            }
            api.change(id, fields)?;
            api.told(id, "changed")
        }
        What::Test { id } => {
            let one = api.get(id)?;
            if is_on(&one["disable"]) {
                return Err(Failure::Usage(format!("{} is disabled, and a disabled server is not asked", visible(id))));
            }
            let port = cell(&one["port"]);
            api.change(id, vec![("port".to_owned(), port)])?;
            api.told(id, "answers")
        }
        What::Disable { id } => {
            api.change(id, vec![("disable".to_owned(), "1".to_owned())])?;
            api.told(id, "disabled")
        }
        What::Enable { id } => {
            api.change(id, vec![("disable".to_owned(), "0".to_owned())])?;
            api.told(id, "enabled")
        }
        What::Remove { id } => {
            api.remote.ask(Method::DELETE, &path(id), &[], None)?.bytes()?;
            api.told(id, "removed")
        }
    }
}

fn path(id: &str) -> String {
    format!("{PATH}/{}", encoded(id))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Reads a truth in the forms of Proxmox.
fn is_on(value: &Value) -> bool {
    matches!(cell(value).as_str(), "1" | "true")
}

struct Api {
    remote: Remote,
    is_json: bool,
}

impl Api {
    fn data(&self, path: &str) -> Result<Value> {
        let mut answer: Value = self.remote.json(path)?;
        Ok(answer["data"].take())
    }

    fn get(&self, id: &str) -> Result<Value> {
        self.data(&path(id))
    }

    fn send(&self, method: Method, id: &str, fields: &[(String, String)]) -> Result {
        let pairs: Vec<String> =
            fields.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
        let body = pairs.join("&").replace('*', "%2A");
        let kind = "application/x-www-form-urlencoded";
        self.remote.ask(method, &path(id), &[], Some((kind, body.as_bytes())))?.bytes()?;
        Ok(())
    }

    /// Changes a server as it was read: when somebody else changed it meanwhile, nothing happens. Where it is belongs to every change.
    fn change(&self, id: &str, mut fields: Vec<(String, String)>) -> Result {
        let one = self.get(id)?;
        for key in ["server", "port", "digest"] {
            let value = cell(&one[key]);
            if !value.is_empty() && !fields.iter().any(|(given, _)| given == key) {
                fields.push((key.to_owned(), value));
            }
        }
        self.send(Method::PUT, id, &fields)
    }

    fn told(&self, id: &str, what: &str) -> Result {
        let mut out = io::stdout().lock();
        match self.is_json {
            true => writeln!(out, "{}", json!({"id": id, "result": what}))?,
            false => writeln!(out, "{}: {what}", visible(id))?,
        }
        Ok(())
    }

    fn list(&self) -> Result {
        let all = self.data(PATH)?;
        let mut out = io::stdout().lock();
        if self.is_json {
            return Ok(writeln!(out, "{all}")?);
        }
        let columns = [
            ("ID", Align::Left),
            ("TYPE", Align::Left),
            ("SERVER", Align::Left),
            ("PORT", Align::Right),
            ("STATE", Align::Left),
        ];
        let mut table = Table::new(columns);
        for one in all.as_array().into_iter().flatten() {
            let state = if is_on(&one["disable"]) { "disabled" } else { "enabled" };
            table.row([
                cell(&one["id"]),
                cell(&one["type"]),
                cell(&one["server"]),
                cell(&one["port"]),
                state.to_owned(),
            ]);
        }
        Ok(table.write(&mut out)?)
    }

    fn show(&self, one: &Value) -> Result {
        let mut out = io::stdout().lock();
        if self.is_json {
            return Ok(writeln!(out, "{one}")?);
        }
        let mut table = Table::new([("OPTION", Align::Left), ("VALUE", Align::Left)]);
        for (key, value) in one.as_object().into_iter().flatten() {
            table.row([key.clone(), cell(value)]);
        }
        Ok(table.write(&mut out)?)
    }
}
