//! A full disk: generations that do not fit are counted, nothing piles up, and writing goes on when there is room.

use super::*;

/// A small file system of its own, taken away in the end.
struct Small(Directory);

impl Small {
    fn mount() -> Small {
        let directory = Directory::new();
        fs::create_dir(&directory.0).unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=96k", "tmpfs"];
        let done = std::process::Command::new("mount").args(mount).arg(&directory.0).status().unwrap();
        assert!(done.success());
        Small(directory)
    }

    fn path(&self) -> PathBuf {
        self.0.0.join("cache")
    }

    fn fill(&self) {
        let mut ballast = fs::File::create(self.0.0.join("ballast")).unwrap();
        while std::io::Write::write_all(&mut ballast, &[1; 4096]).is_ok() {}
    }

    fn files(&self) -> usize {
        fs::read_dir(self.path()).unwrap().count()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0.0).status();
    }
}

#[test]
#[ignore = "needs root, to mount a small file system"]
fn a_full_disk_is_lived_with() {
    let small = Small::mount();
    let open = || {
        let (mut sink, past) = WriterLease::open(&small.path(), 1000, 40_000).unwrap();
        let there = load(&mut sink, &past);
        (sink, there)
    };
    let (mut sink, _) = open();
    write(&mut sink, 0, 20);
    small.fill();
    // Generations are written as long as they fit on a page that is there, and then no more.
    write(&mut sink, 1000, 600);
    let before = (sink.state.written, sink.state.failed, small.files());
    assert!(before.0 >= 20 && before.1 > 400, "{before:?}");
    write(&mut sink, 8000, 600);
    // Nothing piles up, and what is there is whole.
    assert_eq!((sink.state.written, small.files()), (before.0, before.2));
    let history = read(small.path()).unwrap();
    assert_eq!(history.damage(), []);
    assert_eq!(history.count() as u64, before.0);
    // A program that is started on a full disk runs.
    drop(sink);
    let (mut sink, history) = open();
    assert_eq!(history.count() as u64, before.0);
    write(&mut sink, 15_000, 3);
    assert_eq!((sink.state.written, sink.state.failed), (0, 3));
    // Old segments go, and make room for new ones.
    write(&mut sink, 90_000, 5);
    assert!(sink.state.written >= 3, "{:?}", sink.state);
    fs::remove_file(small.0.0.join("ballast")).unwrap();
    let (failed, expected) = (sink.state.failed, write(&mut sink, 100_000, 5));
    assert_eq!(sink.state.failed, failed);
    drop(sink);
    assert!(all(open().1).ends_with(&expected));
}
