//! Values that a conductor tells its agents, laid over a configuration.
//!
//! The answer of a lookup has tables like those of a file, as JSON. A value is checked by its key's kind, as one of a file is. Unlike there, an unknown key
//! is passed over and told: conductors and agents are not of one version. What concerns the agent's own machine (its files and sockets, where it listens,
//! how much memory it takes) is not a conductor's to say.

use super::draft::{Draft, name_problem};
use super::error::{Error, Place, Problem, clean};
use super::kind::Kind;
use super::rule::Rule;
use super::settings::{Config, keys};
use super::suggest::nearest;
use super::table::split;
use super::value::Value;
use ferrometer_agent::{Map, Options, Value as Json};

const LOGGERS: &str = "metrics.loggers";

/// Tables that are the agent's own.
const OWN_TABLES: [&str; 4] = ["metrics.pull_cache", "metrics.prometheus", "metrics.limits", "metrics.views"];
/// Keys that are the agent's own.
const OWN_KEYS: [&str; 3] = ["metrics.host", "metrics.uuid", "metrics.shutdown_deadline"];

/// The most keys that are told as ignored; the rest is counted.
const MOST_TOLD: usize = 20;

/// The configuration that an answer comes to.
pub(crate) struct Told {
    #[cfg_attr(not(feature = "agent"), allow(dead_code))]
    pub(crate) config: Config,
    /// Keys that were passed over, each in a sentence.
    pub(crate) ignored: Vec<String>,
}

impl Config {
    /// Lays what a conductor said over this configuration. `source` is what messages call it, `uuid` the node's.
    pub(crate) fn told(
        &self,
        source: &str,
        uuid: Option<String>,
        metrics: &Map<String, Json>,
        statsd: &Map<String, Json>,
    ) -> Result<Told, Error> {
        let mut draft = Draft::over(self.clone());
        draft.config.origin.file = Some(source.to_owned());
        draft.config.uuid = uuid.or_else(|| draft.config.uuid.take());
        let mut reader = Reader { draft, source, ignored: Vec::new() };
        reader.table("metrics", metrics);
        reader.table("metrics_statsd", statsd);
        let Reader { draft, mut ignored, .. } = reader;
        let more = ignored.len().saturating_sub(MOST_TOLD);
        if more > 0 {
            ignored.truncate(MOST_TOLD);
            ignored.push(format!("{more} further keys"));
        }
        Ok(Told { config: draft.finish()?, ignored })
    }
}

/// The options that a configuration has for agents: its keys with the prefix `agent_`.
///
/// ```
/// # #[cfg(feature = "config-file")] {
/// use ferrometer::{Config, agent::Options};
///
/// let config = Config::from_toml(r#"
///     [metrics]
///     backend = "noop"
///     agent_backend = "statsd"
///     agent_prepend_uuid = true
///     [metrics_statsd]
///     agent_statsd_host = "metrics.example.com"
/// "#)?;
/// let options = Options::from(&config);
/// assert_eq!(options.config()["metrics"]["prepend_uuid"], true);
/// assert_eq!(options.config()["metrics_statsd"]["statsd_host"], "metrics.example.com");
/// # }
/// # Ok::<(), ferrometer::config::Error>(())
/// ```
impl From<&Config> for Options {
    fn from(config: &Config) -> Options {
        config.agent.iter().fold(Options::new(), |options, (path, value)| {
            let before = options.clone();
            // Keys of the table are paths that fit together.
            let value = match value {
                // Ironic's backend is one name.
                Value::List(names) if path == "metrics.backend" && names.len() == 1 => &names[0],
                value => value,
            };
            options.set(path, json(value)).unwrap_or(before)
        })
    }
}

/// The value as an answer carries it.
fn json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => Json::Bool(*value),
        Value::Integer(number) => i64::try_from(*number).map_or(Json::Null, Json::from),
        Value::Float(number) => Json::from(*number),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(items) => Json::Array(items.iter().map(json).collect()),
        Value::Duration(duration) => Json::String(super::duration::show(*duration)),
        Value::Other(_) => Json::Null,
    }
}

struct Reader<'a> {
    draft: Draft,
    source: &'a str,
    ignored: Vec<String>,
}

