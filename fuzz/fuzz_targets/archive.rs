//! Bytes that an archive reads: stored objects, the log of the incoming, and bodies of measures in every form. Nothing panics, nothing takes more
//! memory than the limit of the run; what can be read comes back the same when it is stored again, and a body that is no measures is refused with its reason.
//!
//! The first byte says what the rest is. Checksums are made right here: no random bytes would have them.

#![no_main]

use ferrometer_archive::{
    Archive, Batch, Error, Incoming, Key, Log, Method, Metric, Nanos, Options, Point, Range, Replayed, SECOND, Sink,
    Sqlite, Storage, Sync, Usage,
};
use ferrometer_gnocchi::{Gnocchi, Settings};
use http::{HeaderMap, StatusCode, Uri, header};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use uuid::Uuid;

const METRIC: Uuid = Uuid::from_u128(1);
/// The granularity of the policy `low`, and the metric's methods.
const GRANULARITY: Nanos = 300 * SECOND;
const METHODS: [&str; 6] = ["mean", "sum", "min", "max", "std", "count"];

/// Returns a directory of this process, in memory where the system has such a place.
fn directory(name: &str) -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
    root.join(format!("ferrometer-fuzz-{name}-{}", std::process::id()))
}

fn options() -> Options {
    Options { sync: Sync::None, workers: 1, memory: 1 << 20, ..Options::default() }
}

/// Objects in memory.
#[derive(Default)]
struct Objects(Mutex<BTreeMap<Key, Vec<u8>>>);

impl Storage for Objects {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    fn stretches(&self, metric: Uuid, granularity: Nanos, range: RangeInclusive<i64>) -> Result<Vec<i64>, Error> {
        let key = |stretch| Key { metric, granularity, stretch };
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let objects = self.0.lock().unwrap();
        Ok(objects.range(key(*range.start())..=key(*range.end())).map(|(key, _)| key.stretch).collect())
    }

    fn keys(&self, each: &mut dyn FnMut(Key)) -> Result<(), Error> {
        self.0.lock().unwrap().keys().for_each(|key| each(*key));
        Ok(())
    }

    fn put(&self, changes: &[(Key, Option<Vec<u8>>)]) -> Result<(), Error> {
        let mut objects = self.0.lock().unwrap();
        for (key, object) in changes {
            match object {
                Some(object) => drop(objects.insert(*key, object.clone())),
                None => drop(objects.remove(key)),
            }
        }
        Ok(())
    }

    fn forget(&self, metric: Uuid) -> Result<(), Error> {
        self.0.lock().unwrap().retain(|key, _| key.metric != metric);
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }

    fn usage(&self) -> Result<Usage, Error> {
        Ok(Usage::default())
    }
}

/// Batches go right on.
struct Straight(Sink, AtomicU64);

impl Incoming for Straight {
    fn append(&self, batch: Batch) -> Result<u64, Error> {
        // Behind every number that a window may have been stored with.
        let sequence = self.1.fetch_add(1, Relaxed);
        (self.0)(sequence, batch);
        Ok(sequence)
    }

    fn replay(&self) -> Result<Replayed, Error> {
        Ok(Replayed::default())
    }

    fn last(&self) -> u64 {
        self.1.load(Relaxed) - 1
    }

    fn discard(&self, _: u64) -> Result<(), Error> {
        Ok(())
    }

    fn bytes(&self) -> u64 {
        0
    }
}

fn index() -> Arc<Sqlite> {
    static INDEX: OnceLock<Arc<Sqlite>> = OnceLock::new();
    Arc::clone(INDEX.get_or_init(|| {
        let directory = directory("index");
        let _ = std::fs::remove_dir_all(&directory);
        drop(Archive::open(&directory, options()).expect("an archive"));
        let index = Arc::new(Sqlite::open(&directory.join("index.sqlite"), false).expect("an index"));
        let metric =
            Metric { id: METRIC, creator: "me".into(), name: None, unit: None, policy: "low".into(), resource: None };
        ferrometer_archive::Index::add_metrics(&*index, &[metric]).expect("a metric");
        index
    }))
}

/// Takes this many bytes from the front, or what is left.
fn take<'d>(rest: &mut &'d [u8], count: usize) -> &'d [u8] {
    let (head, tail) = rest.split_at(count.min(rest.len()));
    *rest = tail;
    head
}

