//! The check of a directory: whatever byte is damaged, nothing wrong is answered, nothing readable is lost, and the archive goes on.

mod common;

use common::{Scratch, copy};
use ferrometer_archive::fsck::{Remedy, Report, check_directory};
use ferrometer_archive::{Archive, Error, Kind, Method, Metric, Options, Point, Range, SECOND, Sync};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use uuid::Uuid;

fn options() -> Options {
    Options { sync: Sync::None, workers: 1, ..Options::default() }
}

fn metric(number: u128, policy: &str) -> Metric {
    Metric {
        id: Uuid::from_u128(number),
        creator: "me".into(),
        name: Some(format!("m{number}")),
        unit: None,
        policy: policy.into(),
        resource: None,
    }
}

const METRICS: u128 = 3;

/// Makes an archive with several stretches of each granularity, all stored.
fn make(directory: &Path) {
    make_with(directory, options(), 1);
}

fn make_with(directory: &Path, options: Options, minutes: i64) {
    let archive = Archive::open(directory, options).unwrap();
    archive.add_metrics(&(1..=METRICS).map(|number| metric(number, "medium")).collect::<Vec<_>>()).unwrap();
    for number in 1..=METRICS {
        let points = (0..3000).map(|i| Point { at: i * minutes * 60 * SECOND, value: (i * 37 % 101) as f64 / 4.0 });
        archive.append(vec![(Uuid::from_u128(number), points.collect())]).unwrap();
    }
    archive.store().unwrap();
}

type Answers = BTreeMap<(Uuid, i64), BTreeMap<i64, u64>>;

/// Asks for the sums and counts of everything.
fn answers(directory: &Path) -> Answers {
    let archive = Archive::open(directory, options()).unwrap();
    let mut answers = Answers::new();
    for metric in archive.metrics(None, &Default::default()).unwrap() {
        let policy = archive.policy(&metric.policy).unwrap();
        for definition in policy.definitions() {
            let asked = |kind| archive.measures(metric.id, Method::of(kind), definition.granularity, Range::default());
            let (sums, counts) = (asked(Kind::Sum).unwrap(), asked(Kind::Count).unwrap());
            let rows =
                sums.iter().zip(&counts).map(|(sum, count)| (sum.at, (sum.value * 1000.0 + count.value).to_bits()));
            answers.insert((metric.id, definition.granularity), rows.collect());
        }
    }
    answers
}

