//! Additions that Gnocchi has not: each leaves its clients right.

mod common;

use common::{Api, Told};
use ferrometer_gnocchi::Settings;
use prost::Message;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::time::Duration;
use uuid::Uuid;

fn api() -> Api {
    Api::new(Settings::default())
}

fn measures(list: &[(i64, f64)]) -> Value {
    list.iter().map(|(at, value)| json!({"timestamp": at, "value": value})).collect()
}

#[test]
fn a_range_is_removed_and_the_window_opens_again() {
    let api = api();
    let id = api.metric(json!({"archive_policy_name": "medium"}));
    let path = format!("/v1/metric/{id}/measures");
    api.post(&path, measures(&[(10, 1.0), (7200, 9.0)])).is(202);
    // The wrong clock is removed, and the right one goes on.
    let told = api.delete(&format!("{path}?start=3600&stop=1970-01-02")).is(200);
    assert_eq!(told["points"], 1);
    assert_eq!(told["accepted_from"], "1970-01-01T00:00:00+00:00");
    api.post(&path, measures(&[(20, 3.0)])).is(202);
    assert_eq!(api.get(&format!("{path}?granularity=60")).is(200), json!([["1970-01-01T00:00:00+00:00", 60.0, 2.0]]));
    assert_eq!(
        api.delete(&path).is(400)["description"],
        "`start` or `stop` says which measures are removed; `all=true` removes all"
    );
    api.delete(&format!("{path}?start=soon")).is(400);
    api.delete(&format!("{path}?all=true")).is(200);
    assert_eq!(api.get(&path).is(200), json!([]));
    assert_eq!(api.send("somebody", "DELETE", &format!("{path}?all=true"), &[], b"").status, 403);
}

#[test]
fn a_policy_is_given_with_the_metric_and_changes() {
    let api = api();
    let given = json!({"definition": [{"granularity": 60, "points": 10}], "aggregation_methods": ["max"]});
    let made = api.post("/v1/metric", json!({"archive_policy": given})).is(201);
    let name = made["archive_policy_name"].as_str().unwrap().to_owned();
    // One policy for all who give the same.
    let again = api.post("/v1/metric", json!({"archive_policy": given})).is(201);
    assert_eq!(again["archive_policy_name"], name.as_str());
    let policies = api.get("/v1/archive_policy").is(200);
    assert_eq!(policies.as_array().unwrap().iter().filter(|policy| policy["name"] == name.as_str()).count(), 1);
    let path = format!("/v1/metric/{}", made["id"].as_str().unwrap());
    api.post(&format!("{path}/measures"), measures(&[(10, 1.0), (70, 4.0), (80, 2.0)])).is(202);
    let changed = api.patch(&path, json!({"archive_policy": {"definition": [{"granularity": 60, "points": 20}, {"granularity": 1, "points": 20}], "aggregation_methods": ["max", "min"]}}));
    let changed = changed.is(200);
    assert_eq!(changed["changed"]["granularities"], json!({"kept": [60.0], "added": [1.0], "removed": []}));
    assert_eq!(changed["changed"]["aggregation_methods"], json!({"added": ["min"], "removed": []}));
    assert_eq!(changed["changed"]["computed_from"], "1970-01-01T00:01:00+00:00");
    let rows = |query: &str| api.get(&format!("{path}/measures?{query}")).is(200);
    assert_eq!(rows("aggregation=max&granularity=60").as_array().unwrap().len(), 2);
    assert_eq!(rows("aggregation=min&granularity=60"), json!([["1970-01-01T00:01:00+00:00", 60.0, 2.0]]));
    assert_eq!(rows("aggregation=min&granularity=1").as_array().unwrap().len(), 2);
    api.patch(&path, json!({"archive_policy_name": "nope"})).is(400);
    api.patch(&path, json!({})).is(400);
    api.post("/v1/metric", json!({"archive_policy": given, "archive_policy_name": "low"})).is(400);
    api.post("/v1/metric", json!({"archive_policy": {"definition": []}})).is(400);
    // Anyone who makes policies decides what metrics cost.
    let body = json!({"archive_policy": given}).to_string();
    assert_eq!(api.send("somebody", "POST", "/v1/metric", &[], body.as_bytes()).status, 403);
}

#[test]
fn a_policy_has_a_time_to_live() {
    let api = api();
    let policy = json!({"name": "mortal", "definition": [{"granularity": 1, "points": 10}], "time_to_live": "1 day"});
    assert_eq!(api.post("/v1/archive_policy", policy).is(201)["time_to_live"], "1 day, 0:00:00");
    assert!(api.get("/v1/archive_policy/low").is(200).get("time_to_live").is_none());
    let id = api.metric(json!({"archive_policy_name": "mortal"}));
    api.post(&format!("/v1/metric/{id}/measures"), measures(&[(60, 1.0)])).is(202);
    assert_eq!(api.archive().expire(60_000_000_000 + 86_400_000_000_001).unwrap(), 1);
    assert_eq!(api.get(&format!("/v1/metric/{id}")).status, 404);
    let told = api.patch("/v1/archive_policy/mortal", json!({"time_to_live": null})).is(200);
    assert!(told.get("time_to_live").is_none());
    api.patch("/v1/archive_policy/mortal", json!({"time_to_live": 0})).is(400);
    api.patch("/v1/archive_policy/mortal", json!({})).is(400);
}

