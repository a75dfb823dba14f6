//! Processors that share scopes by leases in a real PostgreSQL: whatever is killed, each scope, metric and period is in the outputs
//! exactly once, and a processor that was too slow commits nothing.
//!
//! The processors are this test binary itself.

#![cfg(all(unix, feature = "leases", feature = "command"))]

#[path = "support/instant.rs"]
mod instant;
#[path = "support/postgres.rs"]
mod postgres;
mod support;

use ferrometer_collector::Secret;
use ferrometer_collector::checkpoints::Checkpoints as _;
use ferrometer_collector::leases::{Leases, is_lost};
use postgres::Postgres;
use std::collections::HashMap;
use std::ffi::OsString;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{Folder, until};

const ARGUMENTS: &str = "FERROMETER_COLLECTOR_LEASES";
const BEGIN: i64 = 1_700_000_000 - 1_700_000_000 % 60;
const PERIODS: i64 = 60;

/// The child: the command, with the arguments of its environment, one a line.
#[test]
#[ignore = "is the child of the tests below"]
fn child() {
    let Some(arguments) = std::env::var_os(ARGUMENTS) else { return };
    let arguments = arguments.into_string().unwrap();
    let arguments = ["collector"].into_iter().chain(arguments.lines()).map(OsString::from);
    let code = ferrometer_collector::command::run_with(arguments);
    std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
}

