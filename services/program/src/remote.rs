//! Other programs over HTTP: who asks, and what an answer that is none says.
//!
//! Blocking, as a command is. Redirects are not followed, certificates are verified unless told otherwise, a proxy of the environment is used,
//! and a token comes from a file or the environment alone, because arguments are seen by every user of a machine.

use crate::outcome::{Failure, Result};
use crate::text::{read_duration, visible};
use clap::Args;
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{Method, Request};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

/// Bytes of the longest answer that is held in memory.
const MAX_ANSWER: u64 = 256 << 20;
/// Bytes of an error's answer that are read.
const MAX_WORDS: u64 = 4096;
/// Bytes of the longest file of certificates or token.
const MAX_FILE: u64 = 16 << 20;

/// How another program is asked.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Asking another program")]
pub(crate) struct Access {
    /// File with the token to ask with: PVEAPIToken=… and PBSAPIToken=… as they are, anything else as Bearer.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The token itself; as an argument it could be seen by others, so it comes from the environment.
    #[arg(long, env = "FERROMETER_TOKEN", hide_env_values = true, hide = true)]
    pub(crate) token: Option<String>,
    /// File with certificates of authorities, as PEM, that are trusted in the place of the system's.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Accepts any certificate.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// How long one answer may take.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = read_duration)]
    pub(crate) timeout: Duration,
}

/// Another program.
#[derive(Debug)]
pub(crate) struct Remote {
    agent: Agent,
    base: String,
    authorization: Option<String>,
}

/// An answer with a status below 300.
pub(crate) struct Answer {
    body: Body,
    url: String,
}

impl Access {
    /// Prepares for asking a program; connects to nothing.
    ///
    /// # Errors
    /// An address that is none, or a file that cannot be used.
    pub(crate) fn open(&self, address: &str) -> Result<Remote> {
        let base = base(address)?;
        let authorization =
            self.secret()?.map(|token| match token.starts_with("PVEAPIToken=") || token.starts_with("PBSAPIToken=") {
                true => token,
                false => format!("Bearer {token}"),
            });
        let is_encrypted = base.starts_with("https:");
        let is_here = ["http://127.", "http://localhost", "http://[::1]"].iter().any(|here| base.starts_with(here));
        if authorization.is_some() && !is_encrypted && !is_here {
            eprintln!("warning: the token is sent to {} without encryption", visible(&base));
        }
        let roots = match &self.ca {
            Some(path) => authorities(path)?,
            None => RootCerts::PlatformVerifier,
        };
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(roots)
            .disable_verification(self.insecure)
            .build();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(false)
            .timeout_global(Some(self.timeout))
            .tls_config(tls)
            .user_agent(concat!("ferrometer/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Ok(Remote { agent, base, authorization })
    }

    /// Returns the token.
    pub(crate) fn secret(&self) -> Result<Option<String>> {
        let Some(path) = &self.token_file else {
            return self.token.clone().filter(|token| !token.is_empty()).map(|token| one_line(&token)).transpose();
        };
        let text = String::from_utf8(read_file(path)?).map_err(|_| Failure::file(path, &"is no text"))?;
        one_line(text.trim()).map(Some)
    }
}

/// A token that can stand in a header.
fn one_line(token: &str) -> Result<String> {
    match token.is_empty() || token.contains(|c: char| c.is_control()) || !token.is_ascii() {
        true => Err(Failure::Usage("the token is empty, or has characters that a header cannot have".to_owned())),
        false => Ok(token.to_owned()),
    }
}

/// Returns the beginning of a program's addresses: `http://` is understood.
fn base(address: &str) -> Result<String> {
    let full = match address.contains("://") {
        true => address.to_owned(),
        false => format!("http://{address}"),
    };
    let wrong = || {
        let wanted = "expected http://HOST:PORT, https://HOST:PORT or HOST:PORT, without user and password";
        Failure::Usage(format!("{:?} is no address of a program: {wanted}", visible(address)))
    };
    let uri: ureq::http::Uri = full.parse().map_err(|_| wrong())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if !known || has_user || uri.query().is_some() || full.contains('#') || uri.host().is_none_or(str::is_empty) {
        return Err(wrong());
    }
    Ok(full.trim_end_matches('/').to_owned())
}

pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| Failure::file(path, &error))?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| Failure::file(path, &error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Failure::file(path, &"has more than 16 MiB"));
    }
    Ok(bytes)
}

fn authorities(path: &Path) -> Result<RootCerts> {
    let bytes = read_file(path)?;
    let mut found: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&bytes) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| Failure::file(path, &"is no PEM file"))? {
            found.push(certificate);
        }
    }
    match found.is_empty() {
        true => Err(Failure::file(path, &"holds no certificate as PEM")),
        false => Ok(RootCerts::new_with_certs(&found)),
    }
}

