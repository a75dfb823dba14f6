//! The examples of Gnocchi's document, to the digit.

mod common;

use common::Api;
use ferrometer_gnocchi::Settings;
use serde_json::json;

#[test]
fn the_measures_of_the_document_come_back_as_it_says() {
    let api = Api::new(Settings::default());
    let metric = api.metric(json!({"archive_policy_name": "high"}));
    let path = format!("/v1/metric/{metric}/measures");
    let body = json!([
        {"timestamp": "2014-10-06T14:33:57", "value": 43.1},
        {"timestamp": "2014-10-06T14:34:12", "value": 12},
        {"timestamp": "2014-10-06T14:34:20", "value": 2},
    ]);
    assert_eq!(api.post(&path, body).status, 202);
    let hour = json!(["2014-10-06T14:00:00+00:00", 3600.0, 19.033333333333335]);
    let minutes = [json!(["2014-10-06T14:33:00+00:00", 60.0, 43.1]), json!(["2014-10-06T14:34:00+00:00", 60.0, 7.0])];
    let seconds = [
        json!(["2014-10-06T14:33:57+00:00", 1.0, 43.1]),
        json!(["2014-10-06T14:34:12+00:00", 1.0, 12.0]),
        json!(["2014-10-06T14:34:20+00:00", 1.0, 2.0]),
    ];
    let all = json!([hour, minutes[0], minutes[1], seconds[0], seconds[1], seconds[2]]);
    assert_eq!(api.get(&path).is(200), all);
    assert_eq!(api.get(&format!("{path}?refresh=true")).is(200), all);
    // A start is brought down to each granularity.
    assert_eq!(
        api.get(&format!("{path}?start=2014-10-06T14:34")).is(200),
        json!([hour, minutes[1], seconds[1], seconds[2]])
    );
    assert_eq!(
        api.get(&format!("{path}?aggregation=max&granularity=60")).is(200),
        json!([["2014-10-06T14:33:00+00:00", 60.0, 43.1], ["2014-10-06T14:34:00+00:00", 60.0, 12.0]])
    );
    assert_eq!(
        api.get(&format!("{path}?resample=5&granularity=1")).is(200),
        json!([
            ["2014-10-06T14:33:55+00:00", 5.0, 43.1],
            ["2014-10-06T14:34:10+00:00", 5.0, 12.0],
            ["2014-10-06T14:34:20+00:00", 5.0, 2.0],
        ])
    );
    // An hour before the last point's is too late for a policy without a back window, which the metric tells.
    assert_eq!(api.post(&path, json!([{"timestamp": "2014-10-06T13:59:59", "value": 1}])).status, 202);
    let told = api.get(&format!("/v1/metric/{metric}"));
    assert_eq!((told.header("x-measures-accepted"), told.header("x-measures-too-late")), ("3", "1"));
    assert_eq!(api.get(&path).is(200), all);
    assert_eq!(
        api.get(&format!("{path}?resample=M&granularity=3600")).is(200),
        json!([["2014-10-01T00:00:00+00:00", "M", 19.033333333333335]])
    );
}

