//! A request, taken apart: path, parameters, body, and who asks.

use crate::reply::{Answer, Refusal};
use crate::schema::{Invalid, LONGEST_NAME};
use crate::settings::{Auth, Settings};
use base64::Engine as _;
use ferrometer_archive::Nanos;
use ferrometer_archive::time::{NoTimestamp, now, parse_timespan, read_seconds, read_timestamp};
use ferrometer_http::{Bytes, Privilege, Rights};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName};
use http::{HeaderMap, Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// One request to the API.
pub(crate) struct Request<'a> {
    pub method: Method,
    /// Parts of the path behind the prefix, decoded.
    pub path: Vec<String>,
    /// The path as it came.
    pub raw_path: String,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub settings: &'a Settings,
    pub caller: Caller,
}

impl<'a> Request<'a> {
    /// Takes a request apart; none when its path is not below the prefix.
    pub fn new(
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
        settings: &'a Settings,
        caller: Caller,
    ) -> Option<Request<'a>> {
        let rest = uri.path().strip_prefix(settings.prefix.as_str())?;
        if !rest.is_empty() && !rest.starts_with('/') {
            return None;
        }
        // An encoded slash stays within its part, as any other character.
        let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let path = rest.split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let query =
            uri.query().map_or_else(Vec::new, |query| form_urlencoded::parse(query.as_bytes()).into_owned().collect());
        Some(Request { method, path, raw_path: uri.path().into(), query, headers, body, settings, caller })
    }

    pub fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns a parameter; of several the first.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns all values of a parameter.
    pub fn parameters(&self, name: &str) -> Vec<&str> {
        self.query
            .iter()
            .filter(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Returns a parameter that is true or false.
    pub fn truth(&self, name: &str, default: bool) -> Result<bool, Refusal> {
        let Some(text) = self.parameter(name) else { return Ok(default) };
        match text.trim().to_ascii_lowercase().as_str() {
            "1" | "t" | "true" | "on" | "y" | "yes" => Ok(true),
            "0" | "f" | "false" | "off" | "n" | "no" => Ok(false),
            _ => Err(Refusal::bad(format!(
                "Unable to parse `{name}': Unrecognized value '{text}', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'"
            ))),
        }
    }

    /// Returns a time stamp of a parameter.
    pub fn time(&self, name: &str) -> Result<Option<Nanos>, Refusal> {
        let Some(text) = self.parameter(name) else { return Ok(None) };
        read_time(text).map(Some).map_err(|_| Refusal::argument(name, "Must be a datetime or a timestamp"))
    }

    /// Returns where this API is, as the client sees it.
    pub fn base(&self) -> String {
        let forwarded =
            self.header("forwarded").map(|text| text.split(',').next().unwrap_or("").to_owned()).unwrap_or_default();
        let told = |wanted: &str| {
            let parts = forwarded.split(';').filter_map(|part| part.trim().split_once('='));
            parts
                .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.trim_matches('"').to_owned())
                .next()
        };
        let scheme =
            told("proto").or_else(|| self.header("x-forwarded-proto").map(Into::into)).unwrap_or_else(|| "http".into());
        let host = told("host").or_else(|| self.header("x-forwarded-host").map(Into::into));
        let host = host.or_else(|| self.header(HOST).map(Into::into)).unwrap_or_else(|| "localhost".into());
        let prefix = self.header("x-forwarded-prefix").unwrap_or("");
        format!("{scheme}://{host}{prefix}{}", self.settings.prefix)
    }

    /// Returns who asks. The name is kept with what the caller makes.
    pub fn user(&self) -> Result<String, Refusal> {
        let user = self.caller_name()?;
        if user.chars().count() > LONGEST_NAME {
            return Err(Refusal::bad(format!("length of user name must be at most {LONGEST_NAME}")));
        }
        Ok(user)
    }

    fn caller_name(&self) -> Result<String, Refusal> {
        let unknown = || Refusal::new(StatusCode::UNAUTHORIZED, "");
        match self.settings.auth {
            Auth::Basic => {
                let header = self.header(AUTHORIZATION).ok_or_else(unknown)?;
                basic(header).map(|(user, _)| user).ok_or_else(unknown)
            }
            Auth::RemoteUser => {
                let names = [HeaderName::from_static("remote-user"), HeaderName::from_static("x-remote-user")];
                names.iter().find_map(|name| self.header(name)).map(Into::into).ok_or_else(unknown)
            }
            Auth::Tokens => {
                let Caller { name, rights } = &self.caller;
                // In a frame without tokens everyone is the administrator.
                let everyone = Some(ADMIN).filter(|_| *rights == Some(Rights::All));
                name.as_deref().or(everyone).map(Into::into).ok_or_else(unknown)
            }
        }
    }

    /// Returns who asks, when that is the administrator.
    pub fn admin(&self) -> Result<String, Refusal> {
        let user = self.user()?;
        if self.is_admin(&user) { Ok(user) } else { Err(forbidden()) }
    }

    /// Returns whether a user may do everything.
    pub fn is_admin(&self, user: &str) -> bool {
        match self.settings.auth {
            Auth::Tokens => self.may(ADMINISTER),
            _ => user == ADMIN,
        }
    }

    /// Returns whether the token of the caller has a privilege on this path.
    fn may(&self, privilege: Privilege) -> bool {
        let path = format!("/{}", self.path.get(1).map_or("", String::as_str));
        self.caller.rights.as_ref().is_some_and(|rights| match rights {
            Rights::Reader => privilege == READ,
            rights => rights.has(privilege, &path) || rights.has(ADMINISTER, &path),
        })
    }

    /// Returns whether the request changes nothing: some ask with a body.
    fn asks(&self) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        self.method == Method::GET || matches!(path[..], ["v1", "search" | "aggregates" | "aggregation", ..])
    }

    /// Refuses a token that has not the privilege which the request needs.
    pub fn check_privilege(&self) -> Result<(), Refusal> {
        if self.settings.auth != Auth::Tokens {
            return Ok(());
        }
        self.user()?;
        let needed = if self.asks() { READ } else { WRITE };
        if self.may(needed) {
            Ok(())
        } else {
            Err(Refusal::new(StatusCode::FORBIDDEN, format!("the token lacks {}", needed.name())))
        }
    }

    /// Refuses who is neither the administrator nor the one that made something.
    pub fn owner(&self, creator: &str) -> Result<(), Refusal> {
        if self.settings.auth == Auth::Tokens && self.asks() && self.may(READ) {
            return Ok(());
        }
        let user = self.user()?;
        if user == creator || self.is_admin(&user) { Ok(()) } else { Err(forbidden()) }
    }

    /// Returns the JSON of the body.
    pub fn json(&self) -> Result<Value, Refusal> {
        self.json_of("application/json")
    }

    pub fn json_of(&self, kind: &str) -> Result<Value, Refusal> {
        self.check_content_type(kind)?;
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Err(Refusal::unable_to_decode("Expected object or value"));
        }
        serde_json::from_slice(&self.body).map_err(Refusal::unable_to_decode)
    }

    pub fn check_content_type(&self, wanted: &str) -> Result<(), Refusal> {
        let told = self.header(CONTENT_TYPE).unwrap_or("").split(';').next().unwrap_or("").trim();
        if told.eq_ignore_ascii_case(wanted) {
            Ok(())
        } else {
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ""))
        }
    }
}

