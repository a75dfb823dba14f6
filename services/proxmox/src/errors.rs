//! Refusals as Proxmox writes them: `{"data":null,"message":…,"errors":{parameter: reason}}`, and the message in the status line too,
//! where its clients look for it.

use crate::params::{Words, Wrong};
use ferrometer_http::{ReasonPhrase, Refusal, Response, StatusCode, json, respond};
use serde::Serialize;
use std::collections::BTreeMap;

/// JSON as both write it.
pub(crate) const JSON: &str = "application/json;charset=UTF-8";

#[derive(Serialize)]
struct Written<'a> {
    data: (),
    message: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors: BTreeMap<&'a str, &'a str>,
}

/// A refusal with a message, and what is wrong with each parameter.
pub(crate) fn refuse(status: StatusCode, message: &str, wrong: &[(String, String)]) -> Response {
    let errors = wrong.iter().map(|(key, why)| (key.as_str(), why.as_str())).collect();
    let mut response = respond(status, JSON, json(&Written { data: (), message, errors }));
    let line = message.lines().next().unwrap_or_default();
    if let Ok(reason) = ReasonPhrase::try_from(line.as_bytes()) {
        response.extensions_mut().insert(reason);
    }
    response
}

/// Parameters that are wrong.
pub(crate) fn parameters(words: Words, wrong: &Wrong) -> Response {
    let message = match (words, wrong.as_slice()) {
        (Words::Pve, _) => "Parameter verification failed.\n".to_owned(),
        (Words::Pbs, [(key, why)]) => format!("parameter verification failed - '{key}': {why}"),
        (Words::Pbs, all) => all.iter().fold("parameter verification failed:".to_owned(), |message, (key, why)| {
            format!("{message}\n- '{key}': {why}")
        }),
    };
    refuse(StatusCode::BAD_REQUEST, &message, wrong)
}

/// Answers an error that should not happen.
pub(crate) fn failed() -> Response {
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong in making the answer", &[])
}

/// A refusal of the frame, in the form of these routes.
pub(crate) fn of_frame(refusal: &Refusal) -> Response {
    let message = match refusal.status() {
        StatusCode::UNAUTHORIZED => "authentication failure",
        _ => refusal.message(),
    };
    refuse(refusal.status(), message, &[])
}
