//! `archive`: policies, metrics, measures; backup and restore.

use crate::common::{FAST, Serve, good, run, text};

#[test]
fn a_metric_is_made_filled_shown_and_removed() {
    let serve = Serve::start("program-archive", FAST);
    let url = format!("{}/gnocchi", serve.url());
    let archive = |arguments: &[&str]| good(["archive", "--url", &url].into_iter().chain(arguments.iter().copied()));
    assert!(archive(&["policy", "add", "minutes", "--keep", "60s:1h", "--method", "max"]).contains("minutes"));
    assert!(archive(&["policy", "list"]).contains("0:01:00 for 1:00:00"));
    let made: serde_json::Value =
        serde_json::from_str(&archive(&["--json", "metric", "add", "cpu", "--policy", "minutes", "--unit", "%"]))
            .unwrap();
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        archive(&["measures", "add", id, "43.5@1700000000", "-2@1700000001", "12@2023-11-14T22:14:30Z"]),
        "3 measures are accepted\n"
    );
    let shown = archive(&["measures", "show", id, "--method", "max"]);
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows,
        [
            vec!["TIME", "SECONDS", "VALUE"],
            vec!["2023-11-14T22:13:00+00:00", "60", "43.5"],
            vec!["2023-11-14T22:14:00+00:00", "60", "12"]
        ]
    );
    assert!(archive(&["metric", "show", id]).contains("minutes"));
    assert!(archive(&["status"]).contains("wait to be aggregated"));
    let ran = run(["archive", "--url", &url, "measures", "show", id, "--method", "mean"]);
    assert!(ran.code == 3 && ran.err.contains("answers 404"), "{ran:?}");
    let ran = run(["archive", "--url", &url, "policy", "remove", "minutes"]);
    assert!(ran.code == 3 && ran.err.contains("minutes"), "{ran:?}");
    assert_eq!(archive(&["metric", "remove", id]), format!("{id} is removed\n"));
    assert_eq!(archive(&["policy", "remove", "minutes"]), "minutes is removed\n");
    let ran = run(["archive", "--url", "http://127.0.0.1:1", "metric", "list"]);
    assert_eq!(ran.code, 3);
}

