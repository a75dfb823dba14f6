//! Answers, and refusals as JSON for who asks for it and as a page for who does not.

use crate::schema::Invalid;
use ferrometer_archive::{Error, Making};
use ferrometer_http::Bytes;
use http::header::{
    ACCEPT, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Response, StatusCode};
use serde_json::ser::Formatter;
use serde_json::{Value, json};
use std::io::{self, Write};

/// An answer that is not an error.
pub(crate) struct Reply {
    pub status: StatusCode,
    pub body: Bytes,
    pub headers: HeaderMap,
    /// A change on its way into the index, and the refusal of an error: the answer when it is there.
    pub making: Option<(Making, Refused)>,
}

/// Makes a refusal of an error.
pub(crate) type Refused = Box<dyn FnOnce(Error) -> Refusal + Send>;

impl Reply {
    pub fn json(status: StatusCode, body: &Value) -> Reply {
        let mut out = Vec::new();
        let mut writer = serde_json::Serializer::with_formatter(&mut out, Spaced);
        // Writing a value into memory does not fail.
        let _ = serde::Serialize::serialize(body, &mut writer);
        Reply::raw(status, out)
    }

    pub fn ok(body: &Value) -> Reply {
        Reply::json(StatusCode::OK, body)
    }

    /// Returns an answer whose body is JSON already.
    pub fn raw(status: StatusCode, body: impl Into<Bytes>) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Reply { status, body: body.into(), headers, making: None }
    }

    pub fn empty(status: StatusCode) -> Reply {
        let mut reply = Reply::raw(status, "");
        if status == StatusCode::NO_CONTENT {
            reply.headers.remove(CONTENT_TYPE);
        }
        reply
    }

    /// Adds a header, unless its value cannot be one.
    pub fn with(mut self, name: HeaderName, value: impl AsRef<str>) -> Reply {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// JSON with a space behind commas and colons, as clients that look for text expect it.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

/// An error: the status, and a text or an object that describes it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    pub description: Value,
    /// Methods that a path has, where the one that was asked for is none of them.
    pub allowed: Option<&'static str>,
}

pub(crate) type Answer = Result<Reply, Refusal>;

impl Refusal {
    pub fn new(status: StatusCode, description: impl Into<Value>) -> Refusal {
        Refusal { status, description: description.into(), allowed: None }
    }

