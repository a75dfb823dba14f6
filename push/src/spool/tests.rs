//! Tests of the spool: order, bounds, other processes, and what is found in a directory that no spool wrote.

use super::*;
use std::io::Read;

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("ferrometer-spool-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

fn drain(spool: &mut Spool) -> Vec<(Vec<u8>, usize, bool)> {
    let mut all = Vec::new();
    while let Some(body) = spool.oldest().unwrap() {
        all.push((body.bytes, body.points, body.is_compressed));
        spool.remove_oldest();
    }
    all
}

#[test]
fn bodies_come_back_in_order_in_a_later_process_too() {
    let path = scratch("order");
    let mut spool = Spool::open(&path, "x", 1000).unwrap();
    (0..12u8).for_each(|i| spool.keep(&[i; 3], usize::from(i), i % 2 == 0));
    drop(spool);
    // Files of others, and one that a killed process had begun.
    for name in ["notes.txt", "1-1p.x", "00000000000000000001-1p.y", "00000000000000000099-xp.x"] {
        fs::write(path.join(name), "mine").unwrap();
    }
    fs::write(path.join("writing.x"), "half").unwrap();
    let mut spool = Spool::open(&path, "x", 1000).unwrap();
    spool.keep(b"last", 99, false);
    let all = drain(&mut spool);
    assert_eq!(all.len(), 13);
    for (i, body) in all[..12].iter().enumerate() {
        assert_eq!(*body, (vec![i as u8; 3], i, i % 2 == 0));
    }
    assert_eq!((all[12].0.as_slice(), spool.bytes(), spool.is_empty()), (&b"last"[..], 0, true));
    let left: Vec<_> = fs::read_dir(&path).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}");
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn the_bound_holds_and_the_oldest_go() {
    let path = scratch("bound");
    let mut spool = Spool::open(&path, "x", 100).unwrap();
    (0..50u8).for_each(|i| spool.keep(&[i; 30], 1, false));
    spool.keep(&[0; 101], 1, false);
    assert!(spool.bytes() <= 100);
    let all = drain(&mut spool);
    assert_eq!(all.iter().map(|body| body.0[0]).collect::<Vec<_>>(), [47, 48, 49]);
    (0..3u8).for_each(|i| spool.keep(&[i; 30], 1, false));
    // A smaller bound holds at once.
    assert_eq!(drain(&mut Spool::open(&path, "x", 40).unwrap()).len(), 1);
    fs::remove_dir_all(path).unwrap();
}

/// Holds a directory until its input ends, as another process does.
#[cfg(unix)]
#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Ok(path) = std::env::var("SPOOL_OF_ANOTHER") else { return };
    let mut spool = Spool::open(Path::new(&path), "x", 1000).unwrap();
    spool.keep(b"theirs", 1, false);
    println!("held");
    let _ = io::stdin().read_to_end(&mut Vec::new());
    // As `kill -9` would end it.
    std::mem::forget(spool);
}

#[cfg(unix)]
#[test]
fn two_processes_do_not_share_a_spool() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let path = scratch("shared");
    let mut other = Command::new(std::env::current_exe().unwrap());
    other.args(["--exact", "spool::tests::child", "--ignored", "--nocapture"]).env("SPOOL_OF_ANOTHER", &path);
    let mut other = other.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("held")));
    let mut spool = Spool::open(&path, "x", 1000).unwrap();
    spool.keep(b"ours", 1, false);
    assert!(spool.oldest().unwrap().is_none() && spool.is_empty());
    other.kill().unwrap();
    other.wait().unwrap();
    // The bodies that the other one left are ours now.
    spool.keep(b"ours", 1, false);
    let all: Vec<_> = drain(&mut spool).into_iter().map(|body| body.0).collect();
    assert_eq!(all, [b"theirs".to_vec(), b"ours".to_vec()]);
    // In one process the one that takes over has it at once.
    spool.keep(b"more", 1, false);
    assert_eq!(drain(&mut Spool::open(&path, "x", 1000).unwrap()).len(), 1);
    fs::remove_dir_all(path).unwrap();
}

