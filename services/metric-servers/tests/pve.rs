//! The routes of Proxmox VE, in its words.

mod support;

use ferrometer_push_testkit::alone;
use ferrometer_push_testkit::http::{Answer as Say, Server as Influx};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use support::Served;

const SERVER: &str = "/api2/json/cluster/metrics/server";

/// A server of InfluxDB that takes one token.
fn influx(token: &'static str) -> Influx {
    Influx::start(move |request| match request.header("authorization") {
        Some(given) if given == format!("Token {token}") => Say::status(204),
        _ => Say::Status(401, "", br#"{"code":"unauthorized"}"#.to_vec()),
    })
}

fn http(influx: &Influx, more: &str) -> String {
    format!("type=influxdb&server=127.0.0.1&port={}&influxdbproto=http{more}", influx.address.port())
}

#[test]
fn a_server_is_created_shown_changed_and_removed() {
    let _alone = alone();
    let served = Served::start("ms-life");
    let influx = influx("hush-hush");
    assert_eq!(served.ask("GET", "/api2/json/cluster/metrics", "").json(), json!({"data": [{"name": "server"}]}));
    assert_eq!(served.ask("GET", SERVER, "").json(), json!({"data": []}));
    let made = served.pve("POST", "one", &http(&influx, "&token=hush-hush&bucket=b&timeout=5"));
    assert_eq!((made.status, made.json()), (200, json!({"data": null})), "{made:?}");
    let port = influx.address.port();
    let expected =
        format!("influxdb: one\n\tport {port}\n\tserver 127.0.0.1\n\tbucket b\n\tinfluxdbproto http\n\ttimeout 5\n\n");
    assert_eq!(served.file(), expected);
    assert_eq!(served.secret("one").as_deref(), Some("hush-hush\n"));
    let mode = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(served.path()), 0o640);
    assert_eq!(mode(served.scratch.path().join("priv/metricserver/one.pw")), 0o600);
    assert_eq!(mode(served.scratch.path().join("priv/metricserver")), 0o700);

    let listed =
        json!({"data": [{"id": "one", "disable": 0, "type": "influxdb", "server": "127.0.0.1", "port": port}]});
    assert_eq!(served.ask("GET", SERVER, "").json(), listed);
    let shown = served.pve("GET", "one", "");
    let digest = shown.json()["data"]["digest"].as_str().unwrap().to_owned();
    assert_eq!(digest.len(), 40);
    let expected = json!({"data": {"type": "influxdb", "server": "127.0.0.1", "port": port, "bucket": "b", "influxdbproto": "http", "timeout": 5, "digest": digest}});
    assert_eq!(shown.json(), expected);
    assert_eq!(served.servers.backends(), ["server-one"]);

    // A change keeps what it does not name, the token too.
    let changed =
        served.pve("PUT", "one", &format!("server=127.0.0.1&port={port}&bucket=c&delete=timeout&digest={digest}"));
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(
        served.file(),
        format!("influxdb: one\n\tport {port}\n\tserver 127.0.0.1\n\tbucket c\n\tinfluxdbproto http\n\n")
    );
    assert_eq!(served.secret("one").as_deref(), Some("hush-hush\n"));
    let stale = served.pve("PUT", "one", &format!("server=127.0.0.1&port={port}&bucket=d&digest={digest}"));
    let said = "detected modified configuration - file changed by other user? Try again.";
    assert_eq!(
        (stale.status, stale.message().as_str(), stale.reason.as_str()),
        (500, format!("{said}\n").as_str(), said)
    );

    assert_eq!(served.pve("PUT", "one", &format!("server=127.0.0.1&port={port}&disable=1")).status, 200);
    assert!(served.file().starts_with("influxdb: one\n\tdisable\n\tport"), "{}", served.file());
    assert!(served.servers.backends().is_empty());
    assert_eq!(served.status("one")["state"], "disabled");
    assert_eq!(served.pve("DELETE", "one", "").json(), json!({"data": null}));
    assert_eq!((served.file().as_str(), served.secret("one")), ("", None));
    // Nothing that was answered or written has the token in it.
    assert!(!format!("{made:?}{shown:?}{changed:?}").contains("hush"));
}