#[test]
fn the_largest_groups_come_first_and_the_others_are_added_up() {
    let api = api();
    for (host, value) in [("a", 1.0), ("b", 50.0), ("c", 7.0), ("d", 2.0)] {
        let body = json!({"id": host, "project_id": host, "metrics": {"cpu": {"archive_policy_name": "low"}}});
        api.post("/v1/resource/generic", body).is(201);
        api.post(&format!("/v1/resource/generic/{host}/metric/cpu/measures"), measures(&[(10, value), (310, value)]))
            .is(202);
    }
    let ask = |query: &str| {
        let body = json!({"operations": "(aggregate sum (metric cpu mean))", "resource_type": "generic", "search": {}});
        api.post(&format!("/v1/aggregates?groupby=project_id{query}"), body)
    };
    assert_eq!(ask("").is(200).as_array().unwrap().len(), 4);
    let told = ask("&top=2").is(200);
    let groups: Vec<&Value> = told.as_array().unwrap().iter().map(|part| &part["group"]).collect();
    assert_eq!(groups, [&json!({"project_id": "b"}), &json!({"project_id": "c"}), &Value::Null]);
    let rest = &told[2];
    assert_eq!((&rest["groups"], &rest["measures"]["measures"]["aggregated"][1][2]), (&json!(2), &json!(3.0)));
    assert_eq!(ask("&top=1&rest=false&top_by=min").is(200).as_array().unwrap().len(), 1);
    for wrong in ["&top=0", "&top=x", "&top=1&top_by=median"] {
        ask(wrong).is(400);
    }
    let alone = json!({"operations": "(metric cpu mean)", "resource_type": "generic", "search": {}});
    api.post("/v1/aggregates?groupby=project_id&top=1", alone.clone()).is(400);
    api.post("/v1/aggregates?top=1", alone).is(400);
}

