//! One connection, from its first byte to its last: any number of requests, one after the other, each with its own limits of time.
//!
//! A connection is in one of these phases, and each has an end:
//!
//! | phase | until | at most |
//! |---|---|---|
//! | waiting for the first request, or reading its head | the head is whole | `header_timeout`, then 408 |
//! | idle between requests | the first byte of the next one | `idle_timeout`, or until others wait for a connection |
//! | reading a further head | the head is whole | `header_timeout`, then 408 |
//! | answering | the last byte is with the system | `answer_timeout`, and `write_timeout` for each step |

use crate::limits::Limits;
use crate::permit_body::hold;
use crate::progress::{Phase, Progress, Watched};
use crate::refusal::error_json;
use crate::start::Start;
use crate::stats::Stats;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::error::Error;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{self, Instant, Sleep};
use tokio_io_timeout::TimeoutStream;

const MAX_HEADERS: usize = 64;
/// How long, and how much, is still read from a client after its last answer. A connection closed on unread bytes is reset, and the client
/// would not see the answer that says what was wrong with them.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 << 20;

/// Tells connections whether others wait for a place.
#[derive(Default)]
pub(crate) struct Crowd {
    waiting: AtomicBool,
    begun: Notify,
    /// No more connections are taken.
    pub(crate) over: Notify,
}

impl Crowd {
    pub(crate) fn begin(&self) {
        self.waiting.store(true, Relaxed);
        self.begun.notify_waiters();
    }

    pub(crate) fn end(&self) {
        self.waiting.store(false, Relaxed);
    }
}

/// Serves a connection to its end. A client that breaks off, sends nonsense or is too slow is no concern of others.
pub(crate) async fn serve(stream: TcpStream, start: &Start, crowd: &Crowd) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(start.limits.write_timeout));
    let stream = Box::pin(stream);
    #[cfg(feature = "tls")]
    if let Some(tls) = &start.tls {
        let shake = async { tls.acceptor().await.accept(stream).await };
        match time::timeout(start.limits.header_timeout, shake).await {
            Ok(Ok(stream)) => talk(stream, start, crowd).await,
            Ok(Err(_)) | Err(_) => Stats::add(&start.stats.handshakes),
        }
        return;
    }
    talk(stream, start, crowd).await;
}

/// How a conversation ended.
enum End {
    /// By hyper, with what it says.
    Hyper(Result<(), hyper::Error>),
    /// A phase took too long.
    Late(Phase),
    /// The system's clock is wrong.
    NoDate,
}

