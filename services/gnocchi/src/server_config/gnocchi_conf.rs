//! `gnocchi.conf`: the keys that have a counterpart here are taken, each other one is told with the reason.

use super::{ConfigError, ServerConfig};

/// Fates of a key.
enum Counterpart {
    /// It is this key of ours.
    Key(&'static str),
    /// It is a list of this key of ours, with commas.
    List(&'static str),
    /// A host or a port of this address.
    Host(&'static str),
    Port(&'static str),
    /// Why there is none.
    None(&'static str),
}

use Counterpart::{Host, Key, List, Port};

const DATA: &str = "the archive has a directory of its own: data";
const WORKERS: &str = "workers of the archive need no such setting";
const ONE: &str = "there is nothing to coordinate on one directory";
const LOG: &str = "the server logs through `tracing`";
const PROXY: &str = "forwarded headers are always believed; they change links alone";
const KEYSTONE: &str = "there is no Keystone";

fn counterpart(section: &str, key: &str, value: &str) -> Counterpart {
    match (section, key) {
        ("api", "auth_mode") if value == "keystone" => Counterpart::None(KEYSTONE),
        ("api", "auth_mode") => Key("auth"),
        ("api", "host") => Host("address"),
        ("api", "port") => Port("address"),
        ("api", "max_limit") => Key("max_limit"),
        ("api", "enable_proxy_headers_parsing") => Counterpart::None(PROXY),
        ("cors", "allowed_origin") => List("cors"),
        ("metricd", "workers") => Key("workers"),
        ("metricd", _) => Counterpart::None(WORKERS),
        ("statsd", "host") => Host("statsd.address"),
        ("statsd", "port") => Port("statsd.address"),
        ("statsd", "resource_id") => Key("statsd.resource"),
        ("statsd", "creator") => Key("statsd.creator"),
        ("statsd", "archive_policy_name") => Key("statsd.policy"),
        ("statsd", "flush_delay") => Key("statsd.flush"),
        ("storage" | "incoming", _) => Counterpart::None(DATA),
        ("indexer", _) => Counterpart::None(DATA),
        ("DEFAULT", "coordination_url") => Counterpart::None(ONE),
        (
            "DEFAULT",
            "debug"
            | "verbose"
            | "log_file"
            | "log_dir"
            | "use_syslog"
            | "use_journal"
            | "use_stderr"
            | "syslog_log_facility",
        ) => Counterpart::None(LOG),
        ("keystone_authtoken", _) => Counterpart::None(KEYSTONE),
        _ => Counterpart::None("it has no counterpart"),
    }
}

/// Values that say what is so anyway: nothing is to be told of them.
fn is_default(section: &str, key: &str, value: &str) -> bool {
    matches!(
        (section, key, value),
        ("archive_policy", "default_aggregation_methods", "mean,min,max,sum,std,count")
            | ("DEFAULT", "debug" | "verbose", "false" | "False")
    )
}

pub(super) fn read(config: &mut ServerConfig, text: &str) -> Result<Vec<String>, Vec<ConfigError>> {
    let (mut told, mut errors) = (Vec::new(), Vec::new());
    let mut addresses: Vec<(&str, Option<String>, Option<String>)> = Vec::new();
    for (section, key, value) in entries(text, &mut errors) {
        if is_default(&section, &key, &value) {
            continue;
        }
        // A file tells the place of its own key.
        let mut set = |ours: &str, value: &str| {
            let wrong = |error: ConfigError| ConfigError::text(format!("[{section}] {key}: {error}"));
            errors.extend(config.set(ours, value).map_err(wrong).err());
        };
        let mut address = |ours: &'static str| match addresses.iter().position(|(known, ..)| *known == ours) {
            Some(at) => at,
            None => {
                addresses.push((ours, None, None));
                addresses.len() - 1
            }
        };
        match counterpart(&section, &key, &value) {
            Key(ours) => set(ours, &value),
            List(ours) => {
                value.split(',').map(str::trim).filter(|item| !item.is_empty()).for_each(|item| set(ours, item))
            }
            Host(ours) => {
                let at = address(ours);
                addresses[at].1 = Some(value);
            }
            Port(ours) => {
                let at = address(ours);
                addresses[at].2 = Some(value);
            }
            Counterpart::None(why) => told.push(format!("[{section}] {key} is not used: {why}")),
        }
    }
    // As upstream, an address is everything unless told.
    for (ours, host, port) in addresses {
        let usual = if ours == "address" { "8041" } else { "8125" };
        let host = host.unwrap_or_else(|| "0.0.0.0".to_owned());
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let value = format!("{host}:{}", port.as_deref().unwrap_or(usual));
        errors.extend(config.set(ours, &value).err());
    }
    if errors.is_empty() { Ok(told) } else { Err(errors) }
}

/// The entries of an INI file as oslo.config reads it: a line that begins with white space goes on with the value before.
fn entries(text: &str, errors: &mut Vec<ConfigError>) -> Vec<(String, String, String)> {
    let mut section = "DEFAULT".to_owned();
    let mut found: Vec<(String, String, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.trim().clone_into(&mut section);
        } else if let (true, Some((.., value))) = (line.starts_with([' ', '\t']), found.last_mut()) {
            value.push_str(trimmed);
        } else if let Some((key, value)) = trimmed.split_once(['=', ':']) {
            let value = value.trim();
            let quoted = value.len() > 1 && value.starts_with(['"', '\'']) && value.ends_with(&value[..1]);
            let value = if quoted { &value[1..value.len() - 1] } else { value };
            found.push((section.clone(), key.trim().to_owned(), value.to_owned()));
        } else {
            errors.push(ConfigError::text(format!(
                "line {} of gnocchi.conf is neither a section nor `key = value`",
                at + 1
            )));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Auth;

    const CONF: &str = "[DEFAULT]\ndebug = false\ncoordination_url = redis://x\n# a comment\n[api]\nport = 18041\nauth_mode = remoteuser\n\
        max_limit = 7\nenable_proxy_headers_parsing = true\n[cors]\nallowed_origin = http://a,\n  http://b\n[storage]\ndriver = file\n\
        file_basepath = /var/lib/gnocchi\n[indexer]\nurl = postgresql://x\n[statsd]\nhost = ::1\nresource_id = 07f26121-5777-48ba-8a0b-d70468133dd9\n\
        archive_policy_name = 'high'\nflush_delay = 2.5\n[metricd]\nworkers = 2\nmetric_processing_delay = 1\n[strange]\nkey: value\n";

    #[test]
    fn what_has_a_counterpart_is_taken_and_all_else_is_told() {
        let mut config = ServerConfig::default();
        let told = config.read_gnocchi_conf(CONF).unwrap();
        assert_eq!(
            (config.address.as_str(), config.settings.auth, config.settings.max_limit),
            ("0.0.0.0:18041", Auth::RemoteUser, 7)
        );
        assert_eq!(config.settings.cors, ["http://a", "http://b"]);
        let statsd = &config.statsd;
        assert_eq!((statsd.address.as_deref(), statsd.settings.policy.as_deref()), (Some("[::1]:8125"), Some("high")));
        assert_eq!((statsd.settings.flush.as_millis(), config.options.workers), (2500, 2));
        let keys: Vec<&str> = told.iter().map(|line| line.split(" is not used").next().unwrap()).collect();
        assert_eq!(
            keys,
            [
                "[DEFAULT] coordination_url",
                "[api] enable_proxy_headers_parsing",
                "[storage] driver",
                "[storage] file_basepath",
                "[indexer] url",
                "[metricd] metric_processing_delay",
                "[strange] key",
            ]
        );
    }

    #[test]
    fn values_that_are_wrong_are_errors_with_their_place() {
        let mut config = ServerConfig::default();
        let errors = config.read_gnocchi_conf("[api]\nmax_limit = many\nauth_mode = foo\nnonsense\n").unwrap_err();
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(all.iter().any(|line| line.starts_with("[api] max_limit: max_limit is `many`; allowed")), "{all:?}");
        assert!(all.iter().any(|line| line.starts_with("[api] auth_mode: auth is `foo`; allowed: basic")), "{all:?}");
        assert!(all.iter().any(|line| line.starts_with("line 4 of gnocchi.conf")), "{all:?}");
        let told = config.read_gnocchi_conf("[api]\nauth_mode = keystone\n").unwrap();
        assert_eq!(told, ["[api] auth_mode is not used: there is no Keystone"]);
    }
}
