//! Servers that do not answer as they should: what is said of each, and how often it is asked.

mod support;

use ferrometer_collector::client::{AskError, Client, Limits, When};
use ferrometer_collector::{Collector, Config, Secret, Server};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::Folder;

/// A server that does something with each request, the first of which is number 0.
struct Odd {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Odd {
    fn start(answer: impl Fn(usize, &str, &mut TcpStream) + Send + Sync + 'static) -> Odd {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let (counted, answer) = (asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (counted, answer) = (counted.clone(), answer.clone());
                std::thread::spawn(move || {
                    let mut head = vec![0; 65_536];
                    let length = stream.read(&mut head).unwrap_or(0);
                    let head = String::from_utf8_lossy(&head[..length]).into_owned();
                    if length > 0 {
                        answer(counted.fetch_add(1, Ordering::SeqCst), &head, &mut stream);
                    }
                });
            }
        });
        Odd { url, asked }
    }

    /// A server that answers a status, headers and a body.
    fn fixed(status: u16, headers: &'static str, body: &'static str) -> Odd {
        Odd::start(move |_, _, stream| reply(stream, status, headers, body))
    }

    fn client(&self, limits: Limits) -> Client {
        let mut server = Server::new(&self.url);
        server.timeout = Duration::from_secs(120);
        Client::new(&server, limits).unwrap()
    }

    /// Asks with two further attempts, and returns what came of it and how often the server was asked.
    fn ask(&self) -> (Result<usize, AskError>, usize) {
        let answer = self.client(limits(2)).ask("up", When::At(0));
        (answer.map(|a| a.series.len()), self.asked.load(Ordering::SeqCst))
    }
}

fn limits(retries: u32) -> Limits {
    let mut limits = Limits::default();
    limits.retries = retries;
    limits.first_wait = Duration::from_millis(2);
    limits
}

fn reply(stream: &mut TcpStream, status: u16, headers: &str, body: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
}

const GOOD: &str =
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[0,"1"]}]}}"#;

#[test]
fn answers_that_are_none_are_told_and_not_asked_for_again() {
    for (status, headers, body, says) in [
        (
            200,
            "",
            "<html><body>Sign in</body></html>",
            "the reply is not one of Prometheus' API: expected value at line 1 column 1; it begins with \"<html><body>Sign in</body></html>\"",
        ),
        (200, "", "", "EOF while parsing a value at line 1 column 0; it begins with nothing"),
        (200, "", &GOOD[..60], "EOF while parsing"),
        (200, "", "{}", "missing field `status`"),
        (200, "", r#"{"status":"success"}"#, "it has no data"),
        (
            200,
            "",
            r#"{"status":"success","data":{"resultType":"scalar","result":[0,"1"]}}"#,
            "the result is a scalar, expected a vector or a matrix",
        ),
        (
            200,
            "",
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}"#,
            "a series has neither value nor values",
        ),
        (
            200,
            "",
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[0,1]}]}}"#,
            "invalid type: integer `1`, expected a string",
        ),
        (
            200,
            "",
            r#"{"status":"error","errorType":"bad_data","error":"no"}"#,
            "the server refused the query (200 bad_data): no",
        ),
        (
            400,
            "",
            r#"{"status":"error","errorType":"bad_data","error":"unknown function with name \"irange\""}"#,
            "(400 bad_data): unknown function with name \"irange\"",
        ),
        (401, "", "Unauthorized", "the server answered 401: credentials are missing or wrong"),
        (403, "", "", "the server answered 403: these credentials may not ask"),
        (
            404,
            "",
            "404 page not found",
            "the server answered 404: nothing is there; prometheus_url usually ends in /api/v1",
        ),
        (
            302,
            "Location: https://login.example/\r\n",
            "",
            "the server answered 302: it redirects to https://login.example/, which is not followed",
        ),
        (422, "", r#"{"status":"error","errorType":"execution","error":"too many"}"#, "(422 execution): too many"),
        (418, "", "<h1>\x1b[31m\nI am</h1>", "the server answered 418: \"<h1>\\u{1b}[31m I am</h1>\""),
    ] {
        let (answer, asked) = Odd::fixed(status, headers, body).ask();
        let message = answer.unwrap_err().to_string();
        assert!(message.contains(says), "{message}\nexpected {says}");
        assert_eq!(asked, 1, "{message}");
    }
}

