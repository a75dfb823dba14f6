//! The configuration when nothing is given: every key at the default that its row in the table names.

use std::net::SocketAddr;
use std::time::Duration;

use super::keys::keys;
use super::push::{Graphite, Influxdb, Otlp, RemoteWrite};
use super::settings::{Config, Dialect, Limits, PullCache, Scrape, Statsd, Tokens, Transport};

impl Config {
    /// Everything at its default: recording is off.
    pub fn new() -> Self {
        let mut config = Config::blank();
        for key in keys() {
            if let Some(value) = key.default_value() {
                (key.set)(&mut config, value);
            }
        }
        config
    }

    /// Placeholders only; the defaults are the table's.
    fn blank() -> Self {
        Config {
            backend: Vec::new(),
            statsd_host: String::new(),
            statsd_port: 0,
            prepend_host: false,
            prepend_host_reverse: false,
            global_prefix: String::new(),
            host: None,
            prepend_uuid: false,
            uuid: None,
            lookup_interval: Duration::ZERO,
            shutdown_deadline: Duration::ZERO,
            statsd: Statsd {
                dialect: Dialect::Etsy,
                transport: Transport::Udp,
                path: None,
                max_datagram: 0,
                interval: Duration::ZERO,
                state_interval: None,
                labels: None,
                values: None,
                negative_gauges: None,
                rates: None,
                histograms: None,
                resolve_interval: Duration::ZERO,
            },
            pull_cache: PullCache {
                interval: Duration::ZERO,
                generations: 0,
                window: Duration::ZERO,
                idle_after: None,
                path: None,
                http: false,
                address: SocketAddr::from(([127, 0, 0, 1], 0)),
                page: false,
                tls_cert: None,
                tls_key: None,
                tokens: Tokens::default(),
                tokens_file: None,
                allow_plaintext: false,
                allow_anonymous: false,
                allowed_hosts: Vec::new(),
                max_connections: 0,
                max_requests: 0,
                max_query_bytes: 0,
                max_header_bytes: 0,
                header_timeout: Duration::ZERO,
                write_timeout: Duration::ZERO,
                answer_timeout: Duration::ZERO,
                idle_timeout: Duration::ZERO,
                scrape: Scrape::Generation,
                process_metrics: false,
                host_metrics: false,
                proxmox: false,
                node: None,
                peer_timeout: Duration::ZERO,
                max_peer_bytes: 0,
                peers: Vec::new(),
            },
            graphite: Graphite::blank(),
            influxdb: Influxdb::blank(),
            otlp: Otlp::blank(),
            remote_write: RemoteWrite::blank(),
            limits: Limits {
                max_loggers: 0,
                max_instruments: 0,
                max_label_sets: 0,
                max_threads: 0,
                max_cell_bytes: 0,
                timer_chunk: 0,
                max_held_values: 0,
            },
            rules: Vec::new(),
            agent: super::for_agents::ForAgents::default(),
            origin: Default::default(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config::new()
    }
}
