//! Input that is wrong or malicious: each with a reason, none that is kept, no panic.

mod common;

use common::Api;
use ferrometer_gnocchi::{Auth, Settings};
use serde_json::{Value, json};
use std::io::{Read, Write};

#[test]
fn measures_that_are_none_are_refused_with_the_reason() {
    let api = Api::new(Settings::default());
    let metric = api.metric(json!({"archive_policy_name": "high"}));
    let path = format!("/v1/metric/{metric}/measures");
    for (body, reason) in [
        (r#"[{"value": 1}]"#, "unexpected timestamp 'a measure without a timestamp'"),
        (r#"[{"timestamp": 1}]"#, "unexpected measures value"),
        (r#"[{"timestamp": 1, "value": null}]"#, "unexpected measures value"),
        (r#"[{"timestamp": 1, "value": "NaN"}]"#, "unexpected measures value"),
        (r#"[{"timestamp": 1, "value": "Infinity"}]"#, "unexpected measures value"),
        (r#"[{"timestamp": 1, "value": [1]}]"#, "unexpected measures value"),
        (r#"[{"timestamp": 1, "value": "x"}]"#, "unexpected measures value"),
        (r#"[{"timestamp": -1, "value": 1}]"#, "unexpected timestamp 'Timestamp must be after Epoch'"),
        (r#"[{"timestamp": "1969-12-31", "value": 1}]"#, "unexpected timestamp 'Timestamp must be after Epoch'"),
        (
            r#"[{"timestamp": "9999-01-01T00:00:00", "value": 1}]"#,
            "unexpected timestamp 'Timestamp must be before 2262-04-11'",
        ),
        (r#"[{"timestamp": "yesterday", "value": 1}]"#, "unexpected timestamp 'Unable to convert timestamps'"),
        (r#"[{"timestamp": {}, "value": 1}]"#, "unexpected timestamp 'Unable to convert timestamps'"),
        (
            r#"[{"timestamp": 1, "value": 1}, {"timestamp": "2014-01-01", "value": 1}]"#,
            "unexpected timestamp 'Unable to convert timestamps'",
        ),
        (r#"{"timestamp": 1, "value": 1}"#, "unexpected measures format"),
        (r#"[1]"#, "unexpected measures format"),
        (r#""x""#, "unexpected measures format"),
    ] {
        let told = api.send("admin", "POST", &path, &[], body.as_bytes()).is(400);
        assert_eq!(told["description"]["reason"], json!(reason), "{body}");
        assert_eq!(told["description"]["cause"], json!("Invalid input"));
    }
    for body in ["", " ", "[", "[{]", r#"[{"timestamp": 1, "value": NaN}]"#, "[] []", "\u{fffd}", "[1e999999999999]"] {
        let told = api.send("admin", "POST", &path, &[], body.as_bytes()).is(400);
        assert_eq!(told["description"]["cause"], json!("Unable to decode body"), "{body}");
    }
    // Nesting is bounded by the reader.
    assert_eq!(api.send("admin", "POST", &path, &[], "[".repeat(1_000_000).as_bytes()).status, 400);
    assert_eq!(api.send("admin", "POST", &path, &[("content-type", "text/plain")], b"[]").status, 415);
    assert_eq!(api.get(&path).is(200), json!([]));
}

#[test]
fn policies_that_cannot_be_are_refused_and_large_ones_cost_nothing_before_they_are_used() {
    let api = Api::new(Settings::default());
    let post = |definition: Value| api.post("/v1/archive_policy", json!({"name": "p", "definition": definition}));
    for (definition, words) in [
        (json!([{"granularity": "1s", "points": 1_000_000_001_u64}]), "too many"),
        (json!([{"granularity": "1s", "points": 1e300}]), "too many"),
        (json!([{"granularity": "1e300", "points": 3}]), "Unable to parse timespan"),
        (json!([{"granularity": "100 days", "points": 1_000_000_000}]), "292 years"),
        (json!([{"granularity": 0, "points": 3}]), "Timespan must be positive"),
        (json!([{"granularity": -5, "points": 3}]), "Timespan must be positive"),
        (json!([{"granularity": "1s", "points": 0}]), "value must be at least 1"),
        (json!([{"points": 3}]), "At least two of"),
        (json!([]), "length of value must be at least 1"),
        (json!({}), "expected a list"),
        (
            json!([{"granularity": "1s", "points": 3}, {"granularity": 1, "points": 4}]),
            "More than one archive policy uses granularity `1.0'",
        ),
        (json!([{"granularity": "1s", "cowsay": 3}]), "extra keys not allowed @ data['definition'][0]['cowsay']"),
    ] {
        let told = post(definition.clone()).is(400)["description"].to_string();
        assert!(told.contains(words), "{definition}: {told}");
    }
    // A policy of 10⁹ points is one that is never full.
    post(json!([{"granularity": "1s", "points": 1_000_000_000}])).is(201);
    let metric = api.metric(json!({"archive_policy_name": "p"}));
    let path = format!("/v1/metric/{metric}/measures");
    api.post(&path, json!([{"timestamp": 0, "value": 1}, {"timestamp": 999_999_999, "value": 2}])).is(202);
    assert_eq!(api.get(&format!("{path}?aggregation=count")).is(200).as_array().unwrap().len(), 2);
}

/// Each thing with a name, with one as long as may be and with one that is longer.
#[test]
fn names_and_lists_are_bounded_and_the_bound_is_told() {
    let api = Api::new(Settings::default());
    let definition = json!([{"granularity": "1m", "points": 5}]);
    let resource = |count: usize| format!("00000000-0000-0000-0000-{count:012}");
    let of = |what: &str, length: usize, number: usize| {
        let name = "ñ".repeat(length - 1) + &"abcdefghij"[number..=number];
        let policy = "low";
        let metrics = json!({&name: {"archive_policy_name": policy}});
        let id = resource(length * 10 + number);
        let known = format!("/v1/resource/generic/{id}");
        let to_known = || api.post("/v1/resource/generic", json!({"id": id})).is(201);
        let measures = json!([{"timestamp": "2026-01-01T00:00:00", "value": 1}]);
        match what {
            "policy" => api.post("/v1/archive_policy", json!({"name": name, "definition": definition})),
            "rule" => {
                let rule = json!({"name": name, "metric_pattern": "*", "archive_policy_name": policy});
                api.post("/v1/archive_policy_rule", rule)
            }
            "pattern" => {
                let rule = json!({"name": format!("r{length}"), "metric_pattern": name, "archive_policy_name": policy});
                api.post("/v1/archive_policy_rule", rule)
            }
            "other rule" => {
                let old = format!("old{length}");
                let rule = json!({"name": old, "metric_pattern": "*", "archive_policy_name": policy});
                api.post("/v1/archive_policy_rule", rule).is(201);
                api.patch(&format!("/v1/archive_policy_rule/{old}"), json!({"name": name}))
            }
            "metric" => api.post("/v1/metric", json!({"name": name, "archive_policy_name": policy})),
            "metric of a new resource" => api.post("/v1/resource/generic", json!({"id": id, "metrics": metrics})),
            "metric of a resource" => {
                to_known();
                api.post(&format!("{known}/metric"), metrics)
            }
            "metric of a changed resource" => {
                to_known();
                api.patch(&known, json!({"metrics": metrics}))
            }
            "metric of a batch" => {
                to_known();
                let body = json!({&id: {&name: {"archive_policy_name": policy, "measures": measures}}});
                api.post("/v1/batch/resources/metrics/measures?create_metrics=true", body)
            }
            "user" | "project" => {
                let key = format!("{what}_id");
                to_known();
                let changed = api.patch(&known, json!({&key: name}));
                let made = api.post("/v1/resource/generic", json!({"id": resource(1_000_000 + length), key: name}));
                assert_eq!(changed.status == 400, made.status == 400, "{what} {length}");
                changed
            }
            "type" => api.post("/v1/resource_type", json!({"name": name})),
            "creator" => {
                let user = "u".repeat(length);
                api.send(&user, "POST", "/v1/metric", &[], br#"{"archive_policy_name": "low"}"#)
            }
            "influx" => {
                let line = format!("cpu,host=h{length} {}=1", "f".repeat(length - 4));
                api.post("/v1/resource_type", json!({"name": "influxdb"}));
                api.send("admin", "POST", "/v1/influxdb/write", &[], line.as_bytes())
            }
            other => panic!("{other}"),
        }
    };
    for (number, what) in [
        "policy",
        "rule",
        "pattern",
        "other rule",
        "metric",
        "metric of a new resource",
        "metric of a resource",
        "metric of a changed resource",
        "metric of a batch",
        "user",
        "project",
        "type",
        "creator",
        "influx",
    ]
    .into_iter()
    .enumerate()
    {
        let number = number % 10;
        let good = of(what, 255, number);
        assert!((200..300).contains(&good.status), "{what}: {}", good.status);
        for length in [256, 5000] {
            let told = of(what, length, number).is(400)["description"].to_string();
            assert!(told.contains("must be at most 255"), "{what} {length}: {told:.300}");
        }
    }
    // A unit has fewer, however its metric is made.
    let unit = json!({"archive_policy_name": "low", "unit": "u".repeat(32), "measures": []});
    api.post("/v1/resource/generic", json!({"id": resource(1)})).is(201);
    let body = json!({resource(1): {"m": unit}});
    let told = api.post("/v1/batch/resources/metrics/measures?create_metrics=true", body).is(400);
    assert!(told["description"].to_string().contains("at most 31"), "{told}");
    // Lists of what every metric of a policy, and every resource of a type, has.
    let many = |count: u32| (1..=count).map(|n| json!({"granularity": n, "points": 5})).collect::<Vec<_>>();
    api.post("/v1/archive_policy", json!({"name": "wide", "definition": many(100)})).is(201);
    let told = api.post("/v1/archive_policy", json!({"name": "wider", "definition": many(101)})).is(400);
    assert!(told["description"].to_string().contains("length of value must be at most 100"), "{told}");
    let attributes = |from: u32, count: u32| -> serde_json::Map<String, Value> {
        (from..from + count).map(|n| (format!("a{n}"), json!({"type": "uuid", "required": false}))).collect()
    };
    api.post("/v1/resource_type", json!({"name": "wide", "attributes": attributes(0, 1000)})).is(201);
    let told = api.post("/v1/resource_type", json!({"name": "wider", "attributes": attributes(0, 1001)})).is(400);
    assert!(told["description"].to_string().contains("must be at most 1000"), "{told:.300}");
    let patch = json!([{"op": "add", "path": "/attributes/more", "value": {"type": "uuid", "required": false}}]);
    let patch = [("content-type", "application/json-patch+json")].map(|header| (header, patch.to_string()));
    let told = api.send("admin", "PATCH", "/v1/resource_type/wide", &[patch[0].0], patch[0].1.as_bytes()).is(400);
    assert!(told["description"].to_string().contains("must be at most 1000"), "{told:.300}");
}

#[test]
fn parameters_that_are_wrong_are_named() {
    let api = Api::new(Settings::default());
    let metric = api.metric(json!({"archive_policy_name": "high"}));
    let path = format!("/v1/metric/{metric}/measures");
    for (query, status) in [
        ("start=x", 400),
        ("stop=9999-01-01", 400),
        ("granularity=-1", 400),
        ("granularity=42", 404),
        ("aggregation=wat", 404),
        ("aggregation=last", 404),
        ("resample=60", 400),
        ("resample=x&granularity=60", 400),
        ("refresh=banana", 400),
    ] {
        assert_eq!(api.get(&format!("{path}?{query}")).status, status, "{query}");
    }
    for (path, status) in [
        ("/v1/metric?limit=0", 400),
        ("/v1/metric?limit=x", 400),
        ("/v1/metric?sort=wat", 400),
        ("/v1/metric?sort=id:sideways", 400),
        ("/v1/metric?marker=zzz", 400),
        ("/v1/metric?status=asleep", 400),
        ("/v1/metric/notauuid", 404),
        ("/v1/resource/nope", 404),
        ("/v1/resource/generic?sort=id%27%3BDROP%20TABLE%20metric", 400),
        ("/v1/nothing", 404),
        ("/elsewhere", 404),
        ("/v1/metric/%00/measures", 404),
        ("/v1/archive_policy/%2e%2e%2f", 404),
    ] {
        assert_eq!(api.get(path).status, status, "{path}");
    }
    let evil = json!({"=": {"id' OR 1=1 --": "x"}});
    assert!(
        api.post("/v1/search/resource/generic", evil).is(400)["description"]
            .as_str()
            .unwrap()
            .contains("has no id' OR 1=1 -- attribute")
    );
    assert_eq!(api.send("admin", "PUT", "/v1/metric", &[], b"").status, 405);
    // Text of a request is no markup in a page.
    let page = api.send("admin", "GET", "/v1/metric/%3Cscript%3E", &[("accept", "text/html, application/json")], b"");
    assert!(page.status == 404 && !page.text.contains("<script"), "{}", page.text);
}

#[test]
fn who_is_not_allowed_is_refused() {
    let api = Api::new(Settings::default());
    assert_eq!(api.send("me", "POST", "/v1/archive_policy", &[], b"{}").status, 403);
    assert_eq!(api.send("me", "GET", "/v1/status", &[], b"").status, 403);
    for wrong in ["", "basic", "basic !!!", "bearer YWRtaW46", "basic YWRtaW4=", "basic /w=="] {
        assert_eq!(api.send("x", "GET", "/v1/archive_policy", &[("authorization", wrong)], b"").status, 401, "{wrong}");
    }
    let metric = api.metric(json!({"archive_policy_name": "high"}));
    let path = format!("/v1/metric/{metric}/measures");
    assert_eq!(api.send("me", "GET", &path, &[], b"").status, 403);
    let body = json!({metric.as_str(): [{"timestamp": 1, "value": 1}]}).to_string();
    assert_eq!(api.send("me", "POST", "/v1/batch/metrics/measures", &[], body.as_bytes()).status, 403);
    let remote = Api::new(Settings { auth: Auth::RemoteUser, ..Settings::default() });
    assert_eq!(remote.send("admin", "GET", "/v1/status", &[], b"").status, 401);
    assert_eq!(remote.send("x", "GET", "/v1/status", &[("x-remote-user", "admin")], b"").status, 200);
}

#[test]
fn pages_of_other_origins_may_ask_when_they_are_named() {
    let api = Api::new(Settings { cors: vec!["http://foobar.com".into()], ..Settings::default() });
    let ask = |origin: &str| {
        api.send("x", "OPTIONS", "/v1/status", &[("origin", origin), ("access-control-request-method", "GET")], b"")
    };
    assert_eq!(ask("http://foobar.com").header("access-control-allow-origin"), "http://foobar.com");
    assert_eq!(ask("http://foobar.com").header("access-control-allow-methods"), "GET");
    assert_eq!(ask("http://other.com").header("access-control-allow-origin"), "");
}

/// Bodies that never end are cut off by the server, whatever they say about their length.
#[test]
fn a_body_of_a_gigabyte_is_refused_before_it_is_read() {
    let api = Api::new(Settings { max_body: 1 << 20, ..Settings::default() });
    let head = "POST /v1/batch/metrics/measures HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\nauthorization: basic YWRtaW46\r\n";
    for rest in ["content-length: 1073741824\r\n\r\n", "transfer-encoding: chunked\r\n\r\n"] {
        let mut stream = api.connect();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(rest.as_bytes()).unwrap();
        // The server ends the connection long before all of it is sent.
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(65_536));
        for _ in 0..16_384 {
            if rest.starts_with("content") || stream.write_all(chunk.as_bytes()).is_err() {
                break;
            }
        }
        let mut answer = [0; 64];
        let read = stream.read(&mut answer).unwrap_or(0);
        let answer = String::from_utf8_lossy(&answer[..read]);
        assert!(answer.starts_with("HTTP/1.1 413") || (read == 0 && rest.starts_with("transfer")), "{answer}");
    }
}

#[test]
fn a_batch_of_very_many_metrics_is_answered_shortly() {
    let api = Api::new(Settings::default());
    let known = api.metric(json!({"archive_policy_name": "low"}));
    let mut body = format!("{{\"{known}\": [{{\"timestamp\": 1, \"value\": 1}}]");
    for number in 1..=100_000_u128 {
        body.push_str(&format!(",\"{}\":[]", uuid::Uuid::from_u128(number)));
    }
    body.push('}');
    let told = api.send("admin", "POST", "/v1/batch/metrics/measures", &[], body.as_bytes());
    let words = told.is(400)["description"].as_str().unwrap().to_owned();
    assert!(words.starts_with("Unknown metrics: 00000000-0000-0000-0000-000000000001, "), "{words}");
    assert!(words.ends_with(" and 99000 more") && words.len() < 50_000, "{}", words.len());
    // All or none.
    assert_eq!(api.get(&format!("/v1/metric/{known}/measures")).is(200), json!([]));
}

#[test]
fn a_batch_of_a_million_metrics_is_refused_and_of_many_names_taken() {
    let api = Api::new(Settings::default());
    let known = api.metric(json!({"archive_policy_name": "low"}));
    let words = "a batch may have 200000 metrics; send the measures in several requests";
    let mut body = format!("{{\"{known}\": [{{\"timestamp\": 1, \"value\": 1}}]");
    for number in 1..1_000_000_u128 {
        body.push_str(&format!(",\"{}\":[]", uuid::Uuid::from_u128(number)));
    }
    body.push('}');
    let path = "/v1/batch/metrics/measures";
    assert_eq!(api.send("admin", "POST", path, &[], body.as_bytes()).is(413)["description"], words);
    // So is one that is cut off behind them; one that is cut off before is no JSON.
    assert_eq!(api.send("admin", "POST", path, &[], &body.as_bytes()[..20_000_000]).status, 413);
    assert_eq!(api.send("admin", "POST", path, &[], &body.as_bytes()[..1_000_000]).status, 400);
    assert_eq!(api.get(&format!("/v1/metric/{known}/measures")).is(200), json!([]));
    let resource = |metrics: u32| {
        let mut body = "{\"house\": {\"m0\": []".to_owned();
        (1..metrics).for_each(|number| body.push_str(&format!(",\"m{number}\":[]")));
        body + "}}"
    };
    let path = "/v1/batch/resources/metrics/measures";
    assert_eq!(api.send("admin", "POST", path, &[], resource(1_000_000).as_bytes()).is(413)["description"], words);
    // More names of one resource than a database takes parameters.
    let told = api.send("admin", "POST", path, &[], resource(70_000).as_bytes()).is(400)["description"].to_string();
    assert!(told.contains("Unknown metrics: ") && told.contains(" and 69000 more"), "{}", &told[..200]);
}

#[test]
fn years_beyond_what_can_be_told_are_refused() {
    let api = Api::new(Settings::default());
    let metric = api.metric(json!({"archive_policy_name": "high"}));
    let path = format!("/v1/metric/{metric}/measures");
    for (stamp, words) in [
        (json!("9999-12-31T23:59:59"), "Timestamp must be before 2262-04-11"),
        (json!(253_402_300_799_u64), "Timestamp must be before 2262-04-11"),
        (json!("1969-12-31T23:59:59"), "Timestamp must be after Epoch"),
        (json!(-1), "Timestamp must be after Epoch"),
    ] {
        let told = api.post(&path, json!([{"timestamp": stamp, "value": 1}])).is(400);
        assert!(told.to_string().contains(words), "{stamp}: {told}");
    }
    // The latest that can be told is a measure like any other.
    api.post(&path, json!([{"timestamp": "2262-04-11T23:47:16", "value": 1}])).is(202);
    assert_eq!(api.get(&format!("{path}?granularity=3600")).is(200)[0][0], "2262-04-11T23:00:00+00:00");
}

#[test]
fn conditions_with_many_parts_are_answered_or_refused_and_never_the_servers_fault() {
    let api = Api::new(Settings::default());
    api.post("/v1/resource/generic", json!({"id": "one", "project_id": "p"})).is(201);
    let search = "/v1/search/resource/generic";
    let other = json!({"=": {"project_id": "x"}});
    let mut parts = vec![other; 5_000];
    parts.push(json!({"=": {"project_id": "p"}}));
    assert_eq!(api.post(search, json!({"or": parts})).is(200).as_array().unwrap().len(), 1);
    assert_eq!(api.post(search, json!({"and": parts})).is(200), json!([]));
    let mut ids: Vec<String> = (0..20_000).map(|number| format!("r{number}")).collect();
    ids.push("one".into());
    assert_eq!(api.post(search, json!({"in": {"id": ids}})).is(200).as_array().unwrap().len(), 1);
    let many = json!({"in": {"id": vec!["x"; 40_000]}});
    let refused = api.post(search, many.clone());
    assert!(refused.status == 400 && refused.text.contains("a filter may have 30000 values"), "{}", refused.text.len());
    assert_eq!(api.send("admin", "DELETE", "/v1/resource/generic", &[], many.to_string().as_bytes()).status, 400);
    let sorted = format!("/v1/metric?{}", vec!["sort=name:asc"; 3_000].join("&"));
    assert_eq!(api.get(&sorted).is(200), json!([]));
}
