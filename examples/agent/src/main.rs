//! The agent of the conductor beside it: runs on a node that is to be deployed or cleaned, and does that.
//!
//! `cargo run --release -p agent -- http://127.0.0.1:6385 1be26c0b-03f2-4d2e-ae87-c02d7f33c123 /tmp/disk`
//!
//! It knows nothing of statsd or any other server: where its metrics go, and what they are called, its conductor says. It runs until its input ends (Ctrl-D).
//!
//! | what is measured | metrics |
//! |---|---|
//! | heartbeats, and those that found nobody | `agent.heartbeats`, `agent.heartbeat.errors` |
//! | images: download and write | `agent.image.download.time`, `.bytes`; `agent.image.write.time`, `.chunk` |
//! | deploy and clean, by outcome | `agent.deploy.time`, `agent.clean.time`; `agent.clean.step.time` by step |

use ferrometer::{Counter, Logger, counter, logger, timer};
use serde_json::{Value, json};
use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

static METRICS: Logger = logger!("agent");
static ENDED: AtomicBool = AtomicBool::new(false);

const USAGE: &str = "usage: agent CONDUCTOR NODE DISK\n\
    CONDUCTOR  http://127.0.0.1:6385\n\
    NODE       the node's UUID\n\
    DISK       a file that stands for the node's disk";

/// Time between two heartbeats.
const BEAT: Duration = Duration::from_millis(100);

struct Agent {
    http: ureq::Agent,
    conductor: String,
    node: String,
    disk: std::path::PathBuf,
    /// A handle that is made before anybody has said where metrics go, and follows.
    heartbeats: Counter,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(conductor), Some(node), Some(disk)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err(USAGE.into());
    };
    let heartbeats = METRICS.counter("heartbeats");
    let metrics = ferrometer::agent::init(format!("{conductor}/v1/lookup"), &node)?;
    // Recorded before the conductor has said anything.
    METRICS.send_counter("starts", 1);
    let http = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5))).build().into();
    let agent = Agent { http, conductor, node, disk: disk.into(), heartbeats };
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ENDED.store(true, Relaxed);
    });
    let mut told = metrics.status();
    while !ENDED.load(Relaxed) {
        let _ = agent.beat();
        let now = metrics.status();
        if now.changes != told.changes {
            println!("metrics go to {} as {}", now.backends.join(", "), now.uuid.as_deref().unwrap_or("nobody"));
            told = now;
        }
        thread::sleep(BEAT);
    }
    println!("{:?}", metrics.status());
    let report = metrics.shutdown(Duration::from_secs(2));
    report.ledgers.iter().for_each(|ledger| println!("{ledger}"));
    Ok(())
}

impl Agent {
    /// Asks what there is to do, does it, and says that it is done.
    fn beat(&self) -> Result<(), Box<dyn Error>> {
        let answer = self.heartbeat(json!({}))?;
        let done = match answer["do"].as_str() {
            Some("deploy") => self.deploy(answer["image"].as_str().unwrap_or_default()).is_ok(),
            Some("clean") => clean(&self.disk).is_ok(),
            _ => return Ok(()),
        };
        self.heartbeat(json!({"done": done})).map(drop)
    }

    #[counter(METRICS, "heartbeat.errors", on = "err")]
    fn heartbeat(&self, said: Value) -> Result<Value, Box<dyn Error>> {
        self.heartbeats.increment();
        let url = format!("{}/v1/heartbeat/{}", self.conductor, self.node);
        let mut answer = self.http.post(&url).header("content-type", "application/json").send(said.to_string())?;
        Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
    }

    #[timer(METRICS, "deploy.time", outcome)]
    #[counter(METRICS, "deploys")]
    fn deploy(&self, image: &str) -> Result<(), Box<dyn Error>> {
        let image = self.download(image)?;
        write(&self.disk, &image)?;
        Ok(())
    }

    #[timer(METRICS, "image.download.time", outcome)]
    fn download(&self, path: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut image = Vec::new();
        let answer = self.http.get(format!("{}{path}", self.conductor)).call()?;
        answer.into_body().into_reader().take(1 << 30).read_to_end(&mut image)?;
        METRICS.send_counter("image.download.bytes", image.len() as u64);
        Ok(image)
    }
}

#[timer(METRICS, "image.write.time", outcome)]
fn write(disk: &Path, image: &[u8]) -> std::io::Result<()> {
    let mut disk = File::create(disk)?;
    for chunk in image.chunks(1 << 20) {
        let begun = Instant::now();
        disk.write_all(chunk)?;
        METRICS.send_timer("image.write.chunk", begun.elapsed());
    }
    disk.sync_all()
}

#[timer(METRICS, "clean.time", outcome)]
#[counter(METRICS, "cleans")]
fn clean(disk: &Path) -> std::io::Result<()> {
    type Step = fn(&Path) -> std::io::Result<()>;
    let steps: [(&str, Step); 2] = [
        ("erase_devices", |disk| {
            let len = std::fs::metadata(disk).map_or(0, |disk| disk.len());
            write(disk, &vec![0; len as usize])
        }),
        ("delete_configuration", |disk| File::create(disk).map(drop)),
    ];
    for (name, step) in steps {
        METRICS.with("step", name).timer("clean.step.time").time(|| step(disk))?;
    }
    Ok(())
}
