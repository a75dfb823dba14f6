//! Changes apply to the running program at once, and every recording is accounted for across them.

mod support;

use ferrometer_core::{flush, get_logger};
use ferrometer_push_testkit::http::{Answer as Say, Request, Server as Influx};
use ferrometer_push_testkit::{SOON, Scratch, alone, wait_for};
use serde_json::Value;
use std::time::Duration;
use support::Served;

fn number(server: &Value, what: &str) -> u64 {
    server["ledger"][what].as_u64().unwrap_or_else(|| panic!("{server}"))
}

fn balances(server: &Value) -> bool {
    let all: u64 = ["sent", "pending", "superseded", "dropped"].iter().map(|what| number(server, what)).sum();
    all == number(server, "recorded")
}

/// The last value of a counter that arrived.
fn arrived(requests: &[Request], counter: &str) -> u64 {
    let lines = requests.iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect::<String>();
    let mut found = lines
        .lines()
        .filter_map(|line| line.strip_prefix(&format!("{counter} value="))?.split('i').next()?.parse().ok());
    found.next_back().unwrap_or(0)
}

fn http(influx: &Influx) -> String {
    format!("server=127.0.0.1&port={}&influxdbproto=http&timeout=20", influx.address.port())
}

#[test]
fn the_account_goes_on_across_create_change_disable_and_delete() {
    let _alone = alone();
    // Changes are delivered however slow the machine is.
    let served = Served::with("ms-account", |frame| frame, |settings| settings.deadline(SOON));
    let (first, second) = (Influx::start(|_| Say::status(204)), Influx::start(|_| Say::status(204)));
    let logger = get_logger("account");
    assert_eq!(served.pve("POST", "one", &format!("type=influxdb&{}", http(&first))).status, 200);
    logger.send_counter("sold", 3);
    assert!(flush(SOON).complete);
    assert_eq!((number(&served.status("one"), "recorded"), number(&served.status("one"), "sent")), (1, 1));
    logger.send_counter("sold", 4);
    // The old one gets what came before, the new one what comes after.
    assert_eq!(served.pve("PUT", "one", &http(&second)).status, 200);
    assert_eq!(arrived(&first.requests(), "account.sold"), 7);
    logger.send_counter("sold", 5);
    assert!(flush(SOON).complete);
    assert_eq!((arrived(&first.requests(), "account.sold"), arrived(&second.requests(), "account.sold")), (7, 12));
    let status = served.status("one");
    assert_eq!((number(&status, "recorded"), number(&status, "sent")), (3, 3));
    assert!(balances(&status) && status["state"] == "delivering" && status["last_success"].is_u64(), "{status}");

    logger.send_counter("sold", 6);
    assert_eq!(served.pve("PUT", "one", &format!("{}&disable=1", http(&second))).status, 200);
    assert_eq!(arrived(&second.requests(), "account.sold"), 18);
    let status = served.status("one");
    assert!(number(&status, "sent") == 4 && balances(&status), "{status}");
    // Nobody listens: not recorded.
    logger.send_counter("sold", 100);
    assert_eq!(served.pve("PUT", "one", &format!("{}&disable=0", http(&second))).status, 200);
    logger.send_counter("sold", 7);
    assert!(flush(SOON).complete);
    let status = served.status("one");
    assert!(number(&status, "recorded") == 5 && balances(&status), "{status}");
    assert_eq!(arrived(&second.requests(), "account.sold"), 25);
    assert_eq!(served.pve("DELETE", "one", "").status, 200);
    assert!(ferrometer_core::ledgers().is_empty());
}

#[test]
fn one_dead_one_slow_and_one_refusing_hold_up_no_other() {
    let _alone = alone();
    let served = Served::start("ms-three");
    let good = Influx::start(|_| Say::status(204));
    let other = Influx::start(|_| Say::status(204));
    // They answer the test, and then no more as they should.
    let of_health = |request: &Request| request.target.starts_with("/health");
    let slow = Influx::start(
        move |request| if of_health(request) { Say::status(204) } else { Say::Slow(Duration::from_secs(30)) },
    );
    let refusing =
        Influx::start(
            move |request| {
                if of_health(request) { Say::status(204) } else { Say::Status(403, "", b"no tenant".to_vec()) }
            },
        );
    let dead = Influx::start(|_| Say::status(204));
    for (id, influx) in [("good", &good), ("other", &other), ("slow", &slow), ("refusing", &refusing), ("dead", &dead)]
    {
        assert_eq!(served.pve("POST", id, &format!("type=influxdb&{}", http(influx))).status, 200, "{id}");
    }
    let port = dead.address.port();
    drop(dead);
    wait_for(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_err().then_some(()), || "it still listens".into());
    let logger = get_logger("three");
    let mut sum = 0;
    for round in 1..=20u64 {
        for at in 1..=50 {
            logger.send_counter("sold", round * at);
            logger.send_timer("took", Duration::from_millis(at));
            sum += round * at;
        }
        flush(Duration::from_millis(300));
    }
    wait_for(
        || {
            flush(Duration::from_millis(200));
            (arrived(&good.requests(), "three.sold") == sum && arrived(&other.requests(), "three.sold") == sum)
                .then_some(())
        },
        || format!("{} {} of {sum}", arrived(&good.requests(), "three.sold"), arrived(&other.requests(), "three.sold")),
    );
    for id in ["good", "other"] {
        let status =
            wait_for(|| Some(served.status(id)).filter(|status| number(status, "pending") == 0), || "pending".into());
        assert!(balances(&status) && number(&status, "dropped") == 0 && number(&status, "sent") == 2000, "{status}");
    }
    let dead = served.status("dead");
    assert!(balances(&dead) && number(&dead, "sent") == 0 && dead["state"] == "failing", "{dead}");
    let refusing = || served.status("refusing");
    let refusing =
        wait_for(|| Some(refusing()).filter(|status| number(status, "dropped") > 0), || refusing().to_string());
    assert!(balances(&refusing), "{refusing}");
    let said = refusing["last_error"]["text"].as_str().unwrap();
    assert!(said.contains("403") && said.contains("no tenant"), "{said}");
}