#[test]
fn what_may_pass_is_asked_again() {
    for status in [429, 500, 502, 503] {
        let odd = Odd::start(move |n, _, stream| match n {
            0 => reply(stream, status, "Retry-After: 0\r\n", "busy"),
            1 => reply(stream, status, "", r#"{"status":"error","errorType":"timeout","error":"slow"}"#),
            _ => reply(stream, 200, "", GOOD),
        });
        assert_eq!(odd.ask(), (Ok(1), 3), "{status}");
    }
    let always = Odd::fixed(503, "", "busy");
    let (answer, asked) = always.ask();
    assert_eq!(
        (answer.unwrap_err().to_string().as_str(), asked),
        ("the server answered 503: \"busy\" (3 attempts)", 3)
    );
}

#[test]
fn a_server_that_asks_for_a_long_wait_is_not_waited_for() {
    let (answer, asked) = Odd::fixed(429, "Retry-After: 86400\r\n", "busy").ask();
    assert!(answer.is_err());
    assert_eq!(asked, 1);
}

#[test]
fn cut_connections_are_asked_again() {
    for cut in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"status\"",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"st",
    ] {
        let odd = Odd::start(move |n, _, stream| match n {
            0 | 1 => drop(stream.write_all(cut.as_bytes())),
            _ => reply(stream, 200, "", GOOD),
        });
        assert_eq!(odd.ask(), (Ok(1), 3), "{cut:?}");
    }
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = Client::new(&Server::new(format!("http://127.0.0.1:{port}/api/v1")), limits(1)).unwrap();
    let message = client.ask("up", When::At(0)).unwrap_err().to_string();
    assert!(message.contains("refused") && message.ends_with("(2 attempts)"), "{message}");
}

#[test]
fn a_reply_without_an_end_is_cut_at_the_cap() {
    let odd = Odd::start(|_, _, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"status\":\"");
        while stream.write_all(&[b'x'; 65_536]).is_ok() {}
    });
    let mut limits = limits(2);
    limits.max_reply_bytes = 1 << 20;
    let answer = odd.client(limits).ask("up", When::At(0));
    assert_eq!(answer, Err(AskError::TooLarge(1 << 20)));
    assert_eq!(odd.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_gigabyte_is_cut_at_the_default_cap() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let odd = Odd::start(move |_, _, stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{{\"status\":\"", 1 << 30);
        for _ in 0..1 << 10 {
            if stream.write_all(&[b'x'; 1 << 20]).is_err() {
                return;
            }
            counted.fetch_add(1 << 20, Ordering::SeqCst);
        }
    });
    assert_eq!(odd.ask(), (Err(AskError::TooLarge(64 << 20)), 1));
    // The rest was not read: what was sent beyond the cap is in the buffers of two sockets.
    assert!(sent.load(Ordering::SeqCst) < 256 << 20);
}

#[test]
fn a_header_without_an_end_is_refused() {
    let odd = Odd::start(|_, _, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X-Filler: 0123456789012345678901234567890123456789\r\n").is_ok() {}
    });
    assert!(odd.ask().0.is_err());
}

#[test]
fn a_server_that_says_nothing_is_left_at_the_timeout() {
    let odd = Odd::start(|_, _, stream| {
        // Until the client goes.
        let _ = stream.read(&mut [0; 1]);
    });
    let mut server = Server::new(&odd.url);
    server.timeout = Duration::from_millis(200);
    let message = Client::new(&server, limits(1)).unwrap().ask("up", When::At(0)).unwrap_err().to_string();
    assert!(message.ends_with("there was no whole reply within the timeout (2 attempts)"), "{message}");
}

