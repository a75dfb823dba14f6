//! The routes of Proxmox Backup Server, in its words.

mod support;

use ferrometer_push_testkit::alone;
use ferrometer_push_testkit::http::{Answer as Say, Server as Influx};
use serde_json::json;
use support::Served;

const HTTP: &str = "/api2/json/config/metrics/influxdb-http";
const UDP: &str = "/api2/json/config/metrics/influxdb-udp";

#[test]
fn servers_live_as_in_proxmox_backup_server() {
    let _alone = alone();
    let served = Served::start("ms-pbs");
    let influx = Influx::start(|request| match request.header("authorization") {
        Some("Token s3cr3t") => Say::status(204),
        _ => Say::status(401),
    });
    let url = influx.url();
    let index = json!([{"subdir": "influxdb-http"}, {"subdir": "influxdb-udp"}]);
    assert_eq!(served.ask("GET", "/api2/json/config/metrics", "").json()["data"], index);
    let wrong = served.ask("POST", HTTP, &format!("name=one&url={url}&token=wrong"));
    assert_eq!(wrong.status, 400);
    assert!(
        wrong.message().starts_with(&format!("could not connect to {url}: ")) && wrong.message().contains("401"),
        "{wrong:?}"
    );
    let made =
        served.ask("POST", HTTP, &format!("name=one&url={url}&token=s3cr3t&comment=+two+words+&enable=1&verify-tls=0"));
    assert_eq!((made.status, made.json()), (200, json!({"data": null})), "{made:?}");
    assert_eq!(served.file(), format!("influxdb-http: one\n\tcomment two words\n\turl {url}\n\tverify-tls false\n\n"));
    assert_eq!(served.ask("POST", UDP, "name=udp&host=127.0.0.1:8089&enable=0&mtu=9000").status, 200);
    assert!(served.file().ends_with("influxdb-udp: udp\n\tenable false\n\thost 127.0.0.1:8089\n\tmtu 9000\n\n"));

    let shown = served.ask("GET", &format!("{HTTP}/one"), "").json();
    let digest = shown["digest"].as_str().unwrap().to_owned();
    assert_eq!(digest.len(), 64);
    assert_eq!(shown["data"], json!({"name": "one", "url": url, "comment": "two words", "verify-tls": false}));
    assert_eq!(
        served.ask("GET", UDP, "").json()["data"],
        json!([{"name": "udp", "host": "127.0.0.1:8089", "enable": false, "mtu": 9000}])
    );
    assert_eq!(
        served.ask("GET", "/api2/json/admin/metrics", "").json()["data"],
        json!([
            {"name": "one", "type": "influxdb-http", "server": url, "comment": "two words"},
            {"name": "udp", "type": "influxdb-udp", "enable": false, "server": "127.0.0.1:8089"},
        ])
    );
    assert_eq!(served.servers.backends(), ["server-one"]);

    // What is deleted and set ends up set; an empty comment is none; without `enable` it is enabled.
    let put = served.ask(
        "PUT",
        &format!("{HTTP}/one"),
        &format!("comment=&bucket=b&delete=bucket&delete=verify-tls&digest={digest}"),
    );
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(
        served.ask("GET", &format!("{HTTP}/one"), "").json()["data"],
        json!({"name": "one", "url": url, "bucket": "b"})
    );
    assert_eq!(served.ask("PUT", &format!("{UDP}/udp"), "delete=enable").status, 200);
    assert_eq!(served.servers.backends(), ["server-one", "server-udp"]);
    assert_eq!(served.ask("PUT", &format!("{HTTP}/one"), r#"enable=0"#).status, 200);
    assert_eq!(served.servers.backends(), ["server-udp"]);

    // The routes of Proxmox VE know nothing of these, but that their ids are taken.
    assert_eq!(served.ask("GET", "/api2/json/cluster/metrics/server", "").json(), json!({"data": []}));
    let taken = served.pve("POST", "one", "type=graphite&server=127.0.0.1&port=9");
    assert_eq!(taken.message(), "Metric server 'one' already exists\n");

    for (method, path, body, status, message) in [
        ("POST", HTTP, format!("name=one&url={url}"), 400, "metric server 'one' already exists."),
        (
            "GET",
            &format!("{HTTP}/udp"),
            String::new(),
            400,
            "got unexpected type 'influxdb-udp' for influxdb-http 'udp'",
        ),
        ("GET", &format!("{HTTP}/none"), String::new(), 400, "no such influxdb-http 'none'"),
        ("PUT", &format!("{UDP}/none"), "mtu=9000".to_owned(), 400, "no such influxdb-udp 'none'"),
        ("DELETE", &format!("{UDP}/none"), String::new(), 400, "name 'none' does not exist."),
        (
            "PUT",
            &format!("{HTTP}/one"),
            format!("bucket=c&digest={digest}"),
            400,
            "detected modified configuration - file changed by other user? Try again.",
        ),
        (
            "DELETE",
            &format!("{HTTP}/one?digest={digest}"),
            String::new(),
            400,
            "detected modified configuration - file changed by other user? Try again.",
        ),
        (
            "POST",
            UDP,
            "name=abc&host=127.0.0.1:1&x=1".to_owned(),
            400,
            "parameter verification failed - 'x': schema does not allow additional properties.",
        ),
        (
            "POST",
            UDP,
            "name=ab&host=127.0.0.1:1".to_owned(),
            400,
            "parameter verification failed - 'name': value must be at least 3 characters long",
        ),
        (
            "POST",
            UDP,
            "name=abc&host=nothing".to_owned(),
            400,
            "parameter verification failed - 'host': value is not of the form host:port: nothing",
        ),
        (
            "POST",
            UDP,
            "name=abc".to_owned(),
            400,
            "parameter verification failed - 'host': parameter is missing and it is not optional.",
        ),
        (
            "POST",
            HTTP,
            "name=abc&url=http://u:p@h/".to_owned(),
            400,
            "parameter verification failed - 'url': value is an address with a user or password",
        ),
        (
            "PUT",
            &format!("{HTTP}/one"),
            "delete=url".to_owned(),
            400,
            "parameter verification failed - 'delete': value 'url' is not defined in the enumeration.",
        ),
    ] {
        let answer = served.ask(method, path, &body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
        assert!(answer.message().starts_with(message), "{method} {path} {body}: {answer:?}");
        assert!(!answer.body.contains("u:p@"), "{answer:?}");
    }
    let now = served.ask("GET", HTTP, "").json()["digest"].as_str().unwrap().to_owned();
    assert_eq!(served.ask("DELETE", &format!("{HTTP}/one?digest={now}"), "").status, 200);
    assert_eq!((served.secret("one"), served.servers.backends()), (None, vec!["server-udp".to_owned()]));
}
