//! The tower layer: what it records of each way a request can end, over plain services and over a real server.
//!
//! One test for each way in which a request can end; hence the length.

use axum::Router;
use axum::extract::MatchedPath;
use axum::routing::get;
use ferrometer::testing::{Capture, CaptureGuard};
use ferrometer::tower::MetricsLayer;
use ferrometer::{Logger, get_logger};
use http::{Method, Request, Response, StatusCode};
use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tower::{Layer, Service, ServiceExt, service_fn};

/// The switch is one for the whole process: while one test looks at what happens with recording off, no other captures.
static SWITCH: RwLock<()> = RwLock::new(());

fn on() -> RwLockReadGuard<'static, ()> {
    SWITCH.read().unwrap_or_else(PoisonError::into_inner)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn panics(body: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(body)).is_err()
}

fn is_send<T: Send>(value: T) -> T {
    value
}

fn answer(status: u16) -> Response<()> {
    Response::builder().status(status).body(()).unwrap()
}

fn labels(method: &str, route: &str, status: &str) -> String {
    format!("method={method} route={route} status={status}")
}

/// Asserts that this many requests ended like this, and as many times were recorded.
#[track_caller]
fn assert_ended(capture: &Capture, method: &str, route: &str, status: &str, times: usize) {
    let labels = labels(method, route, status);
    capture.assert_counter(&format!("http.requests {labels}"), times as i64);
    capture.assert_timer_count(&format!("http.time {labels}"), times);
}

/// The series of which something was recorded, by kind.
fn series(capture: &Capture, kind: &str) -> usize {
    capture.to_string().lines().filter(|line| line.trim_start().starts_with(&format!("{kind} "))).count()
}

mod services {
    use super::*;

    #[test]
    fn every_status_has_its_class() {
        let _on = on();
        let capture = Capture::start();
        let service = MetricsLayer::default()
            .layer(service_fn(|request: Request<u16>| ready(Ok::<_, Infallible>(answer(*request.body())))));
        for status in [101, 200, 204, 302, 404, 404, 500, 503, 599, 600, 999] {
            let answered = block_on(service.clone().oneshot(Request::new(status))).unwrap();
            assert_eq!(answered.status().as_u16(), status);
        }
        for (class, times) in [("1xx", 1), ("2xx", 2), ("3xx", 1), ("4xx", 2), ("5xx", 3), ("other", 2)] {
            assert_ended(&capture, "GET", "unmatched", class, times);
        }
        assert_eq!((series(&capture, "counter"), series(&capture, "timer")), (6, 6), "{capture}");
        assert_eq!(capture.in_flight("http.in_flight"), 0);
    }

    #[test]
    fn an_error_of_the_service_is_passed_on_and_counted() {
        let _on = on();
        let capture = Capture::start();
        let service = MetricsLayer::default()
            .layer(service_fn(|_: Request<()>| async { Err::<Response<()>, _>(io::Error::other("no upstream")) }));
        let error = block_on(service.oneshot(Request::new(()))).unwrap_err();
        assert_eq!(error.to_string(), "no upstream");
        assert_ended(&capture, "GET", "unmatched", "error", 1);
        assert_eq!(series(&capture, "counter"), 1, "{capture}");
    }

    #[test]
    fn a_dropped_future_is_cancelled_and_in_flight_until_then() {
        let _on = on();
        let capture = Capture::start();
        let mut service =
            MetricsLayer::default().layer(service_fn(|_: Request<()>| pending::<io::Result<Response<()>>>()));
        let mut polled = Box::pin(is_send(service.call(Request::new(()))));
        let never_polled = service.call(Request::new(()));
        assert!(poll(polled.as_mut()).is_pending());
        assert_eq!(capture.in_flight("http.in_flight"), 2);
        drop(never_polled);
        assert_eq!(capture.in_flight("http.in_flight"), 1);
        assert_ended(&capture, "GET", "unmatched", "cancelled", 1);
        // Neither is it a panic when another one drops it.
        assert!(panics(move || {
            let _polled = polled;
            panic!("elsewhere");
        }));
        assert_eq!(capture.in_flight("http.in_flight"), 0);
        assert_ended(&capture, "GET", "unmatched", "cancelled", 2);
        assert_eq!(series(&capture, "counter"), 1, "{capture}");
    }

