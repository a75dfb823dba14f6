//! Requests that were right until something changed a few of their bytes: each is answered, none with an error of the server, and none ends it.

mod common;

use common::Api;
use ferrometer_gnocchi::{Gnocchi, Settings};
use http::{HeaderMap, Method, header};
use prost::Message;
use serde_json::json;

/// A generator of numbers that look random (xorshift), the same ones each time.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % most.max(1)
    }

    fn of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all[self.below(all.len())]
    }

    /// Changes up to four places: a byte, a piece that goes, is doubled or comes from elsewhere, a word with a meaning of its own.
    fn mangle(&mut self, bytes: &[u8]) -> Vec<u8> {
        const WORDS: [&str; 28] = [
            "null",
            "[]",
            "{}",
            "-1",
            "1e308",
            "-0.0",
            "NaN",
            "18446744073709551616",
            "\"\"",
            "\u{0}",
            "\"\\ud800\"",
            "%00",
            "%2f",
            "(",
            ")",
            " and ",
            " not ",
            "metric",
            "*",
            "in",
            "1969-12-31",
            "9999-01-01",
            "100 years",
            "-5 minutes",
            "é",
            "\u{202e}",
            "rate:",
            "[[[[[[[[",
        ];
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = at + self.below(bytes.len() - at + 1).min(12);
            match self.below(5) {
                0 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                3 => {
                    let from = self.below(bytes.len() + 1);
                    let piece = bytes[from..(from + end - at).min(bytes.len())].to_vec();
                    bytes.splice(at..end, piece);
                }
                _ => drop(bytes.splice(at..end, self.of(&WORDS).bytes())),
            }
        }
        bytes
    }
}

#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(bytes = "vec", tag = "1")]
    metric: Vec<u8>,
    #[prost(uint64, tag = "2")]
    unit: u64,
    #[prost(sint64, repeated, tag = "3")]
    times: Vec<i64>,
    #[prost(double, repeated, tag = "4")]
    values: Vec<f64>,
}

