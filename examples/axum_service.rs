//! A small axum service whose requests are counted and timed, with the pull cache beside it for Prometheus.
//!
//! `cargo run --example axum_service`             asks itself a few things, prints what /metrics says of them, and ends
//! `cargo run --example axum_service -- --serve`  stays up until Ctrl-C: the shop on 127.0.0.1:3000, its metrics on 127.0.0.1:9620, or at
//!                                                the two addresses that follow
//!
//! Either way it ends in order: requests in progress are answered, the metrics delivered, and the account is printed.

use axum::extract::{MatchedPath, Path};
use axum::http::{Request, StatusCode};
use axum::{Router, routing::get};
use ferrometer::tower::MetricsLayer;
use ferrometer::{Config, Logger, Metrics, get_logger, logger, timer};
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

static METRICS: Logger = logger!("shop");

fn app() -> Router {
    // Around every route: requests by method, route and status. The route is the pattern, `/orders/{id}`, never the path.
    let metrics = MetricsLayer::new(get_logger("shop.http"))
        .route(|request: &Request<_>| request.extensions().get().map(MatchedPath::as_str));
    Router::new()
        .route("/orders/{id}", get(order))
        .route("/report", get(report))
        .fallback(|| async { (StatusCode::NOT_FOUND, "no such page\n") })
        .layer(metrics)
}

async fn order(Path(id): Path<u32>) -> String {
    METRICS.send_counter("orders.read", 1);
    format!("order {id}\n")
}

/// Slow, and measured itself: shop.report.time
#[timer(METRICS, "report.time")]
async fn report() -> &'static str {
    tokio::time::sleep(Duration::from_millis(120)).await;
    "sold: 12\n"
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let serve = std::env::args().any(|argument| argument == "--serve");
    // Port 0: any that is free.
    let [shop, cache] = if serve { ["127.0.0.1:3000", "127.0.0.1:9620"] } else { ["127.0.0.1:0"; 2] };
    let mut given = std::env::args().skip_while(|argument| argument != "--serve").skip(1);
    let mut address = |usual: &str| given.next().as_deref().unwrap_or(usual).parse::<SocketAddr>();
    let (shop, cache) = (address(shop)?, address(cache)?);

    let config = Config::new()
        .backend("pull-cache")
        .pull_cache_interval(Duration::from_secs(1))
        .pull_cache_http(true)
        .pull_cache_address(cache);
    let metrics = ferrometer::init(config)?;
    let ended = run(&metrics, shop, serve).await;
    // Waits for the threads of the backends: not on a thread of the runtime.
    let report = tokio::task::spawn_blocking(move || metrics.shutdown(Duration::from_secs(2))).await?;
    println!("\n{}", if report.complete { "everything was delivered" } else { "not everything could be delivered" });
    report.ledgers.iter().for_each(|ledger| println!("{ledger}"));
    ended
}

async fn run(metrics: &Metrics, shop: SocketAddr, serve: bool) -> Result<(), Box<dyn Error>> {
    let cache = metrics.http_address().expect("HTTP is configured above");
    let listener = TcpListener::bind(shop).await?;
    let shop = listener.local_addr()?;
    println!("the shop:    http://{shop}/orders/1\nits metrics: http://{cache}/metrics\n");

    if serve {
        let ctrl_c = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
        axum::serve(listener, app()).with_graceful_shutdown(ctrl_c).await?;
        return Ok(());
    }
    tokio::spawn(axum::serve(listener, app()).into_future());

    for path in ["/orders/1", "/orders/2", "/orders/x", "/report", "/wp-login.php"] {
        println!("GET {path:<14} {}", ask(shop, path).await?.lines().next().unwrap_or("no answer"));
    }

    // Not waiting for the interval. `flush` blocks its thread.
    let report = tokio::task::block_in_place(|| metrics.flush(Duration::from_secs(2)));
    assert!(report.complete, "not delivered in 2 s: {:?}", report.ledgers);
    println!("\nGET /metrics (without the buckets)");
    let text = ask(cache, "/metrics").await?;
    for line in text.lines().filter(|line| line.starts_with("shop_") && !line.contains("_bucket{")) {
        println!("{line}");
    }
    Ok(())
}

async fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
