//! New aggregates of a metric as they come, as server-sent events: `GET /v1/metric/{id}/stream?aggregation=max&granularity=60`.
//!
//! ```text
//! id: 1412606040000000000
//! event: measures
//! data: [["2014-10-06T14:34:00+00:00",60.0,7.0]]
//! ```
//!
//! An aggregate that changes, because more measures came, comes again. `Last-Event-ID` goes on where a stream was cut; without it, and without
//! `start`, a stream begins with the last aggregate there is.

use crate::Gnocchi;
use crate::measures::{granularity, kept, seconds, write_points};
use crate::reply::{Refusal, Reply};
use crate::request::{Request, not_found};
use ferrometer_archive::{Error, Method, Nanos, Point, Range};
use ferrometer_http::axum::body::HttpBody;
use ferrometer_http::{Bytes, offload};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, StatusCode};
use http_body::Frame;
use serde_json::json;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use uuid::Uuid;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Looks without news until a comment shows that the stream lives.
const QUIET: u32 = 20;
/// Most streams at a time.
const MOST: usize = 64;
/// Most aggregates of one granularity that are remembered, to see whether they change.
const REMEMBERED: usize = 4096;

/// The place of one stream among all.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Remembers what a stream has told.
pub(crate) struct Told {
    api: Arc<Gnocchi>,
    metric: Uuid,
    method: Method,
    /// Longest first, with what was told last of each.
    granularities: Vec<(Nanos, BTreeMap<Nanos, f64>)>,
    /// Where it begins; none with the last aggregate.
    start: Option<Nanos>,
    accepted: Option<u64>,
    quiet: u32,
    _place: Place,
}

/// The body of a stream: a look, and a pause.
pub(crate) struct Feed(Option<Looking>);

type Looking = Pin<Box<dyn Future<Output = Option<(Told, Vec<u8>)>> + Send>>;

impl Feed {
    pub(crate) fn new(told: Told) -> Feed {
        Feed(Some(Box::pin(look(told, Duration::ZERO))))
    }
}

async fn look(mut told: Told, pause: Duration) -> Option<(Told, Vec<u8>)> {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    let looked = offload(move || {
        let news = told.news();
        news.map(|news| (told, news))
    });
    looked.await.ok().flatten()
}

impl HttpBody for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            let Some(looking) = &mut self.0 else { return Poll::Ready(None) };
            match looking.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                // The metric is gone, or the archive cannot be read: the client asks again, and hears why.
                Poll::Ready(None) => self.0 = None,
                Poll::Ready(Some((told, news))) => {
                    self.0 = Some(Box::pin(look(told, LOOK)));
                    if !news.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(news.into()))));
                    }
                }
            }
        }
    }
}

impl Told {
    /// Returns what is new, which may be nothing; none when nothing more will come.
    fn news(&mut self) -> Option<Vec<u8>> {
        let archive = &self.api.archive;
        let account = archive.account(self.metric).ok()?;
        let is_first = self.accepted.is_none();
        if self.accepted == Some(account.accepted) {
            self.quiet += 1;
            if self.quiet < QUIET {
                return Some(Vec::new());
            }
            self.quiet = 0;
            return Some(b":\n\n".to_vec());
        }
        (self.accepted, self.quiet) = (Some(account.accepted), 0);
        let mut rows = String::from("[");
        let mut newest = None;
        for (granularity, told) in &mut self.granularities {
            // Aggregates before those that are remembered do not change any more, or have been forgotten.
            let start = told.keys().next().copied().or(self.start);
            let range = Range { start: start.or(account.last), stop: None };
            let points = archive.measures(self.metric, self.method, *granularity, range).ok()?;
            let new = |point: &&Point| told.get(&point.at).is_none_or(|value| value.to_bits() != point.value.to_bits());
            let new: Vec<Point> = points.iter().filter(new).copied().collect();
            newest = newest.max(new.last().map(|point| point.at));
            write_points(&mut rows, &new, &seconds(*granularity));
            told.extend(new.iter().map(|point| (point.at, point.value)));
            while told.len() > REMEMBERED {
                told.pop_first();
            }
        }
        rows.push(']');
        // Where the archive has nothing yet, the head alone goes out, so that the client knows that it is heard.
        let Some(newest) = newest else { return Some(if is_first { b":\n\n".to_vec() } else { Vec::new() }) };
        Some(format!("id: {newest}\nevent: measures\ndata: {rows}\n\n").into_bytes())
    }
}

impl Gnocchi {
    /// Begins a stream of a metric's aggregates; an answer without a body, and what the body tells.
    pub(crate) fn follow(self: &Arc<Self>, request: &Request<'_>) -> Result<(Reply, Told), Refusal> {
        request.check_privilege()?;
        let [.., id, _] = &request.path[..] else { return Err(not_found()) };
        let metric = self.find_metric(id)?;
        request.owner(&metric.creator)?;
        let policy = self.archive.policy(&metric.policy)?;
        let name = request.parameter("aggregation").unwrap_or("mean");
        let method = kept(&policy, name).ok_or_else(|| {
            let detail = json!({"metric": metric.id.to_string(), "aggregation_method": name});
            let cause = "Aggregation method does not exist for this metric";
            Refusal::new(StatusCode::NOT_FOUND, json!({"cause": cause, "detail": detail}))
        })?;
        let granularities: Vec<Nanos> = match granularity(request)? {
            Some(one) if policy.definition(one).is_none() => {
                return Err(Refusal::missing(crate::measures::no_aggregation(name, one, &metric)));
            }
            Some(one) => vec![one],
            None => policy.definitions().iter().rev().map(|definition| definition.granularity).collect(),
        };
        let last = request.header(HeaderName::from_static("last-event-id"));
        let last = last.map(|id| id.trim().parse().map_err(|_| Refusal::bad("Last-Event-ID is none of this stream")));
        let start = match last.transpose()? {
            Some(last) => Some(last),
            None => request.time("start")?,
        };
        let all = Arc::clone(&self.streams);
        let place = Place(all);
        if place.0.fetch_add(1, Relaxed) >= MOST {
            return Err(Error::Busy(format!("there are {MOST} streams already, and no more at a time")).into());
        }
        let told = Told {
            api: Arc::clone(self),
            metric: metric.id,
            method,
            granularities: granularities.into_iter().map(|granularity| (granularity, BTreeMap::new())).collect(),
            start,
            accepted: None,
            quiet: 0,
            _place: place,
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("text/event-stream"));
        // Not compressed: an encoder would hold events back.
        headers.insert(CONTENT_ENCODING, http::HeaderValue::from_static("identity"));
        headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
        Ok((Reply { status: StatusCode::OK, body: Bytes::new(), headers, making: None }, told))
    }
}
