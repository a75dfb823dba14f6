//! Helpers of several tests: the examples' programs, and a real Etsy statsd.

#![allow(dead_code)]

use ferrometer_testkit::{SOON, Scratch, free_tcp_port, free_udp_port};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The program of an example, which `cargo test` has built beside this test.
pub fn example(name: &str) -> Command {
    let mut directory = std::env::current_exe().unwrap();
    directory.pop();
    if directory.ends_with("deps") {
        directory.pop();
    }
    let program = directory.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "{} is not there: run `cargo build --examples` first", program.display());
    Command::new(program)
}

/// Etsy's statsd, from npm. `INTEROP_STATSD` names the folder whose `node_modules` holds it; `scripts/test` installs it there.
pub struct Etsy {
    process: Child,
    pub port: u16,
    management: u16,
    config: PathBuf,
    _scratch: Option<Scratch>,
}

impl Etsy {
    pub fn start(name: &str, tcp: bool) -> Etsy {
        // The flush would reset what is compared: it is put off for the length of any test.
        Etsy::with(name, tcp, "flushInterval:3600000")
    }

    /// One that flushes each second, and forgets what it was not told meanwhile.
    pub fn forgetful(name: &str) -> Etsy {
        Etsy::with(name, false, "flushInterval:1000,deleteIdleStats:true")
    }

    fn with(name: &str, tcp: bool, flush: &str) -> Etsy {
        let scratch = Scratch::new(&format!("etsy-{name}"));
        let (port, management) = (if tcp { free_tcp_port() } else { free_udp_port() }, free_tcp_port());
        let server = if tcp { "./servers/tcp" } else { "./servers/udp" };
        let config = format!(
            "{{port:{port},address:\"127.0.0.1\",servers:[{{server:\"{server}\",address:\"127.0.0.1\",port:{port}}}],\
             mgmt_port:{management},mgmt_address:\"127.0.0.1\",backends:[],{flush},automaticConfigReload:false}}"
        );
        let config = scratch.file("config.js", config.as_bytes());
        let process = Etsy::spawn(&config);
        let etsy = Etsy { process, port, management, config, _scratch: Some(scratch) };
        etsy.wait();
        etsy
    }

    fn spawn(config: &Path) -> Child {
        let folder = std::env::var("INTEROP_STATSD")
            .expect("INTEROP_STATSD is not set: run scripts/test, which installs statsd");
        let script = Path::new(&folder).join("node_modules/statsd/stats.js");
        assert!(script.exists(), "{} is not there: run scripts/test, which installs it", script.display());
        Command::new("node")
            .arg(script)
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("node runs")
    }

    fn wait(&self) {
        let until = Instant::now() + SOON;
        while TcpStream::connect(("127.0.0.1", self.management)).is_err() {
            assert!(Instant::now() < until, "statsd does not answer");
            thread::sleep(Duration::from_millis(20));
        }
        thread::sleep(Duration::from_millis(50));
    }

    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    pub fn restart(&mut self) {
        self.process = Etsy::spawn(&self.config);
        self.wait();
    }

    /// One dump of the management port (`counters`, `gauges`, `timers`), as JSON.
    pub fn dump(&self, what: &str) -> serde_json::Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.management)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream.write_all(format!("{what}\n").as_bytes()).unwrap();
        let mut text = String::new();
        let mut buffer = [0; 65536];
        while !text.ends_with("END\n\n") {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "statsd closed its management port: {text}");
            text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        // The dump is what node shows of an object; node itself reads it back. Of a long list it shows a hundred, and says how many more there are: those are null.
        let mut node = Command::new("node")
            .args(["-e", "process.stdin.setEncoding('utf8');let s='';process.stdin.on('data',d=>s+=d).on('end',()=>{s=s.replace(/\\.\\.\\. (\\d+) more items?/g,(_,n)=>Array(+n).fill('null').join(','));console.log(JSON.stringify(eval('('+s+')')))})"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        node.stdin.take().unwrap().write_all(text.trim_end().trim_end_matches("END").as_bytes()).unwrap();
        let output = node.wait_with_output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e} in {text}"))
    }

    /// Waits until all datagrams sent so far were read: until no counter but the server's own moves. (State is told again for ever.)
    pub fn settle(&self) {
        let until = Instant::now() + SOON;
        let mut last = serde_json::Value::Null;
        loop {
            thread::sleep(Duration::from_millis(100));
            let mut now = self.dump("counters");
            if let Some(counters) = now.as_object_mut() {
                counters.retain(|name, _| !name.starts_with("statsd."));
            }
            if now == last {
                return;
            }
            assert!(Instant::now() < until, "statsd goes on counting");
            last = now;
        }
    }
}

impl Drop for Etsy {
    fn drop(&mut self) {
        self.kill();
    }
}
