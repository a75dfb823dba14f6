//! A configuration in words: where each backend delivers, how often, what names look like, what is switched off.

use ferrometer::Config;
use ferrometer::config::{InfluxdbProto, Proto, Transport, View};
use std::time::Duration;

/// Returns pairs of a subject and what is to be said of it.
pub(crate) fn of(config: &Config) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut say = |what: &str, how: String| out.push((what.to_owned(), how));
    let backends: Vec<String> = config.backends().iter().map(ToString::to_string).collect();
    if backends.iter().all(|name| name == "noop") {
        say("recording", "off: no backend is configured".to_owned());
        return out;
    }
    for name in &backends {
        if let Some(how) = backend(config, name) {
            say(name, how);
        }
    }
    let mut parts = Vec::new();
    if !config.global_prefix.is_empty() {
        parts.push(config.global_prefix.clone());
    }
    if config.prepend_host {
        let host = config.host.as_deref().filter(|host| !host.is_empty()).unwrap_or("<this machine's name>");
        let how = if config.prepend_host_reverse { ", reversed" } else { "" };
        parts.push(format!("<{host}{how}>"));
    }
    parts.extend(["<logger>".to_owned(), "<metric>".to_owned()]);
    say("names", parts.join("."));
    for rule in config.rules() {
        let enabled = if rule.enabled { "on" } else { "off" };
        let rate = rule.sample_rate.map(|rate| format!("sample rate {rate}"));
        let how: Vec<String> = std::iter::once(enabled.to_owned()).chain(rate).collect();
        say("rule", format!("{} and below: {}", rule.logger, how.join(", ")));
    }
    for view in config.views() {
        say("view", format!("{}: {}", view.pattern, what(view)));
    }
    say("memory", super::memory(config));
    say("at the end", format!("delivers for at most {}", time(config.shutdown_deadline)));
    out
}

/// Returns the effect of a view in words.
fn what(view: &View) -> String {
    let list = |what: &str, keys: &[String]| (!keys.is_empty()).then(|| format!("{what} {}", keys.join(", ")));
    let all = [
        view.drop.then(|| "dropped".to_owned()),
        view.rename.as_ref().map(|name| format!("renamed to {name}")),
        list("without the labels", &view.drop_labels),
        list("with no labels but", &view.keep_labels),
        view.sample_rate.map(|rate| format!("sample rate {rate}")),
        view.unit.as_ref().map(|unit| format!("in {unit}")),
        view.description.as_ref().map(|text| format!("described as {text:?}")),
        (!view.buckets.is_empty()).then(|| format!("buckets {:?}", view.buckets)),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn time(duration: Duration) -> String {
    format!("{duration:?}")
}

fn backend(config: &Config, name: &str) -> Option<String> {
    Some(match name {
        "statsd" => {
            let c = &config.statsd;
            let (host, port) = (&config.statsd_host, config.statsd_port);
            let to = match c.transport {
                Transport::Tcp => format!("tcp://{host}:{port}"),
                Transport::Unix => format!("unix:{}", c.path.clone().unwrap_or_default().display()),
                _ => format!("udp://{host}:{port}, datagrams of at most {} bytes", c.max_datagram),
            };
            let dialect = format!("{:?}", c.dialect).to_lowercase();
            format!("to {to}, as {dialect} reads it, every {}", time(c.interval))
        }
        "graphite" => {
            let c = &config.graphite;
            let proto = if c.proto == Proto::Udp { "udp" } else { "tcp" };
            format!("to {proto}://{}:{}, below {:?}, every {}", c.server, c.port, c.path, time(c.interval))
        }
        "influxdb" => {
            let c = &config.influxdb;
            let (proto, port) = match c.proto {
                InfluxdbProto::Udp => ("udp", 8089),
                InfluxdbProto::Https => ("https", 8086),
                _ => ("http", 8086),
            };
            let port = c.port.unwrap_or(port);
            format!("to {proto}://{}:{port}, bucket {:?}, every {}", c.server, c.bucket, time(c.interval))
        }
        "otlp" => {
            let c = &config.otlp;
            let url =
                c.url.clone().unwrap_or_else(|| "the address of OpenTelemetry's variables, or the default".to_owned());
            format!("to {url}, every {}", time(c.interval))
        }
        "remote-write" => format!("to {}, every {}", config.remote_write.url, time(config.remote_write.interval)),
        "pull-cache" | "prometheus" => {
            let c = &config.pull_cache;
            let kept = match name {
                "pull-cache" => format!(
                    "keeps {} generations, one every {}, none older than {}",
                    c.generations + 1,
                    time(c.interval),
                    time(c.window)
                ),
                _ => "keeps the newest totals".to_owned(),
            };
            let files =
                c.path.as_ref().filter(|_| name == "pull-cache").map(|path| format!(", in {} too", path.display()));
            let is_served = c.http || name == "prometheus";
            let served = is_served.then(|| format!(", for those who ask at {}", c.address));
            format!("{kept}{}{}", files.unwrap_or_default(), served.unwrap_or_default())
        }
        _ => return None,
    })
}

/// Returns a number of bodies in the words of a backend.
pub(crate) fn bodies(backend: &str, count: usize) -> String {
    let (one, many) = match backend {
        "statsd" | "graphite" => ("datagram or piece of a stream", "datagrams or pieces of a stream"),
        "pull-cache" => ("generation", "generations"),
        "prometheus" => ("exposition", "expositions"),
        _ => ("request", "requests"),
    };
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