#[derive(Clone, PartialEq, Message)]
struct Batch {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
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

#[test]
fn compact_measures_are_those_of_json_in_a_fraction_of_the_bytes() {
    let api = api();
    let ids: Vec<String> = (0..3).map(|_| api.metric(json!({"archive_policy_name": "high"}))).collect();
    let post = |path: &str, batch: &Batch| -> Told {
        api.send("admin", "POST", path, &[("content-type", "application/x-protobuf")], &batch.encode_to_vec())
    };
    let series = |id: &str| {
        let times = [1_412_606_000].into_iter().chain([10; 99]).collect();
        let metric = Uuid::parse_str(id).map_or_else(|_| Vec::new(), |id| id.as_bytes().to_vec());
        Series { metric, unit: 1_000_000_000, times, values: (0..100).map(f64::from).collect() }
    };
    let batch = Batch { series: ids.iter().map(|id| series(id)).collect() };
    assert!(batch.encode_to_vec().len() < 3 * 1000);
    post("/v1/batch/metrics/measures", &batch).is(202);
    let json: Value = (0..100).map(|i| json!({"timestamp": 1_412_606_000 + 10 * i, "value": i})).collect();
    let other = api.metric(json!({"archive_policy_name": "high"}));
    api.post(&format!("/v1/metric/{other}/measures"), json).is(202);
    let rows = |id: &str| api.get(&format!("/v1/metric/{id}/measures")).is(200);
    ids.iter().for_each(|id| assert_eq!(rows(id), rows(&other)));
    post(&format!("/v1/metric/{other}/measures"), &Batch { series: vec![series("")] }).is(202);
    post(&format!("/v1/metric/{other}/measures"), &batch).is(400);
    let unknown = Batch { series: vec![series(&Uuid::nil().to_string())] };
    assert!(
        post("/v1/batch/metrics/measures", &unknown).is(400)["description"]
            .as_str()
            .unwrap()
            .starts_with("Unknown metrics")
    );
    assert_eq!(
        api.send("admin", "POST", "/v1/batch/metrics/measures", &[("content-type", "application/x-protobuf")], b"\xff")
            .status,
        400
    );
}

#[test]
fn aggregates_by_weekday_and_hour() {
    let api = api();
    let id = api.metric(json!({"archive_policy_name": "medium"}));
    let path = format!("/v1/metric/{id}/measures");
    // Three Mondays at noon, and one Tuesday.
    api.post(
        &path,
        measures(&[(1_412_596_800, 1.0), (1_413_201_600, 3.0), (1_413_806_400, 5.0), (1_413_892_800, 100.0)]),
    )
    .is(202);
    let ask = |query: &str| api.get(&format!("{path}?granularity=3600&{query}"));
    let weekday = |day: i64, points: i64, value: f64| json!({"weekday": day, "points": points, "value": value});
    assert_eq!(ask("by=weekday").is(200), json!([weekday(1, 3, 3.0), weekday(2, 1, 100.0)]));
    assert_eq!(ask("by=weekday&reaggregation=max").is(200)[0], weekday(1, 3, 5.0));
    let both = json!({"weekday": 1, "hour": 14, "points": 3, "value": 3.0});
    assert_eq!(ask("by=weekday,hour&utc_offset=%2B02:00").is(200)[0], both);
    for wrong in ["by=month", "by=hour&utc_offset=x", "by=hour&reaggregation=rate:mean", "by=hour&resample=7200"] {
        ask(wrong).is(400);
    }
    api.get(&format!("{path}?by=hour")).is(400);
}

#[test]
fn aggregates_are_told_as_they_come_and_go_on_where_a_stream_was_cut() {
    let api = api();
    let id = api.metric(json!({"archive_policy_name": "high"}));
    let path = format!("/v1/metric/{id}/measures");
    api.post(&path, measures(&[(60, 1.0), (130, 2.0)])).is(202);
    let open = |query: &str, more: &str| {
        let mut stream = api.connect();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "GET /v1/metric/{id}/stream?granularity=60&{query} HTTP/1.1\r\nhost: here\r\nauthorization: basic YWRtaW46\r\naccept-encoding: gzip\r\n{more}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        BufReader::new(stream)
    };
    // The value of the next line that begins so; chunks of HTTP stand between.
    let next = |stream: &mut BufReader<std::net::TcpStream>, wanted: &str| loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended");
        if let Some(rest) = line.strip_prefix(wanted) {
            return rest.trim().to_owned();
        }
    };
    let mut stream = open("aggregation=max", "");
    assert_eq!(next(&mut stream, "content-type:"), "text/event-stream");
    assert_eq!(next(&mut stream, "id:"), "120000000000");
    assert_eq!(next(&mut stream, "data:"), "[[\"1970-01-01T00:02:00+00:00\",60.0,2.0]]");
    // A changed aggregate comes again, and with it the new ones.
    api.post(&path, measures(&[(131, 5.0), (190, 7.0)])).is(202);
    let data = "[[\"1970-01-01T00:02:00+00:00\",60.0,5.0],[\"1970-01-01T00:03:00+00:00\",60.0,7.0]]";
    assert_eq!(next(&mut stream, "data:"), data);
    let mut later = open("aggregation=max", "last-event-id: 120000000000\r\n");
    assert_eq!(next(&mut later, "data:"), data);
    let mut all = open("aggregation=count&start=0", "");
    assert_eq!(next(&mut all, "data:").matches("60.0").count(), 3);
    // A metric that is removed ends its streams.
    api.delete(&format!("/v1/metric/{id}")).is(204);
    let mut rest = String::new();
    while stream.read_line(&mut rest).unwrap_or(0) > 0 {}
    assert_eq!(api.get(&format!("/v1/metric/{id}/stream")).status, 404);
    let other = api.metric(json!({"archive_policy_name": "low"}));
    assert_eq!(api.get(&format!("/v1/metric/{other}/stream?aggregation=median")).status, 404);
    assert_eq!(api.get(&format!("/v1/metric/{other}/stream?granularity=1")).status, 404);
    assert_eq!(api.post(&format!("/v1/metric/{other}/stream"), json!({})).status, 404);
    assert_eq!(api.send("somebody", "GET", &format!("/v1/metric/{other}/stream"), &[], b"").status, 403);
}

#[test]
fn metrics_are_found_by_a_part_of_their_name_and_policies_told_with_their_cost() {
    let api = api();
    for name in ["cpu.user", "cpu.system", "disk", "CPU"] {
        api.post("/v1/metric", json!({"name": name, "archive_policy_name": "low"})).is(201);
    }
    let names = |path: &str| -> Vec<String> {
        let found = api.get(path).is(200);
        found.as_array().unwrap().iter().map(|metric| metric["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("/v1/metric?sort=name:asc&name_like=%25cpu%25"), ["cpu.system", "cpu.user"]);
    assert_eq!(names("/v1/metric?sort=name:asc&name_like=dis_"), ["disk"]);
    let first = api.get("/v1/metric?sort=name:asc&name_like=cpu%25&limit=1");
    assert!(first.header("link").contains("name_like=cpu%25"), "{}", first.header("link"));
    let told = api.get("/v1/archive_policy?cost=true").is(200);
    let low = told.as_array().unwrap().iter().find(|policy| policy["name"] == "low").unwrap();
    assert!(low["cost"]["aggregates"].as_u64() > Some(1000) && low["cost"]["bytes"].as_u64() > Some(1000), "{low}");
    assert!(api.get("/v1/archive_policy").is(200)[0].get("cost").is_none());
    let id = api.metric(json!({"archive_policy_name": "high"}));
    assert_eq!(api.get(&format!("/v1/metric/{id}")).header("x-measures-last"), "");
    api.post(&format!("/v1/metric/{id}/measures"), measures(&[(10, 1.0), (70, 4.0)])).is(202);
    assert_eq!(api.get(&format!("/v1/metric/{id}")).header("x-measures-last"), "1970-01-01T00:01:10+00:00");
}