#[test]
fn credentials_are_sent_and_not_shown() {
    let secrets = ["hunter2", "aHVudGVy", "Zm9vOmh1bnRlcjI=", "token123"];
    let shows = |text: &str| secrets.iter().any(|s| text.contains(s));
    let folder = Folder::new("credentials");
    let token = folder.write("token", "token123\n");
    let mut basic = Server::new("");
    basic.user = Some("foo".into());
    basic.password = Some(Secret::new("hunter2"));
    let mut bearer = Server::new("");
    bearer.bearer_token = Some(Secret::new("token123"));
    let mut file = Server::new("");
    file.bearer_token_file = Some(token);
    for (mut server, header) in [
        (basic, "authorization: basic zm9vomh1bnrlcji="),
        (bearer, "authorization: bearer token123"),
        (file, "authorization: bearer token123"),
    ] {
        // The server answers with what it was sent, so that an error could show it.
        let odd = Odd::start(move |_, head, stream| {
            let sent = head.to_lowercase().contains(header);
            let begin = head.find("authorization").unwrap_or(0);
            reply(stream, if sent { 418 } else { 500 }, "", &sent_back(&head[begin..]));
        });
        server.url = odd.url.clone();
        let client = Client::new(&server, limits(0)).unwrap();
        let error = client.ask("up", When::At(0)).unwrap_err();
        assert!(error.to_string().contains("418: \"authorization: ***"), "{error}");
        for text in [format!("{server:?}"), format!("{client:?}"), format!("{error:?}"), client.url("up", When::At(0))]
        {
            assert!(!shows(&text), "{text}");
        }
    }
    let odd = Odd::fixed(200, "", GOOD);
    let in_url = Server::new(odd.url.replace("http://", "http://foo:hunter2@"));
    let client = Client::new(&in_url, limits(0)).unwrap();
    assert!(client.ask("up", When::At(0)).is_ok());
    assert!(!shows(&client.url("up", When::At(0))) && !shows(&format!("{client:?}")));
    let mut wrong = Server::new(&odd.url);
    wrong.bearer_token = Some(Secret::new("hunter2\r\nX-Evil: 1"));
    let message = Client::new(&wrong, limits(0)).unwrap_err().to_string();
    assert_eq!(message, "bearer_token: a token is one word of visible ASCII characters");
}

#[test]
fn long_queries_are_posted() {
    let odd = Odd::start(|_, head, stream| {
        let posted = head.starts_with("POST /api/v1/query HTTP/1.1\r\n");
        reply(stream, if posted { 200 } else { 414 }, "", GOOD);
    });
    let answer = odd.client(limits(0)).ask(&format!("up{{a=\"{}\"}}", "x".repeat(10_000)), When::At(0));
    assert!(answer.is_ok(), "{answer:?}");
}

fn sent_back(head: &str) -> String {
    head.lines().next().unwrap_or_default().to_owned()
}

fn collector(url: &str) -> Collector {
    let folder = Folder::new(&format!("servers-{}", url.len()));
    folder.write("metrics.yml", "metrics: {m: {unit: x}}");
    let conf = format!(
        "[collect]\nmetrics_conf = metrics.yml\nperiod = 60\n[collector_prometheus]\nprometheus_url = {url}\n[ferrometer]\nboundaries = as_served\n"
    );
    let config = Config::load(&folder.write("cloudkitty.conf", conf), None).unwrap();
    Collector::new(Client::new(&config.server, limits(0)).unwrap(), config)
}

#[test]
fn an_answer_of_another_moment_is_not_rated() {
    let odd = Odd::fixed(
        200,
        "",
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1548856740,"1"]}]}}"#,
    );
    let error = collector(&odd.url).collect(&"s".into(), 1_548_856_740, 1).unwrap_err().to_string();
    assert!(error.ends_with("another moment (1548856740000 ms) than asked for: a stale answer"), "{error}");
}

#[test]
fn a_server_whose_clock_is_behind_the_period_is_told() {
    let odd = Odd::fixed(
        200,
        "Date: Wed, 30 Jan 2019 13:59:59 GMT\r\n",
        r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
    );
    let error = collector(&odd.url).collect(&"s".into(), 1_548_856_740, 1).unwrap_err().to_string();
    assert!(
        error.contains(
            "the server's clock says 2019-01-30T13:59:59+00:00, before the period's end 2019-01-30T14:00:00+00:00"
        ),
        "{error}"
    );
}

