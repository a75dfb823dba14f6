//! The layers for clients, and those with OpenTelemetry's names: a real client and a real server, over sockets.

use axum::Router;
use axum::extract::MatchedPath;
use axum::routing::get;
use ferrometer::testing::Capture;
use ferrometer::tower_client::ClientLayer;
use ferrometer::tower_semantics::SemanticLayer;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tower::{Layer, Service, ServiceExt, service_fn};

type Body = Empty<&'static [u8]>;
/// The answer of the real client.
type Answer = <Client<HttpConnector, Body> as Service<Request<Body>>>::Response;

/// Name and labels with the labels in the order in which they are shown.
fn sorted(series: &str) -> String {
    let mut words: Vec<&str> = series.split_whitespace().collect();
    words[1..].sort_unstable();
    words.join(" ")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn client() -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn request(method: &str, address: SocketAddr, path: &str) -> Request<Body> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    Request::builder().method(method).uri(format!("http://{address}{path}")).body(Body::new()).unwrap()
}

fn app(entered: &Arc<Notify>) -> Router {
    let entered = Arc::clone(entered);
    let hang = move || async move {
        entered.notify_one();
        pending::<()>().await
    };
    Router::new()
        .route("/items/{id}", get(|| async { "item" }))
        .route("/fails", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route("/hangs", get(hang))
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

/// An address on which nobody listens.
fn nobody() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Sends what a program may send, with a client around which `layer` stands, and returns the addresses of the server and of nobody.
async fn talk<L>(
    layer: L,
    app: impl FnOnce(Router) -> Router,
    capture: &Capture,
    in_flight: &dyn Fn(SocketAddr) -> String,
) -> (SocketAddr, SocketAddr)
where
    L: Layer<Client<HttpConnector, Body>>,
    L::Service: Service<Request<Body>, Response = Answer> + Clone,
{
    let entered = Arc::new(Notify::new());
    let (address, nobody) = (serve(app(self::app(&entered))).await, nobody());
    let client = layer.layer(client());
    let ask = |method: &'static str, path: &'static str| {
        let sent = client.clone().oneshot(request(method, address, path));
        async { sent.await.ok().unwrap().status().as_u16() }
    };
    for id in ["/items/1", "/items/2", "/items/3"] {
        assert_eq!(ask("GET", id).await, 200);
    }
    assert_eq!(
        (ask("GET", "/nothing").await, ask("GET", "/fails").await, ask("BREW", "/items/1").await),
        (404, 503, 405)
    );
    assert!(client.clone().oneshot(request("GET", nobody, "/")).await.is_err());
    // One that is given up while it is under way.
    let hanging = client.clone().oneshot(request("GET", address, "/hangs"));
    let mut hanging = Box::pin(hanging);
    tokio::select! {
        _ = &mut hanging => panic!("it was answered"),
        () = entered.notified() => {}
    }
    assert_eq!(capture.in_flight(&in_flight(address)), 1);
    drop(hanging);
    assert_eq!(capture.in_flight(&in_flight(address)), 0);
    (address, nobody)
}

#[test]
fn a_client_is_recorded_by_peer_method_and_outcome() {
    let capture = Capture::start();
    let (address, nobody) =
        block_on(talk(ClientLayer::default(), |app| app, &capture, &|_| "http.client.in_flight".into()));
    for (peer, method, status, times) in [
        (address, "GET", "2xx", 3),
        (address, "GET", "4xx", 1),
        (address, "GET", "5xx", 1),
        (address, "other", "4xx", 1),
        (address, "GET", "cancelled", 1),
        (nobody, "GET", "error", 1),
    ] {
        let labels = format!("peer={peer} method={method} status={status}");
        capture.assert_counter(&sorted(&format!("http.client.requests {labels}")), times);
        capture.assert_timer_count(&sorted(&format!("http.client.time {labels}")), times as usize);
    }
}

#[test]
fn both_sides_have_the_names_of_opentelemetry() {
    let capture = Capture::start();
    let (address, nobody) = block_on(async {
        let server = SemanticLayer::default()
            .scheme("http")
            .route(|request: &Request<_>| request.extensions().get().map(MatchedPath::as_str));
        let in_flight = |to: SocketAddr| {
            format!("http.client.active_requests server.address={} server.port={}", to.ip(), to.port())
        };
        let found = talk(ClientLayer::default().semantic(), |app| app.layer(server), &capture, &in_flight).await;
        // The server hears of what its client gave up.
        let gone = "http.server.request.duration http.request.method=GET http.route=/hangs url.scheme=http error.type=cancelled";
        let end = Instant::now() + ferrometer_testkit::SOON;
        let heard = || {
            capture.to_string().contains("error.type=cancelled")
                && capture.in_flight("http.server.active_requests http.request.method=GET url.scheme=http") == 0
        };
        while !heard() && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        capture.assert_timer_count(&sorted(gone), 1);
        found
    });
    let to = |peer: SocketAddr| format!("server.address={} server.port={}", peer.ip(), peer.port());
    for (peer, method, end, times) in [
        (address, "GET", "http.response.status_code=200", 3),
        (address, "GET", "http.response.status_code=404 error.type=404", 1),
        (address, "GET", "http.response.status_code=503 error.type=503", 1),
        (address, "_OTHER", "http.response.status_code=405 error.type=405", 1),
        (address, "GET", "error.type=cancelled", 1),
        (nobody, "GET", "error.type=error", 1),
    ] {
        let labels = format!("{} http.request.method={method} {end}", to(peer));
        capture.assert_timer_count(&sorted(&format!("http.client.request.duration {labels}")), times);
    }
    for (method, route, end, times) in [
        ("GET", " http.route=/items/{id}", "http.response.status_code=200", 3),
        ("GET", "", "http.response.status_code=404", 1),
        ("GET", " http.route=/fails", "http.response.status_code=503 error.type=503", 1),
        ("_OTHER", " http.route=/items/{id}", "http.response.status_code=405", 1),
    ] {
        let labels = format!("http.request.method={method}{route} url.scheme=http {end}");
        capture.assert_timer_count(&sorted(&format!("http.server.request.duration {labels}")), times);
    }
}

#[test]
fn peers_are_bounded_and_named_as_told() {
    let capture = Capture::start();
    let answers = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(()))));
    let send = |layer: &ClientLayer, uri: &str| {
        block_on(layer.layer(answers).oneshot(Request::get(uri).body(()).unwrap())).unwrap();
    };
    let layer = ClientLayer::default().max_peers(2);
    for uri in ["http://a/1", "http://user:secret@b:81/", "http://c/", "http://d:1/", "http://a/2", "/path"] {
        send(&layer, uri);
    }
    let of = |peer: &str| format!("http.client.requests peer={peer} method=GET status=2xx");
    for (peer, times) in [("a", 2), ("b:81", 1), ("other", 3)] {
        capture.assert_counter(&sorted(&of(peer)), times);
    }
    assert!(!capture.to_string().contains("secret"), "{capture}");
    // A function of the program's own.
    let named = ClientLayer::default().peer(|request: &Request<()>| request.uri().path().strip_prefix('/'));
    block_on(named.layer(answers).oneshot(Request::get("http://e/stock").body(()).unwrap())).unwrap();
    capture.assert_counter(&sorted(&of("stock")), 1);
    // The scheme's port, where there is none.
    send(&ClientLayer::default().semantic(), "https://[::1]/");
    capture.assert_timer_count(&sorted("http.client.request.duration server.address=[::1] server.port=443 http.request.method=GET http.response.status_code=200"), 1);
}

#[test]
fn a_panic_is_recorded_as_one_and_off_means_off() {
    let panics = service_fn(|_: Request<()>| -> std::future::Ready<Result<Response<()>, Infallible>> {
        panic!("in the client")
    });
    let call = || {
        let service = ClientLayer::default().layer(panics).into_inner();
        let _ = catch_unwind(AssertUnwindSafe(|| {
            block_on(ClientLayer::default().layer(service).oneshot(Request::new(())))
        }));
    };
    call();
    let capture = Capture::start();
    assert_eq!(capture.to_string().matches("http.client").count(), 0, "{capture}");
    call();
    capture.assert_counter(&sorted("http.client.requests peer=unknown method=GET status=panic"), 1);
    assert_eq!(capture.in_flight("http.client.in_flight"), 0);
}
