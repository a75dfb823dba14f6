//! The gate: what the guards of all routes share.

use crate::access::{CallerName, Rights};
use crate::body_memory::BodyMemory;
use crate::host_check::Hosts;
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::service::Service;
use crate::stats::Stats;
use crate::tokens::{Denied, Tokens};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::Arc;
use tokio::sync::Semaphore;

pub(crate) struct Gate {
    pub(crate) tokens: Option<Tokens>,
    pub(crate) hosts: Option<Hosts>,
    pub(crate) limits: Limits,
    /// For answers in progress.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) bodies: Arc<BodyMemory>,
    pub(crate) stats: Arc<Stats>,
    /// With the path each is mounted at, in the order of mounting.
    pub(crate) services: Vec<(String, Arc<dyn Service>)>,
}

impl Gate {
    /// Returns the rights of the caller, and the name of its token. `first` is the number of the service whose reader of credentials is asked first.
    pub(crate) async fn rights(
        &self,
        headers: &HeaderMap,
        first: Option<usize>,
    ) -> Result<(Rights, Option<CallerName>), Refusal> {
        let Some(tokens) = &self.tokens else { return Ok((Rights::All, None)) };
        let order = first.into_iter().chain((0..self.services.len()).filter(|at| Some(*at) != first));
        let mut found = order.filter_map(|at| self.services.get(at)?.1.credentials(headers));
        let checked = match found.next() {
            Some(credentials) => tokens.check(&credentials).await,
            None => Err(Denied::Missing),
        };
        checked.map(|(rights, name)| (rights, Some(CallerName(name.into())))).map_err(|denied| {
            Stats::add(&self.stats.denied);
            unauthorized(denied)
        })
    }

    /// Returns the number of the service below whose mount point a path stands: of several, the one mounted deepest.
    pub(crate) fn responsible(&self, path: &str) -> Option<usize> {
        let below =
            |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let found = self.services.iter().enumerate().filter(|(_, (prefix, _))| below(prefix));
        // The first of equals wins.
        found.rev().max_by_key(|(_, (prefix, _))| prefix.len()).map(|(at, _)| at)
    }
}

fn unauthorized(denied: Denied) -> Refusal {
    let (message, challenge) = match denied {
        Denied::Missing => ("a token is needed: Authorization: Bearer <token>", "Bearer realm=\"ferrometer\""),
        Denied::Unknown => ("the token is not known here", "Bearer realm=\"ferrometer\", error=\"invalid_token\""),
    };
    Refusal::new(StatusCode::UNAUTHORIZED, message)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}
