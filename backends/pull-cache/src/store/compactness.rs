//! How many bytes a point takes, on recordings of loaded programs: `recordings/`, made by `examples/record_load.rs`. A point is one
//! record's value in one generation.
//!
//! `cargo test --release -p ferrometer-pull-cache compactness -- --nocapture --include-ignored` prints the tables that
//! `docs/performance-pull-cache.md` shows.

use super::*;
use crate::files::read;
use crate::record::Head;
use std::path::Path;
use std::time::Instant;

/// Limit that the store is held to, in bytes a value.
const MOST_BYTES: f64 = 2.5;

/// How many bytes the old generations of a recording take in all, restricted to some metrics, and of how many points; and how
/// large a share of those that were there before changed.
struct Measured {
    points: usize,
    bytes: usize,
    changed: f64,
    /// The smallest share of points that changed from one generation to the next.
    least_changed: f64,
}

fn measure(recording: &Path, wanted: impl Fn(&str) -> bool) -> Measured {
    let mut store = Store::new(usize::MAX, i64::MAX);
    let (mut points, mut changed, mut both, mut least_changed) = (0, 0, 0, 1.0f64);
    let mut before: Option<Row> = None;
    let history = read(recording).unwrap();
    assert!(history.damage().is_empty());
    for generation in history {
        let mut row = Row::default();
        for (column, identity) in generation.columns().identities().iter().enumerate() {
            if let Some(value) = generation.row().get(column).filter(|_| wanted(identity.metric())) {
                row.set(store.table().column(identity) as usize, value);
            }
        }
        if let Some(before) = &before {
            let pairs = (0..row.columns()).filter_map(|c| Some((row.get(c)?, before.get(c)?)));
            let here = pairs.fold((0, 0), |(d, n), (a, b)| (d + usize::from(a.to_bits() != b.to_bits()), n + 1));
            (changed, both) = (changed + here.0, both + here.1);
            least_changed = least_changed.min(here.0 as f64 / (here.1 as f64).max(1.0));
        }
        points += row.count();
        before = Some(row.clone());
        store.push(generation.timestamp(), row);
    }
    // The newest is not coded until there is a newer one; it is not counted.
    points -= store.view().newest().unwrap().len();
    Measured { points, bytes: store.view().coded_bytes(), changed: changed as f64 / both as f64, least_changed }
}

#[test]
fn compactness_of_the_recordings() {
    type Wanted = fn(&str) -> bool;
    let kinds: [(&str, Wanted); 13] = [
        ("all", |_| true),
        ("counters", |m| m == "shop.http.requests" || m == "shop.http.sent_bytes"),
        ("timers", |m| m.starts_with("shop.http.time.")),
        ("timers: count", |m| m == "shop.http.time.count"),
        ("timers: sum", |m| m == "shop.http.time.sum"),
        ("timers: p50, p95, p99, max", |m| m.starts_with("shop.http.time.p") || m == "shop.http.time.max"),
        ("gauges", |m| m.starts_with("shop.") && !m.starts_with("shop.http.")),
        ("gauges: queues, connections", |m| m == "shop.queue.depth" || m == "shop.connections"),
        ("gauges: resident memory", |m| m == "shop.memory.resident"),
        ("gauges: heap", |m| m == "shop.memory.heap"),
        ("gauges: two decimals", |m| m == "shop.load"),
        ("gauges: any float", |m| m == "shop.cpu"),
        ("gauges: constant", |m| m == "shop.limit"),
    ];
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/service");
    println!("| kind | points | changed | bytes a point |\n|---|---|---|---|");
    let mut all = None;
    for (kind, wanted) in kinds {
        let m = measure(&recording, wanted);
        let each = m.bytes as f64 / m.points as f64;
        println!("| {kind} | {} | {:.0} % | {each:.2} |", m.points, m.changed * 100.0);
        assert!(m.points > 0, "{kind}");
        all.get_or_insert((each, m));
    }
    let (each, m) = all.unwrap();
    assert!(each <= MOST_BYTES, "{each}");
    assert!(m.points > 200_000 && m.least_changed >= 0.5, "{} {}", m.points, m.least_changed);
}

/// Returns the resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
#[ignore = "takes some seconds in a release build, and measures the whole process: to be run alone"]
fn compactness_of_a_hundred_thousand_series() {
    const COLUMNS: usize = 100_000;
    const GENERATIONS: usize = 181;
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/service");
    // Columns as the recording has them, each copy beginning at another generation of it, so that copies differ.
    let source: Vec<Arc<Generation>> = read(&recording).unwrap().collect();
    let names: Vec<Arc<crate::record::Identity>> = source.last().unwrap().columns().identities().to_vec();
    let of = |column: usize, generation: usize| {
        let (copy, column) = (column / names.len(), column % names.len());
        let shifted = &source[(generation + copy * 7) % source.len()];
        // Columns of a later segment are in another order.
        let at = shifted.columns().identities().iter().position(|i| **i == *names[column]);
        at.and_then(|at| shifted.row().get(at))
    };
    // The values of all columns, found once: position by position is slow.
    let copies = COLUMNS.div_ceil(names.len());
    let rows: Vec<Vec<Option<f64>>> = (0..source.len()).map(|g| (0..names.len()).map(|c| of(c, g)).collect()).collect();

    let before = resident();
    let mut store = Store::new(GENERATIONS - 1, i64::MAX);
    let columns: Vec<u32> = (0..copies * names.len())
        .take(COLUMNS)
        .map(|column| {
            let name = &names[column % names.len()];
            let metric = format!("copy{}.{}", column / names.len(), name.metric());
            let head = Head::new(&metric, None, name.kind(), name.part(), name.rate());
            let identity = crate::record::Identity::new(Arc::new(head), name.labels().clone());
            store.table().column(&Arc::new(identity))
        })
        .collect();
    let named = resident();
    let mut longest = std::time::Duration::ZERO;
    let mut points = 0;
    for generation in 0..2 * GENERATIONS {
        let mut row = Row::with_columns(COLUMNS);
        for (at, column) in columns.iter().enumerate() {
            let (copy, name) = (at / names.len(), at % names.len());
            if let Some(value) = rows[(generation + copy * 7) % rows.len()][name] {
                row.set(*column as usize, value);
            }
        }
        let begun = Instant::now();
        drop(store.push(generation as i64 * 10, row));
        longest = longest.max(begun.elapsed());
        if generation == GENERATIONS - 1 {
            println!("filled once: {:.1} MB", (resident() - before) as f64 / 1e6);
        }
    }
    let full = resident();
    let begun = Instant::now();
    let mut most = 0;
    for generation in store.view().history(None) {
        points += generation.len();
        most = most.max(resident().saturating_sub(full));
    }
    println!("{COLUMNS} records x {GENERATIONS} generations, {points} points:");
    println!("- names and their table: {:.1} MB", (named - before) as f64 / 1e6);
    println!("- in all: {:.1} MB", (full - before) as f64 / 1e6);
    println!(
        "- coded: {:.1} MB, {:.2} bytes a point",
        store.view().coded_bytes() as f64 / 1e6,
        store.view().coded_bytes() as f64 / points as f64
    );
    println!(
        "- a walk: {:.1} MB more, {:.0} ns a point",
        most as f64 / 1e6,
        begun.elapsed().as_nanos() as f64 / points as f64
    );
    println!("- the longest push: {longest:?}");
    assert!(full - before <= 64 << 20);
    assert!(most <= 16 << 20);
}
