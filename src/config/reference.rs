//! Writes `docs/configuration.md` from the table, and holds the file against it.
//!
//! `UPDATE_DOCS=1 cargo test reference` rewrites the file.

use super::peer::Peer;
use super::rule::Rule;
use super::settings::keys;
use super::table::{Fallback, Key, split};
use super::view::View;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");

const BEGIN: &str = "\
<!-- Generated from the table in src/config/settings.rs; `UPDATE_DOCS=1 cargo test reference` rewrites it. -->

# Configuration

Everything has a default, and the default is off: without configuration nothing is recorded.

Values come from three places; later ones win:

1. the defaults below,
2. a TOML file (cargo feature `config-file`, on by default),
3. environment variables.

A program can also build its configuration in code (`ferrometer::config::Config::new()` and its setters); the same checks
apply. What is wrong is an error at start that names the place, the key, the value and what is allowed; all
problems are reported together:

```text
metrics.toml:3:15: metrics.statsd_port = 70000 (integer): expected an integer from 1 to 65535
metrics.toml:4:1: metrics.statsd_hsot: unknown key; did you mean `statsd_host`?
environment variable FERROMETER_STATSD__DIALECT: metrics.statsd.dialect = \"etsi\" (string): expected \"etsy\", \"dogstatsd\", \"telegraf\", \"gnocchi\", \"collectd\", \"plain\" or \"tagged\"; did you mean \"etsy\"?
```

## The file

The keys that most programs need:

```toml
[metrics]
# One of the backends of the table below, or a list of them
backend=\"noop\"
statsd_host=\"localhost\"
statsd_port=8125
prepend_host=false
prepend_host_reverse=false
global_prefix=\"\"
```

- The file may be the program's own: only the tables `[metrics]` and `[metrics_statsd]` are read, and a file without them is
  valid. A name that looks like a slip for one of the two (`[metric]`), or for a table below (`[metrics_pull_cache]`), is an error, and so
  is a key of `[metrics]` that stands above all tables.
- Within those tables an unknown key is an error.
- A table of `[metrics]` for a backend that the program was built without is passed over, and so are its variables, with a warning; what asks for
  something by itself, `metric_servers.path` and a peer of the pull cache, is an error that names the feature. With the cargo feature
  `every-key` its keys are checked as if the backend were there.
- A relative path is looked up in the directory that the program was started in.
- A duration is a number of seconds (`10`, `0.5`) or a string with one of the units `ms`, `s`, `m`, `h` (`\"500ms\"`); at most a day.
- The file has at most 1 MiB and is UTF-8.

## The environment

The name of a variable is `FERROMETER_` and the key in capitals; the name of a table stands before its key, with two underscores between
them. The last column of the tables below has every name.

- A list is separated by commas: `FERROMETER_BACKEND=statsd,pull-cache`.
- `true` and `1`, `false` and `0` are booleans.
- A duration without a unit is in seconds.
- An empty variable is an empty value, not an absent one: `FERROMETER_GLOBAL_PREFIX=` takes the file's prefix away.
- An unknown variable that begins with `FERROMETER_` is an error. Those that Kubernetes and Docker make for a service named `ferrometer` or `ferrometer-…` are passed
  over: `…_SERVICE_HOST`, `…_SERVICE_PORT`, `…_SERVICE_PORT_<name>`, `…_PORT_8125_UDP` and what stands behind it, a `…_PORT` with an address such as
  `udp://10.0.0.5:8125` (so `FERROMETER_STATSD_PORT` with such a value is not the key), and Docker's `…_NAME` with the path of a link.
- `FERROMETER_CONFIG` names a TOML file to be read instead of the one that the program names, if it names one.
- Rules for loggers, views, and other nodes, cannot be given in the environment.

## A value of the program's own

With the cargo feature `serde`, a program's own configuration may hold that of ferrometer: `Config` can be deserialized, and
`Config::from_value` reads any value that can be serialized, such as a `toml::Table`. `Config::with_env` lays the environment over it.

## Warnings

Settings that contradict each other or do nothing are no errors, because a file may serve several programs. `init` warns of them through
`tracing`, with their place, and `Config::warnings` lists them: for example `http = true` under `[metrics.pull_cache]` while `backend` is
`\"statsd\"`, or a `window` shorter than the `interval`.
";

const STATSD_TABLE: &str = "
`statsd_host` and `statsd_port` may also stand under `[metrics_statsd]`. In both places with different values they are an
error.
";

const PULL_CACHE_TABLE: &str = "
The keys `interval`, `idle_after`, `scrape`, `process_metrics`, `timer_buckets`, `histogram_buckets` and those of the endpoint, from `address` on but for `page`, may also stand
under `[metrics.prometheus]`: there is one endpoint for whatever is served. In both places with different values they are an error. The
backend `prometheus` is served unless `http = false` stands under `[metrics.prometheus]`, `pull-cache` where its own `http` says so.
";

const PEERS: &str = "
## `[[metrics.pull_cache.peers]]`

Another node whose rows the routes of Proxmox show too; as many tables as there are nodes, at most 64. See [proxmox.md](proxmox.md).

";

const RULES: &str = "
## `[metrics.loggers.\"<name>\"]`