#[test]
fn policies_are_made_changed_and_removed_as_it_says() {
    let api = Api::new(Settings::default());
    let short = json!({
        "name": "short",
        "back_window": 0,
        "definition": [{"granularity": "1s", "timespan": "1 hour"}, {"points": 48, "timespan": "1 day"}],
    });
    let made = api.post("/v1/archive_policy", short);
    assert_eq!(made.header("location"), "http://here/v1/archive_policy/short");
    let made = made.is(201);
    assert_eq!(made["definition"][0], json!({"granularity": "0:00:01", "points": 3600, "timespan": "1:00:00"}));
    assert_eq!(made["definition"][1], json!({"granularity": "0:30:00", "points": 48, "timespan": "1 day, 0:00:00"}));
    let wider = json!({"definition": [{"granularity": "0:00:01", "timespan": "5:00:00"}, {"granularity": "0:30:00", "points": 48}]});
    assert_eq!(api.patch("/v1/archive_policy/short", wider).is(200)["definition"][0]["points"], json!(18_000));
    let other = api.patch("/v1/archive_policy/short", json!({"definition": [{"granularity": "0:00:01", "points": 2}]}));
    assert_eq!(
        other.is(400)["description"],
        json!("Archive policy short does not support change: Cannot add or drop granularities")
    );

    let metric = api.metric(json!({"archive_policy_name": "short"}));
    assert_eq!(
        api.delete("/v1/archive_policy/short").is(400)["description"],
        json!("Archive policy short is still in use")
    );
    assert_eq!(api.delete(&format!("/v1/metric/{metric}")).status, 204);
    assert_eq!(api.delete("/v1/archive_policy/short").status, 204);
    assert_eq!(
        api.get("/v1/archive_policy/short").is(404),
        json!({"code": 404, "title": "Not Found", "description": "Archive policy short does not exist"})
    );

    for (name, points, first) in [
        ("bool", 31_536_000, "365 days, 0:00:00"),
        ("low", 8640, "30 days, 0:00:00"),
        ("medium", 10_080, "7 days, 0:00:00"),
        ("high", 3600, "1:00:00"),
    ] {
        let policy = api.get(&format!("/v1/archive_policy/{name}")).is(200);
        assert_eq!(
            (&policy["definition"][0]["points"], &policy["definition"][0]["timespan"]),
            (&json!(points), &json!(first))
        );
    }
    // A metric without a policy gets the one of the rules, of which the default one names `low`.
    let plain = api.get(&format!("/v1/metric/{}", api.metric(json!({"name": "x"})))).is(200);
    assert_eq!(plain["archive_policy"]["name"], json!("low"));
    let rule = json!({"name": "disks", "metric_pattern": "disk.*", "archive_policy_name": "high"});
    api.post("/v1/archive_policy_rule", rule).is(201);
    assert_eq!(
        api.get(&format!("/v1/metric/{}", api.metric(json!({"name": "disk.io"})))).is(200)["archive_policy"]["name"],
        json!("high")
    );
}

#[test]
fn resources_have_types_metrics_and_a_history() {
    let api = Api::new(Settings::default());
    let kind = json!({"name": "instance", "attributes": {"host": {"type": "string", "required": false}, "vcpus": {"type": "number", "min": 1}}});
    api.post("/v1/resource_type", kind).is(201);
    let id = "6868da77-fa82-4e67-aba9-270c5ae8cbca";
    let body = json!({"id": id, "user_id": "u", "project_id": "p", "vcpus": 2, "metrics": {"cpu": {"archive_policy_name": "high"}}});
    let made = api.post("/v1/resource/instance", body);
    let tag = made.header("etag").to_owned();
    assert_eq!(made.is(201)["vcpus"], json!(2));
    assert_eq!(
        api.send("admin", "GET", &format!("/v1/resource/instance/{id}"), &[("if-none-match", &tag)], b"").status,
        304
    );
    assert_eq!(
        api.send("admin", "PATCH", &format!("/v1/resource/instance/{id}"), &[("if-match", "\"other\"")], b"{}").status,
        412
    );

    assert_eq!(
        api.patch(&format!("/v1/resource/instance/{id}"), json!({"host": "a", "vcpus": 0})).is(400)["description"]["reason"],
        json!("value must be at least 1 for dictionary value @ data['vcpus']")
    );
    api.patch(&format!("/v1/resource/instance/{id}"), json!({"host": "a"})).is(200);
    api.patch(&format!("/v1/resource/instance/{id}"), json!({"host": "b"})).is(200);
    let history = api.get(&format!("/v1/resource/instance/{id}/history")).is(200);
    let hosts: Vec<_> = history.as_array().unwrap().iter().map(|revision| revision["host"].clone()).collect();
    assert_eq!(hosts, [json!(null), json!("a"), json!("b")]);

    // An attribute that is added is filled, one that is removed goes.
    let patch = json!([{"op": "add", "path": "/attributes/zone", "value": {"type": "string", "options": {"fill": "z1"}}}, {"op": "remove", "path": "/attributes/host"}]);
    let patched = api.send(
        "admin",
        "PATCH",
        "/v1/resource_type/instance",
        &[("content-type", "application/json-patch+json")],
        patch.to_string().as_bytes(),
    );
    assert!(patched.is(200)["attributes"]["host"].is_null());
    assert_eq!(api.get(&format!("/v1/resource/instance/{id}")).is(200)["zone"], json!("z1"));

    for (search, found) in
        [("vcpus>1 and project_id='p'", 1), ("not (vcpus > 1)", 0), ("zone like 'z%'", 1), ("ended_at=null", 1)]
    {
        let query: String = search.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let told = api.send("admin", "POST", &format!("/v1/search/resource/instance?filter={query}"), &[], b"");
        assert_eq!(told.is(200).as_array().unwrap().len(), found, "{search}");
    }
    assert_eq!(
        api.post(
            "/v1/search/resource/instance",
            json!({"and": [{">=": {"vcpus": 2}}, {"in": {"user_id": ["u", "v"]}}]})
        )
        .is(200)
        .as_array()
        .unwrap()
        .len(),
        1
    );
    assert_eq!(
        api.delete("/v1/resource_type/instance").is(400)["description"],
        json!("Resource type instance is still in use")
    );
    assert_eq!(
        api.send("admin", "DELETE", "/v1/resource/instance?filter=vcpus%3E1", &[], b"").is(200),
        json!({"deleted": 1})
    );
    assert_eq!(api.get("/v1/metric").is(200), json!([]));
    assert_eq!(api.delete("/v1/resource_type/instance").status, 204);
}

