//! Tokens of the frame beside Gnocchi's own ways of saying who asks.

mod common;

use common::Api;
use ferrometer_gnocchi::{Auth, Settings};
use serde_json::json;

const TOKENS: &str = "grafana=plain:reader-reader-reader\ncollectd=plain:writer-writer-writer;Archive.Write@/\n\
    pusher=plain:pusher-pusher-pusher;Archive.Write@/batch;Archive.Read@/metric\nroot=plain:master-master-master;Archive.Admin@/\n";

fn bearer(token: &str) -> [(&str, String); 1] {
    [("authorization", format!("Bearer {token}"))]
}

#[test]
fn a_token_may_do_what_it_says() {
    let settings = Settings { auth: Auth::Tokens, cors: vec!["http://page".into()], ..Settings::default() };
    let api = Api::with_tokens(settings, TOKENS);
    let ask = |token: &str, method: &str, path: &str, body: &serde_json::Value| {
        let headers = bearer(token);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        api.send("nobody", method, path, &headers, body.as_bytes())
    };
    let none = json!(null);
    let metric = json!({"archive_policy_name": "high"});
    let made = ask("writer-writer-writer", "POST", "/v1/metric", &metric).is(201);
    assert_eq!(made["creator"], "collectd");
    let path = format!("/v1/metric/{}/measures", made["id"].as_str().unwrap());
    let measures = json!([{"timestamp": 60, "value": 1}]);
    ask("writer-writer-writer", "POST", &path, &measures).is(202);
    // A reader reads everybody's, and writes nothing.
    assert_eq!(ask("reader-reader-reader", "GET", &path, &none).is(200)[0][2], 1.0);
    ask("reader-reader-reader", "GET", "/v1/metric", &none).is(200);
    assert_eq!(
        ask("reader-reader-reader", "POST", &path, &measures).is(403)["description"],
        "the token lacks Archive.Write"
    );
    // A writer does not read, and does not write what another made.
    ask("writer-writer-writer", "GET", &path, &none).is(403);
    ask("pusher-pusher-pusher", "POST", &path, &measures).is(403);
    ask("pusher-pusher-pusher", "GET", &path, &none).is(200);
    let batch = json!({made["id"].as_str().unwrap(): measures});
    ask("pusher-pusher-pusher", "POST", "/v1/batch/metrics/measures", &batch).is(403);
    // Policies are the administrator's, who may do all.
    let policy = json!({"name": "p", "definition": [{"granularity": 1, "points": 10}]});
    ask("writer-writer-writer", "POST", "/v1/archive_policy", &policy).is(403);
    ask("master-master-master", "POST", "/v1/archive_policy", &policy).is(201);
    ask("master-master-master", "GET", &path, &none).is(200);
    ask("master-master-master", "DELETE", &format!("/v1/metric/{}", made["id"].as_str().unwrap()), &none).is(204);
    // Nobody else gets in, in Gnocchi's form.
    assert_eq!(ask("something-else-entirely", "GET", "/v1/metric", &none).is(401)["code"], 401);
}

#[test]
fn a_token_is_the_password_of_its_name() {
    use base64::Engine as _;
    let api = Api::with_tokens(
        Settings { auth: Auth::Tokens, cors: vec!["http://page".into()], ..Settings::default() },
        TOKENS,
    );
    let basic = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    let status = |text: &str| api.send("x", "GET", "/v1/metric", &[("authorization", &basic(text))], b"").status;
    assert_eq!(status("grafana:reader-reader-reader"), 200);
    assert_eq!(status("root:reader-reader-reader"), 401, "another's name");
    assert_eq!(status("admin:"), 401);
    // A browser asks before it shows a token, and a balancer shows none.
    let preflight = [("origin", "http://page"), ("access-control-request-method", "GET"), ("authorization", "")];
    let told = api.send("x", "OPTIONS", "/v1/metric", &preflight, b"");
    assert_eq!((told.status, told.header("access-control-allow-origin")), (200, "http://page"));
    assert_eq!(api.send("x", "GET", "/healthcheck", &[("authorization", "")], b"").status, 200);
}
