//! A service of one's own beside the pull cache's: with a token, a privilege, a limit on bodies, and readiness.

use ferrometer::Config;
use ferrometer::http::{Bytes, Frame, Privilege, Route, Service, StatusCode, respond};
use ferrometer::services::cache_api::CacheApi;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const ORDER: Privilege = Privilege::new("Shop.Order");
/// The SHA-256 of `open-sesame-0123456789`, and what its bearer may do.
const TOKEN: &str = "clerk=sha256:9112d278a91be5e2d5ff9a44515f73e03efeb10da5bd9b7dbedceacc969ce6b0;Shop.Order@/";

/// Takes orders until the shelf is empty.
struct Shop {
    left: AtomicUsize,
}

impl Service for Shop {
    fn name(&self) -> &'static str {
        "shop"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let order = async move |body: Bytes| {
            ferrometer::get_logger("shop").send_counter("orders", 1);
            self.left.fetch_sub(1, Relaxed);
            respond(StatusCode::ACCEPTED, "text/plain", format!("an order of {} bytes\n", body.len()))
        };
        let orders = Route::post("/orders", order).require(ORDER, "/").max_body_bytes(16 << 10);
        vec![orders.about("POST /shop/orders", "takes an order")]
    }

    fn privileges(&self) -> &'static [Privilege] {
        &[ORDER]
    }

    fn ready(&self) -> Result<(), String> {
        if self.left.load(Relaxed) > 0 { Ok(()) } else { Err("the shelf is empty".to_owned()) }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let metrics = ferrometer::init(Config::new().backend("pull-cache"))?;
    let cache = metrics.pull_cache().ok_or("there is no cache")?;
    let any_port = "127.0.0.1:0".parse()?;
    let frame = Frame::new().address(any_port).tokens([TOKEN]).mount("/", Arc::new(CacheApi::new(cache.clone())));
    let server = frame.mount("/shop", Arc::new(Shop { left: AtomicUsize::new(100) })).serve()?;
    let mut client = TcpStream::connect(server.local_addr())?;
    let order = "Authorization: Bearer open-sesame-0123456789\r\nContent-Length: 6\r\nConnection: close\r\n\r\napples";
    write!(client, "POST /shop/orders HTTP/1.1\r\nHost: localhost\r\n{order}")?;
    println!("{}", std::io::read_to_string(client)?);
    Ok(())
}
