//! Things in the directory that are none of ours, and a disk that fails: neither stops the packs, nor makes them take memory without a bound.

use super::spills::{KEYS, MEMORY, kept, key, object, spoil};
use super::*;
use crate::packs::record::{Walk, next_head};
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

fn fill(packs: &Packs, many: usize, seed: usize) -> BTreeMap<Key, Vec<u8>> {
    let all: BTreeMap<Key, Vec<u8>> = (0..many).map(|number| (key(number), object(10, number + seed))).collect();
    all.iter().for_each(|(key, object)| packs.put(&[(*key, Some(object.clone()))]).unwrap());
    all
}

fn recent(packs: &Packs) -> usize {
    packs.with_index(|index| index.places.recent())
}

fn pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn names_that_look_like_ours_stop_no_opening() {
    let path = directory("names");
    let packs = Packs::open(&path, MEMORY).unwrap();
    let all = fill(&packs, KEYS, 0);
    drop(packs);
    for name in ["00000900.places", "00000900.pack"] {
        std::fs::create_dir(path.join(name)).unwrap();
    }
    for name in ["00000901.places", "00000901.pack"] {
        pipe(&path.join(name));
    }
    for name in ["7.places", "+0000007.places", "7.pack", "notes.pack"] {
        std::fs::write(path.join(name), "somebody's").unwrap();
    }
    symlink("/nowhere", path.join("00000902.places")).unwrap();
    let packs = Packs::open(&path, MEMORY).unwrap();
    assert_eq!(kept(&packs), all);
    // A new file takes no name that there is.
    let all = fill(&packs, KEYS, 1);
    packs.sync().unwrap();
    assert!(path.join("00000902.pack").is_file());
    drop(packs);
    let packs = Packs::open(&path, MEMORY).unwrap();
    assert_eq!((kept(&packs), packs.damaged()), (all, 0));
    for name in ["7.places", "+0000007.places", "7.pack", "notes.pack"] {
        assert_eq!(std::fs::read_to_string(path.join(name)).unwrap(), "somebody's");
    }
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn a_summary_that_is_no_file_or_has_no_end_is_not_read() {
    let path = directory("no-summary");
    let packs = Packs::open(&path, MEMORY).unwrap();
    let all = fill(&packs, KEYS, 0);
    drop(packs);
    let ways: [fn(&Path); 3] = [
        pipe,
        |path| symlink("/dev/zero", path).unwrap(),
        |path| std::fs::File::create(path).unwrap().set_len(1 << 36).unwrap(),
    ];
    for way in ways {
        std::fs::remove_file(path.join("summary.json")).unwrap();
        way(&path.join("summary.json"));
        assert_eq!(kept(&Packs::open(&path, MEMORY).unwrap()), all);
    }
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn damage_that_only_a_merge_finds_does_not_let_memory_grow() {
    let path = directory("merge");
    let packs = Packs::open(&path, MEMORY).unwrap();
    let metric = |number: usize| Key { metric: Uuid::from_u128(number as u128), granularity: 60, stretch: 0 };
    // More than a page of places that nobody asks for, on each side of one that is damaged.
    (0..300).for_each(|number| packs.put(&[(metric(number), Some(object(10, number)))]).unwrap());
    drop(packs);
    let packs = Packs::open(&path, MEMORY).unwrap();
    for run in numbers(&path, ".places").unwrap() {
        spoil(&path.join(format!("{run:08}.places")), |bytes| bytes[100] ^= 1);
    }
    for number in 300..1200 {
        packs.put(&[(metric(number), Some(object(10, number)))]).unwrap();
        assert!(recent(&packs) <= 3, "{} places are in memory after {number}", recent(&packs));
    }
    assert!((0..1200).all(|number| packs.get(&metric(number)).unwrap() == Some(object(10, number))));
    assert_eq!(look::look_at_packs(&path, 0, &path.with_extension("aside")).unwrap().places, None);
    std::fs::remove_dir_all(&path).unwrap();
}

/// A device that takes nothing is Linux' own.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_no_half_of_a_run() {
    let path = directory("full");
    let packs = Packs::open(&path, MEMORY).unwrap();
    symlink("/dev/full", path.join("00000001.places")).unwrap();
    let all = fill(&packs, 5, 0);
    assert_eq!(recent(&packs), 5, "the run was not written");
    assert!(path.join("00000001.places").symlink_metadata().is_err(), "a half of a run is left");
    assert_eq!(kept(&packs), all);
    let all = fill(&packs, KEYS, 0);
    assert!(recent(&packs) <= 3, "room is made as soon as there is room");
    assert_eq!(kept(&packs), all);
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn a_search_for_the_next_record_reads_little_behind_it() {
    let path = directory("search");
    std::fs::create_dir_all(&path).unwrap();
    let file = path.join("file");
    let mut record = Vec::new();
    record::write(&mut record, &key(1), Some(b"one"));
    let window = 64 << 10;
    let around =
        |at: usize| [-49, -48, -47, -8, -7, -1, 0, 1, 47, 48].map(|more: isize| at.saturating_add_signed(more));
    for gap in [1, 3].into_iter().chain(around(window)).chain(around(2 * window)) {
        let mut bytes = vec![0; gap];
        // Beginnings of heads that are none.
        bytes.chunks_exact_mut(16).for_each(|chunk| chunk[..4].copy_from_slice(&MAGIC.to_le_bytes()));
        bytes.extend_from_slice(&record);
        bytes.resize(gap + 3 * window, 0);
        std::fs::write(&file, &bytes).unwrap();
        let mut walk = Walk::new(File::open(&file).unwrap());
        assert_eq!(next_head(&mut walk, 0, bytes.len() as u64).unwrap(), Some(gap as u64));
        assert!(walk.at() <= (gap + 2 * window) as u64, "{} bytes read for {gap}", walk.at());
        assert_eq!(next_head(&mut walk, gap as u64 + 1, bytes.len() as u64).unwrap(), None);
    }
    // A mark is shorter than a head, and may be the last of a file.
    for gap in around(window) {
        let mut bytes = vec![0; gap];
        bytes.extend_from_slice(&mark());
        std::fs::write(&file, &bytes).unwrap();
        let mut walk = Walk::new(File::open(&file).unwrap());
        assert_eq!(next_head(&mut walk, 0, bytes.len() as u64).unwrap(), Some(gap as u64));
    }
    std::fs::remove_dir_all(&path).unwrap();
}
