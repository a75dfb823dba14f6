//! `archive`: policies, metrics and measures of an archive, over Gnocchi's API; and the backup and the check of one on disk.
//!
//! One function for each command; hence the length.

use crate::backup;
use crate::dump::encoded;
use crate::fsck;
use crate::outcome::{Failure, Result};
use crate::remote::{Access, Remote};
use crate::table::{Align, Table};
use crate::text::{number, read_moment, visible};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use ureq::http::Method;

/// Arguments of the command.
#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Address of the API, without /v1.
    #[arg(
        long,
        value_name = "URL",
        global = true,
        env = "FERROMETER_ARCHIVE",
        default_value = "http://127.0.0.1:9620/gnocchi"
    )]
    url: String,
    /// Name of the user who asks, where there is no token.
    #[arg(long, value_name = "NAME", global = true, default_value = "admin", value_parser = user)]
    user: String,
    #[command(flatten)]
    access: Access,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Archive policies: which aggregates of a metric are kept, how finely, for how long.
    #[command(subcommand)]
    Policy(Policy),
    /// Metrics.
    #[command(subcommand)]
    Metric(Metric),
    /// Measures of a metric.
    #[command(subcommand)]
    Measures(Measures),
    /// Measures that wait to be aggregated.
    Status,
    /// Copies an archive on disk, also while a server has it open, into a new folder, with a list of checksums.
    Backup {
        /// Folder of the archive.
        #[arg(value_name = "ARCHIVE")]
        archive: PathBuf,
        /// New folder of the copy.
        #[arg(value_name = "TO")]
        to: PathBuf,
    },
    /// Checks an archive that no server has open, or one on servers: every object, head, batch and row; and repairs what can be derived.
    Fsck(fsck::Command),
    /// Checks a copy, and makes an archive of it.
    Restore {
        /// Folder of the copy.
        #[arg(value_name = "FROM")]
        from: PathBuf,
        /// New folder of the archive.
        #[arg(value_name = "ARCHIVE")]
        archive: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum Policy {
    /// Lists all.
    List,
    /// Shows one.
    Show { name: String },
    /// Adds one.
    Add {
        name: String,
        /// Aggregates to keep: GRANULARITY:TIMESPAN, such as 60s:30d. May be given several times.
        #[arg(long, value_name = "KEPT", required = true, value_parser = kept)]
        keep: Vec<(String, String)>,
        /// Aggregation, such as mean, max or rate:mean. May be given several times; without it the server's.
        #[arg(long, value_name = "METHOD")]
        method: Vec<String>,
        /// Buckets of raw measures that are kept for measures that come late.
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        back_window: u64,
    },
    /// Removes one that no metric has.
    Remove { name: String },
}

#[derive(Debug, Subcommand)]
enum Metric {
    /// Lists metrics.
    List {
        /// Only those of this name; * stands for any text.
        #[arg(long, value_name = "NAME", default_value = "*")]
        name: String,
        /// Only those of this resource.
        #[arg(long, value_name = "UUID")]
        resource: Option<String>,
    },
    /// Shows one.
    Show {
        #[arg(value_name = "UUID")]
        id: String,
    },
    /// Adds one.
    Add {
        name: String,
        /// Archive policy; without it the server's rules choose by name.
        #[arg(long, value_name = "NAME")]
        policy: Option<String>,
        #[arg(long)]
        unit: Option<String>,
    },
    /// Removes one, with its measures.
    Remove {
        #[arg(value_name = "UUID")]
        id: String,
    },
}

#[derive(Debug, Subcommand)]
enum Measures {
    /// Shows the aggregates of a metric.
    Show {
        #[arg(value_name = "UUID")]
        id: String,
        /// Aggregation.
        #[arg(long, value_name = "METHOD", default_value = "mean")]
        method: String,
        /// Seconds of a bucket; without it all that are kept.
        #[arg(long, value_name = "SECONDS")]
        granularity: Option<f64>,
        /// From when.
        #[arg(long, value_name = "MOMENT", value_parser = read_moment)]
        start: Option<i64>,
        /// Until when, not included.
        #[arg(long, value_name = "MOMENT", value_parser = read_moment)]
        stop: Option<i64>,
        /// As comma-separated values.
        #[arg(long)]
        csv: bool,
    },
    /// Adds measures.
    Add {
        #[arg(value_name = "UUID")]
        id: String,
        /// VALUE, or VALUE@MOMENT.
        #[arg(value_name = "MEASURE", required = true, value_parser = measure, allow_hyphen_values = true)]
        measures: Vec<(f64, Option<i64>)>,
    },
}

fn user(text: &str) -> std::result::Result<String, String> {
    match text.is_empty() || text.contains(|c: char| c == ':' || c.is_control()) {
        true => Err("expected a name without `:`".to_owned()),
        false => Ok(text.to_owned()),
    }
}

fn kept(text: &str) -> std::result::Result<(String, String), String> {
    let wrong = || format!("{:?}: expected GRANULARITY:TIMESPAN, such as 60s:30d", visible(text));
    let (granularity, timespan) = text.split_once(':').ok_or_else(wrong)?;
    let known = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_digit()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
    };
    match known(granularity) && known(timespan) {
        // Gnocchi reads `60s`, `30 days`; short units are written out.
        true => Ok((granularity.to_owned(), timespan.to_owned())),
        false => Err(wrong()),
    }
}