#[test]
fn a_copy_is_checked_before_it_becomes_an_archive() {
    let mut serve = Serve::start("program-backup", FAST);
    let url = format!("{}/gnocchi", serve.url());
    let made: serde_json::Value =
        serde_json::from_str(&good(["--json", "archive", "--url", &url, "metric", "add", "cpu"])).unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    good(["archive", "--url", &url, "measures", "add", &id, "43.5@1700000000"]);
    let folder = serve.scratch.path().to_owned();
    let (data, copy) = (folder.join("data/archive"), folder.join("copy"));
    let control = folder.join("data/control.sock");
    assert!(control.exists());
    serve.signal("TERM");
    assert_eq!(serve.wait(), 0);
    assert!(!control.exists());
    let said = good(["archive", "backup", text(&data), text(&copy)]);
    assert!(said.starts_with("copied: ") && said.ends_with(", 1 metrics\n"), "{said}");
    // An archive that is there is not replaced.
    assert_eq!(run(["archive", "backup", text(&data), text(&copy)]).code, 4);
    let restored = folder.join("restored/archive");
    std::fs::create_dir(folder.join("restored")).unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&good(["--json", "archive", "restore", text(&copy), text(&restored)])).unwrap();
    assert_eq!(json["restored"]["metrics"], 1);
    let again = Serve::start(
        "program-backup-again",
        &FAST.replace("\"data\"", &format!("{:?}", text(&folder.join("restored")))),
    );
    let url = format!("{}/gnocchi", again.url());
    assert!(good(["archive", "--url", &url, "measures", "show", &id]).contains("43.5"));
    drop(again);
    // A byte that changed, a file that is gone, a name that leads elsewhere: nothing is restored.
    let list = std::fs::read_to_string(copy.join("ferrometer-backup.json")).unwrap();
    let parsed: serde_json::Value = serde_json::from_str(&list).unwrap();
    let name =
        parsed["files"].as_array().unwrap().iter().find(|file| file["bytes"].as_u64() > Some(0)).unwrap()["name"]
            .clone();
    let victim = copy.join(name.as_str().unwrap());
    let bytes = std::fs::read(&victim).unwrap();
    let mut changed = bytes.clone();
    changed[0] ^= 1;
    let target = folder.join("never");
    std::fs::write(&victim, changed).unwrap();
    let ran = run(["archive", "restore", text(&copy), text(&target)]);
    assert!(ran.code == 1 && ran.err.contains("not as it was when it was copied"), "{ran:?}");
    std::fs::remove_file(&victim).unwrap();
    let ran = run(["archive", "restore", text(&copy), text(&target)]);
    assert!(ran.code == 4 && !ran.err.contains("unfinished"), "{ran:?}");
    std::fs::write(&victim, bytes).unwrap();
    let evil = list.replacen(name.as_str().unwrap(), "../../etc/passwd", 1);
    std::fs::write(copy.join("ferrometer-backup.json"), evil).unwrap();
    let ran = run(["archive", "restore", text(&copy), text(&target)]);
    assert!(ran.code == 1 && ran.err.contains("is no name of a file"), "{ran:?}");
    assert_eq!(run(["archive", "restore", text(&folder), text(&target)]).code, 4);
    let left = || {
        std::fs::read_dir(&folder)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("never"))
    };
    assert_eq!(left().count(), 0, "nothing of a copy that broke off is left");
    // That of a process that was killed is told of, and left alone.
    std::fs::create_dir(folder.join("never.unfinished-1")).unwrap();
    std::fs::write(copy.join("ferrometer-backup.json"), list).unwrap();
    let ran = run(["archive", "restore", text(&copy), text(&target)]);
    assert!(ran.code == 0 && ran.err.contains("never.unfinished-1 is what a copy that was killed left"), "{ran:?}");
    assert!(target.is_dir() && folder.join("never.unfinished-1").is_dir());
}

#[test]
fn a_check_tells_what_is_damaged_and_repairs_what_it_can() {
    let mut serve = Serve::start("program-fsck", FAST);
    let url = format!("{}/gnocchi", serve.url());
    let made: serde_json::Value =
        serde_json::from_str(&good(["--json", "archive", "--url", &url, "metric", "add", "cpu"])).unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    good(["archive", "--url", &url, "measures", "add", &id, "43.5@1700000000"]);
    let data = serve.scratch.path().join("data/archive");
    let ran = run(["archive", "fsck", text(&data)]);
    assert!(ran.code == 4 && ran.err.contains("open in another process: end it first"), "{ran:?}");
    serve.signal("TERM");
    assert_eq!(serve.wait(), 0);
    let said = good(["archive", "fsck", text(&data)]);
    assert!(said.starts_with("1 metrics, ") && said.ends_with(": the archive is sound\n"), "{said}");
    std::fs::remove_dir_all(data.join("incoming")).unwrap();
    let ran = run(["archive", "fsck", text(&data)]);
    assert!(ran.code == 1 && ran.out.contains("can be repaired: incoming: "), "{ran:?}");
    let said = good(["--json", "archive", "fsck", "--repair", text(&data)]);
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&told["sound"], &told["findings"][0]["remedy"]), (&true.into(), &"repaired".into()));
    assert!(good(["archive", "fsck", text(&data)]).ends_with(": the archive is sound\n"));
    assert_eq!(run(["archive", "fsck", text(serve.scratch.path())]).code, 4);
    assert_eq!(run(["archive", "fsck"]).code, 2);
    assert_eq!(run(["archive", "fsck", text(&data), "--index", "postgresql://h/d"]).code, 2);
}

