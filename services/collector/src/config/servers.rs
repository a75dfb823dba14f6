//! Keys of a server: its address, and how it is reached.

use super::reader::Reader;
use super::settings::Server;
use crate::address::{base_problem, url_problem};
use crate::error::Problems;
use crate::secret::Secret;
use std::time::Duration;

/// Names of the keys in which sections differ.
pub(super) struct Keys {
    pub url: &'static str,
    user: &'static str,
    password: &'static str,
    /// Returns what is wrong with an address.
    problem: fn(&str) -> Option<String>,
}

/// Keys of a Prometheus, as CloudKitty names them.
pub(super) const PROMETHEUS: Keys =
    Keys { url: "prometheus_url", user: "prometheus_user", password: "prometheus_password", problem: url_problem };

/// Keys of an archive.
pub(super) const ARCHIVE: Keys = Keys { url: "url", user: "user", password: "password", problem: base_problem };

/// Reads the keys of a server; `default` is the one whose address is taken where none is given.
pub(super) fn server(
    reader: &mut Reader<'_>,
    keys: &Keys,
    default: Option<&Server>,
    problems: &mut Problems,
) -> Option<Server> {
    let url = reader.option(keys.url, problems);
    let user = reader.option(keys.user, problems);
    let password = reader.secret(keys.password, problems).map(Secret::new);
    let cafile = reader.file("cafile", problems);
    let insecure = reader.boolean("insecure", problems).unwrap_or(false);
    let timeout =
        reader.seconds("timeout", 86_400.0, problems).map_or(Duration::from_secs(60), Duration::from_secs_f64);
    let bearer_token = reader.secret("bearer_token", problems).map(Secret::new);
    let bearer_token_file = reader.file("bearer_token_file", problems);
    let client_cert = reader.file("client_cert", problems);
    let client_key = reader.file("client_key", problems);
    if bearer_token.is_some() && bearer_token_file.is_some() {
        problems.push(
            reader.line("bearer_token_file"),
            reader.path("bearer_token_file"),
            "and bearer_token are both set; one is taken",
        );
    }
    let bearer = bearer_token.is_some() || bearer_token_file.is_some();
    if bearer && user.is_some() && password.is_some() {
        let message = "is set, and a bearer token too; a request carries one of the two";
        problems.push(reader.line(keys.user), reader.path(keys.user), message);
    }
    match (&client_cert, &client_key) {
        (Some(_), None) => {
            problems.push(reader.line("client_cert"), reader.path("client_key"), "is missing: client_cert needs it")
        }
        (None, Some(_)) => {
            problems.push(reader.line("client_key"), reader.path("client_cert"), "is missing: client_key needs it")
        }
        _ => {}
    }
    let mut server = match (url, default) {
        (Some(url), _) => {
            if let Some(message) = (keys.problem)(&url) {
                problems.push(reader.line(keys.url), reader.path(keys.url), message);
            }
            Server::new(url.trim_end_matches('/'))
        }
        (None, Some(default)) => return Some(default.clone()),
        (None, None) => return None,
    };
    server.user = user;
    server.password = password;
    server.bearer_token = bearer_token;
    server.bearer_token_file = bearer_token_file;
    server.cafile = cafile;
    server.insecure = insecure;
    server.timeout = timeout;
    server.client_cert = client_cert;
    server.client_key = client_key;
    Some(server)
}