#[test]
fn refusals_are_upstreams_to_the_byte() {
    let _alone = alone();
    let served = Served::start("ms-refused");
    let udp = "server=127.0.0.1&port=9";
    assert_eq!(served.pve("POST", "there", &format!("type=graphite&{udp}")).status, 200);
    for (method, id, body, status, message) in [
        ("POST", "there", "type=graphite&server=h&port=1", 500, "Metric server 'there' already exists\n"),
        ("GET", "none", "", 500, "status server entry 'none' does not exist\n"),
        ("PUT", "none", udp, 500, "no such server 'none'\n"),
        ("DELETE", "none", "", 500, "no such server 'none'\n"),
        ("POST", "new", "type=graphite&server=h&port=1&bucket=b", 500, "unexpected property 'bucket'\n"),
        ("PUT", "there", "server=h&port=1&delete=token", 500, "no such option 'token'\n"),
        ("PUT", "there", "server=h&port=1&delete=server", 500, "unable to delete required option 'server'\n"),
        (
            "PUT",
            "there",
            "server=h&port=1&mtu=600&delete=mtu",
            500,
            "cannot set and delete property 'mtu' at the same time!\n",
        ),
        (
            "POST",
            "new",
            "type=graphite&server=no-such-host.invalid&port=1&proto=tcp",
            500,
            "cannot look up no-such-host.invalid",
        ),
    ] {
        let answer = served.pve(method, id, body);
        assert_eq!(answer.status, status, "{method} {id} {body}: {answer:?}");
        assert!(answer.message().starts_with(message), "{method} {id} {body}: {answer:?}");
        assert!(answer.json()["data"].is_null());
    }
    let unknown = "property is not defined in schema and the schema does not allow additional properties";
    let missing = "property is missing and it is not optional";
    for (method, id, body, errors) in [
        ("POST", "new", "", json!({"type": missing, "server": missing, "port": missing})),
        ("POST", "new", "type=graphite&server=h&port=1&nonsense=1", json!({"nonsense": unknown})),
        ("PUT", "there", "type=graphite&server=h&port=1", json!({"type": unknown})),
        ("PUT", "there", "mtu=600", json!({"server": missing, "port": missing})),
        (
            "POST",
            "new",
            "type=carbon&server=h&port=0",
            json!({
            "port": "value must have a minimum value of 1",
            "type": "value 'carbon' does not have a value in the enumeration 'graphite, influxdb, opentelemetry'"}),
        ),
        (
            "POST",
            "1x",
            "type=graphite&server=h&port=1",
            json!({"id": "invalid format - invalid configuration ID '1x'\n"}),
        ),
        (
            "POST",
            "new",
            "type=graphite&server=h&port=1&path=a..b",
            json!({"path": "invalid format - value does not look like a valid graphite path\n"}),
        ),
        (
            "POST",
            "new",
            "type=graphite&server=h&port=1&mtu=511",
            json!({"mtu": "value must have a minimum value of 512"}),
        ),
        (
            "POST",
            "new",
            "type=graphite&server=h&port=1&mtu=65537",
            json!({"mtu": "value must have a maximum value of 65536"}),
        ),
        (
            "POST",
            "new",
            "type=graphite&server=h&port=1&proto=icmp",
            json!({"proto": "value 'icmp' does not have a value in the enumeration 'udp, tcp'"}),
        ),
        (
            "POST",
            "new",
            "type=graphite&server=u:p@h&port=1",
            json!({"server": "invalid format - value does not look like a valid address: u:p@h\n"}),
        ),
        (
            "POST",
            "new",
            "type=opentelemetry&server=h&port=1&otel-timeout=11",
            json!({"otel-timeout": "value must have a maximum value of 10"}),
        ),
        (
            "POST",
            "new",
            "type=opentelemetry&server=h&port=1&otel-headers=%21",
            json!({"otel-headers": "invalid format - value is not base64\n"}),
        ),
        (
            "POST",
            "new",
            "type=opentelemetry&server=h&port=1&otel-headers=eyJhIjoiYlxuYyJ9",
            json!({"otel-headers": "invalid format - value has a header with a name or value that headers cannot have\n"}),
        ),
        (
            "POST",
            "new",
            "type=influxdb&server=h&port=1&token=a%0d%0ab",
            json!({"token": "invalid format - value contains a line feed or another control character\n"}),
        ),
        (
            "POST",
            "new",
            "type=influxdb&server=h&port=1&bucket=a%0ab",
            json!({"bucket": "invalid format - value contains a line feed or another control character\n"}),
        ),
        (
            "POST",
            "new",
            "id=other&type=graphite&server=h&port=1",
            json!({"id": "duplicate parameter (already defined in URI) with conflicting values!\n"}),
        ),
        ("DELETE", "there?digest=x", "", json!({"digest": unknown})),
        ("GET", "there?x=1", "", json!({"x": unknown})),
    ] {
        let answer = served.pve(method, id, body);
        assert_eq!(
            (answer.status, answer.message().as_str()),
            (400, "Parameter verification failed.\n"),
            "{body}: {answer:?}"
        );
        assert_eq!(answer.json()["errors"], errors, "{method} {id} {body}");
    }
    // Only the first was written.
    assert_eq!(served.file(), "graphite: there\n\tserver 127.0.0.1\n\tport 9\n\n");
    assert_eq!(std::fs::read_dir(served.scratch.path()).unwrap().count(), 2, "the file and its lock");
}

