//! Real statsd servers beside Etsy's: collectd and netdata from Debian, gnocchi-statsd, statsdly and navdoon from PyPI. `INTEROP_STATSD` names the
//! folder whose `statsd-servers` is the Python environment of the latter; `scripts/test` installs all of them.

#![allow(dead_code)]

use super::{Scratch, free_tcp_port, free_udp_port};
use ferrometer_testkit::SOON;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A program that is ended with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(command: &mut Command) -> Running {
    let shown = format!("{command:?}");
    Running(command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}; scripts/test installs it")))
}

/// A program of the Python environment.
fn python(program: &str) -> Command {
    let folder = std::env::var("INTEROP_STATSD").expect("INTEROP_STATSD is not set: run scripts/test");
    let path = Path::new(&folder).join("statsd-servers/bin").join(program);
    assert!(path.exists(), "{} is not there: run scripts/test, which installs it", path.display());
    Command::new(path)
}

/// Waits until a UDP port is taken.
fn wait_for_udp(port: u16) {
    let until = Instant::now() + SOON;
    let local = format!(":{port:04X}");
    loop {
        let sockets = std::fs::read_to_string("/proc/net/udp").unwrap();
        if sockets.lines().any(|line| line.split_whitespace().nth(1).is_some_and(|at| at.ends_with(&local))) {
            return;
        }
        assert!(Instant::now() < until, "nobody listens on port {port}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// collectd with its statsd plugin; what it holds is written to files each second.
pub struct Collectd {
    pub port: u16,
    values: PathBuf,
    _process: Running,
    _scratch: Scratch,
}

impl Collectd {
    pub fn start() -> Collectd {
        let scratch = Scratch::new("collectd");
        let (port, at) = (free_udp_port(), scratch.path().display());
        let config = format!(
            "Hostname \"h\"\nBaseDir \"{at}\"\nPIDFile \"{at}/pid\"\nPluginDir \"/usr/lib/collectd\"\n\
             TypesDB \"/usr/share/collectd/types.db\"\nInterval 1\nLoadPlugin statsd\n<Plugin statsd>\n Host \"127.0.0.1\"\n \
             Port \"{port}\"\n TimerCount true\n TimerSum true\n CounterSum true\n</Plugin>\nLoadPlugin csv\n<Plugin csv>\n \
             DataDir \"{at}/csv\"\n StoreRates false\n</Plugin>\n"
        );
        let config = scratch.file("collectd.conf", config.as_bytes());
        let process = spawn(Command::new("/usr/sbin/collectd").arg("-f").arg("-C").arg(config).stdout(Stdio::null()));
        wait_for_udp(port);
        Collectd { port, values: scratch.path().join("csv/h/statsd"), _process: process, _scratch: scratch }
    }

    /// Returns the values it wrote each second, for a name such as `count-app.hits`; none where it never heard of it.
    pub fn values(&self, name: &str) -> Vec<f64> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.values).into_iter().flatten() {
            let path = entry.unwrap().path();
            // A date follows the name.
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            if file.len() == name.len() + 11 && file.starts_with(name) {
                let text = std::fs::read_to_string(&path).unwrap();
                all.extend(text.lines().skip(1).filter_map(|line| line.split_once(',')?.1.parse::<f64>().ok()));
            }
        }
        all
    }

    /// Returns the names of all that it holds, such as `count-app.hits`.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.values)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|file| file[..file.len() - "-2000-01-01".len()].to_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    pub fn sum(&self, name: &str) -> f64 {
        self.values(name).iter().filter(|value| !value.is_nan()).sum()
    }
}

/// netdata with nothing but its statsd collector.
pub struct Netdata {
    pub port: u16,
    web: u16,
    _process: Running,
    _scratch: Scratch,
}

