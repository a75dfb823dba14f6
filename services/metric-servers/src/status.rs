//! The state of servers at work, as JSON: what a page shows of them.

use crate::running::AtWork;
use ferrometer_core::Amount;
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// One word for how a server is.
fn state(at_work: &AtWork, is_enabled: bool) -> &'static str {
    match (is_enabled, at_work.is_installed) {
        (false, false) => "disabled",
        (true, true) if at_work.heard.is_failing => "failing",
        (true, true) if at_work.heard.success.is_some() => "delivering",
        (true, true) => "waiting",
        (true, false) if at_work.fault.is_some() => "wrong",
        // The file was changed by hand.
        _ => "differs from the file",
    }
}

pub(crate) fn at_work(at_work: &AtWork, is_enabled: bool) -> Map<String, Value> {
    let mut all = Map::new();
    all.insert("enabled".into(), is_enabled.into());
    all.insert("state".into(), state(at_work, is_enabled).into());
    if let Some(fault) = &at_work.fault {
        all.insert("fault".into(), fault.as_str().into());
    }
    if let Some((when, text)) = &at_work.heard.error {
        all.insert("last_error".into(), json!({ "time": seconds(*when), "text": text }));
    }
    if let Some(when) = at_work.heard.success {
        all.insert("last_success".into(), seconds(when).into());
    }
    all.insert("ledger".into(), ledger(at_work));
    all
}

/// The whole account of a server, its earlier backends included: `recorded = sent + pending + superseded + dropped`.
fn ledger(at_work: &AtWork) -> Value {
    let now = at_work.ledger.clone().unwrap_or_default();
    let earlier = at_work.earlier;
    let sum = |a: Amount, b: Amount| a.recordings.wrapping_add(b.recordings);
    json!({
        "recorded": sum(now.recorded, earlier.recorded),
        "sent": sum(now.sent, earlier.sent),
        "pending": now.pending.recordings,
        "superseded": sum(now.superseded, earlier.superseded),
        "dropped": sum(now.dropped_in_all(), earlier.dropped),
        "deliveries": now.deliveries,
        "errors": now.errors + now.panics,
        "bytes": now.bytes,
    })
}

fn seconds(when: SystemTime) -> u64 {
    when.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