/// One of each kind of request: method, path, type of the body, body.
fn requests(metric: &str) -> Vec<(Method, String, &'static str, Vec<u8>)> {
    let (get, post, patch) = (|| Method::GET, || Method::POST, || Method::PATCH);
    let lisp = format!("(aggregate mean (clip_max (rolling max 2 (metric ({metric} mean) ({metric} max))) 40))");
    let series = Series { metric: Vec::new(), unit: 1, times: vec![1_000, 5, 7], values: vec![1.0, 2.0, 3.0] };
    let written = snap::raw::Encoder::new().compress_vec(
        b"\x0a\x2b\x0a\x0e\x0a\x08__name__\x12\x02up\x0a\x07\x0a\x03job\x12\x00\x12\x10\x09\x00\x00\x00\x00\x00\x00\xf0?\x10\x80\xea\xd6\x9c\xd5\x2e",
    );
    let mut all = vec![
        (get(), format!("/v1/metric/{metric}/measures?start=2014-10-06T14:34&stop=2014-10-06T15:34&granularity=60&resample=M&aggregation=max&refresh=true"), "", vec![]),
        (get(), format!("/v1/metric/{metric}/measures?granularity=60&by=weekday,hour&utc_offset=%2B02:00"), "", vec![]),
        (get(), "/v1/metric?name_like=%25m%25&limit=2&sort=name:asc&sort=id:desc&status=active".into(), "", vec![]),
        (get(), format!("/v1/aggregation/metric?metric={metric}&needed_overlap=50.0&fill=0&reaggregation=sum&granularity=60"), "", vec![]),
        (get(), "/v1/resource/generic/thing/history?limit=2&sort=revision_start:desc".into(), "", vec![]),
        (get(), "/v1/archive_policy?cost=true".into(), "", vec![]),
        (post(), "/v1/search/metric?granularity=60".to_owned() + "&metric_id=" + metric, "application/json", br#"{"and": [{">": 3}, {"<": [{"%": 10}, 7]}]}"#.to_vec()),
        (
            post(),
            "/v1/aggregates?granularity=60&groupby=project_id&top=2&top_by=max&fill=ffill&needed_overlap=0".into(),
            "application/json",
            json!({"operations": "(aggregate sum (metric m mean))", "resource_type": "generic", "search": "project_id in [\"a\"] and not project_id like '%x'"}).to_string().into(),
        ),
        (post(), "/v1/aggregates?granularity=60&fill=null".into(), "application/json", json!({"operations": lisp}).to_string().into()),
        (post(), "/v1/search/resource/generic?filter=project_id%3D%27a%27".into(), "application/json", br#"{"or": [{"=": {"project_id": "a"}}, {"in": {"user_id": ["x", null]}}]}"#.to_vec()),
        (post(), "/v1/influxdb/query?q=CREATE+DATABASE+lines".into(), "text/plain", vec![]),
        (post(), "/v1/influxdb/write?db=lines".into(), "text/plain", b"cpu,host=h\\ 1,zone=a\\,b load=1.5,used=3i,on=t,say=\"a\\\"b\" 1434055562000000000\n".to_vec()),
        (post(), format!("/v1/metric/{metric}/measures"), "application/x-protobuf", [&[0x0a, series.encoded_len() as u8][..], &series.encode_to_vec()].concat()),
        (patch(), format!("/v1/metric/{metric}"), "application/json", br#"{"archive_policy": {"definition": [{"granularity": 60, "points": 1440}], "aggregation_methods": ["mean", "95pct", "rate:max"]}}"#.to_vec()),
        (post(), "/v1/archive_policy".into(), "application/json", br#"{"name": "p", "back_window": 2, "aggregation_methods": ["*", "-max"], "definition": [{"granularity": "7s", "timespan": "1 hour"}], "time_to_live": "30 days"}"#.to_vec()),
        (patch(), "/v1/archive_policy/low".into(), "application/json", br#"{"definition": [{"granularity": "5m", "points": 99}], "back_window": 1}"#.to_vec()),
        (post(), "/v1/archive_policy_rule".into(), "application/json", br#"{"name": "r", "metric_pattern": "d[!a-c]*.io.?", "archive_policy_name": "low"}"#.to_vec()),
        (post(), "/v1/resource_type".into(), "application/json", br#"{"name": "t", "attributes": {"a": {"type": "string", "max_length": 3}, "n": {"type": "number", "min": -1.5, "required": false}}}"#.to_vec()),
        (patch(), "/v1/resource_type/machine".into(), "application/json-patch+json", br#"[{"op": "add", "path": "/attributes/x", "value": {"type": "datetime", "required": false, "options": {"fill": "2014-01-01"}}}]"#.to_vec()),
        (post(), "/v1/resource/machine".into(), "application/json", br#"{"id": "m1", "host": "h", "project_id": "a", "started_at": "2014-01-02 23:23:34", "ended_at": null, "metrics": {"cpu": {"archive_policy_name": "low", "unit": "%"}}}"#.to_vec()),
        (patch(), "/v1/resource/generic/thing".into(), "application/json", br#"{"project_id": "b", "ended_at": "2044-01-02", "metrics": {"n": {"archive_policy_name": "high"}}}"#.to_vec()),
        (post(), "/v1/batch/resources/metrics/measures?create_metrics=true".into(), "application/json", br#"{"thing": {"m": [{"timestamp": 60, "value": 1}], "o": {"archive_policy_name": "low", "measures": [{"timestamp": "2014-10-06T14:33:57", "value": "43.1"}]}}}"#.to_vec()),
        (post(), "/v1/batch/metrics/measures".into(), "application/json", format!(r#"{{"{metric}": [{{"timestamp": 1412606400.5, "value": -3e2}}]}}"#).into()),
        (post(), "/v1/metric".into(), "application/json", br#"{"name": "fresh", "resource_id": "thing", "unit": "B", "archive_policy_name": "low"}"#.to_vec()),
    ];
    all.push((post(), "/v1/prometheus/write".into(), "application/x-protobuf", written.unwrap()));
    all
}

#[test]
fn whatever_is_mangled_is_answered_and_no_error_of_the_server() {
    let api = Api::new(Settings::default());
    api.post("/v1/resource_type", json!({"name": "machine", "attributes": {"host": {"type": "string"}}})).is(201);
    api.post(
        "/v1/resource/generic",
        json!({"id": "thing", "project_id": "a", "metrics": {"m": {"archive_policy_name": "high"}}}),
    )
    .is(201);
    let metric = api.metric(json!({"archive_policy_name": "high", "name": "alone"}));
    let points =
        json!([{"timestamp": "2014-10-06T14:34:12", "value": 12}, {"timestamp": "2014-10-06T14:35:20", "value": 2}]);
    api.post(&format!("/v1/metric/{metric}/measures"), points.clone()).is(202);
    api.post("/v1/resource/generic/thing/metric/m/measures", points).is(202);
    let asked = Gnocchi::new(api.archive(), Settings::default());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut taken, mut refused) = (0, 0);
    for (method, path, kind, body) in requests(&metric) {
        for turn in 0..400 {
            // Untouched first; then the query, the body, or both.
            let (change_path, change_body) =
                [(false, false), (true, false), (false, true), (true, true)][if turn == 0 { 0 } else { 1 + turn % 3 }];
            let mut uri = path.clone();
            if change_path {
                let bytes = random.mangle(&path.as_bytes()[1..]);
                let legal = bytes.iter().map(|byte| {
                    if byte.is_ascii_graphic() { (*byte as char).to_string() } else { format!("%{byte:02X}") }
                });
                uri = format!("/{}", legal.collect::<String>());
            }
            let Ok(uri) = uri.parse() else { continue };
            let bytes = if change_body { random.mangle(&body) } else { body.clone() };
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, "basic YWRtaW46".parse().unwrap());
            headers.insert(header::ACCEPT, "application/json".parse().unwrap());
            if !kind.is_empty() {
                headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            }
            let answer = asked.handle(method.clone(), &uri, headers, bytes.clone().into());
            let (status, told) = (answer.status(), String::from_utf8_lossy(answer.body()).into_owned());
            let what = || format!("{method} {uri} {}\n{status} {told}", String::from_utf8_lossy(&bytes));
            assert!(!status.is_server_error() || status.as_u16() == 501, "{}", what());
            if status.is_client_error() {
                refused += 1;
                let json: serde_json::Value =
                    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {}", what()));
                assert_eq!(json["code"], status.as_u16(), "{}", what());
            } else {
                taken += 1;
                assert!(told.is_empty() || serde_json::from_str::<serde_json::Value>(&told).is_ok(), "{}", what());
            }
            if turn == 0 {
                assert!(status.is_success(), "an untouched request is taken: {}", what());
            }
        }
    }
    println!("{taken} were taken and {refused} refused");
    assert!(taken > 500 && refused > 2000, "{taken} {refused}");
    api.get(&format!("/v1/metric/{metric}")).is(200);
}
