//! Answers in the form of Proxmox: `{"data":…}`, and refusals with the message in the status line too, where its clients look for it.

use crate::manage::Failure;
use crate::rule::Words;
use ferrometer_http::{
    HeaderMap, HeaderValue, Method, ReasonPhrase, Refusal, Response, Rights, StatusCode, header, json, respond,
};
use ferrometer_http::{Privilege, Uri};
use serde_json::{Map, Value};

/// JSON as both write it.
pub(crate) const JSON: &str = "application/json;charset=UTF-8";

/// The privilege to see how servers are described.
pub const AUDIT: Privilege = Privilege::new("Sys.Audit");
/// The privilege to create, change, test and remove servers.
pub const MODIFY: Privilege = Privilege::new("Sys.Modify");

/// An answer with data, and perhaps the digest of the file.
pub(crate) fn data(data: Value, digest: Option<String>) -> Response {
    let mut all = Map::new();
    all.insert("data".to_owned(), data);
    if let Some(digest) = digest {
        all.insert("digest".to_owned(), digest.into());
    }
    respond(StatusCode::OK, JSON, json(&all))
}

/// A refusal with a message, and what is wrong with each parameter.
fn refuse(status: StatusCode, message: &str, wrong: &[(String, String)]) -> Response {
    let mut all = Map::new();
    all.insert("data".to_owned(), Value::Null);
    all.insert("message".to_owned(), message.into());
    if !wrong.is_empty() {
        let errors = wrong.iter().map(|(key, why)| (key.clone(), Value::from(why.as_str())));
        all.insert("errors".to_owned(), Value::Object(errors.collect()));
    }
    let mut response = respond(status, JSON, json(&all));
    let line = message.lines().next().unwrap_or_default();
    if let Ok(reason) = ReasonPhrase::try_from(line.as_bytes()) {
        response.extensions_mut().insert(reason);
    }
    response
}

/// What is not done, and why, as upstream answers it.
pub(crate) fn failure(words: Words, failure: &Failure) -> Response {
    match (failure, words) {
        (Failure::Said(text), Words::Pve) => refuse(StatusCode::INTERNAL_SERVER_ERROR, text, &[]),
        (Failure::Said(text), Words::Pbs) => refuse(StatusCode::BAD_REQUEST, text.trim_end(), &[]),
        (Failure::Parameters(wrong), Words::Pve) => {
            refuse(StatusCode::BAD_REQUEST, "Parameter verification failed.\n", wrong)
        }
        (Failure::Parameters(wrong), Words::Pbs) => {
            let message = match wrong.as_slice() {
                [(key, why)] => format!("parameter verification failed - '{key}': {why}"),
                all => all.iter().fold("parameter verification failed:".to_owned(), |message, (key, why)| {
                    format!("{message}\n- '{key}': {why}")
                }),
            };
            refuse(StatusCode::BAD_REQUEST, &message, wrong)
        }
    }
}

/// A refusal of the frame, in the form of these routes.
pub(crate) fn of_frame(refusal: &Refusal) -> Response {
    let message = match refusal.status() {
        StatusCode::UNAUTHORIZED => "authentication failure",
        _ => refusal.message(),
    };
    refuse(refusal.status(), message, &[])
}

/// Checks a privilege, and that the request was made by no other site's page.
pub(crate) fn allowed(
    rights: &Rights,
    privilege: Privilege,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Box<Response>> {
    if !rights.has(privilege, "/") {
        let message = format!("Permission check failed (/, {})\n", privilege.name());
        return Err(Box::new(refuse(StatusCode::FORBIDDEN, &message, &[])));
    }
    if *method != Method::GET && *method != Method::HEAD && is_of_another_site(uri, headers) {
        let message = "requests that change something are not taken from pages of other sites\n";
        return Err(Box::new(refuse(StatusCode::FORBIDDEN, message, &[])));
    }
    Ok(())
}

/// A browser says which site a request comes from. Without tokens that is all that tells the operator's page from any other.
fn is_of_another_site(uri: &Uri, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    let origin = origin.to_str().unwrap_or_default();
    let origin = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    origin.is_none() || origin != host
}

/// The error of one parameter.
pub(crate) fn unknown(words: Words) -> String {
    match words {
        Words::Pve => "property is not defined in schema and the schema does not allow additional properties",
        Words::Pbs => "schema does not allow additional properties.",
    }
    .to_owned()
}

pub(crate) fn missing(words: Words) -> String {
    match words {
        Words::Pve => "property is missing and it is not optional",
        Words::Pbs => "parameter is missing and it is not optional.",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_change_nothing() {
        let asked = |lines: &[(&'static str, &'static str)]| {
            let headers: HeaderMap = lines
                .iter()
                .map(|(name, value)| {
                    (name.parse::<ferrometer_http::HeaderName>().unwrap(), HeaderValue::from_static(value))
                })
                .collect();
            allowed(&Rights::All, MODIFY, &Method::POST, &Uri::from_static("/x"), &headers).is_ok()
        };
        assert!(asked(&[("host", "h:1")]));
        assert!(asked(&[("host", "h:1"), ("origin", "http://h:1"), ("sec-fetch-site", "same-origin")]));
        for other in ["http://evil.example", "http://h:2", "null", "https://h", "file://"] {
            let headers = HeaderMap::from_iter([
                (header::HOST, HeaderValue::from_static("h:1")),
                (header::ORIGIN, HeaderValue::from_str(other).unwrap()),
            ]);
            assert!(is_of_another_site(&Uri::from_static("/x"), &headers), "{other}");
        }
        assert!(!asked(&[("host", "h:1"), ("sec-fetch-site", "cross-site")]));
        assert!(!asked(&[("host", "h:1"), ("sec-fetch-site", "same-site")]));
    }
}