impl Reader<'_> {
    fn place(&self) -> Place {
        Place::Answer(self.source.to_owned())
    }

    fn ignore(&mut self, path: &str, why: &str) {
        self.ignored.push(format!("{}: {why}", clean(path)));
    }

    fn table(&mut self, path: &str, table: &Map<String, Json>) {
        for (name, value) in table {
            let full = format!("{path}.{name}");
            if OWN_TABLES.contains(&full.as_str()) {
                self.ignore(&full, "concerns the agent's own machine, and is not taken from a conductor");
            } else if full == LOGGERS {
                match value {
                    Json::Object(loggers) => self.loggers(loggers),
                    value => self.no_table(&full, value),
                }
            } else if !name.contains('.') && is_table(&full) {
                match value {
                    Json::Object(below) => self.table(&full, below),
                    value => self.no_table(&full, value),
                }
            } else {
                self.leaf(path, name, &full, value);
            }
        }
    }

    fn no_table(&mut self, path: &str, value: &Json) {
        let what = format!(": expected a table, found a value of type {}", plain(value).type_name());
        let place = self.place();
        self.draft.problem(Problem::new(place, path, what));
    }

    fn leaf(&mut self, path: &str, name: &str, full: &str, value: &Json) {
        let found = keys().find(|known| known.path == full || known.alias == Some(full));
        let Some(found) = found.filter(|_| !name.contains('.')) else {
            let here = keys().flat_map(|known| [Some(known.path), known.alias]).flatten().map(split);
            let here = here.filter(|(table, _)| *table == path).map(|(_, word)| word);
            let meant = nearest(name, here).map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
            return self.ignore(full, &format!("unknown key{meant}"));
        };
        if OWN_KEYS.contains(&found.path) || matches!(found.kind, Kind::Path { .. }) {
            return self.ignore(full, "concerns the agent's own machine, and is not taken from a conductor");
        }
        let value = plain(value);
        let shown = value.to_string();
        if self.draft.place(found.path).is_some() {
            // The other table was read already. Saying the same twice is no conflict.
            let before = found.get(&self.draft.config);
            let differs = |now: Value| before.as_ref().is_some_and(|before| now != *before);
            if found.kind.check(&value).is_ok_and(differs) {
                let what = format!(" = {}: conflicts with {}", clean(&shown), found.path);
                let place = self.place();
                return self.draft.problem(Problem::new(place, full, what));
            }
        }
        let place = self.place();
        self.draft.give(found, full, &value, &shown, place);
    }

    /// Rules of the answer stand in the place of those of the same name.
    fn loggers(&mut self, loggers: &Map<String, Json>) {
        for (name, value) in loggers {
            let mut rule = Rule::new(name);
            let path = rule.path();
            let Json::Object(table) = value else {
                self.no_table(&path, value);
                continue;
            };
            for (key, value) in table {
                let full = format!("{path}.{key}");
                let Some(found) = Rule::KEYS.iter().find(|known| known.path == key) else {
                    self.ignore(&full, "unknown key");
                    continue;
                };
                let value = plain(value);
                match found.kind.check(&value) {
                    Ok(checked) => found.set(&mut rule, checked),
                    Err(refused) => {
                        let problem = Problem::refused(self.place(), &full, &value.to_string(), &value, refused);
                        self.draft.problem(problem);
                    }
                }
            }
            let mut rules = std::mem::take(&mut self.draft.config.rules);
            rules.retain(|before| before.logger != rule.logger);
            match name_problem(&rule, &rules, self.place()) {
                Some(problem) => self.draft.problem(problem),
                None => rules.push(rule),
            }
            self.draft.config.rules = rules;
        }
    }
}

fn is_table(path: &str) -> bool {
    keys().any(|key| split(key.path).0 == path || key.alias.is_some_and(|alias| split(alias).0 == path))
}

