//! A full disk, and one that may only be read: nothing that was acknowledged is lost, the rest is refused with the reason.

use super::{Archive, Range};
use crate::{Error, Kind, Method, Metric, Options, Point, SECOND};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::Command;
use uuid::Uuid;

/// A small file system of its own, taken away in the end.
struct Small(PathBuf);

impl Small {
    fn mount() -> Small {
        let path = std::env::temp_dir().join(format!("ferrometer-archive-small-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        let small = Small(path);
        small.run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]));
        small
    }

    fn run(&self, command: &mut Command) {
        assert!(command.arg(&self.0).status().unwrap().success(), "{command:?}");
    }

    fn open(&self) -> Result<Archive, Error> {
        Archive::open(&self.0.join("archive"), Options { workers: 1, log_file: 64 << 10, ..Options::default() })
    }

    /// Takes all room that is left.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.0.join("ballast")).unwrap();
        while ballast.write_all(&[1; 4096]).is_ok() {}
    }

    fn clear(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn metric(number: u128) -> Metric {
    Metric {
        id: Uuid::from_u128(number),
        creator: "me".into(),
        name: None,
        unit: None,
        policy: "low".into(),
        resource: None,
    }
}

fn counted(archive: &Archive) -> f64 {
    let counts = archive.measures(Uuid::from_u128(1), Method::of(Kind::Count), 300 * SECOND, Range::default());
    counts.unwrap().iter().map(|point| point.value).sum()
}

#[test]
#[ignore = "needs root, to mount a small file system"]
fn a_full_disk_is_lived_with() {
    let small = Small::mount();
    let archive = small.open().unwrap();
    archive.add_metrics(&[metric(1)]).unwrap();
    let (mut acknowledged, mut at) = (0_i64, 0);
    let mut send = |archive: &Archive, acknowledged: &mut i64| {
        let points: Vec<Point> =
            (0..200).map(|i| Point { at: (at + i) * SECOND, value: ((at + i) as f64).sin() }).collect();
        let sent = archive.append(vec![(Uuid::from_u128(1), points)]);
        if sent.is_ok() {
            *acknowledged += 200;
            at += 200;
        }
        sent
    };
    for _ in 0..20 {
        send(&archive, &mut acknowledged).unwrap();
    }
    archive.store().unwrap();
    small.fill();
    // The file in use may have room on its last page.
    let refused = (0..50).find_map(|_| send(&archive, &mut acknowledged).err()).expect("the disk is full");
    assert!(matches!(&refused, Error::Io(error) if error.kind() == ErrorKind::StorageFull), "{refused:?}");
    let refused = (2..500).find_map(|number| archive.add_metrics(&[metric(number)]).err()).expect("so is the index's");
    assert!(matches!(&refused, Error::Index(words) if words.contains("disk is full")), "{refused:?}");
    // Storing may need no more than the last page of a file; in both cases what is there can be asked for.
    let _ = archive.store();
    assert_eq!(counted(&archive), acknowledged as f64);
    small.clear();
    for _ in 0..20 {
        send(&archive, &mut acknowledged).unwrap();
    }
    archive.add_metrics(&[metric(1000)]).unwrap();
    archive.store().unwrap();
    assert_eq!(counted(&archive), acknowledged as f64);
    // A process that ends on a full disk leaves what was acknowledged.
    send(&archive, &mut acknowledged).unwrap();
    small.fill();
    drop(archive);
    small.clear();
    let archive = small.open().unwrap();
    assert_eq!(counted(&archive), acknowledged as f64);
    drop(archive);
    assert_eq!(crate::fsck::check_directory(&small.0.join("archive"), false).unwrap().findings, []);
    // Nothing is opened where nothing may be written, and the reason is told.
    small.run(Command::new("mount").args(["-o", "remount,ro"]));
    let Err(refused) = small.open() else { panic!("it was opened") };
    assert!(matches!(&refused, Error::Io(error) if error.kind() == ErrorKind::ReadOnlyFilesystem), "{refused:?}");
    small.run(Command::new("mount").args(["-o", "remount,rw"]));
    assert_eq!(counted(&small.open().unwrap()), acknowledged as f64);
}
