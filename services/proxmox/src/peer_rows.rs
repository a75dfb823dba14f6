//! The rows of a node that serves the export alone, such as one of Proxmox VE, as `/v1/metrics` would show them: without labels, kinds
//! and units, which an export does not have.

use crate::peer_model::{Instruments, Record, Records, Type, Window};
use crate::peer_reply::PeerRow;
use ferrometer_cache_api::{Cursor, Query};
use ferrometer_core::name::Pattern;
use ferrometer_core::object::HOST;
use ferrometer_pull_cache::RecordType;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How Proxmox VE keeps its metrics: each ten seconds, for half an hour.
const INTERVAL: i64 = 10;
const WINDOW: i64 = 1800;

/// How such a node is asked for what a question is about: what came at the cursor or later, or as the question says.
pub(crate) fn route(query: &Query) -> String {
    let start = query.after.map(|after| after.timestamp.saturating_sub(1)).or(query.start_time);
    let start = start.map_or_else(String::new, |start| format!("&start-time={start}"));
    format!("/api2/json/cluster/metrics/export?local-only=1&history={}{start}", u8::from(query.history))
}

/// Returns its instruments: nothing is known but how often there is something new.
pub(crate) fn instruments() -> Instruments {
    Instruments {
        interval: INTERVAL as f64,
        generations: (WINDOW / INTERVAL) as u64,
        window: WINDOW as f64,
        left_out: 0,
        instruments: Vec::new(),
    }
}

/// The rows that are asked for, in the order of their times, ids and names. `None`: what stood before the cursor is not there.
pub(crate) fn records<'a>(rows: &'a mut [PeerRow], node: &str, query: &Query) -> Option<Records<'a>> {
    rows.sort_by(|a, b| (a.timestamp, &a.id, &a.metric).cmp(&(b.timestamp, &b.id, &b.metric)));
    let rows = &*rows;
    let last = rows.last().map(|row| row.timestamp).or(query.start_time);
    let own = format!("node/{node}");
    let one =
        |patterns: &[Pattern], text: &str| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text));
    let wanted = |row: &&'a PeerRow| {
        query.labels.is_empty()
            && query.start_time.is_none_or(|start| row.timestamp > start)
            && one(&query.ids, id(row, &own))
            && one(&query.names, &row.metric)
    };
    let mut wanted = rows.iter().filter(wanted).collect::<Vec<_>>();
    if let Some(after) = query.after {
        let first = wanted.partition_point(|row| row.timestamp < after.timestamp);
        let behind = first.checked_add(after.index).filter(|behind| *behind <= wanted.len())?;
        let before = wanted[behind - 1];
        if before.timestamp != after.timestamp || mark(before) != after.mark {
            return None;
        }
        wanted.drain(..behind);
        if !query.history {
            wanted.retain(|row| row.timestamp == after.timestamp);
        }
    }
    let limit = query.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let cut = (limit < wanted.len()).then(|| wanted[limit - 1]);
    wanted.truncate(limit);
    let next = cut.map(|cut| {
        let within = wanted.iter().rev().take_while(|row| row.timestamp == cut.timestamp).count();
        // On the first page after a cursor the generation goes on.
        let before = query.after.filter(|after| after.timestamp == cut.timestamp).map_or(0, |after| after.index);
        Cursor { timestamp: cut.timestamp, index: before + within, mark: mark(cut) }.to_string()
    });
    let record = |row: &'a PeerRow| Record {
        id: Cow::Borrowed(id(row, &own)),
        metric: Cow::Borrowed(&row.metric),
        timestamp: row.timestamp,
        kind: match row.kind {
            RecordType::Counter => Type::Counter,
            RecordType::Derive => Type::Derive,
            _ => Type::Gauge,
        },
        value: row.value,
        labels: Default::default(),
    };
    // A part of the history does not tell where the whole begins.
    let from = last.map(|last| last.saturating_sub(WINDOW));
    Some(Records {
        data: wanted.into_iter().map(record).collect(),
        window: Window { from, to: last, loading: false },
        next,
    })
}

/// Returns the id of a row. A row that an export shows under the node's name is the program's own.
fn id<'a>(row: &'a PeerRow, own: &str) -> &'a str {
    if *row.id == *own { HOST } else { &row.id }
}

fn mark(row: &PeerRow) -> u32 {
    let mut hasher = DefaultHasher::new();
    (&row.id, &row.metric).hash(&mut hasher);
    hasher.finish() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<PeerRow> {
        let row = |timestamp, id: &str, metric: &str| PeerRow {
            id: id.into(),
            metric: metric.into(),
            timestamp,
            kind: RecordType::Derive,
            value: timestamp as f64,
        };
        let mut rows = Vec::new();
        for timestamp in [30, 10, 20] {
            rows.extend(
                ["qemu/100", "node/b", "node/c"]
                    .iter()
                    .flat_map(|id| [row(timestamp, id, "x.y"), row(timestamp, id, "x")]),
            );
        }
        rows
    }

    fn told(query: &str) -> Option<(Vec<String>, Option<String>)> {
        let mut rows = rows();
        let found = records(&mut rows, "b", &Query::parse(query).unwrap())?;
        let text = |r: &Record<'_>| format!("{} {} {}", r.timestamp, r.id, r.metric);
        Some((found.data.iter().map(text).collect(), found.next))
    }

    #[test]
    fn rows_are_told_as_records() {
        let (all, next) = told("history=1").unwrap();
        assert_eq!((all.len(), next), (18, None));
        assert_eq!(all[..3], ["10 host x", "10 host x.y", "10 node/c x"]);
        for (query, expected) in [
            ("start-time=20&id=host", &["30 host x", "30 host x.y"][..]),
            ("name=*.y&id=qemu/*&start-time=10", &["20 qemu/100 x.y", "30 qemu/100 x.y"][..]),
            ("label=a=*", &[][..]),
            ("start-time=99", &[][..]),
        ] {
            assert_eq!(told(query).unwrap().0, expected, "{query}");
        }
        let mut none = Vec::new();
        let quiet = records(&mut none, "b", &Query::parse("start-time=20").unwrap()).unwrap();
        assert_eq!((quiet.window.from, quiet.window.to), (Some(20 - 1800), Some(20)));
    }

    #[test]
    fn pages_put_together_are_the_whole() {
        for filter in ["history=1", "history=1&name=x", "history=1&start-time=10&id=node/*&id=host"] {
            let whole = told(filter).unwrap().0;
            for limit in 1..20 {
                let (mut all, mut after) = (Vec::new(), String::new());
                loop {
                    let (page, next) = told(&format!("{filter}&limit={limit}{after}")).unwrap();
                    assert!(page.len() == limit || next.is_none());
                    all.extend(page);
                    let Some(next) = next else { break };
                    after = format!("&after={next}");
                }
                assert_eq!(all, whole, "{filter} {limit}");
            }
        }
        for gone in [
            "after=10.1.00000000",
            "after=40.1.00000000",
            "after=10.99.00000000",
            "after=10.18446744073709551615.00000000",
        ] {
            assert!(told(gone).is_none(), "{gone}");
        }
    }

    #[test]
    fn what_is_asked() {
        let route = |query: &str| route(&Query::parse(query).unwrap());
        let base = "/api2/json/cluster/metrics/export?local-only=1";
        assert_eq!(route("name=x&label=a=b"), format!("{base}&history=0"));
        assert_eq!(route("history=1&start-time=-5"), format!("{base}&history=1&start-time=-5"));
        assert_eq!(route("history=1&start-time=5&after=7.1.00000000"), format!("{base}&history=1&start-time=6"));
    }
}