#[test]
fn what_a_server_cannot_answer_at_once_is_asked_in_halves() {
    let odd = Odd::start(|_, head, stream| {
        let parameter = |name: &str| {
            let rest = head.split_once(&format!("&{name}="))?.1;
            rest.split(['&', ' ']).next()?.parse::<i64>().ok()
        };
        let (start, end) = match parameter("time") {
            Some(time) => (time, time),
            None => (parameter("start").unwrap(), parameter("end").unwrap()),
        };
        if end - start > 120 {
            return reply(
                stream,
                422,
                "",
                r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory"}"#,
            );
        }
        let values: Vec<String> = (start..=end).step_by(60).map(|at| format!("[{at},\"{at}\"]")).collect();
        let (kind, field) = if start == end {
            ("vector", format!("\"value\":{}", values[0]))
        } else {
            ("matrix", format!("\"values\":[{}]", values.join(",")))
        };
        reply(
            stream,
            200,
            "",
            &format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":[{{"metric":{{}},{field}}}]}}}}"#),
        );
    });
    let usage = collector(&odd.url).collect(&"s".into(), 6000, 17).unwrap();
    let ends: Vec<i64> = usage.points.iter().map(|p| p.period.end).collect();
    assert_eq!(ends, (1..=17).map(|n| 6000 + 60 * n).collect::<Vec<_>>());
    assert!(usage.points.iter().all(|p| p.qty == p.period.end));
}

#[test]
fn a_series_that_is_given_twice_is_rated_once_and_told() {
    use ferrometer_collector::Cause;
    use ferrometer_collector::client::Answer;

    let folder = Folder::new("twice");
    let main =
        "[collect]\nscope_key = project\nperiod = 60\n[collector_prometheus]\nprometheus_url = http://h/api/v1\n";
    folder.write("metrics.yml", "metrics: {m: {unit: x, groupby: [vm]}}");
    let file = folder.write("main.conf", main);
    let config = Config::load(&file, Some(&folder.0.join("metrics.yml"))).unwrap();
    let client = Odd::fixed(200, "", "").client(limits(0));
    let collector = Collector::new(client, config);
    let usage = |result: &str| {
        let body = format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{result}]}}}}"#);
        collector.usage("m", &"p".into(), 0, 2, Answer::parse(body.as_bytes()).unwrap())
    };
    let series = |vm: &str, values: &str| format!(r#"{{"metric":{{"vm":"{vm}"}},"values":[{values}]}}"#);
    // Two of the same, one that goes on elsewhere, and a moment twice in one.
    let all = [
        series("a", r#"[60,"2"],[120,"3"]"#),
        series("b", r#"[60,"5"]"#),
        series("a", r#"[60,"2"]"#),
        series("b", r#"[120,"7"],[120,"7"]"#),
    ];
    let found = usage(&all.join(",")).unwrap();
    let points: Vec<_> = found.points.iter().map(|p| (p.period.begin, p.qty.normalized().to_string())).collect();
    assert_eq!(points, [(0, "2".into()), (0, "5".into()), (60, "3".into()), (60, "7".to_owned())]);
    let told: Vec<_> = found.notices.iter().map(|notice| (notice.cause, notice.period.begin)).collect();
    assert_eq!(told, [(Cause::Twice, 0), (Cause::Twice, 60)]);
    assert!(found.notices[0].to_string().ends_with("given twice by the server, rated once: vm=\"a\""));
    // Two values for one moment: neither is rated, nor anything beside them.
    let other = [series("b", r#"[60,"5"]"#), series("a", r#"[60,"2"]"#), series("a", r#"[60,"4"]"#)];
    let refused = usage(&other.join(",")).unwrap_err().to_string();
    assert!(refused.contains("gave one series twice, with 2 and with 4: vm=\"a\""), "{refused}");
}