#[test]
fn a_test_that_fails_leaves_everything_as_it_was_the_secret_too() {
    let _alone = alone();
    let served = Served::start("ms-untested");
    let influx = influx("right-token");
    let wrong = served.pve("POST", "one", &http(&influx, "&token=wrong-token"));
    assert_eq!(wrong.status, 500);
    assert!(wrong.message().contains("answers 401: {\"code\":\"unauthorized\"}"), "{wrong:?}");
    assert_eq!((served.file().as_str(), served.secret("one")), ("", None));
    assert_eq!(std::fs::read_dir(served.scratch.path().join("priv/metricserver")).unwrap().count(), 0);
    assert_eq!(served.pve("POST", "one", &http(&influx, "&token=right-token")).status, 200);
    let before = served.file();
    // Upstream keeps the new secret here.
    let port = influx.address.port();
    let wrong = served.pve("PUT", "one", &format!("server=127.0.0.1&port={port}&token=other-token&bucket=new"));
    assert_eq!(wrong.status, 500);
    assert!(!wrong.body.contains("other-token"), "{wrong:?}");
    assert_eq!((served.file(), served.secret("one").as_deref()), (before, Some("right-token\n")));
    assert_eq!(served.servers.backends(), ["server-one"]);
    // `delete` takes the token away; a new one in the same request counts more.
    let kept = served.pve("PUT", "one", &format!("server=127.0.0.1&port={port}&delete=token&token=right-token"));
    assert_eq!((kept.status, served.secret("one").as_deref()), (200, Some("right-token\n")));
    let gone = served.pve("PUT", "one", &format!("server=127.0.0.1&port={port}&delete=token&disable=1"));
    assert_eq!((gone.status, served.secret("one")), (200, None));
    // What is disabled is not tested.
    assert_eq!(served.pve("POST", "two", &http(&influx, "&token=wrong-token&disable=1")).status, 200);
}