fn rows(answers: &Answers) -> usize {
    answers.values().map(BTreeMap::len).sum()
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in ["aggregates", "incoming"] {
        for entry in std::fs::read_dir(directory.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            found.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    found
}

fn remedies(report: &Report) -> Vec<Remedy> {
    report.findings.iter().map(|finding| finding.remedy).collect()
}

/// Takes a new measure of every metric, and sees it counted.
fn goes_on(directory: &Path, context: &str) {
    let archive = Archive::open(directory, options()).unwrap();
    let at = 400 * 86_400 * SECOND;
    for metric in archive.metrics(None, &Default::default()).unwrap() {
        archive.append(vec![(metric.id, vec![Point { at, value: 5.0 }])]).unwrap();
        let range = Range { start: Some(at), stop: None };
        let counts = archive.measures(metric.id, Method::of(Kind::Count), 3600 * SECOND, range).unwrap();
        assert_eq!(counts.iter().map(|point| point.value).sum::<f64>(), 1.0, "{context}: {}", metric.id);
    }
}

#[test]
fn a_sound_archive_is_found_sound_and_left_as_it_is() {
    let scratch = Scratch::new("fsck-sound");
    make(scratch.path());
    let before = files(scratch.path());
    let report = check_directory(scratch.path(), false).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.metrics, METRICS as u64);
    assert!(report.objects > 10 && report.waiting > 0 && report.is_sound(), "{report:?}");
    assert_eq!(files(scratch.path()), before);
    let archive = Archive::open(scratch.path(), options()).unwrap();
    assert!(matches!(check_directory(scratch.path(), true), Err(Error::Busy(_))));
    drop(archive);
    assert!(matches!(check_directory(&scratch.path().join("none"), true), Err(Error::Invalid(_))));
    // With nothing to repair, a repair changes nothing either.
    let before = files(scratch.path());
    assert_eq!(check_directory(scratch.path(), true).unwrap().findings, []);
    assert_eq!(files(scratch.path()), before);
}

/// The files of the places of objects, and nothing else.
fn places(directory: &Path) -> Vec<PathBuf> {
    let is_of_places = |path: &PathBuf| path.extension().is_some_and(|end| end == "places" || end == "json");
    files(directory).into_keys().filter(is_of_places).collect()
}

#[test]
fn places_of_objects_on_disk_are_made_again() {
    let scratch = Scratch::new("fsck-places");
    let [whole, other] = ["whole", "other"].map(|name| scratch.path().join(name));
    // With room for a few places in memory.
    make_with(&whole, Options { memory: 4096, ..options() }, 1);
    make_with(&other, Options { memory: 4096, ..options() }, 2);
    assert!(places(&whole).len() >= 2, "{:?}", places(&whole));
    assert_eq!(check_directory(&whole, false).unwrap().findings, []);
    let before = answers(&whole);
    assert!(rows(&before) > 9000);
    let flip = |path: &Path, at: usize| {
        let mut bytes = std::fs::read(path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 4;
        std::fs::write(path, bytes).unwrap();
    };
    type Damage<'a> = Box<dyn Fn(&Path) + 'a>;
    let mut damages: Vec<Damage<'_>> = vec![Box::new(|directory| {
        // Sound files, of other objects.
        places(directory).iter().for_each(|path| std::fs::remove_file(path).unwrap());
        for path in places(&other) {
            std::fs::copy(&path, directory.join("aggregates").join(path.file_name().unwrap())).unwrap();
        }
    })];
    for path in places(&whole) {
        let name = path.file_name().unwrap().to_owned();
        let in_copy = move |directory: &Path| directory.join("aggregates").join(&name);
        for at in [3, 77, 4000] {
            let in_copy = in_copy.clone();
            damages.push(Box::new(move |directory| flip(&in_copy(directory), at)));
        }
        if path.extension().is_some_and(|end| end == "places") {
            damages.push(Box::new(move |directory| std::fs::remove_file(in_copy(directory)).unwrap()));
        }
    }
    for (number, damage) in damages.iter().enumerate() {
        let hit = scratch.path().join(number.to_string());
        copy(&whole, &hit);
        damage(&hit);
        let bytes = files(&hit);
        assert_eq!(remedies(&check_directory(&hit, false).unwrap()), [Remedy::Possible], "damage {number}");
        assert_eq!(files(&hit), bytes);
        assert_eq!(remedies(&check_directory(&hit, true).unwrap()), [Remedy::Repaired], "damage {number}");
        assert_eq!(answers(&hit), before, "damage {number}");
        assert_eq!(check_directory(&hit, false).unwrap().findings, []);
        goes_on(&hit, "damaged places");
    }
}

/// Damages a file in many places, one at a time; each time the archive is checked, repaired, and checked again.
fn every_damage(folder: &str, step: usize, mut damage: impl FnMut(&mut Vec<u8>, usize)) {
    let scratch = Scratch::new("fsck-damage");
    let original = scratch.path().join("original");
    make(&original);
    let whole = answers(&original);
    let (path, bytes) = files(&original).into_iter().find(|(path, _)| path.starts_with(original.join(folder))).unwrap();
    let name = path.strip_prefix(&original).unwrap();
    let mut found = 0;
    for at in (0..bytes.len()).step_by(bytes.len() / step) {
        let context = format!("{} at {at} of {}", name.display(), bytes.len());
        let directory = scratch.path().join(at.to_string());
        copy(&original, &directory);
        let mut hit = bytes.clone();
        damage(&mut hit, at);
        std::fs::write(directory.join(name), &hit).unwrap();
        let untouched = files(&directory);
        let told = check_directory(&directory, false).unwrap();
        assert_eq!(files(&directory), untouched, "{context}: a look changes nothing");
        found += usize::from(!told.findings.is_empty());
        let report = check_directory(&directory, true).unwrap();
        assert!(!remedies(&report).contains(&Remedy::Possible), "{context}: {report:?}");
        let after = answers(&directory);
        for (key, rows) in &after {
            for (bucket, value) in rows {
                assert_eq!(whole[key].get(bucket), Some(value), "{context}: {key:?} {bucket}: {report:?}");
            }
        }
        let lost = rows(&whole) - rows(&after);
        let is_whole = remedies(&told).iter().all(|remedy| matches!(remedy, Remedy::Possible | Remedy::Kept));
        assert!(lost == 0 || !is_whole, "{context}: {lost} rows are lost without a word: {told:?}");
        assert!(lost < rows(&whole) / 2, "{context}: {lost} rows");
        let second = check_directory(&directory, false).unwrap();
        assert!(second.is_sound(), "{context}: {second:?} after {report:?}");
        goes_on(&directory, &context);
        std::fs::remove_dir_all(&directory).unwrap();
    }
    assert!(found > step / 2, "{found} of {step} were found");
}

