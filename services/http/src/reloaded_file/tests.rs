//! Tests of files that are read again when they change.

use super::*;
use std::fs;
use std::sync::mpsc;

/// Like a server: one thread, and timers.
fn fresh<T: Send + Sync + 'static>(watched: &ReloadedFile<T>) -> Arc<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    // However slow the machine, the reading is seen to its end.
    if let Some((ended, _)) = watched.begin() {
        let _ = runtime.block_on(ended.acquire());
    }
    Arc::clone(&watched.0.lock().current)
}

fn number(contents: &[Vec<u8>]) -> Result<u32, Unusable> {
    let text = String::from_utf8_lossy(&contents[0]);
    if text.is_empty() {
        return Err(Unusable::Gone("is empty".into()));
    }
    text.parse::<u32>().map_err(|error| Unusable::Wrong(error.to_string()))
}

#[test]
fn what_is_new_and_right_is_taken_and_what_is_wrong_is_not() {
    let path = std::env::temp_dir().join(format!("ferrometer-watch-{}", std::process::id()));
    fs::write(&path, "1").unwrap();
    let watched = ReloadedFile::new("test", vec![path.clone()], Duration::ZERO, None, number).unwrap();
    let wrong = || watched.0.state.lock().unwrap().wrong.map(|(_, reported)| reported);
    assert_eq!((*fresh(&watched), wrong()), (1, None));
    fs::write(&path, "2").unwrap();
    assert_eq!((*fresh(&watched), wrong()), (2, None));
    fs::write(&path, "x").unwrap();
    assert_eq!((*fresh(&watched), wrong()), (2, Some(false)));
    assert_eq!((*fresh(&watched), wrong()), (2, Some(true)));
    assert_eq!((*fresh(&watched), wrong()), (2, Some(true)));
    fs::write(&path, "y").unwrap();
    assert_eq!((*fresh(&watched), wrong()), (2, Some(false)));
    fs::remove_file(&path).unwrap();
    assert_eq!((*fresh(&watched), wrong()), (2, Some(false)));
    fs::write(&path, "2").unwrap();
    assert_eq!((*fresh(&watched), wrong()), (2, None));
    fs::write(&path, "3").unwrap();
    assert_eq!((*fresh(&watched), wrong()), (3, None));
    fs::remove_file(&path).unwrap();
    let missing = ReloadedFile::new("test", vec![path], Duration::ZERO, None, number).unwrap_err();
    assert!(missing.contains("cannot be read: "), "{missing}");
    let directory = ReloadedFile::new("test", vec![std::env::temp_dir()], Duration::ZERO, None, number).unwrap_err();
    assert!(directory.ends_with("is no regular file"), "{directory}");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_at_the_start_and_later_and_never_waited_for() {
    let directory = std::env::temp_dir().join(format!("ferrometer-watch-pipe-{}", std::process::id()));
    // A process of the same number may have left one.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    let path = directory.join("file");
    let make_fifo = || assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let parse = |contents: &[Vec<u8>]| Ok(contents[0].len());
    let new = || ReloadedFile::new("test", vec![path.clone()], Duration::ZERO, None, parse);
    make_fifo();
    let refused = new().unwrap_err();
    assert_eq!(refused, format!("{}: is a named pipe (FIFO); it is no regular file", path.display()));
    fs::remove_file(&path).unwrap();
    fs::write(&path, "four").unwrap();
    let watched = new().unwrap();
    // Somebody puts one in its place while the program runs: the old stay in force.
    fs::remove_file(&path).unwrap();
    make_fifo();
    (0..3).for_each(|_| assert_eq!(*fresh(&watched), 4));
    let device = ReloadedFile::new("test", vec!["/dev/zero".into()], Duration::ZERO, None, parse).unwrap_err();
    assert_eq!(device, "/dev/zero: is a device; it is no regular file");
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn files_that_are_gone_or_empty_stand_for_what_their_owner_says() {
    let path = std::env::temp_dir().join(format!("ferrometer-watch-gone-{}", std::process::id()));
    fs::write(&path, "7").unwrap();
    let watched = ReloadedFile::new("test", vec![path.clone()], Duration::ZERO, Some(|| 0), number).unwrap();
    assert_eq!(*fresh(&watched), 7);
    fs::remove_file(&path).unwrap();
    assert_eq!(*fresh(&watched), 0);
    fs::write(&path, "7").unwrap();
    assert_eq!(*fresh(&watched), 7);
    fs::write(&path, "").unwrap();
    assert_eq!(*fresh(&watched), 0);
    // A mistake is no reason to go back to what was revoked.
    fs::write(&path, "x").unwrap();
    assert_eq!(*fresh(&watched), 0);
    fs::write(&path, "8").unwrap();
    assert_eq!(*fresh(&watched), 8);
    fs::write(&path, "x").unwrap();
    assert_eq!(*fresh(&watched), 8);
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_reading_that_never_ends_holds_up_nobody() {
    let path = std::env::temp_dir().join(format!("ferrometer-watch-stuck-{}", std::process::id()));
    fs::write(&path, "1").unwrap();
    let (go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    // As if `read` waited for a server that is gone: after the first time, until the sender is there no more.
    let times = std::sync::atomic::AtomicUsize::new(0);
    let parse = move |contents: &[Vec<u8>]| {
        if times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0 {
            let _ = gate.lock().unwrap().recv();
        }
        number(contents)
    };
    let watched = ReloadedFile::new("test", vec![path.clone()], Duration::ZERO, None, parse).unwrap();
    fs::write(&path, "2").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for _ in 0..3 {
        assert_eq!(*runtime.block_on(watched.fresh()), 1);
    }
    drop(go);
    while *runtime.block_on(watched.fresh()) != 2 {
        thread::yield_now();
    }
    fs::remove_file(&path).unwrap();
}
