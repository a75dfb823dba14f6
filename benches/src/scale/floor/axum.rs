//! The least that a program does whose endpoint is one of axum and hyper, as ferrometer's is: one route, on a runtime of one thread.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

static COUNTED: AtomicU64 = AtomicU64::new(0);

async fn metrics() -> ([(axum::http::HeaderName, &'static str); 1], String) {
    let text = ["user_work_total ", itoa::Buffer::new().format(COUNTED.load(Relaxed)), "\n"].concat();
    ([(CONTENT_TYPE, "text/plain")], text)
}

async fn serve(address: String) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let service = TowerToHyperService::new(Router::new().route("/metrics", get(metrics)));
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::warn!("{error}");
            }
        });
    }
}

fn main() {
    let address = std::env::var("METRICS_LISTEN").unwrap_or_else(|_| "127.0.0.1:0".to_owned());
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(serve(address)).expect("a port");
    });
    COUNTED.fetch_add(1, Relaxed);
}
