//! A sink that sends measures to an archive which answers Gnocchi's API: ferrometer's own, or Gnocchi.
//!
//! Each group of labels is a resource, each definition a metric of it, each period a measure at the period's begin. All three are named
//! by the usage alone, and the archive keeps one value for a metric and a moment: a commit that comes again after a crash changes
//! nothing.
//!
//! `mod` prepares the archive and holds the points of a commit; `measures` makes bodies of them; `api` sends those.

mod api;
mod measures;

use super::Sink;
use super::form::{Encoded, Form};
use crate::config::{Archive, Config};
use crate::definition::Definition;
use crate::error::clean;
use crate::point::DataPoint;
use crate::transport::Limits;
use api::{Api, attribute};
use measures::{attribute_name, batches};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::io;

/// Points of the policy that is created: five years of hours.
const POINTS: u32 = 43_800;

/// Characters of a unit.
const LONGEST_UNIT: usize = 31;

/// Sends data points to an archive as measures.
///
/// Values become floats there. After a crash the last commit may be sent again, which changes nothing.
#[derive(Debug)]
pub struct ArchiveSink {
    api: Api,
    policy: String,
    resource_type: String,
    pending: Vec<DataPoint>,
}

/// Writes a name as a part of a path.
fn encoded(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Refuses definitions whose points an archive could not take, or could not tell apart.
fn check(definitions: &[Definition]) -> io::Result<()> {
    let labels = |d: &Definition| d.groupby.iter().chain(&d.metadata).cloned().collect::<BTreeSet<String>>();
    for (n, definition) in definitions.iter().enumerate() {
        let metric = clean(&definition.metric);
        if definition.unit.chars().count() > LONGEST_UNIT {
            return Err(invalid(format!(
                "metrics.{metric}.unit: found \"{}\", expected at most {LONGEST_UNIT} characters, which is what an archive takes",
                clean(&definition.unit)
            )));
        }
        let same = |other: &&Definition| other.name() == definition.name() && labels(other) == labels(definition);
        if let Some(other) = definitions[..n].iter().find(same) {
            return Err(invalid(format!(
                "metrics.{metric} and metrics.{} have the name \"{}\" and the same labels: an archive would keep one of the two; \
                 give one of them an alt_name of its own",
                clean(&other.metric),
                clean(definition.name())
            )));
        }
    }
    Ok(())
}

impl ArchiveSink {
    /// Connects to an archive, and creates the policy and the type of resources where they are not there.
    ///
    /// # Errors
    /// An archive that cannot be reached or refuses the user, and definitions that it cannot take.
    pub fn open(archive: &Archive, config: &Config, limits: Limits) -> io::Result<ArchiveSink> {
        check(&config.definitions)?;
        let api = Api::new(archive, limits).map_err(|e| invalid(format!("ferrometer_archive: {e}")))?;
        let policy = archive.policy.clone().unwrap_or_else(|| format!("ferrometer-{}", config.period));
        let sink = ArchiveSink { api, policy, resource_type: archive.resource_type.clone(), pending: Vec::new() };
        sink.prepare_policy(config.period, archive.policy.is_none())?;
        let labels = config.definitions.iter().flat_map(|d| d.groupby.iter().chain(&d.metadata));
        let labels: BTreeSet<String> = labels.chain([&config.scope_key]).map(|l| attribute_name(l)).collect();
        sink.prepare_type(labels)?;
        Ok(sink)
    }

    /// Creates the policy where that is ours to do, and warns of one that brings periods together.
    fn prepare_policy(&self, period: u32, ours: bool) -> io::Result<()> {
        let path = format!("archive_policy/{}", encoded(&self.policy));
        let name = clean(&self.policy);
        let Some(found) = self.api.get(&path)? else {
            if !ours {
                return Err(invalid(format!("ferrometer_archive.policy: the archive has no policy \"{name}\"")));
            }
            // A late measure is taken for as long as there are points: periods may be collected in any order.
            let body = json!({
                "name": self.policy,
                "back_window": POINTS - 1,
                "aggregation_methods": ["mean", "sum", "last"],
                "definition": [{"granularity": period, "points": POINTS}],
            });
            return self.api.create("archive_policy", &body);
        };
        let finest =
            found["definition"].as_array().into_iter().flatten().filter_map(|d| seconds(&d["granularity"])).min();
        if finest.is_none_or(|finest| finest > u64::from(period)) {
            tracing::warn!(
                policy = %name,
                "the archive policy has no granularity as fine as a period of {period} s: quantities of several periods come together"
            );
        }
        if found["back_window"].as_u64().is_none_or(|window| window == 0) {
            tracing::warn!(
                policy = %name,
                "the archive policy has no back window: a period that is collected after a later one of its resource is dropped there"
            );
        }
        Ok(())
    }

    fn prepare_type(&self, labels: BTreeSet<String>) -> io::Result<()> {
        let path = format!("resource_type/{}", encoded(&self.resource_type));
        let Some(found) = self.api.get(&path)? else {
            let attributes: Map<String, Value> = labels.iter().map(|name| (name.clone(), attribute())).collect();
            self.api.create("resource_type", &json!({"name": self.resource_type, "attributes": attributes}))?;
            // Another processor may have created it with fewer.
            return match self.api.get(&path)? {
                Some(found) => self.add_missing(&path, &found, labels),
                None => Err(self.api.error("the type of resources that was created is not there")),
            };
        };
        self.add_missing(&path, &found, labels)
    }

    fn add_missing(&self, path: &str, found: &Value, labels: BTreeSet<String>) -> io::Result<()> {
        let missing: Vec<String> = labels.into_iter().filter(|name| found["attributes"].get(name).is_none()).collect();
        if missing.is_empty() { Ok(()) } else { self.api.add_attributes(path, &missing) }
    }

    /// Sends the pending points.
    fn send(&self) -> io::Result<()> {
        for made in batches(&self.pending, &self.policy) {
            let (batch, resource) = made?;
            let unknown = self.api.measures(&batch)?;
            if unknown.is_empty() {
                continue;
            }
            for id in &unknown {
                let Some(body) = resource(id) else {
                    return Err(self.api.error(&format!("it misses a resource {} that was not sent", clean(id))));
                };
                self.api.create(&format!("resource/{}", encoded(&self.resource_type)), &body)?;
            }
            if !self.api.measures(&batch)?.is_empty() {
                return Err(self.api.error("it misses resources that were just created"));
            }
        }
        Ok(())
    }
}

/// Parses a span as Gnocchi writes it, `0:05:00` or `1 day, 0:00:00`, in whole seconds.
fn seconds(span: &Value) -> Option<u64> {
    let text = span.as_str()?;
    let (days, clock) = text.rsplit_once(", ").unwrap_or(("0 days", text));
    let days: u64 = days.split(' ').next()?.parse().ok()?;
    let clock = clock.split(':').map(|part| part.parse::<f64>().ok()).collect::<Option<Vec<_>>>()?;
    let [hours, minutes, seconds] = clock[..] else { return None };
    Some(days * 86_400 + (hours * 3600.0 + minutes * 60.0 + seconds) as u64)
}

impl Sink for ArchiveSink {
    fn form(&self) -> Form {
        Form::Points
    }

    fn write(&mut self, encoded: Encoded) -> io::Result<()> {
        if let Encoded::Points(points) = encoded {
            self.pending.extend(points);
        }
        Ok(())
    }

    fn commit(&mut self) -> io::Result<u64> {
        self.send()?;
        self.pending.clear();
        Ok(0)
    }

    fn rewind(&mut self, _: u64) -> io::Result<()> {
        self.pending.clear();
        Ok(())
    }

    fn position(&mut self) -> io::Result<u64> {
        Ok(0)
    }

    fn identity(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_policies() {
        for (text, expected) in [
            ("0:05:00", Some(300)),
            ("1:00:00", Some(3600)),
            ("1 day, 0:00:01", Some(86_401)),
            ("365 days, 0:00:00", Some(31_536_000)),
            ("x", None),
        ] {
            assert_eq!(seconds(&text.into()), expected, "{text}");
        }
    }
}