/// Takes a piece with its length before it; none where the length is `0xffff`.
fn piece<'d>(rest: &mut &'d [u8]) -> Option<&'d [u8]> {
    let length = u16::from_le_bytes(take(rest, 2).try_into().unwrap_or([0xff; 2]));
    (length != u16::MAX).then(|| take(rest, usize::from(length)))
}

fn measured(archive: &Archive) -> Vec<Vec<Point>> {
    let all = METHODS.iter().map(|method| {
        let method: Method = method.parse().expect("a method");
        archive.measures(METRIC, method, GRANULARITY, Range::default()).expect("what is damaged is left out")
    });
    all.collect()
}

/// The window and two stretches of a metric, and points that come then: whatever they hold, they are read or left out, and it goes on.
fn objects(mut rest: &[u8]) {
    let storage = Arc::new(Objects::default());
    for (granularity, stretch) in [(0, 0), (GRANULARITY, 0), (GRANULARITY, 1)] {
        if let Some(object) = piece(&mut rest) {
            storage.put(&[(Key { metric: METRIC, granularity, stretch }, Some(object.to_vec()))]).expect("stored");
        }
    }
    let points = rest.chunks_exact(8).map(|chunk| {
        let word = |at: usize| std::array::from_fn(|byte| chunk[at + byte]);
        (i64::from(u32::from_le_bytes(word(0))), f64::from(f32::from_le_bytes(word(4))))
    });
    let points = points.filter(|(_, value)| value.is_finite());
    let points: Vec<Point> = points.map(|(second, value)| Point { at: second * SECOND, value }).collect();
    let open = || {
        let incoming = |sink| Ok(Box::new(Straight(sink, AtomicU64::new(u64::MAX / 2))) as Box<dyn Incoming>);
        Archive::with(index(), Arc::clone(&storage) as _, incoming, options()).expect("it opens")
    };
    let archive = open();
    measured(&archive);
    archive.append(vec![(METRIC, points)]).expect("taken");
    let (before, account) = (measured(&archive), archive.account(METRIC).expect("an account"));
    archive.store().expect("stored");
    drop(archive);
    let archive = open();
    // A stretch whose columns do not fit together is damaged when it is stored again: then it may be gone as a whole, but nothing new is there.
    let after = measured(&archive);
    let fits = before.iter().all(|points| points.len() == before[0].len());
    for (before, after) in before.iter().zip(&after) {
        let was =
            |point: &&Point| before.iter().any(|b| b.at == point.at && b.value.to_bits() == point.value.to_bits());
        assert_eq!(after.iter().find(|point| !was(point)).map(|point| point.at), None, "{before:?}\n{after:?}");
        assert!(!fits || before.len() == after.len(), "{before:?}\n{after:?}");
    }
    assert_eq!(archive.account(METRIC).expect("an account").last, account.last);
    archive.remove_measures(METRIC, Range { start: Some(0), stop: Some(Nanos::MAX) }).expect("removed");
    measured(&archive);
}

/// Files of the log: records that are whole, records with a wrong checksum, and any bytes.
fn log(mut rest: &[u8]) {
    let directory = directory("log");
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("a directory");
    let (mut files, mut sequence): (Vec<(u64, Vec<u8>)>, _) = (Vec::new(), 1_u64);
    while let [kind, step] = *take(&mut rest, 2) {
        let Some(body) = piece(&mut rest) else { continue };
        if files.is_empty() || (kind & 4 != 0 && files.len() < 4 && files.last().is_some_and(|file| file.0 < sequence))
        {
            files.push((sequence, Vec::new()));
        }
        let Some((_, bytes)) = files.last_mut() else { continue };
        if kind & 3 == 3 {
            bytes.extend_from_slice(body);
            continue;
        }
        let numbered = [&sequence.to_le_bytes()[..], body].concat();
        let checksum = crc32fast::hash(&numbered).wrapping_add(u32::from(kind & 3 == 2));
        for word in [0x676f_6c66, numbered.len() as u32, checksum] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&numbered);
        sequence += 1 + u64::from(step);
    }
    for (first, bytes) in files {
        std::fs::write(directory.join(format!("{first:020}.log")), bytes).expect("a file");
    }
    let read = || {
        let seen: Arc<Mutex<Vec<(u64, usize)>>> = Arc::default();
        let sink: Sink = {
            let seen = Arc::clone(&seen);
            Arc::new(move |number, batch: Batch| seen.lock().unwrap().push((number, batch.len())))
        };
        let log = Log::open(&directory, Sync::None, 1 << 20, sink).expect("it opens");
        log.replay().expect("it can be read");
        (log, seen)
    };
    let (log, seen) = read();
    let before = seen.lock().unwrap().clone();
    assert!(before.windows(2).all(|pair| pair[0].0 < pair[1].0), "{before:?}");
    let number = log.append(vec![(METRIC, vec![Point { at: 1, value: 1.0 }])]).expect("it goes on");
    assert!(before.last().is_none_or(|(last, _)| *last < number));
    drop(log);
    let (_, seen) = read();
    let after = seen.lock().unwrap().clone();
    assert_eq!((&after[..before.len()], &after[before.len()..]), (&before[..], &[(number, 1)][..]));
}

