//! Files that are long, or say so, cost no memory but for what is whole of them. A process of its own, whose peak is measured.

#![cfg(target_os = "linux")]

use ferrometer_pull_cache::{DamageKind, PullCacheBackend, Settings, read};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn crc(parts: &[&[u8]]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().to_le_bytes()
}

/// A file with a right header, then `frames`, then nothing up to 1 GiB: it takes a few kB of the disk.
fn hole(directory: &Path, sequence: u64, frames: &[u8]) {
    let (first, rest) = ([&b"FERROGEN"[..], &2u32.to_le_bytes()].concat(), [sequence.to_le_bytes(), [0; 8]].concat());
    let header = [&first[..], &crc(&[&first, &rest]), &rest].concat();
    let mut file = File::create(directory.join(format!("generations-{sequence:020}.ferro"))).unwrap();
    file.write_all(&[&header, frames].concat()).unwrap();
    file.set_len(1 << 30).unwrap();
}

#[test]
fn a_hole_is_no_generation_and_takes_no_memory() {
    const LONG: u64 = 32 << 20;
    let directory = std::env::temp_dir().join(format!("ferrometer-holes-{}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    let settings = Settings::default().path(&directory);
    let mut backend = PullCacheBackend::open(settings.clone()).unwrap();
    let now = SystemTime::now();
    backend.make(now - Duration::from_secs(5), ferrometer_core::snapshot().totals(), &Default::default());
    drop(backend);

    let before = peak();
    for sequence in 10..14 {
        hole(&directory, sequence, &[]);
    }
    // Frames that say they are long, with a checksum that is nobody's, and with the right one of nothing but zeros.
    hole(&directory, 20, &[(1u32 << 27).to_le_bytes(), [0; 4]].concat());
    hole(&directory, 21, &[(1u32 << 29).to_le_bytes(), [0; 4]].concat());
    let length = (1u32 << 22).to_le_bytes();
    let sum = crc(&[&22u64.to_le_bytes(), &32u64.to_le_bytes(), &length, &vec![0; 1 << 22]]);
    hole(&directory, 22, &[length, sum].concat());

    let history = read(&directory).unwrap();
    let kinds: Vec<_> = history.damage().iter().map(|damage| damage.kind.clone()).collect();
    let (sum, content) = (DamageKind::Checksum, DamageKind::Content);
    assert_eq!(kinds, [sum.clone(), sum.clone(), sum.clone(), sum.clone(), sum, content.clone(), content]);
    assert_eq!(history.count(), 1);
    let beyond = peak() - before;
    assert!(beyond < LONG, "reading took {beyond} bytes");

    let mut backend = PullCacheBackend::open(settings).unwrap();
    assert_eq!(backend.handle().history(None).count(), 1);
    backend.make(now, ferrometer_core::snapshot().totals(), &Default::default());
    assert_eq!(read(&directory).unwrap().count(), 2);
    let state = backend.handle().persistence().unwrap();
    assert_eq!((state.set_aside.len(), state.left.len(), state.failed), (7, 0, 0));
    let beyond = peak() - before;
    assert!(beyond < LONG, "the start took {beyond} bytes");

    // One that is nothing else.
    drop(backend);
    fs::remove_dir_all(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    hole(&directory, 1, &[]);
    let history = read(&directory).unwrap();
    assert_eq!((history.damage().len(), history.count()), (1, 0));
    fs::remove_dir_all(&directory).unwrap();
}