    #[test]
    fn a_panic_is_counted_when_it_happens() {
        let _on = on();
        let capture = Capture::start();
        let mut in_poll = MetricsLayer::default().layer(service_fn(|_: Request<()>| async {
            tokio::task::yield_now().await;
            if true {
                panic!("in the handler");
            }
            Ok::<_, Infallible>(answer(200))
        }));
        let mut future = Box::pin(in_poll.call(Request::new(())));
        assert!(block_on(async { poll(future.as_mut()).is_pending() }));
        assert!(panics(|| drop(poll(future.as_mut()))));
        assert_ended(&capture, "GET", "unmatched", "panic", 1);
        assert_eq!(capture.in_flight("http.in_flight"), 0);
        drop(future);

        let mut in_call = MetricsLayer::default().layer(service_fn(|request: Request<bool>| {
            assert!(request.into_body(), "in the call");
            ready(Ok::<_, Infallible>(answer(200)))
        }));
        assert!(panics(|| drop(in_call.call(Request::new(false)))));
        assert_ended(&capture, "GET", "unmatched", "panic", 2);
        assert_eq!(capture.in_flight("http.in_flight"), 0);
        assert_eq!(series(&capture, "counter"), 1, "{capture}");
    }

    #[test]
    fn methods_and_paths_of_a_hostile_client_make_no_series() {
        let _on = on();
        let capture = Capture::start();
        let service =
            MetricsLayer::default().layer(service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(answer(200)))));
        let standard = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "PATCH", "TRACE"];
        for method in standard {
            let request = Request::builder().method(method).body(()).unwrap();
            block_on(service.clone().oneshot(request)).unwrap();
            assert_ended(&capture, method, "unmatched", "2xx", 1);
        }
        for i in 0..500 {
            let method = Method::from_bytes(format!("BREW-{i}|c#{}", "X".repeat(i)).as_bytes()).unwrap();
            let path = format!("/{i}/a%0Ab:1|c/{}?x={i}", "y".repeat(i * 10));
            let request = Request::builder().method(method).uri(path).body(()).unwrap();
            block_on(service.clone().oneshot(request)).unwrap();
        }
        // Methods are told apart by case.
        let lower = Request::builder().method("get").body(()).unwrap();
        block_on(service.clone().oneshot(lower)).unwrap();
        assert_ended(&capture, "other", "unmatched", "2xx", 501);
        assert_eq!((series(&capture, "counter"), series(&capture, "timer")), (10, 10), "{capture}");
    }

    #[test]
    fn the_route_is_what_the_function_says() {
        fn route<B>(request: &Request<B>) -> Option<&str> {
            request.extensions().get::<String>().map(String::as_str)
        }
        let _on = on();
        let capture = Capture::start();
        let logger: Logger = get_logger("http").with("listener", "admin");
        let layer = MetricsLayer::new(logger).route(route::<String>);
        let service = layer.layer(service_fn(|_: Request<String>| ready(Ok::<_, Infallible>(answer(200)))));
        let mut request = Request::post("/orders/17").body(String::new()).unwrap();
        request.extensions_mut().insert("/orders/{id}".to_owned());
        block_on(service.clone().oneshot(request)).unwrap();
        block_on(service.oneshot(Request::new(String::new()))).unwrap();
        capture.assert_counter("http.requests listener=admin method=POST route=/orders/{id} status=2xx", 1);
        capture.assert_counter("http.requests listener=admin method=GET route=unmatched status=2xx", 1);
        assert!(capture.to_string().contains("in_flight http.in_flight listener=admin: 0"), "{capture}");
    }

    /// May be called once after each time it was ready; a clone is not ready.
    struct Strict {
        ready: bool,
        asked: u32,
    }

    impl Clone for Strict {
        fn clone(&self) -> Strict {
            Strict { ready: false, asked: 0 }
        }
    }

    impl Service<Request<()>> for Strict {
        type Response = Response<()>;
        type Error = io::Error;
        type Future = std::future::Ready<io::Result<Response<()>>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.asked += 1;
            match self.asked {
                1 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                2 => {
                    self.ready = true;
                    Poll::Ready(Ok(()))
                }
                _ => Poll::Ready(Err(io::Error::other("closed"))),
            }
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(std::mem::take(&mut self.ready), "called without being ready");
            ready(Ok(answer(200)))
        }
    }

    #[test]
    fn readiness_is_the_inner_services() {
        let _on = on();
        let capture = Capture::start();
        let mut service = MetricsLayer::default().layer(Strict { ready: false, asked: 0 });
        block_on(async {
            let answered = service.ready().await.unwrap().call(Request::new(())).await.unwrap();
            assert_eq!(answered.status(), StatusCode::OK);
            assert_eq!(service.get_ref().asked, 2);
            let closed = service.ready().await.map(drop).unwrap_err();
            assert_eq!(closed.to_string(), "closed");
            // A clone has a readiness of its own.
            assert!(service.clone().oneshot(Request::new(())).await.is_ok());
        });
        assert_ended(&capture, "GET", "unmatched", "2xx", 2);
    }

    #[test]
    fn the_time_is_that_of_the_call() {
        let _on = on();
        let capture = Capture::start();
        let service = MetricsLayer::default().layer(service_fn(|_: Request<()>| async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            Ok::<_, Infallible>(answer(200))
        }));
        let before = Instant::now();
        block_on(service.oneshot(Request::new(()))).unwrap();
        let most = before.elapsed();
        let times = capture.timer(&format!("http.time {}", labels("GET", "unmatched", "2xx")));
        assert!(matches!(times[..], [time] if time >= Duration::from_millis(30) && time <= most), "{times:?} {most:?}");
    }

    #[test]
    fn off_is_passing_through() {
        let _off = SWITCH.write().unwrap_or_else(PoisonError::into_inner);
        let asked = Cell::new(0);
        let layer = MetricsLayer::default().route(|_: &Request<u64>| {
            asked.set(asked.get() + 1);
            Some("/asked")
        });
        let mut service = layer.layer(service_fn(|request: Request<u64>| async move {
            for _ in 0..*request.body() {
                tokio::task::yield_now().await;
            }
            Ok::<_, Infallible>(answer(200))
        }));
        assert_eq!(block_on(service.call(Request::new(1))).unwrap().status(), StatusCode::OK);
        assert_eq!(asked.get(), 0);

        // Off at the call: nothing of that request is recorded, whatever is switched on later.
        let before = service.call(Request::new(1));
        let capture = Capture::start();
        block_on(before).unwrap();
        capture.assert_empty();
        assert_eq!(asked.get(), 0);

        // Off at the end: nothing either, and what was in flight is no longer.
        let during = service.call(Request::new(1));
        assert_eq!((asked.get(), capture.in_flight("http.in_flight")), (1, 1));
        drop(capture);
        block_on(during).unwrap();
        let capture = Capture::start();
        capture.assert_empty();
        block_on(service.call(Request::new(0))).unwrap();
        assert_ended(&capture, "GET", "/asked", "2xx", 1);
    }
}

