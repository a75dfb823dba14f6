//! A client of a Gnocchi: it reads the metrics of a resource as any client does.
#![allow(dead_code, reason = "not every test needs all of it")]

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Sends a request as `admin`; the status and the JSON of its answer.
pub fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // Version 1.0: the answer ends with the connection, in one part.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: basic YWRtaW46\r\nAccept: application/json\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let json = if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
    (status, json)
}

/// The aggregates of a metric of a resource, at a granularity of five minutes, added up.
pub fn total(address: SocketAddr, resource: &str, metric: &str, method: &str) -> f64 {
    let path = format!(
        "/v1/resource/generic/{resource}/metric/{metric}/measures?granularity=300&aggregation={method}&refresh=true"
    );
    let (status, rows) = ask(address, "GET", &path, "");
    assert_eq!(status, 200, "{metric}: {rows}");
    rows.as_array().unwrap().iter().map(|row| row[2].as_f64().unwrap()).sum()
}

/// The metrics of a resource: name and unit.
pub fn metrics(address: SocketAddr, resource: &str) -> Vec<(String, Value)> {
    let (status, rows) = ask(address, "GET", &format!("/v1/resource/generic/{resource}/metric"), "");
    assert_eq!(status, 200, "{rows}");
    let one = |row: &Value| (row["name"].as_str().unwrap().to_owned(), row["unit"].clone());
    rows.as_array().unwrap().iter().map(one).collect()
}
