//! The routes of Proxmox over a real server: which generations and rows are served, to whom, what is refused and in which words.

mod common;

use common::client::{Answer, ask, get, get_with, raw};
use common::proxmox::{FIRST, LAST, PBS, PVE, SECRET, half_an_hour, hash, ids, rows, stamps};
use common::{Cache, clustered, frame};
use ferrometer_core::get_logger;
use ferrometer_proxmox::{Exports, Peer, Proxmox, ProxmoxNode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn which_generations_are_served() {
    let (_cache, handle, net_in) = half_an_hour();
    let server = clustered(handle, Proxmox::new("pve-1")).serve().unwrap();
    let stepped = |from: i64| (from..=LAST).step_by(10).collect::<Vec<i64>>();
    for (target, expected) in [
        (PVE.to_owned(), vec![LAST]),
        (format!("{PVE}?history=0"), vec![LAST]),
        (format!("{PVE}?history=1"), stepped(FIRST)),
        // Strictly newer: before, at and after a generation.
        (format!("{PVE}?history=1&start-time={}", LAST - 21), stepped(LAST - 20)),
        (format!("{PVE}?history=1&start-time={}", LAST - 20), stepped(LAST - 10)),
        (format!("{PVE}?history=1&start-time={}", LAST - 19), stepped(LAST - 10)),
        (format!("{PVE}?history=1&start-time=0"), stepped(FIRST)),
        (format!("{PVE}?history=1&start-time=-99999999999999999999"), stepped(FIRST)),
        (format!("{PVE}?history=1&start-time={LAST}"), vec![]),
        (format!("{PVE}?history=1&start-time=99999999999999999999"), vec![]),
        // Without the history the start counts there, and not at the backup server.
        (format!("{PVE}?start-time={}", LAST - 1), vec![LAST]),
        (format!("{PVE}?start-time={LAST}"), vec![]),
        (format!("{PVE}?local-only=1&node-list="), vec![LAST]),
        (format!("{PVE}?node-list=pve-1"), vec![LAST]),
        (PBS.to_owned(), vec![LAST]),
        (format!("{PBS}?start-time={}", LAST + 1000), vec![LAST]),
        (format!("{PBS}?history=true"), stepped(FIRST)),
        (format!("{PBS}?history=1&start-time={}", LAST - 20), stepped(LAST - 10)),
        (format!("{PBS}?history=1&start-time={}", LAST - 21), stepped(LAST - 20)),
        (format!("{PBS}?history=1&start-time={}", LAST + 1000), vec![]),
    ] {
        assert_eq!(stamps(&get(&server, &target)), expected, "{target}");
    }

    // To the byte: names, order of fields, numbers.
    let text = get(&server, PVE);
    for (id, metric, kind, value) in [
        ("node/pve-1", "px.load", "gauge", "45.0"),
        ("qemu/100", "px.net_in.dev.net0_a-70c7babc", "derive", format!("{net_in}.0").as_str()),
        ("datastore/store1", "px.disk_used", "gauge", "5.0"),
        ("datastore/store1/s3", "px.uploaded", "gauge", "1e+20"),
        ("datastore/store2", "px.disk_used", "gauge", "0.1"),
    ] {
        let row = format!(r#"{{"id":"{id}","metric":"{metric}","timestamp":{LAST},"type":"{kind}","value":{value}}}"#);
        assert!(text.text().contains(&row), "{row}\n{}", text.text());
    }
    assert_eq!(ids(&text), ["datastore/store1", "datastore/store1/s3", "datastore/store2", "node/pve-1", "qemu/100"]);
    // An object that is neither the host nor a datastore is nothing to a backup server.
    assert_eq!(ids(&get(&server, PBS)), ["datastore/store1", "datastore/store1/s3", "datastore/store2", "host"]);
    let index = get(&server, "/api2/json/cluster/metrics");
    assert_eq!(index.text(), r#"{"data":[{"name":"server"}]}"#);
    assert_eq!(ask(&server, "HEAD", PVE).status, 200);
    // The other routes say whose record it is, too.
    let records = get(&server, "/v1/metrics?id=qemu/*&name=px.net*").json();
    assert_eq!(records["data"][0]["id"], "qemu/100");
    assert_eq!(records["data"].as_array().unwrap().len(), 1);
}

#[test]
fn two_that_are_called_alike_are_shown_once() {
    let cache = Cache::install(Duration::from_secs(3600));
    let logger = get_logger("px.twice");
    logger.with("a", "b").send_gauge("x", 1);
    logger.send_gauge("x.a.b", 2);
    logger.for_object("qemu/100").send_gauge("x.a.b", 3);
    cache.flush();
    let node = ProxmoxNode::open(&Proxmox::new("n"), cache.handle.clone()).unwrap();
    let unwritable = node.unwritable();
    let server = frame(&cache).mount("/api2", Arc::new(Exports::new(node))).serve().unwrap();
    let all = rows(&get(&server, PVE));
    let ours: Vec<(&str, f64)> = all
        .iter()
        .filter(|row| row["metric"] == "px.twice.x.a.b")
        .map(|row| (row["id"].as_str().unwrap(), row["value"].as_f64().unwrap()))
        .collect();
    assert_eq!(ours.len(), 2, "{ours:?}");
    assert!(ours.contains(&("node/n", 1.0)) && ours.contains(&("qemu/100", 3.0)), "{ours:?}");
    assert_eq!(unwritable.get(), 1);
}

#[test]
fn who_sees_what() {
    let (_cache, handle, _) = half_an_hour();
    let tokens = [
        ("plain", ""),
        ("none", ";"),
        ("root@pam!all", ";Sys.Audit@/;Datastore.Audit@/"),
        ("audit", ";Sys.Audit@/"),
        ("status", ";Sys.Audit@/system"),
        ("one", ";Datastore.Audit@/datastore/store1"),
    ];
    let listed = tokens.map(|(name, list)| format!("{name}=sha256:{}{list}", hash(&format!("{name}-{SECRET}"))));
    let server = clustered(handle, Proxmox::new("n")).tokens(listed).serve().unwrap();
    let asked = |name: &str, target: &str| {
        let id = if name.contains('!') { name.to_owned() } else { format!("root@pam!{name}") };
        let secret = format!("{name}-{SECRET}");
        let answers =
            [format!("PVEAPIToken={id}={secret}"), format!("PBSAPIToken={id}:{secret}"), format!("Bearer {secret}")]
                .map(|form| get_with(&server, target, &format!("Authorization: {form}\r\n")));
        assert!(answers.iter().all(|a| a.status == answers[0].status && a.body == answers[0].body), "{name} {target}");
        let [first, ..] = answers;
        first
    };
    let stores = ["datastore/store1", "datastore/store1/s3"].map(str::to_owned).to_vec();
    let all_stores = [&stores[..], &["datastore/store2".to_owned()]].concat();
    let host = vec!["host".to_owned()];
    for (name, expected) in [
        ("plain", vec![]),
        ("none", vec![]),
        ("audit", host.clone()),
        ("status", host.clone()),
        ("one", stores),
        ("root@pam!all", [all_stores, host].concat()),
    ] {
        assert_eq!(ids(&asked(name, PBS)), expected, "{name}");
        let everything = asked(name, "/v1/metrics");
        assert_eq!(
            everything.status,
            if ["plain", "audit", "root@pam!all"].contains(&name) { 200 } else { 403 },
            "{name}"
        );
        let export = asked(name, PVE);
        if ["audit", "root@pam!all"].contains(&name) {
            assert_eq!(ids(&export).len(), 5, "{name}");
        } else {
            assert_eq!(export.status, 403, "{name}");
            assert!(export.head.starts_with("HTTP/1.1 403 Permission check failed (/, Sys.Audit)"), "{}", export.head);
            let expected = json!({"data": null, "message": "Permission check failed (/, Sys.Audit)\n"});
            assert_eq!(export.json_of_proxmox(), expected);
        }
    }
    // Nobody, a wrong secret, a right one under another's name, one that goes on in another line.
    for line in [
        String::new(),
        "Authorization: Bearer x\r\n".to_owned(),
        format!("Authorization: PVEAPIToken=root@pam!one=audit-{SECRET}\r\n"),
        format!("Authorization: PVEAPIToken=root@pam!audit=audit-\r\n {SECRET}\r\n"),
    ] {
        for target in [PVE, PBS] {
            let answer = get_with(&server, target, &line);
            if answer.status == 400 {
                continue;
            }
            assert_eq!(answer.status, 401, "{line:?}");
            assert_eq!(answer.json_of_proxmox(), json!({"data": null, "message": "authentication failure"}));
            assert!(answer.header("www-authenticate").is_some());
        }
    }
}

impl Answer {
    fn json_of_proxmox(&self) -> Value {
        assert!(self.has("content-type: application/json;charset=utf-8"), "{}", self.head);
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[test]
fn what_is_refused_and_how() {
    let cache = Cache::install(Duration::from_secs(3600));
    cache.flush();
    let proxmox = Proxmox::new("a").peer(Peer::new("b", "http://127.0.0.1:1"));
    let server = clustered(&cache, proxmox).serve().unwrap();
    let pve = "Parameter verification failed.\n";
    let unknown = "property is not defined in schema and the schema does not allow additional properties";
    for (target, status, message, errors) in [
        (format!("{PVE}?histroy=1"), 400, pve, json!({"histroy": unknown})),
        (format!("{PVE}?history=maybe"), 400, pve, json!({"history": "type check ('boolean') failed - got 'maybe'"})),
        (
            format!("{PVE}?start-time=abc&x"),
            400,
            pve,
            json!({"start-time": "type check ('integer') failed - got 'abc'", "x": unknown}),
        ),
        (format!("{PVE}?start-time=1.5"), 400, pve, json!({"start-time": "type check ('integer') failed - got '1.5'"})),
        ("/api2/json/cluster/metrics?x=1".to_owned(), 400, pve, json!({"x": unknown})),
        (format!("{PVE}?node-list=a,c;d"), 500, "Requested node-list contains unknown nodes - c, d\n", Value::Null),
        (
            format!("{PBS}?local-only=1"),
            400,
            "parameter verification failed - 'local-only': schema does not allow additional properties.",
            json!({"local-only": "schema does not allow additional properties."}),
        ),
        (
            format!("{PBS}?start-time=99999999999999999999&history=x"),
            400,
            "parameter verification failed:\n- 'history': Unable to parse boolean option.\n- 'start-time': number too large to fit in target type",
            json!({"history": "Unable to parse boolean option.", "start-time": "number too large to fit in target type"}),
        ),
    ] {
        let answer = get(&server, &target);
        let found = answer.json_of_proxmox();
        assert_eq!((answer.status, found["data"].clone()), (status, Value::Null), "{target}");
        assert_eq!(found["message"], message, "{target}");
        assert_eq!(found["errors"], errors, "{target}");
    }
    // A refusal before the route has the form of one by the route.
    for (answer, status) in [
        (ask(&server, "POST", PVE), 405),
        (get(&server, "/api2/json/nodes"), 404),
        (get(&server, &format!("{PVE}?{}", "x".repeat(5000))), 414),
        (get_with(&server, PVE, "Content-Length: 5\r\n"), 413),
        (raw(&server, format!("GET {PBS} HTTP/1.1\r\nHost: evil.example\r\n\r\n").as_bytes()).unwrap(), 403),
    ] {
        assert_eq!(answer.status, status);
        let found = answer.json_of_proxmox();
        assert!(found["data"].is_null() && found["message"].is_string(), "{found}");
    }
    // Without being asked for, the routes are not there.
    let plain = frame(&cache).serve().unwrap();
    assert_eq!(
        get(&plain, PVE).error(),
        "there is nothing at \"/api2/json/cluster/metrics/export\"; GET / lists what there is"
    );
}
