//! Groups of `/v1/aggregates` by what resources were: each revision counts for the time that it lasted.

use crate::Gnocchi;
use crate::aggregates::{Question, points};
use crate::measures::{seconds, write_points};
use crate::operations::Tree;
use crate::reply::Refusal;
use crate::resource_json::resource_json;
use ferrometer_archive::search::{Compare, Filter, Value as Wanted};
use ferrometer_archive::time::timestamp;
use ferrometer_archive::{Nanos, Point, Range, Resource, ResourceQuery, matches};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// A revision, and the part of the time asked for that it lasted.
struct Lasted<'a> {
    resource: &'a Resource,
    start: Option<Nanos>,
    stop: Option<Nanos>,
}

impl Gnocchi {
    /// Returns the JSON of each group. A point whose bucket a revision did not last counts for the part that it did; points of one
    /// time stamp within a group are summed.
    pub(crate) fn groups_of_history(
        &self,
        tree: &Tree,
        question: Question,
        mut query: ResourceQuery,
        groups: &[&str],
        details: bool,
    ) -> Result<Vec<String>, Refusal> {
        let kind = self.archive.index().resource_type(&query.kind)?;
        if let (Some(start), Some(stop)) = (question.range.start, question.range.stop) {
            let compare = |compare, name: &str, value| Filter::Compare(compare, name.into(), value);
            let lasted = Filter::And(vec![
                compare(Compare::Lt, "revision_start", Wanted::Text(timestamp(stop))),
                Filter::Or(vec![
                    compare(Compare::Ge, "revision_end", Wanted::Text(timestamp(start))),
                    compare(Compare::Eq, "revision_end", Wanted::Null),
                ]),
            ]);
            query.filter = Some(Filter::And([lasted].into_iter().chain(query.filter).collect()));
        }
        let mut revisions = self.archive.resources(&query)?;
        revisions.sort_by(|a, b| (&a.original_id, a.revision_start).cmp(&(&b.original_id, b.revision_start)));
        let metrics = self.metrics_by_resource(&revisions)?;
        let mut lasted: Vec<(Map<String, Value>, Lasted<'_>)> = Vec::new();
        for (at, resource) in revisions.iter().enumerate() {
            let first = at == 0 || revisions[at - 1].original_id != resource.original_id;
            let since =
                question.range.start.map_or(resource.revision_start, |start| start.max(resource.revision_start));
            let start = if first { question.range.start } else { Some(since) };
            let stop = [question.range.stop, resource.revision_end].into_iter().flatten().min();
            let json = resource_json(resource, Some(&kind), None);
            let group = groups.iter().map(|name| ((*name).to_owned(), json.get(*name).cloned().unwrap_or(Value::Null)));
            lasted.push((group.collect(), Lasted { resource, start, stop }));
        }
        let text = |group: &Map<String, Value>| group.values().map(ToString::to_string).collect::<Vec<_>>();
        lasted.sort_by_cached_key(|(group, _)| text(group));
        let mut parts = Vec::new();
        for members in lasted.chunk_by(|a, b| a.0 == b.0) {
            let mut sum: Vec<(Nanos, Point)> = Vec::new();
            let mut used = HashSet::new();
            let mut members: Vec<&Lasted<'_>> = members.iter().map(|(_, lasted)| lasted).collect();
            members.sort_by_key(|lasted| lasted.start);
            for part in &members {
                let there = metrics.get(&part.resource.id).into_iter().flatten();
                let mut references = Vec::new();
                for metric in there {
                    for (pattern, aggregation) in &tree.references {
                        if metric.name.as_ref().is_some_and(|name| matches(pattern, name)) {
                            references.push(self.reference(metric, aggregation, pattern, Some(part.resource.id))?);
                        }
                    }
                }
                if references.is_empty() {
                    continue;
                }
                used.insert(part.resource.revision);
                let range = Range { start: part.start, stop: part.stop };
                for outcome in self.outcomes(&references, &tree.operation, Question { range, ..question })? {
                    if !outcome.aggregated {
                        return Err(Refusal::bad("use_history needs an operation that aggregates"));
                    }
                    let granularity = outcome.granularity;
                    for point in points(outcome, question.fill).into_iter().next().into_iter().flatten() {
                        sum.push((
                            granularity,
                            Point { value: point.value * part.share(point.at, granularity), ..point },
                        ));
                    }
                }
            }
            // The coarsest first, then by time, as all answers are.
            sum.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.at.cmp(&b.1.at)));
            let mut out = String::from("[");
            for same in sum.chunk_by(|a, b| (a.0, a.1.at) == (b.0, b.1.at)) {
                let value = same.iter().map(|(_, point)| point.value).sum();
                write_points(&mut out, &[Point { value, ..same[0].1 }], &seconds(same[0].0));
            }
            if out.len() == 1 {
                continue;
            }
            let group = members.first().map(|lasted| resource_json(lasted.resource, Some(&kind), None));
            let group: Map<String, Value> = groups
                .iter()
                .map(|name| {
                    (
                        (*name).to_owned(),
                        group.as_ref().and_then(|json| json.get(*name).cloned()).unwrap_or(Value::Null),
                    )
                })
                .collect();
            let references = details.then(|| {
                members
                    .iter()
                    .filter(|lasted| used.contains(&lasted.resource.revision))
                    .map(|lasted| resource_json(lasted.resource, Some(&kind), None))
                    .collect::<Value>()
            });
            let references = references.map_or(String::new(), |references| format!(",\"references\":{references}"));
            parts.push(format!(
                "{{\"measures\":{{\"measures\":{{\"aggregated\":{out}]}}{references}}},\"group\":{}}}",
                Value::from(group)
            ));
        }
        Ok(parts)
    }
}

impl Lasted<'_> {
    /// Returns which part of a bucket the revision lasted.
    fn share(&self, at: Nanos, granularity: Nanos) -> f64 {
        let from = self.start.unwrap_or(at).max(at);
        let to = self.stop.unwrap_or(at + granularity).min(at + granularity);
        (to - from) as f64 / granularity as f64
    }
}