/// The value as the table of keys takes it.
fn plain(value: &Json) -> Value {
    match value {
        Json::Null => Value::Other("null"),
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::integer(number),
            (None, Some(number)) => Value::integer(number),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::text(text),
        Json::Array(items) => {
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                list.push(plain(item));
            }
            Value::List(list)
        }
        Json::Object(_) => Value::Other("table"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_agent::Answer;

    const UUID: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";

    fn told(base: &Config, config: &str) -> Result<Told, String> {
        let answer = Answer::read(format!(r#"{{"config":{config}}}"#).as_bytes()).unwrap();
        base.told("the lookup", Some(UUID.into()), &answer.metrics, &answer.statsd).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_told_lies_over_what_was_there() {
        let base = Config::new().global_prefix("mine").rule(Rule::new("a").enabled(false)).rule(Rule::new("b"));
        let told = told(
            &base,
            r#"{"metrics":{"backend":"statsd","prepend_host":true,"prepend_uuid":true,"prepend_host_reverse":true,"global_prefix":null,
                "statsd":{"interval":"500ms"},"loggers":{"a":{"sample_rate":0.5},"c.d":{"enabled":false}}},
                "metrics_statsd":{"statsd_host":"10.0.0.1","statsd_port":9125}}"#,
        );
        let Told { config, ignored } = told.unwrap();
        assert_eq!(ignored, Vec::<String>::new());
        assert_eq!(
            (config.backends(), config.statsd_host.as_str(), config.statsd_port),
            (&["statsd".to_owned()][..], "10.0.0.1", 9125)
        );
        assert!(config.prepend_host && config.prepend_host_reverse && config.prepend_uuid);
        assert_eq!((config.global_prefix.as_str(), config.uuid.as_deref()), ("mine", Some(UUID)));
        assert_eq!(config.statsd.interval.as_millis(), 500);
        let expected = [Rule::new("b"), Rule::new("a").sample_rate(0.5), Rule::new("c.d").enabled(false)];
        assert_eq!(config.rules(), expected);
        assert_eq!(base.backends(), ["noop"]);
    }

    #[test]
    fn unknown_keys_and_those_of_the_machine_are_passed_over_and_told() {
        let Told { config, ignored } = told(
            &Config::new(),
            r#"{"metrics":{"backend":"noop","statsd_prot":1,"a\nb":{"c":1},"prepend.host":true,"host":"evil","uuid":"x",
                "pull_cache":{"path":"/etc"},"limits":7,"statsd":{"path":"/run/x","intervall":1}},"metrics_statsd":{"statsd_hots":"h"}}"#,
        )
        .unwrap();
        assert_eq!(config, Config { uuid: Some(UUID.into()), ..Config::new() });
        let own = "concerns the agent's own machine, and is not taken from a conductor";
        let mut expected = vec![
            r"metrics.a\nb: unknown key".to_owned(),
            format!("metrics.host: {own}"),
            format!("metrics.limits: {own}"),
            "metrics.prepend.host: unknown key; did you mean `prepend_host`?".to_owned(),
            format!("metrics.pull_cache: {own}"),
            "metrics.statsd.intervall: unknown key; did you mean `interval`?".to_owned(),
            format!("metrics.statsd.path: {own}"),
            "metrics.statsd_prot: unknown key; did you mean `statsd_port`?".to_owned(),
            format!("metrics.uuid: {own}"),
            "metrics_statsd.statsd_hots: unknown key; did you mean `statsd_host`?".to_owned(),
        ];
        let mut ignored = ignored;
        ignored.sort();
        expected.sort();
        assert_eq!(ignored, expected);
        let many: Vec<String> = (0..1000).map(|n| format!("\"x{n}\":1")).collect();
        let told = told(&Config::new(), &format!(r#"{{"metrics":{{{}}}}}"#, many.join(","))).unwrap();
        assert_eq!((told.ignored.len(), told.ignored[20].as_str()), (21, "980 further keys"));
    }

    #[test]
    fn a_wrong_value_refuses_all_and_is_named_with_its_source() {
        for (config, expected) in [
            (
                r#"{"metrics":{"prepend_host":"yes"}}"#,
                "the lookup: metrics.prepend_host = \"yes\" (string): expected true or false",
            ),
            (
                r#"{"metrics_statsd":{"statsd_port":70000}}"#,
                "the lookup: metrics_statsd.statsd_port = 70000 (integer): expected an integer from 1 to 65535",
            ),
            (
                r#"{"metrics_statsd":{"statsd_port":1e300}}"#,
                "the lookup: metrics_statsd.statsd_port = 1e300 (float): expected an integer from 1 to 65535",
            ),
            (
                r#"{"metrics_statsd":{"statsd_port":18446744073709551615}}"#,
                "the lookup: metrics_statsd.statsd_port = 18446744073709551615 (integer): expected an integer from 1 to 65535",
            ),
            (
                r#"{"metrics":{"statsd":7}}"#,
                "the lookup: metrics.statsd: expected a table, found a value of type integer",
            ),
            (
                r#"{"metrics":{"loggers":[]}}"#,
                "the lookup: metrics.loggers: expected a table, found a value of type list",
            ),
            (
                r#"{"metrics":{"loggers":{"a":{"sample_rate":7}}}}"#,
                "the lookup: metrics.loggers.\"a\".sample_rate = 7 (integer): expected a number greater than 0 and at most 1",
            ),
            (
                r#"{"metrics":{"statsd_port":1},"metrics_statsd":{"statsd_port":2}}"#,
                "the lookup: metrics_statsd.statsd_port = 2: conflicts with metrics.statsd_port",
            ),
        ] {
            assert_eq!(told(&Config::new(), config).err().as_deref(), Some(expected), "{config}");
        }
        let said = told(&Config::new(), r#"{"metrics":{"influxdb":{"token":"s3 cr3t"}}}"#).err().unwrap();
        assert!(said.contains("metrics.influxdb.token") && !said.contains("cr3t"), "{said}");
        let unknown = told(&Config::new(), r#"{"metrics":{"backend":"collector"}}"#).err().unwrap();
        assert!(
            unknown.starts_with("the lookup: metrics.backend = \"collector\" (string): expected \"noop\""),
            "{unknown}"
        );
        assert!(told(&Config::new(), r#"{"metrics":{"backend":["statsd",null]}}"#).is_err());
    }
}