impl Remote {
    /// Returns the address, as it was understood.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Asks with another line of `Authorization`.
    pub(crate) fn with_authorization(mut self, line: String) -> Remote {
        self.authorization = Some(line);
        self
    }

    /// Gets a path, with its query.
    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        self.ask(Method::GET, path, headers, None)
    }

    /// Asks. `body` is its type and its bytes.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] where no answer comes, or one of a status of 300 and above.
    pub(crate) fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, &[u8])>,
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.base);
        let mut request = Request::builder().method(method.clone()).uri(&url);
        if let Some(line) = &self.authorization {
            request = request.header("Authorization", line);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let wrong = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", visible(&url)));
        let answer = match body {
            Some((kind, bytes)) => {
                let request = request.header("Content-Type", kind).body(bytes).map_err(|error| wrong(&error))?;
                self.agent.run(request)
            }
            None => self.agent.run(request.body(()).map_err(|error| wrong(&error))?),
        };
        let answer = answer.map_err(|error| Failure::Unreachable(format!("{}: {}", visible(&url), words(&error))))?;
        let status = answer.status().as_u16();
        let canonical = answer.status().canonical_reason().unwrap_or_default();
        if status >= 300 {
            let mut said = Vec::new();
            let _ = answer.into_body().into_reader().take(MAX_WORDS).read_to_end(&mut said);
            let said = said_by(&said);
            let said = if said.is_empty() { canonical.to_owned() } else { said };
            return Err(Failure::Unreachable(format!("{} {}: answers {status}: {said}", method, visible(&url))));
        }
        Ok(Answer { body: answer.into_body(), url })
    }

    /// Gets JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.get(path, &[("Accept", "application/json")])?.json()
    }
}

impl Answer {
    /// Reads the whole body, at most 256 MiB.
    pub(crate) fn bytes(self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.body.into_reader().take(MAX_ANSWER + 1).read_to_end(&mut bytes);
        read.map_err(|error| Failure::Unreachable(format!("{}: the answer ended early: {error}", visible(&self.url))))?;
        match bytes.len() as u64 > MAX_ANSWER {
            true => Err(Failure::Unreachable(format!("{}: the answer has more than 256 MiB", visible(&self.url)))),
            false => Ok(bytes),
        }
    }

    /// Reads JSON.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T> {
        let url = self.url.clone();
        let bytes = self.bytes()?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let said = error.to_string();
            Failure::Unreachable(format!("{}: the answer is not what was expected: {}", visible(&url), visible(&said)))
        })
    }

    /// Reads lines, one after the other.
    pub(crate) fn lines(self) -> impl Iterator<Item = Result<String>> {
        let url = self.url;
        let lines = BufReader::new(self.body.into_reader()).lines();
        lines.map(move |line| {
            line.map_err(|error| Failure::Unreachable(format!("{}: the answer ended early: {error}", visible(&url))))
        })
    }
}

fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "the host's name is not known".to_owned(),
        ureq::Error::ConnectionFailed => "nobody answers there".to_owned(),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "nobody answers there".to_owned()
        }
        error => visible(&error.to_string()).into_owned(),
    }
}

/// The message in a refusal, where it is JSON of a known form, or its first line.
fn said_by(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let field = |name: &str| {
        let value = json.as_ref()?.get(name)?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    // Proxmox puts what is wrong with each parameter beside the message.
    let errors = field("errors").filter(|errors| errors != "null").map(|errors| format!(" {errors}"));
    let message = ["error", "message", "description"].into_iter().find_map(field);
    let said =
        message.unwrap_or_else(|| text.lines().next().unwrap_or_default().to_owned()) + &errors.unwrap_or_default();
    visible(said.trim()).chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood() {
        assert_eq!(base("127.0.0.1:9620").unwrap(), "http://127.0.0.1:9620");
        assert_eq!(base("https://h/metrics/").unwrap(), "https://h/metrics");
        for wrong in ["", "ftp://h", "http://u:p@h", "http://h?x=1", "http://", "a b"] {
            assert!(matches!(base(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn refusals_are_told_in_the_servers_words() {
        assert_eq!(said_by(br#"{"error":"no token"}"#), "no token");
        assert_eq!(said_by(br#"{"data":null,"message":"bad\n","errors":{"id":"x"}}"#), r#"bad\n {"id":"x"}"#);
        assert_eq!(said_by(b"plain\x1b[1m\nmore"), "plain\\u{1b}[1m");
        assert_eq!(said_by(b""), "");
    }
}