async fn talk<I: AsyncRead + AsyncWrite + Unpin>(mut io: I, start: &Start, crowd: &Crowd) {
    let limits = start.limits;
    if !can_be_dated(SystemTime::now()) {
        return no_date(&mut io).await;
    }
    let progress = Arc::new(Progress::default());
    let routes = TowerToHyperService::new(start.router.clone());
    let service = service_fn(|request| Box::pin(answer(request, routes.clone(), Arc::clone(&progress))));
    let mut connection = http1::Builder::new()
        // The phases have their own limits.
        .header_read_timeout(None)
        // Twice what is allowed, so that most who send more are told so by the guard; at least what hyper needs.
        .max_buf_size((2 * (limits.max_header_bytes + limits.max_query_bytes)).max(16 << 10))
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(Watched::new(io, Arc::clone(&progress))), service);
    let mut clock = Clock::new(&limits);
    let mut crowded = pin!(crowd.begun.notified());
    let mut leaves = false;
    let end = poll_fn(|cx| {
        if let Poll::Ready(done) = connection.poll_without_shutdown(cx) {
            return Poll::Ready(End::Hyper(done));
        }
        let phase = progress.phase();
        if phase == Phase::NoDate {
            return Poll::Ready(End::NoDate);
        }
        // An idle connection is to be woken when a crowd begins; others look when they are at work anyway.
        while phase == Phase::Idle && crowded.as_mut().poll(cx).is_ready() {
            crowded.set(crowd.begun.notified());
        }
        if !leaves && crowd.waiting.load(Relaxed) && matches!(phase, Phase::Idle | Phase::Answering) {
            leaves = true;
            Pin::new(&mut connection).graceful_shutdown();
            // So that an idle connection ends now.
            cx.waker().wake_by_ref();
        }
        match clock.poll(phase, progress.turn(), cx) {
            Poll::Ready(()) => Poll::Ready(End::Late(phase)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    let mut io = connection.into_parts().io.into_inner().into_inner();
    match end {
        End::Hyper(Ok(())) | End::Late(Phase::Idle) => {}
        End::Hyper(Err(error)) if error.is_parse() => Stats::add(&start.stats.malformed),
        End::Late(Phase::First | Phase::Head) => {
            Stats::add(&start.stats.too_slow);
            let seconds = limits.header_timeout.as_secs_f64();
            let why = format!("no whole request came within {seconds} s");
            if io.write_all(&whole("408 Request Timeout", &why)).await.is_err() {
                return;
            }
        }
        End::Hyper(Err(error)) => {
            let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
            if cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut) {
                Stats::add(&start.stats.too_slow);
            }
            return;
        }
        End::Late(_) => return Stats::add(&start.stats.too_slow),
        End::NoDate => return no_date(&mut io).await,
    }
    close(io).await;
}

/// One answer. While it is made and sent, the connection is in the phase of answering.
async fn answer(
    request: hyper::Request<Incoming>,
    routes: TowerToHyperService<axum::Router>,
    progress: Arc<Progress>,
) -> Result<Response, std::convert::Infallible> {
    progress.enter(Phase::Answering);
    if !can_be_dated(SystemTime::now()) {
        progress.enter(Phase::NoDate);
        return pending().await;
    }
    let request: Request = request.map(Body::new);
    let response = routes.call(request).await?;
    Ok(hold(response, progress.answered_when_dropped()))
}

/// The limit of the phase that the connection is in.
struct Clock {
    limits: Limits,
    current: Option<(Phase, u64)>,
    timer: Pin<Box<Sleep>>,
}

impl Clock {
    fn new(limits: &Limits) -> Clock {
        Clock { limits: *limits, current: None, timer: Box::pin(time::sleep(limits.header_timeout)) }
    }

    /// Ready when the phase has lasted too long. `turn` is the number of the request: its phases are not those of the one before.
    fn poll(&mut self, phase: Phase, turn: u64, cx: &mut Context<'_>) -> Poll<()> {
        // The last bytes of an answer have the time of the answer.
        let phase = if phase == Phase::Sending { Phase::Answering } else { phase };
        if self.current != Some((phase, turn)) {
            self.current = Some((phase, turn));
            let limit = match phase {
                Phase::First | Phase::Head => self.limits.header_timeout,
                Phase::Idle => self.limits.idle_timeout,
                Phase::Answering | Phase::Sending | Phase::NoDate => self.limits.answer_timeout,
            };
            self.timer.as_mut().reset(Instant::now() + limit);
        }
        self.timer.as_mut().poll(cx)
    }
}

async fn no_date(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let why = "the system's clock stands before 1970 or after 9999, where an HTTP answer can have no date";
    if io.write_all(&whole("503 Service Unavailable", why)).await.is_ok() {
        close(io).await;
    }
}

/// An answer without hyper.
fn whole(status: &str, why: &str) -> Vec<u8> {
    let body = error_json(why);
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// Returns `true` when a date of HTTP can say this time: hyper panics when it cannot.
fn can_be_dated(now: SystemTime) -> bool {
    /// The first second of the year 10000.
    const TOO_LATE: u64 = 253_402_300_800;
    now.duration_since(UNIX_EPOCH).is_ok_and(|since| since.as_secs() < TOO_LATE)
}

/// Ends the connection. The client may be gone already.
async fn close(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    if io.shutdown().await.is_ok() {
        let _ = time::timeout(LINGER, drain(io)).await;
    }
}

/// Reads what still comes, until the client closes.
async fn drain(mut io: impl AsyncRead + Unpin) {
    let mut buffer = [0; 4096];
    let mut left = LINGER_BYTES;
    while left > 0 {
        match io.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => left = left.saturating_sub(read),
        }
    }
}