#[test]
fn a_byte_of_the_aggregates_that_changed_costs_at_most_its_object() {
    every_damage("aggregates", 40, |bytes, at| bytes[at] ^= 0x41);
}

#[test]
fn a_byte_of_the_log_that_changed_costs_at_most_its_batch() {
    every_damage("incoming", 12, |bytes, at| bytes[at] ^= 0x41);
}

#[test]
fn a_log_that_is_cut_off_costs_no_later_measure() {
    every_damage("incoming", 8, |bytes, at| bytes.truncate(at));
}

#[test]
fn a_log_that_is_gone_is_begun_behind_what_is_stored() {
    let scratch = Scratch::new("fsck-log");
    make(scratch.path());
    std::fs::remove_dir_all(scratch.path().join("incoming")).unwrap();
    let told = check_directory(scratch.path(), false).unwrap();
    assert!(told.findings.iter().any(|f| f.found.contains("it would be skipped")), "{told:?}");
    assert!(!told.is_sound());
    let report = check_directory(scratch.path(), true).unwrap();
    assert_eq!(remedies(&report), [Remedy::Repaired]);
    goes_on(scratch.path(), "no log");
}

#[test]
fn objects_without_a_row_get_one_again_and_no_other_time() {
    let scratch = Scratch::new("fsck-stray");
    make(scratch.path());
    let whole = answers(scratch.path());
    let index = rusqlite::Connection::open(scratch.path().join("index.sqlite")).unwrap();
    index.execute("DELETE FROM metric WHERE id = ?1", [Uuid::from_u128(2).to_string()]).unwrap();
    drop(index);
    let told = check_directory(scratch.path(), false).unwrap();
    assert_eq!(remedies(&told), [Remedy::Possible]);
    let report = check_directory(scratch.path(), true).unwrap();
    assert_eq!(remedies(&report), [Remedy::Repaired]);
    assert_eq!(answers(scratch.path()), whole);
    let archive = Archive::open(scratch.path(), options()).unwrap();
    let metrics = archive.metrics(None, &Default::default()).unwrap();
    let found = metrics.iter().find(|metric| metric.id == Uuid::from_u128(2)).unwrap();
    assert_eq!((found.policy.as_str(), found.creator.as_str()), ("medium", "fsck"));
    drop(archive);
    assert_eq!(check_directory(scratch.path(), true).unwrap().findings, []);
    // Objects that no policy fits stay.
    let index = rusqlite::Connection::open(scratch.path().join("index.sqlite")).unwrap();
    index.execute("DELETE FROM metric WHERE id = ?1", [Uuid::from_u128(3).to_string()]).unwrap();
    let body: String = index.query_row("SELECT body FROM policy WHERE name = 'medium'", [], |row| row.get(0)).unwrap();
    let other = body.replace("60000000000", "61000000000");
    index.execute("UPDATE policy SET body = ?1 WHERE name = 'medium'", [other]).unwrap();
    drop(index);
    let report = check_directory(scratch.path(), true).unwrap();
    assert!(
        report.findings.iter().any(|f| f.metric == Some(Uuid::from_u128(3)) && f.remedy == Remedy::Kept),
        "{report:?}"
    );
}

