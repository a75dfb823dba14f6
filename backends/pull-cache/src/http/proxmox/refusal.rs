//! Refusals as Proxmox writes them: `{"data":null,"message":…,"errors":{parameter: reason}}`, and the message in the status line too,
//! where its clients look for it.

use super::JSON;
use super::params::{Words, Wrong};
use crate::http::answer::{Message, json, respond};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use hyper::ext::ReasonPhrase;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Refusal<'a> {
    data: (),
    message: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors: BTreeMap<&'a str, &'a str>,
}

/// A refusal with a message, and what is wrong with each parameter.
pub(super) fn refuse(status: StatusCode, message: &str, wrong: &[(String, String)]) -> Response {
    let errors = wrong.iter().map(|(key, why)| (key.as_str(), why.as_str())).collect();
    let mut response = respond(status, JSON, json(&Refusal { data: (), message, errors }));
    let line = message.lines().next().unwrap_or_default();
    if let Ok(reason) = ReasonPhrase::try_from(line.as_bytes()) {
        response.extensions_mut().insert(reason);
    }
    response
}

/// Parameters that are wrong.
pub(super) fn parameters(words: Words, wrong: &Wrong) -> Response {
    let message = match (words, wrong.as_slice()) {
        (Words::Pve, _) => "Parameter verification failed.\n".to_owned(),
        (Words::Pbs, [(key, why)]) => format!("parameter verification failed - '{key}': {why}"),
        (Words::Pbs, all) => all.iter().fold("parameter verification failed:".to_owned(), |message, (key, why)| {
            format!("{message}\n- '{key}': {why}")
        }),
    };
    refuse(StatusCode::BAD_REQUEST, &message, wrong)
}

/// What should not happen.
pub(super) fn failed() -> Response {
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong in making the answer", &[])
}

/// What was refused before it came to these routes, in their form.
pub(in crate::http) async fn translate(request: Request, next: Next) -> Response {
    let ours = request.uri().path().starts_with("/api2/");
    let mut response = next.run(request).await;
    let Some(Message(message)) = response.extensions_mut().remove::<Message>().filter(|_| ours) else {
        return response;
    };
    let message = match response.status() {
        StatusCode::UNAUTHORIZED => "authentication failure",
        _ => &message,
    };
    let mut translated = refuse(response.status(), message, &[]);
    let own = ["www-authenticate", "retry-after", "allow"];
    for (name, value) in response.headers().iter().filter(|(name, _)| own.contains(&name.as_str())) {
        translated.headers_mut().insert(name, value.clone());
    }
    translated
}
