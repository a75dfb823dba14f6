//! Files of a persisted pull cache. Any bytes behind a right header, with right checksums: never a panic, never much memory. A file that was written
//! here and then changed anywhere: nothing from the change on is believed.

#![no_main]

use ferrometer_pull_cache::{PullCacheBackend, Settings, walk_segment};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use std::time::Duration;

const HEADER: usize = 32;

/// A file as a cache writes it, with some generations.
fn written() -> &'static Vec<u8> {
    static WRITTEN: OnceLock<Vec<u8>> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let directory = std::env::temp_dir().join(format!("ferrometer-fuzz-{}", std::process::id()));
        let backend = PullCacheBackend::open(Settings::default().path(&directory)).expect("a cache");
        ferrometer_core::install("pull-cache", Box::new(backend), Duration::from_secs(3600)).expect("installed");
        let logger = ferrometer_core::get_logger("fuzz");
        for generation in 0..3_u64 {
            for i in 0..4 {
                logger.with("i", &i.to_string()).send_counter(format!("c{generation}"), i);
                logger.send_timer(format!("t{i}"), Duration::from_micros(i * 977 + generation));
                logger.send_gauge("g", 0.1 * i as f64);
            }
            assert!(ferrometer_core::flush(Duration::from_secs(5)).complete);
            std::thread::sleep(Duration::from_millis(1010));
        }
        ferrometer_core::remove("pull-cache", Duration::from_secs(5));
        let mut files: Vec<_> =
            std::fs::read_dir(&directory).expect("a directory").flatten().map(|f| f.path()).collect();
        files.retain(|f| f.extension().is_some_and(|e| e == "ferro"));
        let bytes = files.iter().filter_map(|f| std::fs::read(f).ok()).max_by_key(Vec::len).expect("a file");
        let _ = std::fs::remove_dir_all(&directory);
        assert!(walk_segment(&bytes).expect("what was written") >= 3);
        bytes
    })
}

fn sum(parts: &[&[u8]]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().to_le_bytes()
}

/// A file of these payloads, with every checksum right.
fn honest<'p>(payloads: impl Iterator<Item = &'p [u8]>) -> Vec<u8> {
    let sequence = 7_u64.to_le_bytes();
    let mut out = written()[..12].to_vec();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&sequence);
    out.extend_from_slice(&1_700_000_000_i64.to_le_bytes());
    let header = sum(&[&out[..12], &out[16..]]);
    out[12..16].copy_from_slice(&header);
    for payload in payloads {
        let offset = (out.len() as u64).to_le_bytes();
        let length = (payload.len() as u32).to_le_bytes();
        out.extend_from_slice(&length);
        out.extend_from_slice(&sum(&[&sequence, &offset, &length, payload]));
        out.extend_from_slice(payload);
    }
    out
}

/// How many whole frames there are before this byte.
fn frames_before(bytes: &[u8], end: usize) -> usize {
    let (mut at, mut frames) = (HEADER, 0);
    while let Some(length) = bytes.get(at..at + 4) {
        at += 8 + u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        if at > end {
            break;
        }
        frames += 1;
    }
    frames
}

/// The payloads of a file that is whole.
fn payloads(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut at, mut all) = (HEADER, Vec::new());
    while let Some(length) = bytes.get(at..at + 4) {
        let end = at + 8 + u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let Some(payload) = bytes.get(at + 8..end) else { break };
        all.push(payload);
        at = end;
    }
    all
}

fn accepted(bytes: &[u8]) -> usize {
    // The part of a damaged file before the damage is believed: as many whole frames as can be walked.
    if let Ok(frames) = walk_segment(bytes) {
        return frames;
    }
    (0..=frames_before(bytes, bytes.len()))
        .rev()
        .find(|frames| {
            let end = (HEADER..=bytes.len()).find(|end| frames_before(bytes, *end) == *frames).unwrap_or(bytes.len());
            walk_segment(&bytes[..end]).is_ok_and(|found| found == *frames)
        })
        .unwrap_or(0)
}

fuzz_target!(|data: &[u8]| {
    let Some((mode, rest)) = data.split_first() else { return };
    match mode % 4 {
        // Any bytes at all.
        0 => drop(walk_segment(rest)),
        // Payloads of any content.
        1 => {
            let file = honest(rest.split(|b| *b == 0xff).filter(|p| !p.is_empty()));
            let _ = walk_segment(&file);
        }
        // Payloads that were right, changed, under checksums that are right.
        2 => {
            let mut changed: Vec<Vec<u8>> = payloads(written()).iter().map(|p| p.to_vec()).collect();
            for edit in rest.chunks_exact(4) {
                let Some(payload) = changed.get_mut(usize::from(edit[0]) % 4) else { continue };
                let at = usize::from(u16::from_le_bytes([edit[1], edit[2]])) % payload.len().max(1);
                match edit[0] / 64 {
                    0 => drop(payload.get_mut(at).map(|b| *b = edit[3])),
                    1 => payload.insert(at, edit[3]),
                    2 => payload.truncate(at),
                    _ => drop((at < payload.len()).then(|| payload.remove(at))),
                }
            }
            let _ = walk_segment(&honest(changed.iter().map(Vec::as_slice)));
        }
        // A file changed behind its checksums' back.
        _ => {
            let original = written();
            let mut file = original.clone();
            for edit in rest.chunks_exact(4) {
                let at = usize::from(u16::from_le_bytes([edit[1], edit[2]])) % file.len().max(1);
                match edit[0] % 4 {
                    0 => drop(file.get_mut(at).map(|b| *b ^= edit[3])),
                    1 => file.insert(at.min(file.len()), edit[3]),
                    2 => file.truncate(at),
                    _ => drop((at < file.len()).then(|| file.remove(at))),
                }
            }
            let same = file.iter().zip(original).take_while(|(a, b)| a == b).count();
            let believed = accepted(&file);
            let whole = if same < HEADER { 0 } else { frames_before(original, same) };
            assert!(believed <= whole, "{believed} frames are believed, {whole} are as they were written");
        }
    }
});
