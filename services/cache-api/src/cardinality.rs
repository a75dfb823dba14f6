//! `GET /v1/cardinality`: the names and labels of this process that have the most series. One report serves all who ask within some seconds.

use ferrometer_export::Cardinality;
use ferrometer_http::{JSON, Refusal, Response, StatusCode, json, offload, respond};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Names and labels in an answer.
const LARGEST: usize = 10;
/// How long a report is shown again.
const KEPT: Duration = Duration::from_secs(5);

/// The last report, and when it was made.
#[derive(Debug, Default)]
pub(crate) struct Report(Mutex<Option<(Instant, Arc<Vec<u8>>)>>);

impl Report {
    pub(crate) async fn get(self: Arc<Self>) -> Result<Response, Refusal> {
        // The lock is held while a report is made: who asks meanwhile gets that one.
        let body = offload(move || self.current()).await?;
        Ok(respond(StatusCode::OK, JSON, body.as_ref().clone()))
    }

    fn current(&self) -> Arc<Vec<u8>> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, body)) = &*last
            && made.elapsed() < KEPT
        {
            return Arc::clone(body);
        }
        let body = Arc::new(json(&Cardinality::new(&ferrometer_core::snapshot(), LARGEST)));
        *last = Some((Instant::now(), Arc::clone(&body)));
        body
    }
}