    pub fn bad(description: impl Into<Value>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, description)
    }

    pub fn missing(description: impl std::fmt::Display) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, description.to_string())
    }

    /// Returns the refusal of a parameter.
    pub fn argument(name: &str, reason: impl Into<String>) -> Refusal {
        Refusal::bad(json!({"cause": "Argument value error", "detail": name, "reason": reason.into()}))
    }

    pub fn unable_to_decode(reason: impl std::fmt::Display) -> Refusal {
        Refusal::bad(json!({"cause": "Unable to decode body", "reason": reason.to_string(), "detail": []}))
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Refusal {
        Refusal::bad(json!({"cause": "Invalid input", "reason": invalid.text(), "detail": invalid.steps()}))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        let status = match &error {
            Error::NoSuchRule(_)
            | Error::NoSuchMetric(_)
            | Error::NoSuchResource(_)
            | Error::NoSuchResourceType(_)
            | Error::NoSuchPolicy(_) => StatusCode::NOT_FOUND,
            Error::PolicyExists(_) | Error::RuleExists(_) | Error::ResourceTypeExists(_) => StatusCode::CONFLICT,
            Error::MetricNameExists(_) | Error::ResourceExists(_) => StatusCode::CONFLICT,
            Error::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Away(_) | Error::Io(_) | Error::Index(_) => {
                tracing::warn!(%error, "a request failed");
                if is_full(&error) { StatusCode::INSUFFICIENT_STORAGE } else { StatusCode::SERVICE_UNAVAILABLE }
            }
            Error::Damaged(_) => {
                tracing::warn!(%error, "a request failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::BAD_REQUEST,
        };
        let description = match &error {
            Error::ResourceExists(id) => json!({"cause": "Resource already exists", "detail": id}),
            _ => error.to_string().into(),
        };
        Refusal { status, description, allowed: None }
    }
}

/// Returns whether the disk has no room, or a quota lets it have none.
fn is_full(error: &Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error {
        Error::Io(error) => matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge),
        Error::Index(words) => words.contains("disk is full"),
        _ => false,
    }
}

fn explanation(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => {
            "The server could not comply with the request since it is either malformed or otherwise incorrect."
        }
        StatusCode::UNAUTHORIZED => {
            "This server could not verify that you are authorized to access the document you requested."
        }
        StatusCode::FORBIDDEN => "Access was denied to this resource.",
        StatusCode::NOT_FOUND => "The resource could not be found.",
        StatusCode::METHOD_NOT_ALLOWED => "The method is not allowed for this resource.",
        StatusCode::NOT_ACCEPTABLE => {
            "The resource could not be generated that was acceptable to your browser (content of type application/json)."
        }
        StatusCode::CONFLICT => "There was a conflict when trying to complete your request.",
        StatusCode::PRECONDITION_FAILED => "Request precondition failed.",
        StatusCode::PAYLOAD_TOO_LARGE => "The body of your request was too large for this server.",
        StatusCode::REQUEST_TIMEOUT => "The server has waited too long for the request to be sent by the client.",
        StatusCode::URI_TOO_LONG => "The request URI was too long for this server.",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "The headers of your request were too large for this server.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The request media type is not supported by this server.",
        StatusCode::INSUFFICIENT_STORAGE => "There was not enough space to save the resource.",
        StatusCode::SERVICE_UNAVAILABLE => "The server is currently unavailable. Please try again at a later time.",
        _ => "",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Returns the kinds of content that a request accepts, with those that it refuses (`q=0`) left out.
pub(crate) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let Some(accept) = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()) else { return true };
    let group = kind.split('/').next().unwrap_or("");
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let range = parts.next().unwrap_or("");
        let refused = parts.any(|part| part.strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0_f32));
        !refused && (range == kind || range == "*/*" || range.strip_suffix("/*") == Some(group))
    })
}

impl Refusal {
    fn render(&self, headers: &HeaderMap) -> (String, &'static str) {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let explicit = headers.get(ACCEPT).is_some();
        if explicit && accepts(headers, "application/json") && !accepts(headers, "text/html") {
            let body = json!({"code": self.status.as_u16(), "title": title, "description": self.description});
            return (body.to_string(), "application/json");
        }
        let detail = match &self.description {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let (code, words) = (self.status.as_u16(), explanation(self.status));
        if explicit && !accepts(headers, "text/html") {
            return (format!("{code} {title}\n\n{words}\n\n{detail}\n"), "text/plain; charset=UTF-8");
        }
        let page = format!(
            "<html>\n <head>\n  <title>{code} {title}</title>\n </head>\n <body>\n  <h1>{code} {title}</h1>\n  {}<br /><br />\n{}\n\n\n </body>\n</html>",
            escape(words),
            escape(&detail)
        );
        (page, "text/html; charset=UTF-8")
    }

    pub fn reply(&self, headers: &HeaderMap) -> Reply {
        if self.status == StatusCode::NOT_MODIFIED {
            return Reply::empty(StatusCode::NOT_MODIFIED);
        }
        let (body, kind) = self.render(headers);
        let mut reply = Reply::raw(self.status, body).with(CONTENT_TYPE, kind);
        if self.status == StatusCode::UNAUTHORIZED {
            reply = reply.with(WWW_AUTHENTICATE, "Basic realm=\"gnocchi\"");
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            reply = reply.with(RETRY_AFTER, "5");
        }
        if let Some(methods) = self.allowed {
            reply = reply.with(ALLOW, methods);
        }
        reply
    }
}

impl Reply {
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if self.status != StatusCode::NO_CONTENT && self.status != StatusCode::NOT_MODIFIED {
            let length = HeaderValue::from(response.body().len());
            response.headers_mut().insert(CONTENT_LENGTH, length);
        }
        response
    }
}