mod axum_server {
    use super::*;

    fn app(entered: &Arc<Notify>) -> Router {
        let entered = Arc::clone(entered);
        let hang = move || async move {
            entered.notify_one();
            pending::<()>().await
        };
        let metrics =
            MetricsLayer::default().route(|request: &Request<_>| request.extensions().get().map(MatchedPath::as_str));
        let inner = Router::new().route("/items/{item}", get(|| async { "item" }));
        Router::new()
            .route("/ok/{id}", get(|| async { "ok" }))
            .route("/fails", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
            .route(
                "/panics",
                get(|| async {
                    if true {
                        panic!("in the handler")
                    }
                }),
            )
            .route("/hangs", get(hang))
            .nest("/shop", inner)
            .layer(metrics)
    }

    async fn serve(app: Router) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, app).into_future());
        address
    }

    /// Sends a request line and returns the status of the answer; `None` when the connection was closed without one.
    async fn ask(address: SocketAddr, line: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }

    async fn until(what: impl Fn() -> bool) {
        let deadline = Instant::now() + ferrometer_testkit::SOON;
        while !what() {
            assert!(Instant::now() < deadline, "it did not happen");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    #[test]
    fn each_request_is_recorded_once() {
        let _on = on();
        let capture = Capture::start();
        block_on(async {
            let entered = Arc::new(Notify::new());
            let address = serve(app(&entered)).await;
            for i in 0..20 {
                assert_eq!(ask(address, &format!("GET /ok/{i}")).await, Some(200));
            }
            assert_eq!(ask(address, "HEAD /ok/1").await, Some(200));
            assert_eq!(ask(address, "POST /ok/1").await, Some(405));
            assert_eq!(ask(address, "GET /shop/items/7").await, Some(200));
            assert_eq!(ask(address, "GET /fails").await, Some(500));
            assert_eq!(ask(address, "GET /panics").await, None);
            for path in ["/", "/nothing", "/ok", "/ok/1/2", "/../etc/passwd", "/a%0Ab:1|c%00", "/'{};DROP"] {
                assert_eq!(ask(address, &format!("GET {path}")).await, Some(404), "{path}");
            }
            assert_eq!(ask(address, &format!("GET /{}", "x".repeat(20_000))).await, Some(404));
            assert_eq!(ask(address, "BREW /pot").await, Some(404));
            assert_eq!(ask(address, "BREW|c#x:1 /pot").await, Some(400), "refused before it is a request");
            assert_eq!(ask(address, "M-SEARCH /ok/1").await, Some(405));

            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"GET /hangs HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
            entered.notified().await;
            assert_eq!(capture.in_flight("http.in_flight"), 1);
            drop(client);
            until(|| capture.in_flight("http.in_flight") == 0).await;
        });
        let expected = [
            ("GET", "/ok/{id}", "2xx", 20),
            ("HEAD", "/ok/{id}", "2xx", 1),
            ("POST", "/ok/{id}", "4xx", 1),
            ("other", "/ok/{id}", "4xx", 1),
            ("GET", "/shop/items/{item}", "2xx", 1),
            ("GET", "/fails", "5xx", 1),
            ("GET", "/panics", "panic", 1),
            ("GET", "/hangs", "cancelled", 1),
            ("GET", "unmatched", "4xx", 8),
            ("other", "unmatched", "4xx", 1),
        ];
        for (method, route, status, times) in expected {
            assert_ended(&capture, method, route, status, times);
        }
        assert_eq!(series(&capture, "counter"), expected.len(), "{capture}");
        assert_eq!(series(&capture, "timer"), expected.len(), "{capture}");
    }

    #[test]
    fn counts_are_exact_over_threads() {
        thread_local! {
            // Left when the thread stops, so that recording is off again after the test.
            static SCOPE: Cell<Option<CaptureGuard>> = const { Cell::new(None) };
        }
        let _on = on();
        let capture = Capture::start();
        let handle = capture.handle();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .on_thread_start(move || SCOPE.set(Some(handle.enter())))
            .on_thread_stop(|| SCOPE.set(None))
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let address = serve(app(&Arc::new(Notify::new()))).await;
            let asked: Vec<_> = (0..100)
                .map(|i| {
                    let path = if i % 4 == 0 { "/fails".to_owned() } else { format!("/ok/{i}") };
                    tokio::spawn(async move { ask(address, &format!("GET {path}")).await })
                })
                .collect();
            for answer in asked {
                assert!(answer.await.unwrap().is_some());
            }
        });
        drop(runtime);
        assert_ended(&capture, "GET", "/ok/{id}", "2xx", 75);
        assert_ended(&capture, "GET", "/fails", "5xx", 25);
        assert_eq!(capture.in_flight("http.in_flight"), 0);
    }
}
