//! The `Authorization` of a request.

use super::error::AskError;
use crate::config::settings::Server;
use crate::error::clean;
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Age at which a token's file is read again.
const TOKEN_AGE: Duration = Duration::from_secs(60);

/// Bytes of the longest token.
const LONGEST_TOKEN: u64 = 64 << 10;

/// Where the value of the header comes from.
#[derive(Debug)]
pub(super) enum Auth {
    None,
    Fixed {
        /// Value of the header.
        value: Secret,
        /// The password or token in it.
        inner: Secret,
    },
    File {
        path: PathBuf,
        known: Mutex<Option<(Instant, Secret)>>,
    },
}

impl Auth {
    /// Takes a bearer token, or user and password if both are there; `in_url` are those of the address.
    pub fn new(server: &Server, in_url: Option<(String, String)>) -> Result<Auth, AskError> {
        let both = match (&server.user, &server.password) {
            (Some(user), Some(password)) => Some((user.clone(), password.expose().to_owned())),
            _ => in_url,
        };
        let fixed = |value, inner: &str| Auth::Fixed { value, inner: Secret::new(inner) };
        let auth = match (&server.bearer_token, &server.bearer_token_file, both) {
            (Some(token), _, _) => fixed(bearer(token.expose(), "bearer_token")?, token.expose()),
            (None, Some(path), _) => Auth::File { path: path.clone(), known: Mutex::new(None) },
            (None, None, Some((user, password))) => {
                if user.contains(':') {
                    return Err(AskError::Config("a user of basic authentication has no colon".into()));
                }
                let encoded = STANDARD.encode(format!("{user}:{password}"));
                fixed(Secret::new(format!("Basic {encoded}")), &password)
            }
            (None, None, None) => Auth::None,
        };
        auth.header()?;
        Ok(auth)
    }

    pub fn is_some(&self) -> bool {
        !matches!(self, Auth::None)
    }

    /// Takes the credentials out of a body that a server made of what it was sent, so that no message repeats them.
    pub fn scrubbed(&self, body: &[u8]) -> Vec<u8> {
        let texts = match self {
            Auth::None => vec![],
            Auth::Fixed { value, inner } => vec![value.expose().to_owned(), inner.expose().to_owned()],
            Auth::File { known, .. } => {
                let known = known.lock().unwrap_or_else(PoisonError::into_inner);
                known.iter().map(|(_, value)| value.expose().to_owned()).collect()
            }
        };
        let mut text = String::from_utf8_lossy(body).into_owned();
        for secret in texts {
            let word = secret.rsplit(' ').next().unwrap_or_default();
            for secret in [secret.as_str(), word].into_iter().filter(|s| !s.is_empty()) {
                text = text.replace(secret, "***");
            }
        }
        text.into_bytes()
    }

    /// Returns the value of the header.
    pub fn header(&self) -> Result<Option<String>, AskError> {
        match self {
            Auth::None => Ok(None),
            Auth::Fixed { value, .. } => Ok(Some(value.expose().to_owned())),
            Auth::File { path, known } => {
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((read, value)) = &*known
                    && read.elapsed() < TOKEN_AGE
                {
                    return Ok(Some(value.expose().to_owned()));
                }
                let shown = clean(&path.to_string_lossy());
                let text =
                    read_short(path).map_err(|e| AskError::Config(format!("bearer_token_file: {shown}: {e}")))?;
                let value = bearer(text.trim(), "bearer_token_file")?;
                let header = value.expose().to_owned();
                *known = Some((Instant::now(), value));
                Ok(Some(header))
            }
        }
    }
}

fn bearer(token: &str, key: &str) -> Result<Secret, AskError> {
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(AskError::Config(format!("{key}: a token is one word of visible ASCII characters")));
    }
    Ok(Secret::new(format!("Bearer {token}")))
}

fn read_short(path: &PathBuf) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(LONGEST_TOKEN).read_to_string(&mut text)?;
    Ok(text)
}