#[test]
fn what_is_no_server_of_influxdb_is_refused() {
    let _alone = alone();
    let served = Served::start("ms-garbage");
    for (say, word) in [
        (Say::Garbage, ""),
        (Say::Cut, ""),
        (Say::status(500), "answers 500"),
        (Say::Status(302, "Location: http://169.254.169.254/\r\n", Vec::new()), "answers 302"),
    ] {
        let shown = format!("{say:?}");
        let influx = Influx::start(move |_| say.clone());
        let answer = served.pve("POST", "one", &http(&influx, ""));
        assert_eq!(answer.status, 500, "{shown}: {answer:?}");
        assert!(answer.message().contains(word), "{shown}: {answer:?}");
        assert_eq!(served.file(), "");
    }
    // One whose answer does not end is read up to a limit.
    let endless = Influx::start(|_| Say::Endless);
    let answer = served.pve("POST", "one", &http(&endless, "&timeout=5"));
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn forbidden_destinations_are_refused_after_the_look_up() {
    let _alone = alone();
    let served =
        Served::with("ms-destinations", |frame| frame, |settings| settings.allowed_destinations(["127.0.0.0/8"]));
    for body in [
        "type=influxdb&server=169.254.169.254&port=80&influxdbproto=http",
        "type=influxdb&server=%5Bfe80::1%5D&port=80&influxdbproto=http",
        "type=graphite&server=169.254.169.254&port=80",
        "type=opentelemetry&server=169.254.169.254&port=80&otel-protocol=http",
    ] {
        let answer = served.pve("POST", "meta", body);
        assert_eq!(answer.status, 500, "{body}");
        assert!(answer.message().contains("never sent"), "{answer:?}");
    }
    let answer = served.pve("POST", "meta", "type=graphite&server=192.0.2.1&port=80");
    assert!(answer.message().contains("not among the allowed destinations"), "{answer:?}");
    assert_eq!(served.pve("POST", "meta", "type=graphite&server=127.0.0.1&port=80").status, 200);
}

#[test]
fn of_two_changes_with_one_digest_one_wins() {
    let _alone = alone();
    let served = Served::start("ms-digest");
    assert_eq!(served.pve("POST", "one", "type=graphite&server=127.0.0.1&port=9").status, 200);
    let digest = served.pve("GET", "one", "").json()["data"]["digest"].as_str().unwrap().to_owned();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let put = |mtu: usize| {
            let body = format!("server=127.0.0.1&port=9&mtu={mtu}&digest={digest}");
            let served = &served;
            scope.spawn(move || (mtu, served.pve("PUT", "one", &body).status))
        };
        let all: Vec<_> = (1000..1008).map(put).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let won: Vec<_> = answers.iter().filter(|(_, status)| *status == 200).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    assert!(served.file().contains(&format!("\tmtu {}\n", won[0].0)));
}

#[test]
fn a_damaged_file_loads_but_for_the_damage_and_keeps_it() {
    let _alone = alone();
    let scratch = ferrometer_push_testkit::Scratch::new("ms-damaged");
    let text = "# mine\ngraphite: good\n\tserver 127.0.0.1\n\tport 9\n\ngraphite: bad\n\tserver h\n\tbucket b\n\n\
        carbon: other\n\tserver h\n\ngraphite: meta\n\tserver 127.0.0.1\n\tport 9\n\tdisable\n";
    scratch.file("status.cfg", text);
    let served = Served::over(scratch, |frame| frame, |settings| settings);
    assert_eq!(served.servers.backends(), ["server-good"]);
    let status = served.ask("GET", "/v1/metric-servers", "").json();
    assert_eq!(
        status["damaged"],
        json!([
            {"id": "bad", "type": "graphite", "line": 8, "error": "unexpected property 'bucket'"},
            {"id": "other", "type": "carbon", "line": 10, "error": "unsupported type 'carbon'"},
        ])
    );
    for (method, said) in [
        ("GET", "server 'bad' is damaged (line 8): unexpected property 'bucket'\n"),
        ("PUT", "server 'bad' is damaged"),
    ] {
        let answer = served.pve(method, "bad", if method == "PUT" { "server=h&port=1" } else { "" });
        assert!(answer.status == 500 && answer.message().starts_with(said), "{answer:?}");
    }
    assert_eq!(
        served.pve("POST", "bad", "type=graphite&server=127.0.0.1&port=9").message(),
        "Metric server 'bad' already exists\n"
    );
    assert_eq!(served.pve("POST", "new", "type=graphite&server=127.0.0.1&port=9").status, 200);
    assert_eq!(served.file(), format!("{text}\ngraphite: new\n\tserver 127.0.0.1\n\tport 9\n\n"));
    assert_eq!(served.pve("DELETE", "bad", "").status, 200);
    assert!(!served.file().contains("bad") && served.file().starts_with("# mine\ngraphite: good\n"));
}

#[test]
fn a_secret_in_the_file_is_used_and_not_shown_and_moves_at_the_next_change() {
    let _alone = alone();
    let influx = influx("from-the-file");
    let scratch = ferrometer_push_testkit::Scratch::new("ms-inline");
    let port = influx.address.port();
    scratch.file(
        "status.cfg",
        &format!("influxdb: one\n\tport {port}\n\tserver 127.0.0.1\n\tinfluxdbproto http\n\ttoken from-the-file\n"),
    );
    let served = Served::over(scratch, |frame| frame, |settings| settings);
    assert!(!served.pve("GET", "one", "").body.contains("from-the-file"));
    assert!(!served.ask("GET", "/v1/metric-servers", "").body.contains("from-the-file"));
    assert_eq!(served.ask("POST", "/v1/metric-servers/test/one", "").status, 200);
    assert_eq!(served.pve("PUT", "one", &format!("server=127.0.0.1&port={port}")).status, 200);
    assert!(!served.file().contains("token"));
    assert_eq!(served.secret("one").as_deref(), Some("from-the-file\n"));
}
