//! The conductor and its agent together, each a process of its own, and a real Etsy statsd that receives both: the agent is told where and how, follows
//! what changes, and outlives its conductor.

#[path = "../../../tests/support/mod.rs"]
mod support;

use ferrometer_push_testkit::http::ask;
use ferrometer_testkit::{Scratch, free_tcp_port, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::Etsy;

const UUID: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
const MAC: &str = "52:54:00:ab:cd:01";
/// The size of the conductor's images.
const IMAGE: i64 = 3 << 20;

/// Runs the conductor: this test's own program, started again.
#[test]
#[ignore = "the child of the test below"]
fn conductor_child() {
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(config), Some(address)) = (variable("CONDUCTOR_CONFIG"), variable("CONDUCTOR_ADDRESS")) else { return };
    let arguments = conductor::Arguments {
        config: config.into(),
        address: address.parse().unwrap(),
        nodes: vec![format!("{UUID}={MAC}")],
    };
    conductor::run(&arguments).unwrap();
}

struct Conductor {
    process: Child,
    address: SocketAddr,
    config: PathBuf,
}

impl Conductor {
    fn start(config: PathBuf, address: SocketAddr) -> Conductor {
        let process = Conductor::spawn(&config, address);
        Conductor { process, address, config }
    }

    fn spawn(config: &PathBuf, address: SocketAddr) -> Child {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "conductor_child", "--nocapture"])
            .env("CONDUCTOR_CONFIG", config)
            .env("CONDUCTOR_ADDRESS", address.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let listens = lines.by_ref().map_while(Result::ok).any(|line| line.contains("listening on"));
        assert!(listens, "the conductor has ended: {:?}", process.wait());
        // It goes on to say things.
        std::thread::spawn(move || lines.for_each(drop));
        process
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a signal to a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(self.process.id() as i32, signal) }, 0);
    }

    /// SIGKILL: nothing is delivered.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn restart(&mut self) {
        self.process = Conductor::spawn(&self.config, self.address);
    }

    fn end(mut self) {
        self.signal(libc::SIGTERM);
        assert!(self.process.wait().unwrap().success());
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let body = body.to_string();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
    }

    fn state(&self) -> String {
        let (status, body) = self.json("GET", &format!("/v1/nodes/{UUID}"), &json!({}));
        assert_eq!(status, 200);
        body["provision_state"].as_str().unwrap().to_owned()
    }

    fn provision(&self, target: &str, state: &str) {
        let path = format!("/v1/nodes/{UUID}/states/provision");
        assert_eq!(self.json("PUT", &path, &json!({"target": target})).0, 202);
        wait_until(state, || self.state() == state);
    }
}

impl Drop for Conductor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn config(own: u16, agents: u16, prefix: &str) -> String {
    format!(
        r#"
[metrics]
backend = "statsd"
global_prefix = "cloud"
prepend_host = true
prepend_host_reverse = true
host = "conductor1.example.com"
agent_backend = "statsd"
agent_prepend_host = true
agent_prepend_host_reverse = true
agent_prepend_uuid = true
agent_global_prefix = "{prefix}"
agent_lookup_interval = "1s"

[metrics_statsd]
statsd_host = "127.0.0.1"
statsd_port = {own}
agent_statsd_host = "127.0.0.1"
agent_statsd_port = {agents}

[metrics.statsd]
interval = "100ms"
agent_interval = "100ms"
"#
    )
}

fn count(dump: &Value, name: &str) -> i64 {
    dump[name].as_i64().unwrap_or(0)
}

fn values(dump: &Value, name: &str) -> usize {
    dump[name].as_array().map_or(0, Vec::len)
}