#[test]
fn indexes_are_made_anew_and_references_to_nothing_are_taken_away() {
    let scratch = Scratch::new("fsck-index");
    make(scratch.path());
    let whole = answers(scratch.path());
    let path = scratch.path().join("index.sqlite");
    let schema = |sql: &str| {
        let index = rusqlite::Connection::open(&path).unwrap();
        index.pragma_update(None, "writable_schema", true).unwrap();
        index.execute("UPDATE sqlite_schema SET sql = ?1 WHERE name = 'metric_by_name'", [sql]).unwrap();
    };
    // A row that goes in while the index leaves it out.
    schema("CREATE INDEX metric_by_name ON metric (name) WHERE name > 'zzz'");
    let index = rusqlite::Connection::open(&path).unwrap();
    index.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    let row = "INSERT INTO metric VALUES (?1, 'me', 'left out', NULL, 'medium', ?2)";
    index.execute(row, [Uuid::from_u128(77).to_string(), Uuid::from_u128(88).to_string()]).unwrap();
    drop(index);
    schema("CREATE INDEX metric_by_name ON metric (name)");
    let told = check_directory(scratch.path(), false).unwrap();
    assert!(told.findings.len() >= 2 && remedies(&told).iter().all(|r| *r == Remedy::Possible), "{told:?}");
    let report = check_directory(scratch.path(), true).unwrap();
    assert!(remedies(&report).iter().all(|remedy| *remedy == Remedy::Repaired), "{report:?}");
    assert_eq!(check_directory(scratch.path(), false).unwrap().findings, []);
    let mut after = answers(scratch.path());
    after.retain(|(metric, _), _| *metric != Uuid::from_u128(77));
    assert_eq!(after, whole);
}

#[test]
fn an_index_that_cannot_be_read_is_said_to_be_and_nothing_is_touched() {
    let scratch = Scratch::new("fsck-blind");
    make(scratch.path());
    let path = scratch.path().join("index.sqlite");
    let whole = std::fs::read(&path).unwrap();
    let before = files(scratch.path());
    for damage in [0..100, 4096..8192] {
        let mut hit = whole.clone();
        hit[damage].fill(0xa5);
        std::fs::write(&path, &hit).unwrap();
        let report = check_directory(scratch.path(), true).unwrap();
        assert!(!report.is_sound() && remedies(&report).contains(&Remedy::Lost), "{report:?}");
        assert_eq!(files(scratch.path()), before);
        assert_eq!(std::fs::read(&path).unwrap(), hit);
    }
    std::fs::write(&path, &whole).unwrap();
    let index = rusqlite::Connection::open(&path).unwrap();
    index.execute("UPDATE policy SET body = '{' WHERE name = 'low'", []).unwrap();
    drop(index);
    let report = check_directory(scratch.path(), true).unwrap();
    assert!(report.findings[0].found.contains("the row `low` of policy"), "{report:?}");
    assert_eq!(files(scratch.path()), before);
}

const CHECKED: &str = "FERROMETER_ARCHIVE_FSCK_DIRECTORY";

/// Runs in a process of its own: checks, and tells the most memory that it had.
#[test]
#[ignore = "the child of the test below"]
fn checks() {
    let Ok(directory) = std::env::var(CHECKED) else { return };
    let report = check_directory(Path::new(&directory), false).unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
    assert!(report.is_sound(), "{:?}", report.findings.first());
    println!("{} metrics, {} objects: at most {most} resident", report.metrics, report.objects);
}

/// Prints figures: `cargo test --release -p ferrometer-archive --test fsck -- --ignored --nocapture how_much`.
#[test]
#[ignore = "measures, and asserts nothing about memory"]
fn how_much_memory_a_check_takes() {
    for count in [1_000, 100_000] {
        let scratch = Scratch::new("fsck-memory");
        let archive = Archive::open(scratch.path(), options()).unwrap();
        let metrics: Vec<Metric> = (0..count).map(|_| archive.new_metric("me", None).unwrap()).collect();
        metrics.chunks(1000).for_each(|some| archive.add_metrics(some).unwrap());
        for round in 0..2_i64 {
            for some in metrics.chunks(1000) {
                let points = |i| Point { at: (round * 10 + i) * 300 * SECOND, value: 1.0 };
                archive.append(some.iter().map(|metric| (metric.id, (0..5).map(points).collect())).collect()).unwrap();
            }
            archive.store().unwrap();
        }
        drop(archive);
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "checks", "--ignored", "--nocapture"])
            .env(CHECKED, scratch.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{told}");
        told.lines().filter(|line| line.contains("resident")).for_each(|line| println!("{line}"));
    }
}