#[test]
fn enabled_servers_of_the_file_are_installed_at_the_start_and_a_wrong_one_is_left_out() {
    let _alone = alone();
    let scratch = Scratch::new("ms-start");
    scratch.file(
        "status.cfg",
        "graphite: udp\n\tserver 127.0.0.1\n\tport 9\n\ninfluxdb: off\n\tdisable\n\tport 9\n\tserver 127.0.0.1\n\n\
         influxdb: wrong\n\tport 9\n\tserver 127.0.0.1\n\tinfluxdbproto http\n\tapi-path-prefix a?b\n\n\
         influxdb: dead\n\tport 9\n\tserver no-such-host.invalid\n\tinfluxdbproto http\n\n",
    );
    let served = Served::over(scratch, |frame| frame, |settings| settings);
    // A server that is away, or has no address, is no fault of its description.
    assert_eq!(served.servers.backends(), ["server-dead", "server-udp"]);
    let wrong = served.status("wrong");
    assert_eq!(wrong["state"], "wrong");
    assert!(wrong["fault"].as_str().unwrap().contains("api_path_prefix"), "{wrong}");
    assert_eq!(served.status("off")["state"], "disabled");
}

#[test]
fn many_changes_at_once_leave_file_secrets_and_program_alike() {
    let _alone = alone();
    let served = Served::start("ms-storm");
    let influx = Influx::start(|_| Say::status(204));
    let port = influx.address.port();
    std::thread::scope(|scope| {
        for thread in 0..6u64 {
            let served = &served;
            scope.spawn(move || {
                let mut seed = thread + 1;
                for _ in 0..30 {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let id = ["aa", "bb", "cc"][(seed >> 33) as usize % 3];
                    let body = format!("server=127.0.0.1&port={port}&influxdbproto=http&timeout=30");
                    let answer = match (seed >> 40) % 5 {
                        0 => served.pve("POST", id, &format!("type=influxdb&{body}&token=of-{id}")),
                        1 => served.pve("PUT", id, &format!("{body}&disable={}", (seed >> 50) % 2)),
                        2 => served.pve("PUT", id, &format!("{body}&delete=token")),
                        3 => served.pve("PUT", id, &format!("{body}&token=of-{id}")),
                        _ => served.pve("DELETE", id, ""),
                    };
                    // Anyone who comes too late is told so.
                    let said = answer.message();
                    assert!(
                        answer.status == 200 || said.contains("already exists") || said.contains("no such server"),
                        "{answer:?}"
                    );
                    get_logger("storm").send_counter("sold", 1);
                }
            });
        }
    });
    let listed = served.ask("GET", "/v1/metric-servers", "").json();
    let mut enabled = Vec::new();
    for server in listed["servers"].as_array().unwrap() {
        let id = server["id"].as_str().unwrap();
        assert!(server["state"] != "differs from the file" && server["state"] != "wrong", "{server}");
        assert!(balances(server), "{server}");
        if server["enabled"] == true {
            enabled.push(format!("server-{id}"));
        }
        let secret = served.secret(id);
        assert!(secret.is_none() || secret == Some(format!("of-{id}\n")), "{secret:?}");
    }
    enabled.sort();
    assert_eq!(served.servers.backends(), enabled);
    // Nothing that was staged, and no secret of a server that is gone, is left.
    let secrets = served.scratch.path().join("priv/metricserver");
    for entry in std::fs::read_dir(secrets).into_iter().flatten() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let id = name.strip_suffix(".pw").unwrap_or_else(|| panic!("{name} is left"));
        assert!(listed["servers"].as_array().unwrap().iter().any(|server| server["id"] == id), "{name} is left");
    }
    assert_eq!(listed["damaged"].as_array().map(Vec::len), Some(0));
}