#[test]
#[ignore = "needs the Etsy statsd; scripts/test installs and runs it"]
fn the_conductor_configures_its_agent_and_statsd_receives_both() {
    let scratch = Scratch::new("together");
    let (first, second) = (Etsy::start("together", false), Etsy::start("together-2", false));
    let file = scratch.file("conductor.toml", config(first.port, first.port, "cloud"));
    let address = SocketAddr::from(([127, 0, 0, 1], free_tcp_port()));

    // The agent is there first, and its conductor is not: all that it records meanwhile is kept.
    let mut agent = Command::new(env!("CARGO_BIN_EXE_agent"))
        .args([&format!("http://{address}"), UUID])
        .arg(scratch.path().join("disk"))
        .env("FERROMETER_HOST", "node7.rack3.example.com")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let mut conductor = Conductor::start(file.clone(), address);
    let agents = |prefix: &str, metric: &str| format!("{prefix}.com.example.rack3.node7.{UUID}.agent.{metric}");
    let own = |metric: &str| format!("cloud.com.example.conductor1.conductor.{metric}");
    wait_until("the agent's first line", || count(&first.dump("counters"), &agents("cloud", "starts")) == 1);

    conductor.provision("active", "active");
    conductor.provision("clean", "available");
    // In a state from which it cannot be done, and a node that is not there.
    assert_eq!(conductor.json("PUT", &format!("/v1/nodes/{UUID}/states/provision"), &json!({"target": "x"})).0, 400);
    assert_eq!(conductor.json("GET", "/v1/nodes/none", &json!({})).0, 404);
    assert_eq!(ask(address, "GET", &format!("/v1/lookup?addresses={MAC}")).0, 200);
    wait_until("the agent's deploy and clean", || {
        let counters = first.dump("counters");
        count(&counters, &agents("cloud", "deploys")) == 1 && count(&counters, &agents("cloud", "cleans")) == 1
    });
    first.settle_but_for_heartbeats();
    let (counters, timers) = (first.dump("counters"), first.dump("timers"));
    assert_eq!(count(&counters, &agents("cloud", "image.download.bytes")), IMAGE);
    for (metric, expected) in [
        ("deploy.time.outcome.ok", 1),
        ("clean.time.outcome.ok", 1),
        ("image.download.time.outcome.ok", 1),
        ("image.write.time.outcome.ok", 2),
        ("image.write.chunk", 6),
        ("clean.step.time.step.erase_devices", 1),
        ("clean.step.time.step.delete_configuration", 1),
    ] {
        assert_eq!(values(&timers, &agents("cloud", metric)), expected, "{metric}");
    }
    // It looked for its conductor before there was one.
    assert!(count(&counters, &agents("cloud", "heartbeat.errors")) > 0);
    // The conductor's own: API, RPC, states with the time in each, driver.
    for (metric, expected) in [
        ("states.changes.from.available.to.deploying", 1),
        ("states.changes.from.deploying.to.active", 1),
        ("states.changes.from.active.to.cleaning", 1),
        ("states.changes.from.cleaning.to.available", 1),
        ("rpc.requests.method.do_provisioning_action.outcome.ok", 2),
        ("rpc.requests.method.get_node.outcome.err", 1),
        ("api.requests.method.GET.route._images__name_.status.2xx", 1),
        ("api.requests.method.GET.route._v1_nodes__uuid_.status.4xx", 1),
        ("api.requests.method.PUT.route._v1_nodes__uuid__states_provision.status.4xx", 1),
    ] {
        let found = counters.as_object().unwrap().iter().filter(|(name, _)| unsuffixed(name) == own(metric));
        assert_eq!(found.map(|(_, value)| value.as_i64().unwrap()).sum::<i64>(), expected, "{metric} in {counters:#}");
    }
    for (metric, expected) in [
        ("states.time.state.available", 1),
        ("states.time.state.deploying", 1),
        ("states.time.state.active", 1),
        ("states.time.state.cleaning", 1),
        ("driver.set_power.time.outcome.ok", 4),
        ("driver.set_boot_device.time.outcome.ok", 2),
        ("rpc.time.method.do_provisioning_action.outcome.ok", 2),
    ] {
        assert_eq!(values(&timers, &own(metric)), expected, "{metric}");
    }
    assert_eq!(first.dump("gauges")[own("states.nodes.state.available")], json!(1));

    // The options change while it runs, and the agent follows: another server, another prefix.
    fs::write(&file, config(first.port, second.port, "moved")).unwrap();
    conductor.signal(libc::SIGHUP);
    wait_until("the agent at the other server", || count(&second.dump("counters"), &agents("moved", "heartbeats")) > 0);
    conductor.provision("active", "active");
    wait_until("the second deploy", || count(&second.dump("counters"), &agents("moved", "deploys")) == 1);

    // A file that is wrong changes nothing.
    fs::write(
        &file,
        config(first.port, second.port, "moved").replace("agent_prepend_uuid = true", "agent_prepend_uuid = 7"),
    )
    .unwrap();
    conductor.signal(libc::SIGHUP);
    wait_until("the file to be refused", || count(&first.dump("counters"), &own("reload.errors")) == 1);
    assert_eq!(
        conductor.json("GET", &format!("/v1/lookup?node_uuid={UUID}"), &json!({})).1["config"]["metrics"]["prepend_uuid"],
        true
    );
    fs::write(&file, config(first.port, second.port, "moved")).unwrap();

    // Killed, and started again: the agent goes on as it was told, and finds it again.
    conductor.kill();
    let errors = || count(&second.dump("counters"), &agents("moved", "heartbeat.errors"));
    let before = errors();
    wait_until("heartbeats that find nobody", || errors() > before + 3);
    conductor.restart();
    assert_eq!(conductor.state(), "available");
    conductor.provision("active", "active");
    wait_until("the third deploy", || count(&second.dump("counters"), &agents("moved", "deploys")) == 2);
    fs::write(&file, config(first.port, first.port, "back")).unwrap();
    conductor.signal(libc::SIGHUP);
    wait_until("the agent at the first server", || count(&first.dump("counters"), &agents("back", "heartbeats")) > 0);

    // The agent's input ends, and so does it: with an account in which nothing is missing.
    drop(agent.stdin.take());
    assert!(agent.wait().unwrap().success());
    let mut said = String::new();
    agent.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(
        said.contains(&format!("metrics go to statsd as {UUID}"))
            && said.contains("0 pending")
            && said.contains("+ 0 dropped"),
        "{said}"
    );
    conductor.end();
    for etsy in [&first, &second] {
        assert_eq!(count(&etsy.dump("counters"), "statsd.bad_lines_seen"), 0);
        for dump in ["counters", "gauges", "timers"] {
            let strange =
                |name: &&String| !["cloud.", "moved.", "back.", "statsd."].iter().any(|known| name.starts_with(known));
            let dump = etsy.dump(dump);
            assert_eq!(dump.as_object().unwrap().keys().find(strange), None);
        }
    }
}

/// A folded name without the mark that keeps label values apart which would look alike: `…-1a2b3c4d`.
fn unsuffixed(name: &str) -> String {
    let is_mark = |part: &str| part.len() == 8 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts = name.split('.').map(|part| match part.rsplit_once('-') {
        Some((before, mark)) if is_mark(mark) => before,
        _ => part,
    });
    parts.collect::<Vec<_>>().join(".")
}

trait Settles {
    fn settle_but_for_heartbeats(&self);
}

impl Settles for Etsy {
    /// Waits until nothing moves but what beats.
    fn settle_but_for_heartbeats(&self) {
        let mut last = Value::Null;
        wait_until("a quiet statsd", || {
            std::thread::sleep(Duration::from_millis(300));
            let mut now = self.dump("counters");
            let beats =
                |name: &str| name.contains("heartbeat") || name.contains("lookup") || name.starts_with("statsd.");
            now.as_object_mut().unwrap().retain(|name, _| !beats(name) && !name.contains("ferrometer."));
            std::mem::replace(&mut last, now.clone()) == now
        });
    }
}