A rule holds for the logger of that name and for those below it: `nova.compute` reaches `nova.compute.driver`, but not
`nova.computer`. Of several rules that reach a logger, the longest holds, as a whole; nothing is inherited from the shorter ones. The
name is quoted, since its dots would otherwise part it into tables; `nova::compute` is read as `nova.compute`. At most 4096 rules.

";

const VIEWS: &str = "
## `[[metrics.views]]`

A view changes what becomes of the metrics whose names fit a pattern, for all backends; as many tables as there are views, at most 256. See
[views](guide/src/views.md).

- The name that is matched is `logger.metric` as backends show it, without prefix, host and labels. Views are applied in their order, each to what the one before
  left; with `drop` it ends there.
- A view acts when a series is registered and when the configuration changes: recording costs the same with and without. Handles that there are follow.
- A rule of a logger that is off is off. Ferrometer's own metrics have no views.

";

const END: &str = "
## All keys

A file with every key at some value other than its default:

";

fn reference() -> String {
    let mut page = BEGIN.to_owned();
    let mut table = "";
    for key in keys() {
        if split(key.path).0 != table {
            table = split(key.path).0;
            page += &format!("\n## `[{table}]`\n\n{}", head(true));
        }
        page += &row(key, Some(key.variable()));
        if key.path == "metrics.shutdown_deadline" {
            page += STATSD_TABLE;
        }
        if key.path == "metrics.pull_cache.max_peer_bytes" {
            page += PULL_CACHE_TABLE;
        }
    }
    page += PEERS;
    page += &head(false);
    for key in Peer::KEYS {
        page += &row(key, None);
    }
    page += RULES;
    page += &head(false);
    for key in Rule::KEYS {
        page += &row(key, None);
    }
    page += VIEWS;
    page += &head(false);
    for key in View::KEYS {
        page += &row(key, None);
    }
    page + END + "```toml\n" + &every_key() + "```\n"
}

fn head(variables: bool) -> String {
    let (name, line) = if variables { (" variable |", "---|") } else { ("", "") };
    format!("| key | type | default | allowed | meaning |{name}\n|---|---|---|---|---|{line}\n")
}

fn row<T>(key: &Key<T>, variable: Option<String>) -> String {
    let unit = match key.unit {
        "" if key.kind.type_name() == "duration" => ", seconds".to_owned(),
        "" => String::new(),
        unit => format!(", {unit}"),
    };
    let default = match key.default {
        Fallback::Given(text) => format!("`{text}`"),
        Fallback::Absent(words) => words.to_owned(),
    };
    let variable = variable.map_or_else(String::new, |name| format!(" `{name}` |"));
    format!(
        "| `{}` | {}{unit} | {default} | {} | {} |{variable}\n",
        split(key.path).1,
        key.kind.type_name(),
        key.kind.expected(),
        // A bar would end the cell.
        key.doc.trim().replace('|', "\\|"),
    )
}

fn every_key() -> String {
    let mut file = String::new();
    let mut table = "";
    for key in keys() {
        let (its_table, name) = split(key.path);
        if its_table != table {
            let gap = if table.is_empty() { "" } else { "\n" };
            table = its_table;
            file += &format!("{gap}[{table}]\n");
        }
        file += &format!("{name} = {}\n", key.example);
    }
    file += "\n[[metrics.pull_cache.peers]]\n";
    for key in Peer::KEYS {
        file += &format!("{} = {}\n", key.path, key.example);
    }
    file += "\n[metrics.loggers.\"nova.compute\"]\n";
    for key in Rule::KEYS {
        file += &format!("{} = {}\n", key.path, key.example);
    }
    // A view that drops says nothing else, and labels are dropped or kept.
    for one in ["drop", "keep_labels", ""] {
        file += "\n[[metrics.views]]\n";
        for key in View::KEYS {
            let is_alone = ["drop", "keep_labels"].contains(&key.path);
            match key.path {
                "match" => file += &format!("match = {}\n", key.example),
                path if one == path || one.is_empty() && !is_alone => file += &format!("{path} = {}\n", key.example),
                _ => {}
            }
        }
    }
    file
}

#[test]
fn reference_is_up_to_date() {
    let page = reference();
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(PATH, &page).unwrap();
    }
    let written = std::fs::read_to_string(PATH).unwrap_or_default().replace("\r\n", "\n");
    assert!(written == page, "docs/configuration.md is stale; rewrite it with `UPDATE_DOCS=1 cargo test reference`");
}

#[cfg(feature = "config-file")]
#[test]
fn every_example_loads_and_differs_from_the_default() {
    let config = super::Config::from_toml(&every_key()).unwrap();
    for key in keys() {
        assert_ne!(key.get(&config), key.get(&super::Config::new()), "{}", key.path);
    }
    for key in Peer::KEYS {
        assert_ne!(key.get(&config.pull_cache.peers[0]), None, "{}", key.path);
    }
    for key in Rule::KEYS {
        assert_ne!(key.get(&config.rules[0]), key.get(&super::Rule::new("nova.compute")), "{}", key.path);
    }
    for key in View::KEYS {
        let default = key.get(&super::View::new(""));
        assert!(config.views.iter().any(|view| key.get(view) != default), "{}", key.path);
    }
}

#[cfg(feature = "config-file")]
#[test]
fn the_page_s_own_blocks_load() {
    let page = reference();
    let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        super::Config::from_toml(block).unwrap_or_else(|error| panic!("{error}"));
    }
}