fn measure(text: &str) -> std::result::Result<(f64, Option<i64>), String> {
    let (value, at) = text.split_once('@').map_or((text, None), |(value, at)| (value, Some(at)));
    let value = value.parse().ok().filter(|value: &f64| value.is_finite());
    let value = value.ok_or_else(|| format!("{:?} is no measure: expected VALUE or VALUE@MOMENT", visible(text)))?;
    Ok((value, at.map(read_moment).transpose()?))
}

/// Metrics that one answer lists.
const PAGE: usize = 1000;

/// Runs the command.
pub(crate) fn run(command: &Command, is_json: bool) -> Result {
    match &command.what {
        What::Backup { archive, to } => return backup::backup(archive, to, is_json),
        What::Restore { from, archive } => return backup::restore(from, archive, is_json),
        What::Fsck(command) => return fsck::run(command, is_json),
        _ => {}
    }
    let remote = command.access.open(&command.url)?;
    // A token says who asks; without one a name does, as Gnocchi has it.
    let remote = match command.access.secret()? {
        Some(_) => remote,
        None => remote.with_authorization(format!("Basic {}", BASE64_STANDARD.encode(format!("{}:", command.user)))),
    };
    let api = Api { remote, is_json };
    match &command.what {
        What::Policy(policy) => api.policy(policy),
        What::Metric(metric) => api.metric(metric),
        What::Measures(measures) => api.measures(measures),
        What::Status => {
            let status: Value = api.remote.json("/v1/status?details=false")?;
            let text = |key: &str| status["storage"]["summary"][key].to_string();
            api.show(&status, || {
                format!("{} measures of {} metrics wait to be aggregated", text("measures"), text("metrics"))
            })
        }
        What::Backup { .. } | What::Restore { .. } | What::Fsck(_) => Ok(()),
    }
}

struct Api {
    remote: Remote,
    is_json: bool,
}

/// A value as a cell.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(found) => found.as_f64().map_or_else(|| found.to_string(), number),
        other => other.to_string(),
    }
}

impl Api {
    fn show(&self, document: &Value, text: impl FnOnce() -> String) -> Result {
        let mut out = io::stdout().lock();
        match self.is_json {
            true => writeln!(out, "{document}")?,
            false => writeln!(out, "{}", text())?,
        }
        Ok(())
    }

    fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let answer = self.remote.ask(method, path, &[], Some(("application/json", body.to_string().as_bytes())))?;
        let bytes = answer.bytes()?;
        Ok(if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    fn remove(&self, path: &str, what: &str) -> Result {
        self.remote.ask(Method::DELETE, path, &[], None)?.bytes()?;
        self.show(&json!({"removed": what}), || format!("{} is removed", visible(what)))
    }

    fn policy(&self, policy: &Policy) -> Result {
        match policy {
            Policy::List => {
                let all: Vec<Value> = self.remote.json("/v1/archive_policy")?;
                self.policies(&Value::Array(all.clone()), &all)
            }
            Policy::Show { name } => {
                let one: Value = self.remote.json(&format!("/v1/archive_policy/{}", encoded(name)))?;
                self.policies(&one, std::slice::from_ref(&one))
            }
            Policy::Add { name, keep, method, back_window } => {
                let definition = keep
                    .iter()
                    .map(|(granularity, timespan)| json!({"granularity": granularity, "timespan": timespan}));
                let mut body =
                    json!({"name": name, "back_window": back_window, "definition": definition.collect::<Value>()});
                if !method.is_empty() {
                    body["aggregation_methods"] = json!(method);
                }
                let made = self.send(Method::POST, "/v1/archive_policy", &body)?;
                self.policies(&made, std::slice::from_ref(&made))
            }
            Policy::Remove { name } => self.remove(&format!("/v1/archive_policy/{}", encoded(name)), name),
        }
    }

    fn policies(&self, document: &Value, all: &[Value]) -> Result {
        if self.is_json {
            return self.show(document, String::new);
        }
        let mut table = Table::new([("NAME", Align::Left), ("KEPT", Align::Left), ("METHODS", Align::Left)]);
        for policy in all {
            let empty = Vec::new();
            let definitions = policy["definition"].as_array().unwrap_or(&empty).iter();
            let kept: Vec<String> =
                definitions.map(|d| format!("{} for {}", cell(&d["granularity"]), cell(&d["timespan"]))).collect();
            let methods: Vec<String> =
                policy["aggregation_methods"].as_array().unwrap_or(&empty).iter().map(cell).collect();
            table.row([cell(&policy["name"]), kept.join("; "), methods.join(" ")]);
        }
        Ok(table.write(&mut io::stdout().lock())?)
    }

    fn metric(&self, metric: &Metric) -> Result {
        match metric {
            Metric::List { name, resource } => {
                let pattern = ferrometer::config::Pattern::new(name);
                let mut found = Vec::new();
                let mut marker = String::new();
                loop {
                    let more = if marker.is_empty() { String::new() } else { format!("&marker={marker}") };
                    let of = resource.as_ref().map(|id| format!("&resource_id={}", encoded(id))).unwrap_or_default();
                    let page: Vec<Value> =
                        self.remote.json(&format!("/v1/metric?sort=id:asc&limit={PAGE}{more}{of}"))?;
                    let Some(last) = page.last().map(|metric| cell(&metric["id"])) else { break };
                    let is_last = page.len() < PAGE || last == marker;
                    found.extend(page.into_iter().filter(|metric| pattern.matches(&cell(&metric["name"]))));
                    if is_last {
                        break;
                    }
                    marker = encoded(&last);
                }
                self.metrics(&Value::Array(found.clone()), &found)
            }
            Metric::Show { id } => {
                let one: Value = self.remote.json(&format!("/v1/metric/{}", encoded(id)))?;
                self.metrics(&one, std::slice::from_ref(&one))
            }
            Metric::Add { name, policy, unit } => {
                let mut body = json!({"name": name});
                if let Some(policy) = policy {
                    body["archive_policy_name"] = json!(policy);
                }
                if let Some(unit) = unit {
                    body["unit"] = json!(unit);
                }
                let made = self.send(Method::POST, "/v1/metric", &body)?;
                self.metrics(&made, std::slice::from_ref(&made))
            }
            Metric::Remove { id } => self.remove(&format!("/v1/metric/{}", encoded(id)), id),
        }
    }

    fn metrics(&self, document: &Value, all: &[Value]) -> Result {
        if self.is_json {
            return self.show(document, String::new);
        }
        let columns = ["ID", "NAME", "UNIT", "POLICY", "RESOURCE"].map(|name| (name, Align::Left));
        let mut table = Table::new(columns);
        for metric in all {
            let policy = match &metric["archive_policy"]["name"] {
                Value::Null => &metric["archive_policy_name"],
                name => name,
            };
            let resource = match &metric["resource_id"] {
                Value::Null => &metric["resource"]["id"],
                id => id,
            };
            table.row([
                cell(&metric["id"]),
                cell(&metric["name"]),
                cell(&metric["unit"]),
                cell(policy),
                cell(resource),
            ]);
        }
        Ok(table.write(&mut io::stdout().lock())?)
    }

    fn measures(&self, measures: &Measures) -> Result {
        match measures {
            Measures::Add { id, measures } => {
                let now = jiff::Timestamp::now();
                let body = measures.iter().map(|(value, at)| match at {
                    Some(at) => json!({"timestamp": at, "value": value}),
                    None => json!({"timestamp": now.to_string(), "value": value}),
                });
                self.send(Method::POST, &format!("/v1/metric/{}/measures", encoded(id)), &body.collect())?;
                let count = measures.len();
                self.show(&json!({"accepted": count}), || format!("{count} measures are accepted"))
            }
            Measures::Show { id, method, granularity, start, stop, csv } => {
                if *csv && self.is_json {
                    return Err(Failure::Usage("--csv and --json exclude each other".to_owned()));
                }
                let mut path = format!("/v1/metric/{}/measures?aggregation={}", encoded(id), encoded(method));
                path.extend(granularity.map(|seconds| format!("&granularity={seconds}")));
                path.extend(start.map(|start| format!("&start={start}")));
                path.extend(stop.map(|stop| format!("&stop={stop}")));
                let all: Vec<(String, f64, Option<f64>)> = self.remote.json(&path)?;
                if self.is_json {
                    return self.show(&json!(all), String::new);
                }
                let mut out = io::stdout().lock();
                if *csv {
                    write!(out, "timestamp,granularity,value\r\n")?;
                    for (at, granularity, value) in &all {
                        let value = value.map(|value| value.to_string()).unwrap_or_default();
                        write!(out, "{},{granularity},{value}\r\n", visible(at).replace([',', '"'], ""))?;
                    }
                    return Ok(());
                }
                let mut table = Table::new([("TIME", Align::Left), ("SECONDS", Align::Right), ("VALUE", Align::Right)]);
                for (at, granularity, value) in &all {
                    table.row([at.clone(), number(*granularity), value.map(number).unwrap_or_default()]);
                }
                Ok(table.write(&mut out)?)
            }
        }
    }
}