fn processor(folder: &Path, name: &str, to: i64) -> Child {
    let arguments = [
        format!("--config={}/cloudkitty.conf", folder.display()),
        format!("--output={}/{name}.jsonl", folder.display()),
        format!("--processor={name}"),
        format!("--from={BEGIN}"),
        format!("--to={to}"),
    ];
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env(ARGUMENTS, arguments.join("\n"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn done(mut child: Child) {
    assert!(child.wait().unwrap().success());
}

fn kills(names: &[&str], times: i64) {
    let title = format!("leases-{}-{times}", names.len());
    let database = Postgres::start(&format!("{title}-database"));
    let folder = Folder::new(&title);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    let mut scopes: Vec<String> = (0..28).map(|n| format!("scope-{n}")).collect();
    scopes.extend(["we\"ird".to_owned(), "x\ny".to_owned()]);
    instant::serve(listener, scopes.clone(), Duration::from_millis(1));
    folder.write("metrics.yml", "metrics: {cpu: {unit: x, groupby: [id]}, mem: {unit: y}}");
    folder.write(
        "cloudkitty.conf",
        format!(
            "[collect]\nmetrics_conf = metrics.yml\nperiod = 60\nscope_key = namespace\n[collector_prometheus]\nprometheus_url = {url}\n\
             [fetcher_prometheus]\nmetric = up\nscope_attribute = namespace\n[ferrometer]\nconcurrency = 2\nperiods_per_query = 7\n\
             lease_seconds = 1\nleases = {}\n",
            database.address
        ),
    );
    let mut random = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos() as u64 | 1;
    let mut draw = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut to = BEGIN;
    let mut killed_at_work = 0;
    for _ in 0..times {
        to += PERIODS * 60;
        let mut all: Vec<Child> = names.iter().map(|name| processor(&folder.0, name, to)).collect();
        let mut victim = all.swap_remove(draw(names.len() as u64) as usize);
        std::thread::sleep(Duration::from_millis(50 + draw(400)));
        killed_at_work += i64::from(victim.try_wait().unwrap().is_none());
        let _ = victim.kill();
        let _ = victim.wait();
        // Those that are left take over what it held, and end when nothing is left.
        all.into_iter().for_each(done);
    }
    // Each cuts what a kill left behind its last commit.
    let all: Vec<Child> = names.iter().map(|name| processor(&folder.0, name, to + 60)).collect();
    all.into_iter().for_each(done);
    assert!(killed_at_work > 0, "none of {times} was killed at work");
    let mut seen: HashMap<(String, String, String), u32> = HashMap::new();
    for name in names {
        for line in std::fs::read_to_string(folder.0.join(format!("{name}.jsonl"))).unwrap().lines() {
            let point: serde_json::Value = serde_json::from_str(line).unwrap();
            let of = |a: &str, b: &str| point[a][b].as_str().unwrap().to_owned();
            let metric = point["metric"].as_str().unwrap().to_owned();
            *seen.entry((of("groupby", "namespace"), metric, of("period", "begin"))).or_default() += 1;
        }
    }
    assert!(seen.values().all(|n| *n == 1), "{:?}", seen.iter().find(|(_, n)| **n != 1));
    assert_eq!(seen.len() as i64, scopes.len() as i64 * 2 * ((to - BEGIN) / 60 + 1));
}

#[test]
#[ignore = "needs PostgreSQL"]
fn two_processors_one_of_which_is_killed_a_few_times() {
    kills(&["a", "b"], 4);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn three_processors_one_of_which_is_killed_a_few_times() {
    kills(&["a", "b", "c"], 4);
}

#[test]
#[ignore = "needs PostgreSQL, and takes minutes"]
fn two_processors_one_of_which_is_killed_fifty_times() {
    kills(&["a", "b"], 50);
}

#[test]
#[ignore = "needs PostgreSQL, and takes minutes"]
fn three_processors_one_of_which_is_killed_fifty_times() {
    kills(&["a", "b", "c"], 50);
}

/// A certificate for a host, as files of a server, and the file of its authority.
fn certificate(host: &str, server: &Folder, files: &Folder) -> std::path::PathBuf {
    let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    server.write("server.crt", made.cert.pem());
    server.write("server.key", made.signing_key.serialize_pem());
    files.write(&format!("{host}.pem"), made.cert.pem())
}

#[test]
#[ignore = "needs PostgreSQL"]
fn over_tls_certificates_are_checked() {
    let files = Folder::new("leases-tls");
    let mut ca = None;
    let database = Postgres::with_tls("leases-tls-database", |server| {
        ca = Some(certificate("127.0.0.1", server, &files));
    });
    let address = format!("{} password=hunter2 sslmode=require", database.address);
    let connect = |address: &str, cafile: Option<&Path>| {
        Leases::connect(&Secret::new(address), cafile, "a", Duration::from_secs(60)).map_err(|e| e.to_string())
    };
    let mut leases = connect(&address, ca.as_deref()).unwrap();
    leases.add(&["x".to_owned()]).unwrap();
    assert_eq!(leases.claim(&["x".to_owned()], 100, 10).unwrap(), ["x"]);
    // The database itself says that this connection is encrypted.
    let mut watcher = ::postgres::Client::connect(
        &format!("{} password=hunter2 sslmode=disable", database.address),
        ::postgres::NoTls,
    )
    .unwrap();
    let encrypted = "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where state = 'idle' and pid <> pg_backend_pid()";
    let rows: Vec<bool> = watcher.query(encrypted, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(rows, [true]);
    drop(leases);

    let unknown = connect(&address, None).unwrap_err();
    assert!(
        unknown.starts_with("PostgreSQL: ") && unknown.ends_with("; leases_cafile names the authority to trust"),
        "{unknown}"
    );
    let other = certificate("db.example", &Folder::new("leases-tls-other"), &files);
    let wrong = connect(&address, Some(&other)).unwrap_err();
    assert!(wrong.contains("certificate"), "{wrong}");
    let none = files.write("none.pem", "no certificate");
    assert_eq!(
        connect(&address, Some(&none)).unwrap_err(),
        format!("leases_cafile: {}: holds no certificate in PEM", none.display())
    );
    let password = connect(&address.replace("hunter2", "wrong-one"), ca.as_deref()).unwrap_err();
    assert!(password.contains("password authentication failed") && !password.contains("wrong-one"), "{password}");
    let mode = connect(&address.replace("=require", "=verify-full"), None).unwrap_err();
    assert!(mode.contains("sslmode is disable or require") && !mode.contains("hunter2"), "{mode}");

    // A certificate for another host, with its authority trusted.
    let database =
        Postgres::with_tls("leases-tls-host-database", |server| drop(certificate("db.example", server, &files)));
    let address = format!("{} password=hunter2 sslmode=require", database.address);
    let host = connect(&address, Some(&files.0.join("db.example.pem"))).unwrap_err();
    assert!(host.contains("not valid for name") && host.contains("127.0.0.1"), "{host}");

    let without = Postgres::start("leases-tls-none-database");
    let refused = connect(&format!("{} sslmode=require", without.address), None).unwrap_err();
    assert!(refused.ends_with("; sslmode=disable in the address goes without"), "{refused}");
    assert!(connect(&without.address, None).is_ok());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn processors_that_start_at_once_in_an_empty_database_all_start() {
    let database = Postgres::start("leases-first");
    let mut owner = ::postgres::Client::connect(&database.address, ::postgres::NoTls).unwrap();
    for round in 0..20 {
        owner.batch_execute("drop table if exists ferrometer_scopes, ferrometer_outputs").unwrap();
        let barrier = std::sync::Barrier::new(8);
        std::thread::scope(|threads| {
            let one = |n: usize| {
                let (barrier, address) = (&barrier, Secret::new(&database.address));
                threads.spawn(move || {
                    barrier.wait();
                    Leases::connect(&address, None, &format!("{round}-{n}"), Duration::from_secs(60)).map(drop)
                })
            };
            let all: Vec<_> = (0..8).map(one).collect();
            all.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_processor_that_was_too_slow_commits_nothing() {
    let database = Postgres::start("leases-slow");
    let connect =
        |name, seconds| Leases::connect(&Secret::new(&database.address), None, name, Duration::from_secs(seconds));
    let scopes = ["x".to_owned(), "y".to_owned()];
    let mut slow = connect("slow", 1).unwrap();
    slow.add(&scopes).unwrap();
    assert_eq!(slow.claim(&scopes, 100, 10).unwrap().len(), 2);
    let mut other = connect("other", 60).unwrap();
    until("the lease ends", || !other.claim(&scopes[..1], 100, 10).unwrap().is_empty());
    let both = [("x".to_owned(), 10), ("y".to_owned(), 10)];
    let refused = slow.commit(Some(("out", 5)), both.into()).unwrap_err();
    assert!(is_lost(&refused), "{refused}");
    // Neither the scope that was lost nor the one that was not, nor the length.
    other.commit(None, [("x".to_owned(), 20)].into()).unwrap();
    drop(slow);
    until("the name is free", || connect("slow", 1).is_ok());
    let mut slow = connect("slow", 60).unwrap();
    assert_eq!(slow.output("out"), None);
    until("the other scope is claimed", || slow.claim(&scopes, 100, 10).unwrap() == ["y"]);
    assert_eq!((slow.next("y"), other.next("x"), slow.furthest()), (None, Some(20), Some(20)));
    assert_eq!(slow.remaining(&scopes, 20).unwrap(), 1);
    assert!(connect("slow", 1).unwrap_err().to_string().contains("is connected to the database already"));
}

#[test]
fn a_database_that_is_not_there_is_told_without_its_password() {
    let address = Secret::new("postgresql://ferrometer:hunter2@127.0.0.1:9/none");
    let refused = Leases::connect(&address, None, "a", Duration::from_secs(1)).unwrap_err().to_string();
    assert!(
        refused.starts_with("PostgreSQL: ") && refused.contains("refused") && !refused.contains("hunter2"),
        "{refused}"
    );
}