#[test]
fn batches_are_taken_whole_and_make_metrics_when_told() {
    let api = Api::new(Settings::default());
    let known = api.metric(json!({"archive_policy_name": "high"}));
    let point = json!([{"timestamp": 1_412_606_061, "value": 5}]);
    let unknown = "37aec8b7-c0d9-445b-8ab9-d3c6312dcf5d";
    let told = api.post("/v1/batch/metrics/measures", json!({known.as_str(): point, unknown: point}));
    assert_eq!(told.is(400)["description"], json!(format!("Unknown metrics: {unknown}")));
    assert_eq!(api.get(&format!("/v1/metric/{known}/measures")).is(200), json!([]));
    api.post("/v1/batch/metrics/measures", json!({known.as_str(): point})).is(202);

    let rid = "46c9418d-d63b-4cdd-be89-8f57ffc5952e";
    let body = json!({rid: {"disk": point, "cpu": {"archive_policy_name": "high", "unit": "%", "measures": point}}});
    assert_eq!(
        api.post("/v1/batch/resources/metrics/measures", body.clone()).is(400)["description"],
        json!(format!("Unknown metrics: {rid}/cpu, {rid}/disk"))
    );
    let path = "/v1/batch/resources/metrics/measures?create_metrics=true";
    assert_eq!(api.post(path, body.clone()).is(400)["description"]["cause"], json!("Unknown resources"));
    api.post("/v1/resource/generic", json!({"id": rid})).is(201);
    api.post(path, body).is(202);
    let measures = api.get(&format!("/v1/resource/generic/{rid}/metric/cpu/measures?granularity=1")).is(200);
    assert_eq!(measures, json!([["2014-10-06T14:34:21+00:00", 1.0, 5.0]]));
    let mean = json!({"operations": ["aggregate", "sum", ["metric", ["*", "mean"]]], "resource_type": "generic", "search": "id = my", "x": 1});
    assert_eq!(api.post("/v1/aggregates", mean).status, 400);
    let sum = json!({"operations": format!("(* 2 (aggregate sum (metric ({known} mean) ({known} max))))")});
    assert_eq!(
        api.post("/v1/aggregates?granularity=60", sum).is(200),
        json!({"measures": {"aggregated": [["2014-10-06T14:34:00+00:00", 60.0, 20.0]]}})
    );
    let groups = json!({"operations": "(aggregate mean (metric cpu mean))", "resource_type": "generic", "search": {}});
    assert_eq!(
        api.post("/v1/aggregates?groupby=project_id&granularity=60", groups).is(200),
        json!([{"group": {"project_id": null}, "measures": {"measures": {"aggregated": [["2014-10-06T14:34:00+00:00", 60.0, 5.0]]}}}])
    );
}

#[test]
fn pages_are_linked_to_the_next() {
    let api = Api::new(Settings { max_limit: 2, ..Settings::default() });
    let mut made: Vec<String> = (0..5).map(|i| api.metric(json!({"name": format!("m{i}")}))).collect();
    made.sort();
    let mut path = "/v1/metric".to_owned();
    let mut found: Vec<String> = Vec::new();
    loop {
        let told = api.get(&path);
        found.extend(told.is(200).as_array().unwrap().iter().map(|metric| metric["id"].as_str().unwrap().to_owned()));
        let Some(next) =
            told.header("link").strip_prefix("<http://here").and_then(|link| link.strip_suffix(">; rel=\"next\""))
        else {
            break;
        };
        path = next.to_owned();
    }
    assert_eq!(found, made);
}
