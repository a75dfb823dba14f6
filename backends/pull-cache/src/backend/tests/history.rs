//! A history on disk that is read beside the program.

use super::*;

/// A directory of its own, deleted in the end.
struct Directory(std::path::PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("ferrometer-backend-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// All that a cache says, bit by bit.
fn all_said(history: impl Iterator<Item = Arc<crate::Generation>>) -> Vec<(i64, Vec<(String, u64)>)> {
    let said = |g: Arc<crate::Generation>| {
        let records = g.records().map(|r| (r.metric.to_owned(), r.value.to_bits())).collect();
        (g.timestamp(), records)
    };
    history.map(said).collect()
}

#[test]
fn a_long_history_is_read_beside_and_joins_what_was_made_meanwhile() {
    let _alone = alone();
    let directory = Directory::new("beside");
    let logger = get_logger("beside");
    let counters: Vec<_> = (0..200).map(|n| logger.counter(format!("c{n}"))).collect();
    let settings = Settings::default().generations(3000).window(Duration::from_secs(1_000_000)).path(&directory.0);
    let mut backend = PullCacheBackend::open(settings.clone()).unwrap();
    for second in 1..=600 {
        counters.iter().enumerate().for_each(|(n, counter)| counter.add((second * n as u64) % 97));
        make(&mut backend, second);
    }
    let mut expected = all_said(backend.handle().history(None));
    assert_eq!(expected.len(), 600);
    drop(backend);

    // The clock was set back meanwhile. Names that are new come before and after the history does.
    let reading = crate::restore::READING.lock();
    let mut backend = PullCacheBackend::open_within(settings.clone(), Some(Duration::ZERO)).unwrap();
    let cache = backend.handle();
    assert!(cache.is_loading() && cache.window().is_none());
    logger.counter("a.new.one").add(1);
    make(&mut backend, 500);
    assert!(cache.is_loading());
    assert_eq!(cache.window(), Some((601, 601)));
    drop(reading);
    while cache.is_loading() {
        // However long it is read, fewer are made than are kept.
        std::thread::sleep(Duration::from_millis(20));
        counters[0].add(1);
        make(&mut backend, 500 + cache.history(None).count() as u64);
    }
    logger.counter("another.new.one").add(1);
    make(&mut backend, 5000);
    let all = all_said(cache.history(None));
    assert_eq!(cache.window(), Some((1, 5000)));
    assert_eq!(all[..600], expected[..]);
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let at = |timestamp: i64, metric: &str| {
        let (_, records) = all.iter().find(|(t, _)| *t == timestamp).unwrap();
        records.iter().find(|(name, _)| name == metric).map(|(_, bits)| f64::from_bits(*bits))
    };
    assert_eq!((at(600, "beside.a.new.one"), at(601, "beside.a.new.one")), (None, Some(1.0)));
    assert_eq!((at(5000, "beside.a.new.one"), at(5000, "beside.another.new.one")), (Some(1.0), Some(1.0)));
    assert_eq!(at(601, "beside.c7"), at(600, "beside.c7"));
    // The files say it too, to readers and to the next start; nothing failed to be written.
    expected = all;
    let state = cache.persistence().unwrap();
    assert_eq!((state.failed, state.set_aside.len(), state.left.len()), (0, 0, 0));
    assert_eq!(all_said(crate::read(&directory.0).unwrap()), expected);
    drop(backend);
    let again = PullCacheBackend::open(settings).unwrap();
    assert!(!again.handle().is_loading());
    assert_eq!(all_said(again.handle().history(None)), expected);
}

#[test]
fn a_history_that_is_not_waited_for_is_given_up_with_its_backend() {
    let _alone = alone();
    let directory = Directory::new("given-up");
    let counter = get_logger("given_up").counter("c");
    let settings = Settings::default().generations(3000).window(Duration::from_secs(1_000_000)).path(&directory.0);
    let mut backend = PullCacheBackend::open(settings.clone()).unwrap();
    for second in 1..=500 {
        counter.add(second);
        make(&mut backend, second);
    }
    let expected = all_said(backend.handle().history(None));
    drop(backend);
    // One after the other, each gone before it has read all; the directory is free for the next each time, and nothing is lost.
    for _ in 0..5 {
        drop(PullCacheBackend::open_within(settings.clone(), Some(Duration::ZERO)).unwrap());
    }
    let last = PullCacheBackend::open(settings).unwrap();
    assert_eq!(all_said(last.handle().history(None)), expected);
}
