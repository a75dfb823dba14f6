//! Who may read and change: privileges, tokens, and pages of other sites.

mod support;

use ferrometer_push_testkit::alone;
use sha2::{Digest, Sha256};
use support::Served;

const SERVER: &str = "/api2/json/cluster/metrics/server";
const NEW: &str = "type=graphite&server=127.0.0.1&port=9";

fn token(name: &str, list: &str) -> String {
    let hash: String = Sha256::digest(format!("{name}-correct-horse")).iter().map(|b| format!("{b:02x}")).collect();
    format!("{name}=sha256:{hash}{list}")
}

fn pve(name: &str) -> String {
    format!("Authorization: PVEAPIToken=root@pam!{name}={name}-correct-horse\r\n")
}

#[test]
fn reading_takes_audit_and_changing_takes_modify() {
    let _alone = alone();
    let tokens = [
        token("audit", ";Sys.Audit@/"),
        token("modify", ";Sys.Audit@/;Sys.Modify@/"),
        token("plain", ""),
        token("none", ";"),
    ];
    let served = Served::with("ms-access", |frame| frame.tokens(tokens), |settings| settings);
    let one = format!("{SERVER}/one");
    for (method, path, body, name, status) in [
        ("GET", SERVER, "", "audit", 200),
        ("GET", SERVER, "", "plain", 403),
        ("GET", SERVER, "", "none", 403),
        ("GET", "/v1/metric-servers", "", "plain", 200),
        ("GET", "/v1/metric-servers", "", "none", 403),
        ("POST", &one, NEW, "audit", 403),
        ("POST", &one, NEW, "plain", 403),
        ("POST", "/v1/metric-servers/test", NEW, "audit", 403),
        ("POST", &one, NEW, "modify", 200),
        ("PUT", &one, "server=127.0.0.1&port=9", "audit", 403),
        ("DELETE", &one, "", "audit", 403),
        ("GET", "/api2/json/config/metrics/influxdb-udp", "", "audit", 200),
        ("GET", "/api2/json/admin/metrics", "", "none", 403),
        ("POST", "/api2/json/config/metrics/influxdb-udp", "name=udp&host=127.0.0.1:9", "audit", 403),
        ("DELETE", &one, "", "modify", 200),
    ] {
        let answer = served.ask_with(method, path, &pve(name), body);
        assert_eq!(answer.status, status, "{method} {path} as {name}: {answer:?}");
        if status == 403 && path != "/v1/metric-servers" {
            let privilege = if method == "GET" { "Sys.Audit" } else { "Sys.Modify" };
            assert_eq!(answer.message(), format!("Permission check failed (/, {privilege})\n"));
        }
    }
    assert_eq!(served.ask("GET", SERVER, "").status, 401);
    let seen = served.ask_with("GET", "/v1/metric-servers", &pve("audit"), "").json();
    assert_eq!(seen["may_modify"], false);
    assert_eq!(served.file(), "");
}

#[test]
fn a_page_of_another_site_changes_nothing_even_without_tokens() {
    let _alone = alone();
    let served = Served::start("ms-csrf");
    let own = format!("Origin: http://{}\r\n", served.address());
    for (headers, status) in [
        ("Origin: http://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Sec-Fetch-Site: same-site\r\n", 403),
        (own.as_str(), 200),
    ] {
        let answer = served.ask_with("POST", &format!("{SERVER}/one"), headers, NEW);
        assert_eq!(answer.status, status, "{headers}: {answer:?}");
    }
    let answer = served.ask_with("DELETE", &format!("{SERVER}/one"), "Origin: http://evil.example\r\n", "");
    assert_eq!(answer.status, 403);
    assert!(served.file().starts_with("graphite: one\n"));
    // Nor with a name that points here.
    let answer = served.ask_with("PATCH", &format!("{SERVER}/one"), "", "");
    assert_eq!(answer.status, 405);
    let large = format!("{NEW}&path={}", "a".repeat(70_000));
    assert_eq!(served.ask("POST", &format!("{SERVER}/two"), &large).status, 413);
}
