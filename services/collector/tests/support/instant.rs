//! A server that answers Prometheus' API at once, without looking anything up: every metric of every scope has one series, whose value
//! at a moment is the number of minutes since 1970.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Requests that were answered.
pub type Count = Arc<AtomicU64>;

/// Serves until the process ends, each connection on a thread; the fetcher's query is answered with these scopes.
pub fn serve(listener: TcpListener, scopes: Vec<String>, delay: Duration) -> Count {
    let count = Count::default();
    let (counted, scopes) = (count.clone(), Arc::new(scopes));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (count, scopes) = (counted.clone(), scopes.clone());
            std::thread::spawn(move || connection(stream, &count, &scopes, delay));
        }
    });
    count
}

fn connection(stream: TcpStream, count: &Count, scopes: &[String], delay: Duration) {
    let _ = stream.set_nodelay(true);
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    let (mut line, mut rest) = (String::new(), String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        loop {
            rest.clear();
            match reader.read_line(&mut rest) {
                Ok(0) | Err(_) => return,
                Ok(_) if rest == "\r\n" => break,
                Ok(_) => {}
            }
        }
        count.fetch_add(1, Ordering::Relaxed);
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        let body = answer(line.split(' ').nth(1).unwrap_or_default(), scopes);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        if writer.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(target: &str, scopes: &[String]) -> String {
    let (path, parameters) = target.split_once('?').unwrap_or((target, ""));
    let parameter = |name: &str| {
        let mut pairs = parameters.split('&').filter_map(|p| p.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| decoded(value)).unwrap_or_default()
    };
    let query = parameter("query");
    let moment = |name: &str| {
        let text = parameter(name);
        text.parse::<f64>()
            .map(|at| at as i64)
            .or_else(|_| text.parse::<jiff::Timestamp>().map(|t| t.as_second()))
            .unwrap_or(0)
    };
    let result = |kind: &str, rows: &str| {
        format!("{{\"status\":\"success\",\"data\":{{\"resultType\":\"{kind}\",\"result\":[{rows}]}}}}")
    };
    if query.starts_with("count_over_time(vector(1)") {
        return result("vector", &format!("{{\"metric\":{{}},\"value\":[{},\"1\"]}}", moment("time")));
    }
    let by = query.rsplit_once("by (").map_or("", |(_, by)| by).trim_end_matches(')');
    if !query.contains("_over_time") {
        let at = moment("time");
        let rows = scopes.iter().map(|scope| {
            let scope = serde_json::to_string(scope).unwrap_or_default();
            format!("{{\"metric\":{{\"{by}\":{scope}}},\"value\":[{at},\"1\"]}}")
        });
        return result("vector", &rows.collect::<Vec<_>>().join(","));
    }
    // A text of PromQL between quotes is one of JSON too, as far as scopes are written here.
    let scope = query.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"')).map_or("", |(scope, _)| scope);
    let labels = by.split(", ").map(|l| format!("\"{l}\":\"{}\"", if l == "namespace" { scope } else { "v" }));
    let labels = labels.collect::<Vec<_>>().join(",");
    if path.ends_with("/query") {
        let at = moment("time");
        return result("vector", &format!("{{\"metric\":{{{labels}}},\"value\":[{at},\"{}\"]}}", at / 60));
    }
    let (start, end, step) = (moment("start"), moment("end"), moment("step").max(1));
    let values = (start..=end).step_by(step as usize).map(|at| format!("[{at},\"{}\"]", at / 60));
    result("matrix", &format!("{{\"metric\":{{{labels}}},\"values\":[{}]}}", values.collect::<Vec<_>>().join(",")))
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
}