/// A body, and where it goes.
fn body(kind: u8, bytes: &[u8]) {
    static API: Mutex<Option<(u32, Gnocchi)>> = Mutex::new(None);
    let mut api = API.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // Resources that are made stay: now and then it begins with nothing.
    if api.as_ref().is_none_or(|(used, _)| *used > 3000) {
        *api = None;
        let directory = directory("api");
        let _ = std::fs::remove_dir_all(&directory);
        let archive = Archive::open(&directory, options()).expect("an archive");
        let metric = Metric {
            id: METRIC,
            creator: "admin".into(),
            name: None,
            unit: None,
            policy: "low".into(),
            resource: None,
        };
        archive.add_metrics(&[metric]).expect("a metric");
        let kind = ferrometer_archive::ResourceType { name: "influxdb".into(), attributes: BTreeMap::new() };
        archive.add_resource_type(&kind).expect("a type");
        *api = Some((0, Gnocchi::new(Arc::new(archive), Settings::default())));
    }
    let Some((used, api)) = &mut *api else { return };
    *used += 1;
    let metric = format!("/v1/metric/{METRIC}/measures");
    let (json, protobuf) = ("application/json", "application/x-protobuf");
    let (path, form, encoding) = match kind % 8 {
        0 => (&*metric, json, None),
        1 => (&*metric, protobuf, None),
        2 => ("/v1/batch/metrics/measures", json, None),
        3 => ("/v1/batch/metrics/measures", protobuf, None),
        4 => ("/v1/batch/resources/metrics/measures?create_metrics=true", json, None),
        5 => ("/v1/influxdb/write?db=influxdb", "text/plain", None),
        6 => ("/v1/prometheus/write", protobuf, Some("snappy")),
        _ => ("/v1/prometheus/write", protobuf, None),
    };
    let bytes = match kind % 8 {
        // Compressed as it should be.
        7 => snap::raw::Encoder::new().compress_vec(bytes).expect("compressed"),
        _ => bytes.to_vec(),
    };
    let ask = |method, path: &str, bytes: Vec<u8>| {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "Basic YWRtaW46".parse().expect("a value"));
        headers.insert(header::CONTENT_TYPE, form.parse().expect("a value"));
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, encoding.parse().expect("a value"));
        }
        api.handle(method, &path.parse::<Uri>().expect("a path"), headers, bytes.into())
    };
    let answer = ask(http::Method::POST, path, bytes);
    let known = [StatusCode::ACCEPTED, StatusCode::NO_CONTENT, StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN];
    let others = [StatusCode::CONFLICT, StatusCode::NOT_FOUND, StatusCode::PAYLOAD_TOO_LARGE];
    let status = answer.status();
    assert!(known.contains(&status) || others.contains(&status), "{status}: {:?}", answer.body());
    let answer = ask(http::Method::GET, &metric, Vec::new());
    assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.body());
    let rows: Vec<(String, f64, Option<f64>)> = serde_json::from_slice(answer.body()).expect("rows");
    drop(rows);
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 16 {
        0..4 => objects(rest),
        4..8 => log(rest),
        kind => body(kind, rest),
    }
});
