//! A server to measure collectors against: it answers Prometheus' API at once. `answers_at_once PORT SCOPES`; prints the number of
//! requests that it answered when its standard input ends.

#[path = "../tests/support/instant.rs"]
mod instant;

use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or("usage: answers_at_once PORT SCOPES")?.parse()?;
    let scopes: usize = arguments.next().ok_or("usage: answers_at_once PORT SCOPES")?.parse()?;
    let scopes = (0..scopes).map(|n| format!("scope-{n:05}")).collect();
    let count = instant::serve(TcpListener::bind(("127.0.0.1", port))?, scopes, Duration::ZERO);
    println!("listening");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    println!("{}", count.load(Ordering::Relaxed));
    Ok(())
}