/// Privileges that a token may be given.
pub(crate) const READ: Privilege = Privilege::new("Archive.Read");
pub(crate) const WRITE: Privilege = Privilege::new("Archive.Write");
pub(crate) const ADMINISTER: Privilege = Privilege::new("Archive.Admin");

/// Who asks, as the frame knows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub name: Option<String>,
    /// None where the frame has asked for no token.
    pub rights: Option<Rights>,
}

/// The user who may do everything.
const ADMIN: &str = "admin";

pub(crate) fn forbidden() -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "")
}

pub(crate) fn not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "")
}

/// Refuses a method that a path does not have.
pub(crate) fn not_allowed(methods: &'static str) -> Answer {
    Err(Refusal { allowed: Some(methods), ..Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "") })
}

/// Reads user and password of basic authentication.
pub(crate) fn basic(header: &str) -> Option<(String, String)> {
    let (_, rest) = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// Reads a time stamp: a number, ISO 8601, or a span before or after now.
///
/// # Errors
/// The reason, in Gnocchi's words.
pub(crate) fn read_time(text: &str) -> Result<Nanos, &'static str> {
    read_form(text).map(|(_, stamp)| stamp)
}

/// How a time stamp is told. All of a list are told in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Seconds,
    Iso,
    /// Before or after now.
    Relative,
}

/// Reads a time stamp, and how it is told.
pub(crate) fn read_form(text: &str) -> Result<(Form, Nanos), &'static str> {
    match read_timestamp(text) {
        Err(NoTimestamp::Unreadable) => {
            let span = parse_timespan(text, true).map_err(|_| words(NoTimestamp::Unreadable))?;
            let stamp = now().saturating_add(span);
            if stamp < 0 { Err(words(NoTimestamp::BeforeEpoch)) } else { Ok((Form::Relative, stamp)) }
        }
        Ok(stamp) if text.trim().as_bytes().get(4) == Some(&b'-') => Ok((Form::Iso, stamp)),
        Ok(stamp) => Ok((Form::Seconds, stamp)),
        Err(why) => Err(words(why)),
    }
}

pub(crate) fn words(why: NoTimestamp) -> &'static str {
    match why {
        NoTimestamp::Unreadable => "Unable to convert timestamps",
        NoTimestamp::BeforeEpoch => "Timestamp must be after Epoch",
        NoTimestamp::TooLate => "Timestamp must be before 2262-04-11",
    }
}

/// Reads a time stamp of a body.
pub(crate) fn time_of(value: &Value) -> Result<Nanos, String> {
    let stamp = match value {
        Value::String(text) => read_time(text),
        Value::Number(number) => read_seconds(number.as_f64().unwrap_or(f64::NAN)).map_err(words),
        _ => Err(words(NoTimestamp::Unreadable)),
    };
    stamp.map_err(Into::into)
}

/// Reads a span of time of a body.
pub(crate) fn span_of(value: &Value) -> Result<Nanos, Invalid> {
    let parsed = match value {
        Value::String(text) => parse_timespan(text, false),
        Value::Number(number) => parse_timespan(&number.to_string(), false),
        Value::Null => Err("Invalid timespan".into()),
        _ => Err("Unable to parse timespan".into()),
    };
    parsed.map_err(Invalid::new)
}