#[test]
fn an_archive_at_work_is_copied_by_its_server() {
    let serve = Serve::start("program-backup-running", FAST);
    let url = format!("{}/gnocchi", serve.url());
    let made: serde_json::Value =
        serde_json::from_str(&good(["--json", "archive", "--url", &url, "metric", "add", "cpu"])).unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    good(["archive", "--url", &url, "measures", "add", &id, "43.5@1700000000"]);
    let folder = serve.scratch.path().to_owned();
    let (data, copy) = (folder.join("data/archive"), folder.join("copy"));
    let said = good(["archive", "backup", text(&data), text(&copy)]);
    assert!(said.starts_with("copied: ") && said.ends_with(", of an archive at work\n"), "{said}");
    // It goes on, and what comes now is not in the copy.
    good(["archive", "--url", &url, "measures", "add", &id, "99@1700000600"]);
    assert!(good(["archive", "--url", &url, "measures", "show", &id]).contains("99"));
    let ran = run(["archive", "backup", text(&data), text(&copy)]);
    assert!(ran.code == 4 && ran.err.contains("is there already"), "{ran:?}");
    std::fs::create_dir(folder.join("restored")).unwrap();
    let restored = folder.join("restored/archive");
    let json: serde_json::Value =
        serde_json::from_str(&good(["--json", "archive", "restore", text(&copy), text(&restored)])).unwrap();
    assert_eq!(json["restored"]["metrics"], 1);
    let again = Serve::start(
        "program-backup-running-again",
        &FAST.replace("\"data\"", &format!("{:?}", text(&folder.join("restored")))),
    );
    let url = format!("{}/gnocchi", again.url());
    let shown = good(["archive", "--url", &url, "measures", "show", &id]);
    assert!(shown.contains("43.5") && !shown.contains("99"), "{shown}");
    // Anyone who may not use the socket, or says something else, copies nothing.
    use std::io::{Read, Write};
    use std::os::unix::fs::MetadataExt;
    let control = folder.join("data/control.sock");
    assert_eq!(std::fs::metadata(&control).unwrap().mode() & 0o777, 0o600);
    for (asked, says) in [
        ("restore /x\n", "error expected `backup PATH`\n"),
        ("backup copy\n", "error the path is not absolute\n"),
        ("backup /", "error expected `backup PATH`\n"),
    ] {
        let mut stream = std::os::unix::net::UnixStream::connect(&control).unwrap();
        stream.write_all(asked.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert_eq!(said, says, "{asked:?}");
    }
}

#[test]
fn an_archive_that_no_server_can_copy_is_told() {
    let serve = Serve::start("program-backup-socket", FAST);
    let folder = serve.scratch.path().to_owned();
    std::fs::remove_file(folder.join("data/control.sock")).unwrap();
    let (data, copy) = (folder.join("data/archive"), folder.join("copy"));
    let ran = run(["archive", "backup", text(&data), text(&copy)]);
    assert!(ran.code == 4 && ran.err.contains("open in another process"), "{ran:?}");
    assert!(!copy.exists());
}

/// The backlog of an archive whose server is away is not known, and that is said: no zero is shown.
#[cfg(feature = "archive-servers")]
#[test]
#[ignore = "needs PostgreSQL"]
fn the_status_of_an_archive_whose_server_is_away_is_an_error() {
    use ferrometer_archive::{Options, Servers, connect};
    use ferrometer_gnocchi::{Gnocchi, Settings};
    use std::sync::Arc;

    let postgres = crate::archive_servers::Postgres::start("program-away");
    let archive = connect(&Servers::new(&postgres.address), Options { workers: 0, ..Options::default() }).unwrap();
    let frame = ferrometer_http::Frame::new().address("127.0.0.1:0".parse().unwrap());
    let server = Arc::new(Gnocchi::new(archive.into(), Settings::default())).mount(frame).serve().unwrap();
    let url = format!("http://{}", server.local_addr());
    let status = || run(["archive", "--url", &url, "status"]);
    assert_eq!(status().out, "0 measures of 0 metrics wait to be aggregated\n");
    postgres.stop();
    let told = status();
    assert_eq!((told.code, told.out.as_str()), (3, ""), "{told:?}");
    assert!(told.err.contains("answers 503") && told.err.contains("away"), "{told:?}");
    postgres.again();
    assert_eq!(status().out, "0 measures of 0 metrics wait to be aggregated\n");
}