/// Keeps more than its disk has room for.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "the child of the test below"]
fn on_a_small_disk() {
    let Ok(path) = std::env::var("SPOOL_ON_A_SMALL_DISK") else { return };
    let path = Path::new(&path).join("spool");
    let mut spool = Spool::open(&path, "x", 1 << 30).unwrap();
    (0..40u8).for_each(|i| spool.keep(&[i; 16 * 1024], 1, false));
    // One that finds no room at all leaves nothing behind.
    spool.keep(&vec![1; 1 << 20], 1, false);
    assert!(spool.is_empty() && fs::read_dir(&path).unwrap().all(|file| file.unwrap().metadata().unwrap().len() < 100));
    (40..80u8).for_each(|i| spool.keep(&[i; 16 * 1024], 1, false));
    let kept: Vec<u8> = drain(&mut spool).iter().map(|body| body.0[0]).collect();
    assert!(kept.len() > 4 && kept.len() < 17 && kept.is_sorted() && kept.last() == Some(&79), "{kept:?}");
    println!("the newest were kept");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "mounts a small disk; scripts/test runs it where that may be done"]
fn a_full_disk_costs_the_oldest() {
    use std::process::Command;

    let path = scratch("small");
    fs::create_dir(&path).unwrap();
    let script = "mount -t tmpfs -o size=256k none \"$SPOOL_ON_A_SMALL_DISK\" && echo mounted && exec \"$0\" \"$@\"";
    let mut child = Command::new("unshare");
    child.args(["--map-root-user", "--mount", "sh", "-c", script]).arg(std::env::current_exe().unwrap());
    child.args(["--exact", "spool::tests::on_a_small_disk", "--ignored", "--nocapture"]);
    let output = child.env("SPOOL_ON_A_SMALL_DISK", &path).output();
    fs::remove_dir(path).unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let output = output.expect("unshare runs");
    let said = said(&output.stdout) + &said(&output.stderr);
    assert!(output.status.success() && said.contains("the newest were kept"), "{said}");
}

#[test]
fn what_is_no_directory_says_so() {
    let path = scratch("file");
    fs::write(&path, "a file").unwrap();
    assert_eq!(Spool::open(&path, "x", 1).unwrap_err().setting, "spool");
    assert_eq!(Spool::open(&path, "x", 0).unwrap_err().setting, "spool_max_bytes");
    assert!(Spool::open(&path.join("a/b"), "x", 1).is_err());
    fs::remove_file(path).unwrap();
}

/// The files of a directory, by name.
fn files(path: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(path).unwrap().map(|file| file.unwrap().path()).collect();
    all.sort();
    all
}

