//! Pack files that are cut, damaged, and mostly replaced.

#[cfg(unix)]
mod foreign;
mod spills;

use super::sweep::SMALL;
use super::*;

fn key(stretch: i64) -> Key {
    Key { metric: Uuid::from_u128(7), granularity: 60, stretch }
}

fn directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("ferrometer-packs-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    path
}

fn only_file(path: &Path) -> PathBuf {
    let mut names: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names.remove(0)
}

#[test]
fn the_newest_object_counts_and_a_deleted_one_is_gone() {
    let path = directory("newest");
    let packs = Packs::open(&path, 1 << 20).unwrap();
    packs.put(&[(key(1), Some(b"one".to_vec())), (key(2), Some(b"two".to_vec()))]).unwrap();
    packs.put(&[(key(1), Some(b"uno".to_vec())), (key(2), None)]).unwrap();
    packs.sync().unwrap();
    for packs in [packs, Packs::open(&path, 1 << 20).unwrap()] {
        assert_eq!(packs.get(&key(1)).unwrap().as_deref(), Some(&b"uno"[..]));
        assert_eq!(packs.get(&key(2)).unwrap(), None);
        assert_eq!(packs.stretches(key(0).metric, 60, 0..=9).unwrap(), [1]);
        assert_eq!(packs.usage().unwrap().objects, 1);
    }
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn an_unconfirmed_end_is_cut_at_its_first_damage_and_nothing_before() {
    let path = directory("cut");
    let packs = Packs::open(&path, 1 << 20).unwrap();
    packs.put(&[(key(1), Some(vec![1; 100]))]).unwrap();
    packs.sync().unwrap();
    packs.put(&[(key(2), Some(vec![2; 100]))]).unwrap();
    packs.put(&[(key(3), Some(vec![3; 100]))]).unwrap();
    drop(packs);
    let file = only_file(&path);
    let whole = std::fs::read(&file).unwrap();
    for cut in 0..whole.len() {
        std::fs::write(&file, &whole[..cut]).unwrap();
        let packs = Packs::open(&path, 1 << 20).unwrap();
        let there: Vec<bool> = (1..4).map(|k| packs.get(&key(k)).unwrap().is_some()).collect();
        assert!(
            [[false, false, false], [true, false, false], [true, true, false]]
                .contains(&[there[0], there[1], there[2]]),
            "{cut} {there:?}"
        );
        assert_eq!(packs.damaged(), 0);
    }
    // A block that never reached the disk, before one that did.
    let mut holed = whole.clone();
    holed[148 + 8 + 60] ^= 1;
    std::fs::write(&file, &holed).unwrap();
    let packs = Packs::open(&path, 1 << 20).unwrap();
    assert!(
        packs.get(&key(1)).unwrap().is_some()
            && packs.get(&key(2)).unwrap().is_none()
            && packs.get(&key(3)).unwrap().is_none()
    );
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn damage_of_the_disk_takes_the_object_it_hits_and_no_other() {
    let path = directory("damage");
    let packs = Packs::open(&path, 1 << 20).unwrap();
    packs.put(&(1..4).map(|k| (key(k), Some(vec![k as u8; 100]))).collect::<Vec<_>>()).unwrap();
    packs.sync().unwrap();
    drop(packs);
    let file = only_file(&path);
    let whole = std::fs::read(&file).unwrap();
    for (at, error) in [(148 + 60, true), (148 + 20, false)] {
        let mut hit = whole.clone();
        hit[at] ^= 0x10;
        std::fs::write(&file, &hit).unwrap();
        let packs = Packs::open(&path, 1 << 20).unwrap();
        assert!(packs.get(&key(1)).unwrap().is_some() && packs.get(&key(3)).unwrap().is_some());
        // In the object: an error for it. In its head: it is gone, and counted.
        assert_eq!(packs.get(&key(2)).is_err(), error);
        assert_eq!(packs.damaged(), u64::from(!error));
    }
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn what_is_mostly_replaced_is_swept_and_nothing_lost() {
    let path = directory("sweep");
    let packs = Packs::open(&path, 1 << 20).unwrap();
    packs.put(&[(key(-1), Some(vec![9; 50])), (key(-2), Some(vec![8; 50]))]).unwrap();
    for round in 0..40_u8 {
        packs.put(&(0..20).map(|k| (key(k), Some(vec![round; 20_000]))).collect::<Vec<_>>()).unwrap();
        if round == 20 {
            packs.put(&[(key(-2), None)]).unwrap();
        }
        packs.sync().unwrap();
    }
    let usage = packs.usage().unwrap();
    assert!(usage.disk < 3 * SMALL, "{usage:?}");
    for packs in [packs, Packs::open(&path, 1 << 20).unwrap()] {
        assert_eq!(packs.get(&key(-1)).unwrap(), Some(vec![9; 50]));
        assert_eq!(packs.get(&key(-2)).unwrap(), None);
        assert!((0..20).all(|k| packs.get(&key(k)).unwrap() == Some(vec![39; 20_000])));
        assert_eq!(packs.usage().unwrap().objects, 21);
    }
    std::fs::remove_dir_all(&path).unwrap();
}

/// The file in use takes no write more and cannot be cut: what it has is synced before anything is told to be.
#[cfg(unix)]
#[test]
fn a_file_that_is_left_with_records_is_synced_with_the_next() {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    let path = directory("left");
    let packs = Packs::open(&path, 1 << 20).unwrap();
    packs.put(&[(key(1), Some(vec![1; 100]))]).unwrap();
    let number = packs.writer().file.get();
    // In the place of the file stands what fails with all of it: a socket without another end.
    let broken = File::from(OwnedFd::from(UnixStream::pair().unwrap().0));
    let file = packs.change_index(|index| index.files.insert(number, Arc::new(broken))).unwrap();
    packs.put(&[(key(2), Some(vec![2; 100]))]).unwrap_err();
    packs.put(&[(key(3), Some(vec![3; 100]))]).unwrap();
    assert_ne!(packs.writer().file.get(), number, "it goes on in another file");
    for _ in 0..2 {
        packs.sync().expect_err("the first file was not synced");
    }
    packs.change_index(|index| index.files.insert(number, file));
    packs.sync().unwrap();
    let there = |packs: &Packs| [1, 2, 3].map(|stretch| packs.get(&key(stretch)).unwrap().map(|object| object.len()));
    assert_eq!(there(&packs), [Some(100), None, Some(100)]);
    drop(packs);
    let packs = Packs::open(&path, 1 << 20).unwrap();
    assert_eq!((there(&packs), packs.damaged()), ([Some(100), None, Some(100)], 0));
    std::fs::remove_dir_all(&path).unwrap();
}
