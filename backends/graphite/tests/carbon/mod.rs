//! A carbon-cache that keeps a point a second.

use ferrometer_push_testkit::Scratch;
use ferrometer_push_testkit::program::{Program, low_port};
use std::process::Command;

const CONFIG: &str = "[cache]\nUSER =\nMAX_CACHE_SIZE = inf\nMAX_UPDATES_PER_SECOND = 5000\nMAX_CREATES_PER_MINUTE = inf\n\
LINE_RECEIVER_INTERFACE = 127.0.0.1\nPICKLE_RECEIVER_INTERFACE = 127.0.0.1\nCACHE_QUERY_INTERFACE = 127.0.0.1\n\
ENABLE_UDP_LISTENER = True\nUDP_RECEIVER_INTERFACE = 127.0.0.1\nLOG_UPDATES = False\nENABLE_LOGROTATION = False\n";

/// Starts one that takes lines at `port`, over UDP and TCP, and is asked at `query`. It keeps its metrics in the folder `data` of its scratch.
/// `tags` is the port of the graphite-web that it tells the tags of its metrics, where there is one.
pub fn start(name: &str, port: u16, query: u16, tags: Option<u16>) -> Program {
    let scratch = Scratch::new(name);
    std::fs::create_dir_all(scratch.path().join("data")).unwrap();
    let config = format!(
        "{CONFIG}ENABLE_TAGS = {tagged}\nTAG_UPDATE_INTERVAL = 1\nGRAPHITE_URL = http://127.0.0.1:{web}\n\
         STORAGE_DIR = {dir}\nLOCAL_DATA_DIR = {dir}/data\nLOG_DIR = {dir}\nPID_DIR = {dir}\nCONF_DIR = {dir}\n\
         LINE_RECEIVER_PORT = {port}\nUDP_RECEIVER_PORT = {port}\nPICKLE_RECEIVER_PORT = {pickle}\nCACHE_QUERY_PORT = {query}\n",
        tagged = if tags.is_some() { "True" } else { "False" },
        web = tags.unwrap_or(9),
        dir = scratch.path().display(),
        pickle = low_port(),
    );
    let config = scratch.file("carbon.conf", &config);
    scratch.file("storage-schemas.conf", "[all]\npattern = .*\nretentions = 1s:1h\n");
    let mut command = Command::new("carbon-cache");
    command.arg(format!("--config={}", config.display())).args(["--nodaemon", "start"]);
    Program::start(scratch, &mut command, port)
}
