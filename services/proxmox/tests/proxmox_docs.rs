//! The commands of docs/proxmox.md, done.

mod common;

use common::{Cache, clustered};
use ferrometer_core::get_logger;
use ferrometer_http::Server;
use ferrometer_proxmox::Proxmox;
use sha2::{Digest, Sha256};
use std::process::Command;
use std::time::Duration;

const PAGE: &str = include_str!("../../../docs/proxmox.md");
const TOKEN: &str = "5f0c3d1a9be24b7c8c1de0aa7f3b6d42";

/// Returns whether the parts of `expected`, between the dots that stand for anything, are there in order, from the beginning to the end.
fn fits(expected: &str, found: &str) -> bool {
    let mut parts = expected.trim().split('…');
    let Some(mut rest) = found.trim().strip_prefix(parts.next().unwrap_or_default()) else { return false };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

#[test]
#[ignore = "needs curl"]
fn the_commands() {
    let cache = Cache::install(Duration::from_secs(3600));
    let logger = get_logger("");
    logger.for_object("qemu/100").send_counter("net_in", 3000);
    logger.for_object("datastore/store1").send_gauge("disk_used", 5);
    logger.for_object("datastore/store2").send_gauge("disk_used", 6);
    cache.flush();
    let hash: String = Sha256::digest(TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    let endpoint = || clustered(&cache, Proxmox::new("pve-1"));
    let plain = endpoint().serve().unwrap();
    let one = endpoint().tokens([format!("one=sha256:{hash};Datastore.Audit@/datastore/store1")]).serve().unwrap();
    let port = |server: &Server| format!(":{}", server.local_addr().port());
    let newest = cache.handle.window().unwrap().1.to_string();
    let section = PAGE.split("```console\n").nth(1).unwrap().split("```").next().unwrap();
    let examples: Vec<&str> = section.split("$ ").skip(1).filter(|example| example.starts_with("curl")).collect();
    assert_eq!(examples.len(), 9);
    for example in section.replace("1795308396", &newest).split("$ curl").skip(1) {
        let (command, expected) = example.split_once('\n').unwrap();
        let command = format!("curl{}", command.replace(":9620", &port(&plain)).replace(":9621", &port(&one)));
        let output = Command::new("sh").args(["-c", &command]).env("TOKEN", TOKEN).output().unwrap();
        let found = String::from_utf8(output.stdout).unwrap();
        assert!(fits(expected, &found), "$ {command}\nexpected:\n{expected}\nfound:\n{found}");
    }
}