#[test]
fn a_body_that_the_disk_changed_is_given_up_and_the_others_are_sent() {
    let path = scratch("damaged");
    let mut spool = Spool::open(&path, "x", 1 << 20).unwrap();
    (0..6u8).for_each(|i| spool.keep(&[i; 100], 1, false));
    let all = files(&path);
    // Shorter, longer, a bit is another, empty, gone; the last one is good.
    fs::write(&all[0], [0; 99]).unwrap();
    fs::write(&all[1], [1; 101]).unwrap();
    let mut bytes = [2; 100];
    bytes[50] ^= 1;
    fs::write(&all[2], bytes).unwrap();
    fs::write(&all[3], []).unwrap();
    fs::remove_file(&all[4]).unwrap();
    let mut later = Spool::open(&path, "x", 1 << 20).unwrap();
    assert_eq!(drain(&mut later), [(vec![5; 100], 1, false)]);
    // Changes after the listing are told too.
    assert_eq!(drain(&mut spool), []);
    assert_eq!((files(&path).len(), later.bytes(), spool.bytes()), (0, 0, 0));
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn a_file_that_is_too_long_costs_no_other_body_and_no_memory() {
    let path = scratch("long");
    let mut spool = Spool::open(&path, "x", u64::MAX).unwrap();
    (0..3u8).for_each(|i| spool.keep(&[i; 10], 1, false));
    for (number, length) in [(7, 1 << 40), (8, 1 << 42)] {
        let file = File::create(path.join(format!("{number:020}-1p-00000000.x"))).unwrap();
        // A file system may refuse so long a file; then there is one fewer.
        let _ = file.set_len(length);
    }
    // A number behind which there is none is not ours.
    fs::write(path.join(format!("{}-1p-00000000.x", u64::MAX)), "mine").unwrap();
    for most in [u64::MAX, 1 << 20] {
        let mut spool = Spool::open(&path, "x", most).unwrap();
        spool.keep(b"new", 1, false);
        spool.keep(b"newer", 1, false);
        let numbers: Vec<_> = spool.entries.iter().map(|entry| entry.number).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    }
    let mut later = Spool::open(&path, "x", u64::MAX).unwrap();
    let bodies: Vec<_> = drain(&mut later).into_iter().map(|body| body.0).collect();
    let new = [&b"new"[..], b"newer", b"new", b"newer"].map(<[u8]>::to_vec);
    assert_eq!(bodies, [vec![0; 10], vec![1; 10], vec![2; 10]].into_iter().chain(new).collect::<Vec<_>>());
    assert_eq!(files(&path).len(), 1);
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn a_directory_that_is_removed_is_made_again() {
    let path = scratch("removed");
    let mut spool = Spool::open(&path, "x", 1000).unwrap();
    spool.keep(b"lost", 1, false);
    fs::remove_dir_all(&path).unwrap();
    spool.keep(b"kept", 2, false);
    spool.keep(b"too", 3, false);
    assert_eq!(drain(&mut spool), [(b"kept".to_vec(), 2, false), (b"too".to_vec(), 3, false)]);
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn no_more_bodies_are_kept_than_a_file_system_likes() {
    let path = scratch("many");
    let mut spool = Spool::open(&path, "x", u64::MAX).unwrap();
    // Those that no file stands for are deleted as those that are gone.
    let made = |number| Entry { number, points: 1, is_compressed: false, checksum: 0, bytes: 1 };
    (spool.entries, spool.next) = ((1..=MOST_BODIES as u64).map(made).collect(), MOST_BODIES as u64 + 1);
    spool.bytes = MOST_BODIES as u64;
    spool.keep(b"b", 1, false);
    assert_eq!((spool.entries.len(), spool.entries[0].number, spool.bytes()), (MOST_BODIES, 2, MOST_BODIES as u64));
    fs::remove_dir_all(path).unwrap();
}

/// Each of these would wait for ever, or write elsewhere, if it were opened.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_never_opened() {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    let path = scratch("strange");
    let mut spool = Spool::open(&path, "x", 1000).unwrap();
    let fifo = |at: &Path| assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
    let (writing, theirs) = (path.join("writing.x"), path.join("theirs"));
    fs::write(&theirs, "theirs").unwrap();
    fifo(&writing);
    spool.keep(b"one", 1, false);
    fifo(&writing);
    let mut spool = Spool::open(&path, "x", 1000).unwrap();
    symlink(&theirs, &writing).unwrap();
    spool.keep(b"two", 1, false);
    symlink("/dev/zero", &writing).unwrap();
    let mut spool = Spool::open(&path, "x", 1000).unwrap();
    spool.keep(b"three", 1, false);
    // A body in whose place there is something else now, and places for others where something else is already.
    let first = spool.name(&spool.entries[0]);
    fs::remove_file(&first).unwrap();
    fifo(&first);
    symlink("/dev/zero", path.join(format!("{:020}-1p-00000000.x", 8))).unwrap();
    fs::create_dir(path.join(format!("{:020}-1p-00000000.x", 9))).unwrap();
    let bodies: Vec<_> = drain(&mut spool).into_iter().map(|body| body.0).collect();
    assert_eq!(bodies, [b"two".to_vec(), b"three".to_vec()]);
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
    // A directory cannot be taken away: that is told at the start.
    fs::create_dir(&writing).unwrap();
    assert_eq!(Spool::open(&path, "x", 1000).unwrap_err().setting, "spool");
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn bodies_of_other_formats_are_known_by_their_names() {
    let digits = "0".repeat(19);
    for name in [format!("{digits}1-1p.influx"), format!("{digits}1-7z-00c0ffee.otlp-json"), format!("{digits}1-x9.y")]
    {
        assert!(is_of_a_spool(&name), "{name}");
    }
    for name in ["writing.x", "notes-1.txt", "1-1p.x", &format!("{digits}x-1p.x"), &format!("{digits}1-1p"), "é-1.x"] {
        assert!(!is_of_a_spool(name), "{name}");
    }
    // None of them is taken for one of ours, whatever it holds.
    let path = scratch("others");
    let spool = Spool::open(&path, "x", 1000).unwrap();
    for name in [
        "1-1p-00000000.x",
        &format!("{digits}1-1p-0000000.x"),
        &format!("{digits}1-01p-00000000.x"),
        &format!("{digits}1-1p-0000000G.x"),
    ] {
        assert!(spool.read_name(name).is_none(), "{name}");
    }
    assert!(spool.read_name(&format!("{digits}1-1p-0000000a.x")).is_some());
    fs::remove_dir_all(path).unwrap();
}
