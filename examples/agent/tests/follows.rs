//! An agent follows its conductor: from the first line on, through every answer that a server can give.

use ferrometer::agent::{Agent, Lookup, Options};
use ferrometer::{Cause, Config, Logger, is_on, logger};
use ferrometer_push_testkit::http::{Answer, Server};
use ferrometer_testkit::{Alone, NEVER, Receiver, SOON, alone, wait_until};
use serde_json::{Value, json};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

static METRICS: Logger = logger!("follows");

const UUID: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
const SECRET: &str = "s3cr3t-t0ken";

/// A conductor that gives the answer that it is told to.
struct Conductor {
    server: Server,
    answer: Arc<Mutex<Answer>>,
}

impl Conductor {
    fn new(answer: Answer) -> Conductor {
        let answer = Arc::new(Mutex::new(answer));
        let given = Arc::clone(&answer);
        let server = Server::start(move |_| given.lock().unwrap().clone());
        Conductor { server, answer }
    }

    fn says(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn lookup(&self) -> Lookup {
        // Pending recordings are delivered when another configuration takes this one's place, however slow the machine is.
        let patient = Config::new().shutdown_deadline(SOON);
        let base = patient.host("agent7.example.com").statsd_interval(Duration::from_millis(20));
        Lookup::new(format!("{}/v1/lookup", self.server.url()), UUID).base(base).interval(NEVER).token(SECRET)
    }
}

fn told(options: &Options) -> Answer {
    document(json!({"node": {"uuid": UUID}, "config": options.config()}))
}

fn document(document: Value) -> Answer {
    Answer::Status(200, "", document.to_string().into_bytes())
}

fn statsd(port: u16) -> Options {
    Options::new().backend("statsd").statsd("127.0.0.1", port)
}

fn named(port: u16) -> Options {
    statsd(port).prepend_host(true).prepend_host_reverse(true).prepend_uuid(true).global_prefix("fleet")
}

fn start() -> Alone {
    alone()
}

/// Asks, and waits until that has been done.
fn ask(agent: &Agent) {
    let before = agent.status().lookups;
    agent.look_up();
    wait_until("the lookup", || agent.status().lookups > before);
}

/// The sum of a counter over all that a receiver got.
fn sum(lines: &[String], name: &str) -> i64 {
    let values = lines.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.strip_suffix("|c"));
    values.map(|value| value.parse::<i64>().unwrap()).sum()
}

#[test]
fn what_is_recorded_before_the_answer_is_delivered_as_the_answer_says() {
    let _alone = start();
    let statsd = Receiver::new();
    let conductor = Conductor::new(Answer::status(503));
    let before = METRICS.counter("early");
    let agent = conductor.lookup().init().unwrap();
    assert!(is_on());
    before.add(3);
    METRICS.send_gauge("depth", 7);
    METRICS.send_timer("work", Duration::from_millis(125));
    thread::spawn(move || before.add(4)).join().unwrap();
    wait_until("a failure", || agent.status().failures > 0);
    // A flush with little time may end before all is counted.
    wait_until("all in the account", || {
        let flushed = agent.flush(Duration::from_millis(100));
        assert!(!flushed.complete && flushed.ledgers[0].sent.is_zero(), "{:?}", flushed.ledgers);
        flushed.ledgers[0].pending.recordings == 4
    });
    assert!(!agent.wait_configured(Duration::ZERO));
    conductor.says(told(&named(statsd.port())));
    // Tried again by itself.
    assert!(agent.wait_configured(SOON));
    let report = agent.shutdown(SOON);
    assert!(report.complete && report.ledgers[0].balances(), "{:?}", report.ledgers);
    let mut lines = statsd.lines(3);
    lines.sort();
    let name = |metric: &str| format!("fleet.com.example.agent7.{UUID}.follows.{metric}");
    let expected =
        [format!("{}:7|g", name("depth")), format!("{}:7|c", name("early")), format!("{}:125|ms", name("work"))];
    assert_eq!(lines, expected);
    assert!(!is_on());
    let asked = conductor.server.take();
    assert!(asked.iter().all(|asked| asked.header("authorization") == Some("Bearer s3cr3t-t0ken")), "{asked:?}");
}

#[test]
fn changes_are_followed_and_nothing_is_lost_or_counted_twice() {
    let _alone = start();
    let (first, second) = (Receiver::new(), Receiver::new());
    let conductor = Conductor::new(told(&named(first.port())));
    let agent = conductor.lookup().init().unwrap();
    let handle = METRICS.counter("calls");
    handle.add(1);
    assert!(agent.wait_configured(SOON));
    handle.add(10);
    // A second answer with equal options changes nothing.
    ask(&agent);
    assert_eq!(agent.status().changes, 1);
    handle.add(100);
    conductor.says(told(&statsd(second.port()).global_prefix("moved")));
    ask(&agent);
    assert_eq!(agent.status().changes, 2);
    handle.add(1000);
    // Off, and on again.
    conductor.says(told(&Options::new().backend("noop")));
    ask(&agent);
    assert!(!is_on());
    handle.add(1_000_000);
    conductor.says(told(&statsd(second.port()).global_prefix("moved")));
    ask(&agent);
    handle.add(10_000);
    assert!(agent.shutdown(SOON).complete);
    assert_eq!(sum(&first.lines(1), &format!("fleet.com.example.agent7.{UUID}.follows.calls")), 111);
    assert_eq!(sum(&second.lines(2), "moved.follows.calls"), 11_000);
}

