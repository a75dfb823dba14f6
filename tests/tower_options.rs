//! The options of the tower layer, over a real server and over plain services: exact statuses, routes that are left out, what is in flight by route,
//! and the time to the end of the body.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::MatchedPath;
use axum::routing::get;
use ferrometer::testing::Capture;
use ferrometer::tower::MetricsLayer;
use http::{Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use std::convert::Infallible;
use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tower::{Layer, Service, ServiceExt, service_fn};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A body whose parts come as they are sent.
struct Parts(UnboundedReceiver<Result<&'static str, io::Error>>);

fn parts() -> (UnboundedSender<Result<&'static str, io::Error>>, Parts) {
    let (sender, receiver) = unbounded_channel();
    (sender, Parts(receiver))
}

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, io::Error>>> {
        self.0.poll_recv(cx).map(|part| {
            part.map(|part| {
                assert!(!matches!(part, Ok("panic")), "in the body");
                part.map(|text| Frame::data(Bytes::from_static(text.as_bytes())))
            })
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

async fn ask(address: SocketAddr, line: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

fn matched(request: &Request<Body>) -> Option<&str> {
    request.extensions().get().map(MatchedPath::as_str)
}

#[test]
fn statuses_are_exact_and_probes_are_left_out() {
    let capture = Capture::start();
    let layer = MetricsLayer::default()
        .route(matched)
        .exact_status()
        .without_routes(["/health", "/metrics"])
        .in_flight_by_route();
    let app = Router::new()
        .route("/orders/{id}", get(|| async { (StatusCode::IM_A_TEAPOT, "an order") }))
        .route("/health", get(|| async { "fine" }))
        .layer(layer);
    block_on(async {
        let address = serve(app).await;
        for path in ["/orders/1", "/orders/2", "/health", "/nothing"] {
            ask(address, &format!("GET {path}")).await;
        }
        ask(address, "POST /orders/1").await;
    });
    for (labels, count) in [
        ("method=GET route=/orders/{id} status=418", 2),
        ("method=POST route=/orders/{id} status=405", 1),
        ("method=GET route=unmatched status=404", 1),
    ] {
        capture.assert_counter(&format!("http.requests {labels}"), count);
        capture.assert_timer_count(&format!("http.time {labels}"), count as usize);
    }
    capture.assert_counter_over_labels("http.requests", 4);
    assert!(!capture.to_string().contains("/health"), "{capture}");
    assert!(capture.names().contains(&"http.in_flight method=GET route=/orders/{id}".to_owned()), "{capture}");
    assert_eq!(capture.in_flight("http.in_flight method=GET route=/orders/{id}"), 0);
}

#[test]
fn a_streamed_response_is_in_flight_until_its_body_has_ended() {
    const LABELS: &str = "method=GET route=/stream status=2xx";
    let capture = Capture::start();
    let (sender, body) = parts();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let stream = move || {
        let body = body.lock().unwrap().take().unwrap();
        ready(Response::new(Body::new(body)))
    };
    let app = Router::new()
        .route("/stream", get(stream))
        .route("/plain", get(|| async { "text" }))
        .layer(MetricsLayer::default().route(matched).until_end_of_body());
    block_on(async {
        let address = serve(app).await;
        let asked = tokio::spawn(ask(address, "GET /stream"));
        sender.send(Ok("one ")).unwrap();
        until(|| capture.counter(&format!("http.requests {LABELS}")) == 1).await;
        assert_eq!(capture.in_flight("http.in_flight"), 1);
        assert!(capture.timer(&format!("http.total_time end=complete {LABELS}")).is_empty());
        sender.send(Ok("two")).unwrap();
        drop(sender);
        assert!(asked.await.unwrap().contains("two"));
        until(|| capture.in_flight("http.in_flight") == 0).await;
        assert!(ask(address, "GET /plain").await.ends_with("text"));
        ask(address, "HEAD /plain").await;
        until(|| capture.timer_over_labels("http.total_time").len() == 3).await;
    });
    let time = capture.timer(&format!("http.time {LABELS}"));
    let total = capture.timer(&format!("http.total_time end=complete {LABELS}"));
    assert!(total.len() == 1 && time.len() == 1 && total[0] >= time[0], "{capture}");
    for method in ["GET", "HEAD"] {
        capture.assert_timer_count(&format!("http.total_time end=complete method={method} route=/plain status=2xx"), 1);
    }
    capture.assert_counter_over_labels("http.requests", 3);
}

#[test]
fn each_end_of_a_body_has_its_label() {
    let capture = Capture::start();
    let service = |body: Parts| {
        let mut body = Some(body);
        let layer = MetricsLayer::default().until_end_of_body();
        layer.layer(service_fn(move |_: Request<()>| ready(Ok::<_, Infallible>(Response::new(body.take().unwrap())))))
    };
    let mut context = Context::from_waker(Waker::noop());
    let start = |body: Parts| block_on(service(body).oneshot(Request::new(()))).unwrap().into_body();
    let ended =
        |end: &str| capture.timer(&format!("http.total_time end={end} method=GET route=unmatched status=2xx")).len();

    let (sender, body) = parts();
    let mut failing = Box::pin(start(body));
    assert!(failing.as_mut().poll_frame(&mut context).is_pending());
    sender.send(Err(io::Error::other("the disk is gone"))).unwrap();
    assert!(matches!(failing.as_mut().poll_frame(&mut context), Poll::Ready(Some(Err(_)))));
    assert_eq!((ended("error"), capture.in_flight("http.in_flight")), (1, 0));
    drop(failing);

    let (sender, body) = parts();
    let mut dropped = Box::pin(start(body));
    sender.send(Ok("a part")).unwrap();
    assert!(matches!(dropped.as_mut().poll_frame(&mut context), Poll::Ready(Some(Ok(_)))));
    assert_eq!(capture.in_flight("http.in_flight"), 1);
    drop(dropped);
    assert_eq!((ended("cancelled"), capture.in_flight("http.in_flight")), (1, 0));

    let (sender, body) = parts();
    sender.send(Ok("panic")).unwrap();
    let mut panicking = pin!(start(body));
    let poll = AssertUnwindSafe(|| drop(panicking.as_mut().poll_frame(&mut context)));
    assert!(catch_unwind(poll).is_err());
    assert_eq!((ended("panic"), capture.in_flight("http.in_flight")), (1, 0));
    assert_eq!(ended("complete"), 0);
    capture.assert_counter_over_labels("http.requests status=2xx", 3);
}

#[test]
fn an_error_of_the_service_has_no_body_to_wait_for() {
    let capture = Capture::start();
    let service = service_fn(|_: Request<()>| ready(Err::<Response<Body>, _>(io::Error::other("no upstream"))));
    let mut service = MetricsLayer::default().until_end_of_body().layer(service);
    assert!(block_on(service.ready()).is_ok());
    assert!(block_on(service.call(Request::new(()))).is_err());
    capture.assert_counter("http.requests method=GET route=unmatched status=error", 1);
    assert_eq!(capture.in_flight("http.in_flight"), 0);
}

#[test]
fn what_is_told_of_a_body_is_what_it_says_itself() {
    let layer = MetricsLayer::default().until_end_of_body();
    let service =
        layer.layer(service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(Body::from("text"))))));
    let capture = Capture::start();
    let body = block_on(service.oneshot(Request::new(()))).unwrap().into_body();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(4), false));
    let bytes = block_on(axum::body::to_bytes(Body::new(body), 100)).unwrap();
    assert_eq!(bytes, "text");
    assert_eq!(capture.timer_over_labels("http.total_time end=complete").len(), 1);
}