impl Netdata {
    pub fn start() -> Netdata {
        let scratch = Scratch::new("netdata");
        let (port, web, at) = (free_udp_port(), free_tcp_port(), scratch.path().display());
        for folder in ["cache", "lib", "log", "etc"] {
            std::fs::create_dir_all(scratch.path().join(folder)).unwrap();
        }
        let off = "proc diskspace cgroups tc idlejitter timex apps python.d charts.d go.d ebpf perf slabinfo";
        let off: String = off.split(' ').map(|plugin| format!(" {plugin} = no\n")).collect();
        let config = format!(
            "[global]\n run as user = root\n[directories]\n cache = {at}/cache\n lib = {at}/lib\n log = {at}/log\n config = {at}/etc\n \
             stock config = {at}/etc\n web = {at}/etc\n[db]\n mode = ram\n update every = 1\n[logs]\n error = {at}/log/error\n \
             access = none\n debug = none\n[web]\n bind to = 127.0.0.1:{web}\n[ml]\n enabled = no\n[health]\n enabled = no\n[plugins]\n{off} \
             netdata monitoring = no\n netdata monitoring extended = no\n enable running new plugins = no\n statsd = yes\n[statsd]\n \
             enabled = yes\n bind to = udp:127.0.0.1:{port}\n update every (flushInterval) = 1\n default port = {port}\n"
        );
        let config = scratch.file("netdata.conf", config.as_bytes());
        let mut command = Command::new("/usr/sbin/netdata");
        let process = spawn(command.arg("-D").arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null()));
        wait_for_udp(port);
        Netdata { port, web, _process: process, _scratch: scratch }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.web)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        // Without chunks.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())
    }

    /// Returns the names of the charts of statsd's metrics.
    pub fn charts(&self) -> Vec<String> {
        let text = self.get("/api/v1/charts");
        let all: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let names = all["charts"].as_object().unwrap().keys();
        names.filter(|name| name.starts_with("statsd_")).cloned().collect()
    }

    /// Returns the names of a chart's dimensions.
    pub fn dimensions(&self, chart: &str) -> Vec<String> {
        let body = self.get(&format!("/api/v1/data?chart={chart}&after=-2&points=2&format=csv"));
        body.lines().next().unwrap_or("").split(',').skip(1).map(|name| name.trim_matches('"').to_owned()).collect()
    }

    /// Returns the rows of a chart's dimensions, second by second, newest first.
    pub fn rows(&self, chart: &str) -> Vec<Vec<f64>> {
        let body = self.get(&format!("/api/v1/data?chart={chart}&after=-120&points=120&format=csv"));
        let numbers = |line: &str| line.split(',').skip(1).map(|n| n.trim().parse().unwrap_or(f64::NAN)).collect();
        body.lines().skip(1).map(numbers).collect()
    }
}

/// gnocchi-statsd, without its database.
pub struct Gnocchi {
    pub port: u16,
    process: Running,
    output: BufReader<std::process::ChildStdout>,
}

impl Gnocchi {
    pub fn start() -> Gnocchi {
        let port = free_udp_port();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/gnocchi_statsd.py");
        let mut command = python("python");
        let mut process = spawn(command.arg(script).arg(port.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut output = BufReader::new(process.0.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Gnocchi { port, process, output }
    }

    /// Returns its state in the end: `gauges`, `counters` and `times`, each `name|type` with a value.
    pub fn end(mut self) -> serde_json::Value {
        drop(self.process.0.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

/// statsdly, whose values go to a graphite server each second: to this test.
pub struct Statsdly {
    pub port: u16,
    process: Running,
    graphite: JoinHandle<String>,
}

impl Statsdly {
    pub fn start() -> Statsdly {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, graphite) = (free_udp_port(), listener.local_addr().unwrap());
        let mut command = python("statsdly");
        let (listen, to) = (format!("127.0.0.1:{port}"), graphite.to_string());
        let process = spawn(command.args(["-l", &listen, "-f", "1", "-g", &to]));
        let graphite = thread::spawn(move || {
            let mut text = String::new();
            listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
            text
        });
        wait_for_udp(port);
        Statsdly { port, process, graphite }
    }

    /// Name and value of each line that it sent.
    pub fn end(self) -> Vec<(String, f64)> {
        drop(self.process);
        named_values(&self.graphite.join().unwrap())
    }
}

/// navdoon, which writes its values to a file each second.
pub struct Navdoon {
    pub port: u16,
    file: PathBuf,
    process: Running,
    _scratch: Scratch,
}

impl Navdoon {
    pub fn start() -> Navdoon {
        let (scratch, port) = (Scratch::new("navdoon"), free_udp_port());
        let file = scratch.path().join("values");
        let mut command = python("navdoon");
        let listen = format!("127.0.0.1:{port}");
        command.args(["--flush-interval", "1", "--collect-udp", &listen, "--flush-file"]).arg(&file);
        let process = spawn(command.stderr(Stdio::null()));
        wait_for_udp(port);
        Navdoon { port, file, process, _scratch: scratch }
    }

    pub fn end(self) -> Vec<(String, f64)> {
        drop(self.process);
        named_values(&std::fs::read_to_string(&self.file).unwrap())
    }
}

/// Lines of graphite: name, value, time.
fn named_values(text: &str) -> Vec<(String, f64)> {
    let pair = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}