#[test]
fn no_answer_however_hostile_changes_what_is_in_force() {
    let _alone = start();
    let statsd = Receiver::new();
    let good = told(&named(statsd.port()));
    let conductor = Conductor::new(good.clone());
    let agent = conductor.lookup().timeout(SOON).init().unwrap();
    assert!(agent.wait_configured(SOON));
    let config = |config: Value| document(json!({"node": {"uuid": UUID}, "config": config}));
    let raw = |text: &str| Answer::Status(200, "", text.as_bytes().to_vec());
    let hostile = [
        (raw("<!DOCTYPE html><html><body>login</body></html>"), "no JSON"),
        (raw(""), "no JSON"),
        (raw("null"), "the answer is null"),
        (raw(r#"{"config":{"metrics":{"statsd_port":NaN}}}"#), "no JSON"),
        (raw(r#"{"config":{"metrics":{"statsd_port":1e999}}}"#), "no JSON"),
        (raw(&"[".repeat(60_000)), "no JSON"),
        (raw(&" ".repeat(100_000)), "too long for a lookup"),
        // A gigabyte is announced, and as much is sent as is taken.
        (Answer::Status(200, "Content-Length: 1073741824\r\n", vec![b'x'; 1 << 20]), ""),
        (Answer::Endless, "too long for a lookup"),
        (Answer::Garbage, ""),
        (Answer::Cut, ""),
        (Answer::Status(302, "Location: http://127.0.0.1:1/\r\n", Vec::new()), "not followed"),
        (Answer::status(404), "answers 404"),
        (Answer::status(500), "answers 500"),
        (Answer::Status(401, "", format!("no token {SECRET}").into_bytes()), "answers 401: no token [hidden]"),
        (document(json!({"node": {"uuid": UUID.replace('1', "2")}, "config": {}})), "for another node"),
        (document(json!({"node": {"uuid": 7}})), "node.uuid is not"),
        (config(json!([1])), "config is a list"),
        (config(json!({"metrics": {"backend": "collector"}})), "metrics.backend = \"collector\""),
        (config(json!({"metrics": {"backend": ["statsd", "statsd"]}})), "there twice"),
        (config(json!({"metrics": {"prepend_host": "yes"}})), "expected true or false"),
        (config(json!({"metrics": {"prepend_uuid": 1}})), "expected true or false"),
        (config(json!({"metrics": {"global_prefix": "a\nb:1|c"}})), "control character"),
        (config(json!({"metrics_statsd": {"statsd_port": "8125"}})), "expected an integer from 1 to 65535"),
        (config(json!({"metrics_statsd": {"statsd_port": -1}})), "expected an integer from 1 to 65535"),
        (config(json!({"metrics_statsd": {"statsd_port": 1e300}})), "expected an integer from 1 to 65535"),
        (config(json!({"metrics_statsd": {"statsd_host": "a b"}})), "expected a host name"),
        (config(json!({"metrics": {"statsd": [], "backend": "statsd"}})), "expected a table"),
    ];
    let mut failures = agent.status().failures;
    for (at, (answer, expected)) in hostile.into_iter().enumerate() {
        let shown = format!("{:.80}", format!("{answer:?}"));
        conductor.says(answer);
        ask(&agent);
        let status = agent.status();
        let said = status.error.clone().unwrap_or_default();
        assert!(said.contains(expected) && !said.is_empty() && said.len() < 2000, "{shown}: {said}");
        assert!(!format!("{status:?} {agent:?}").contains(SECRET), "{status:?}");
        assert!(status.failures > failures && status.changes == 1, "{shown}: {status:?}");
        failures = status.failures;
        METRICS.send_counter("kept", 1 << at);
    }
    // Unknown keys, and those of the machine, are no reason to refuse the others.
    let mut newer = named(statsd.port()).config();
    newer["metrics"]["pull_cache"] = json!({"path": "/etc", "http": true});
    newer["metrics"]["prepend_rack"] = json!(true);
    newer["heartbeat_timeout"] = json!(300);
    conductor.says(config(newer));
    ask(&agent);
    let status = agent.status();
    assert_eq!((status.error, status.changes, status.ignored.len()), (None, 1, 2), "{:?}", status.ignored);
    assert!(agent.shutdown(SOON).complete);
    let lines = statsd.lines(1);
    assert_eq!(sum(&lines, &format!("fleet.com.example.agent7.{UUID}.follows.kept")), (1 << 28) - 1);
    assert!(lines.iter().all(|line| line.contains(UUID)), "{lines:?}");
}

#[test]
fn a_conductor_that_never_answers_costs_what_was_recorded_and_says_so() {
    let _alone = start();
    let conductor = Conductor::new(Answer::Slow(Duration::from_secs(3600)));
    let agent = conductor.lookup().init().unwrap();
    METRICS.send_counter("lost", 5);
    wait_until("the question", || !conductor.server.requests().is_empty());
    // It comes back though the conductor keeps the question.
    let (done, ended) = channel();
    thread::spawn(move || done.send(agent.shutdown(Duration::from_millis(500))));
    let report = ended.recv_timeout(SOON).unwrap();
    let ledger = &report.ledgers[0];
    assert!(!report.complete && ledger.balances() && ledger.dropped[Cause::Removed].increments == 5, "{ledger}");
    // And the next one is not disturbed by the thread that was left behind.
    let statsd = Receiver::new();
    conductor.says(told(&named(statsd.port())));
    let agent = conductor.lookup().init().unwrap();
    METRICS.send_counter("next", 1);
    assert!(agent.wait_configured(SOON));
    assert!(agent.shutdown(SOON).complete);
    assert_eq!(sum(&statsd.lines(1), &format!("fleet.com.example.agent7.{UUID}.follows.next")), 1);
}

#[test]
fn a_program_that_takes_over_is_left_alone() {
    let _alone = start();
    let (theirs, ours) = (Receiver::new(), Receiver::new());
    let conductor = Conductor::new(told(&statsd(theirs.port())));
    let agent = conductor.lookup().init().unwrap();
    METRICS.send_counter("held", 1);
    assert!(agent.wait_configured(SOON));
    let own = Config::new().backend("statsd").statsd_host("127.0.0.1").statsd_port(ours.port());
    let own = own.shutdown_deadline(SOON);
    let metrics = ferrometer::init(own).unwrap();
    conductor.says(told(&statsd(theirs.port()).global_prefix("late")));
    let before = conductor.server.requests().len();
    agent.look_up();
    wait_until("the question", || conductor.server.requests().len() > before);
    drop(agent);
    METRICS.send_counter("ours", 1);
    assert!(is_on() && metrics.flush(SOON).complete);
    assert_eq!(ours.lines(1), ["follows.ours:1|c"]);
    assert_eq!(sum(&theirs.lines(1), "follows.held"), 1);
    drop(metrics);
    assert!(!is_on());
}

#[test]
fn a_base_with_a_backend_is_in_force_until_the_answer_comes() {
    let _alone = start();
    let (base, statsd) = (Receiver::new(), Receiver::new());
    let conductor = Conductor::new(Answer::status(503));
    let config = Config::new().backend("statsd").statsd_host("127.0.0.1").statsd_port(base.port()).prepend_uuid(true);
    let config = config.shutdown_deadline(SOON);
    let agent = conductor.lookup().base(config).init().unwrap();
    METRICS.send_counter("first", 1);
    assert!(agent.flush(SOON).complete);
    conductor.says(told(&Options::new().statsd("127.0.0.1", statsd.port())));
    assert!(agent.wait_configured(SOON));
    METRICS.send_counter("then", 1);
    assert!(agent.shutdown(SOON).complete);
    // The base's own options hold where the conductor says nothing: the UUID is known from the question.
    assert_eq!(sum(&base.lines(1), &format!("{UUID}.follows.first")), 1);
    assert_eq!(sum(&statsd.lines(1), &format!("{UUID}.follows.then")), 1);
}

#[test]
fn addresses_find_the_node_and_an_interval_comes_from_the_conductor() {
    let _alone = start();
    let statsd = Receiver::new();
    let options = named(statsd.port()).set("metrics.lookup_interval", "1s").unwrap();
    let conductor = Conductor::new(told(&options));
    let lookup =
        Lookup::new(format!("{}/drivers/ipmi/vendor_passthru/lookup", conductor.server.url()), "52:54:00:ab:cd:01");
    let agent = lookup.base(Config::new()).init().unwrap();
    assert!(agent.wait_configured(SOON));
    assert_eq!(agent.status().uuid.as_deref(), Some(UUID));
    // Nobody asks for it.
    wait_until("two further lookups", || agent.status().lookups >= 3);
    assert_eq!(conductor.server.requests()[0].method, "POST");
    drop(agent);
}

#[test]
fn what_cannot_be_asked_is_an_error_at_once() {
    let _alone = start();
    for (url, node, expected) in [
        ("http://conductor/v1/lookup", "node-7", "a node is \"node-7\": expected its UUID, of the form"),
        ("conductor", UUID, "the lookup's url = \"conductor"),
        ("http://me:pass@conductor/", UUID, "the lookup's url = \"(one with a user or password in it)\""),
        ("ftp://conductor/", UUID, "the lookup's url = \"ftp://conductor/"),
    ] {
        let error = Lookup::new(url, node).base(Config::new()).init().unwrap_err().to_string();
        assert!(error.starts_with(expected) && !error.contains("pass@"), "{error}");
    }
    let error = Lookup::new("https://c/", UUID).base(Config::new()).ca("/nowhere/ca.pem").init().unwrap_err();
    assert!(error.to_string().starts_with("the lookup's ca = \"/nowhere/ca.pem"), "{error}");
    let base = Config::new().backend("statd");
    assert!(Lookup::new("http://c/", UUID).base(base).init().is_err());
    assert!(!is_on());
}
