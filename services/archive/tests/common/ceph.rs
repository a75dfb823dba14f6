//! A Ceph of one node, on loopback: a monitor, a store of objects, and the gateway that speaks S3.
#![allow(dead_code, reason = "not every test needs it")]

use crate::common::Scratch;
use crate::common::servers::{free_port, wait_for};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use uuid::Uuid;

const KEY: &str = "FERROMETERTESTKEY";
const SECRET: &str = "ferrometer-test-secret";
const PATIENCE: Duration = Duration::from_secs(180);

/// A Ceph that ends with this value, with a bucket named `archive`.
pub struct Ceph {
    scratch: Scratch,
    daemons: Vec<Child>,
    gateway: u16,
    /// The address of the bucket.
    pub address: String,
}

impl Ceph {
    pub fn start() -> Ceph {
        let (scratch, gateway) = (Scratch::new("ceph"), free_port());
        let (first, second) = (free_port(), free_port());
        let directory = scratch.path();
        for folder in ["monitor", "store", "run", "gateway"] {
            std::fs::create_dir_all(directory.join(folder)).unwrap();
        }
        let cluster = Uuid::new_v4();
        let monitor = format!("[v2:127.0.0.1:{first},v1:127.0.0.1:{second}]");
        std::fs::write(directory.join("ceph.conf"), configuration(directory, cluster, &monitor, gateway)).unwrap();
        let address = format!("s3://{KEY}:{SECRET}@archive/a?endpoint=http://127.0.0.1:{gateway}");
        let mut ceph = Ceph { daemons: Vec::new(), gateway, address, scratch };
        let map = ceph.path("monmap");
        let cluster = cluster.to_string();
        ceph.run("monmaptool", &["--create", "--fsid", &cluster, "--addv", "a", &monitor, &map]);
        ceph.run("ceph-mon", &["-i", "a", "--mkfs", "--monmap", &map]);
        ceph.begin("ceph-mon", &["-i", "a"]);
        let store = Uuid::new_v4().to_string();
        ceph.until("the monitor", |ceph| ceph.is_done("ceph", &["--connect-timeout", "5", "osd", "new", &store]));
        ceph.run("ceph-osd", &["-i", "0", "--mkfs", "--osd-uuid", &store]);
        ceph.begin("ceph-osd", &["-i", "0"]);
        ceph.until("the store", |ceph| ceph.output("ceph", &["osd", "stat"]).contains(" 1 up"));
        ceph.begin("radosgw", &["-n", "client.rgw.a"]);
        wait_for(gateway, "radosgw");
        let user = ["user", "create", "--uid", "archive", "--display-name", "archive"];
        let keys = ["--access-key", KEY, "--secret-key", SECRET];
        ceph.run("radosgw-admin", &[&["-n", "client.rgw.a"][..], &user, &keys].concat());
        ceph.make_bucket();
        ceph
    }

    fn make_bucket(&self) {
        let endpoint = format!("http://127.0.0.1:{}", self.gateway).parse().unwrap();
        let bucket = Bucket::new(endpoint, UrlStyle::Path, "archive", "us-east-1").unwrap();
        let url = bucket.create_bucket(&Credentials::new(KEY, SECRET)).sign(Duration::from_secs(60));
        ureq::put(url.as_str())
            .send_empty()
            .unwrap_or_else(|error| panic!("no bucket: {error}\n{}", self.log("radosgw")));
    }

    /// Ends the gateway at once, and starts it again.
    pub fn restart_gateway(&mut self) {
        let mut gateway = self.daemons.pop().unwrap();
        gateway.kill().unwrap();
        gateway.wait().unwrap();
        self.begin("radosgw", &["-n", "client.rgw.a"]);
        wait_for(self.gateway, "radosgw");
    }

    fn path(&self, name: &str) -> String {
        self.scratch.path().join(name).display().to_string()
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.scratch.path().join(name)).unwrap_or_default()
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(name);
        command.args(["-c", &self.path("ceph.conf")]).args(arguments).stdin(Stdio::null());
        command
    }

    fn output(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.command(name, arguments).output();
        let output = output.unwrap_or_else(|error| {
            panic!(
                "{name} is needed (Debian: apt-get install --no-install-recommends ceph-mon ceph-osd radosgw): {error}"
            )
        });
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn is_done(&self, name: &str, arguments: &[&str]) -> bool {
        let log = File::create(self.path("last")).unwrap();
        let status = self.command(name, arguments).stdout(Stdio::null()).stderr(log).status();
        status.unwrap_or_else(|error| panic!("{name} is needed: {error}")).success()
    }

    fn run(&self, name: &str, arguments: &[&str]) {
        assert!(self.is_done(name, arguments), "{name} {arguments:?}: {}", self.log("last"));
    }

    fn until(&self, what: &str, is_there: impl Fn(&Ceph) -> bool) {
        let begun = Instant::now();
        while !is_there(self) {
            assert!(begun.elapsed() < PATIENCE, "{what} of Ceph is not there: {}", self.log("last"));
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Starts a daemon, which stays our child.
    fn begin(&mut self, name: &str, arguments: &[&str]) {
        let log = File::create(self.path(name)).unwrap();
        let mut command = self.command(name, arguments);
        let child = command.arg("-f").stdout(log.try_clone().unwrap()).stderr(log).spawn();
        self.daemons.push(child.unwrap_or_else(|error| panic!("{name} is needed: {error}")));
    }
}

impl Drop for Ceph {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn configuration(directory: &Path, cluster: Uuid, monitor: &str, gateway: u16) -> String {
    let place = |name: &str| -> PathBuf { directory.join(name) };
    format!(
        "[global]\nfsid = {cluster}\nmon host = {monitor}\npublic addr = 127.0.0.1\ncluster addr = 127.0.0.1\n\
         auth cluster required = none\nauth service required = none\nauth client required = none\nms mon client mode = crc\n\
         osd pool default size = 1\nosd pool default min size = 1\nosd pool default pg num = 8\nosd pool default pgp num = 8\n\
         osd pool default pg autoscale mode = off\nosd crush chooseleaf type = 0\nmon allow pool size one = true\nmon max pg per osd = 1000\n\
         run dir = {run}\nadmin socket = {run}/$name.asok\nlog file = {logs}/$name.log\npid file = {run}/$name.pid\n\
         mon data = {monitors}\nosd data = {store}\nosd objectstore = bluestore\nbluestore block size = 4294967296\n\
         bluestore fsck on mount = false\nosd memory target = 939524096\n\
         [client.rgw.a]\nrgw frontends = beast endpoint=127.0.0.1:{gateway}\nrgw data = {data}\nrgw dns name = 127.0.0.1\n",
        run = place("run").display(),
        logs = directory.display(),
        monitors = place("monitor").display(),
        store = place("store").display(),
        data = place("gateway").display(),
    )
}
