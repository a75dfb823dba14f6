//! The page of an archive in a real Chromium: `tests/browser/archive.mjs` looks at an archive that is filled here.

use ferrometer_archive::{
    Archive, Definition, Method, Metric, Nanos, NewMetric, Options, Point, Policy, Resource, SECOND, Sync,
};
use ferrometer_gnocchi::{Auth, Gnocchi, Settings};
use ferrometer_http::{Frame, Server};
use ferrometer_page::Page;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use uuid::Uuid;

/// An archive of three years, served with its page.
struct Shown {
    server: Server,
    directory: PathBuf,
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

const HOUR: Nanos = 3600 * SECOND;

fn metric(name: String, policy: &str, resource: Option<Uuid>) -> Metric {
    Metric {
        id: Uuid::new_v4(),
        creator: "admin".into(),
        name: Some(name),
        unit: Some("°C".into()),
        policy: policy.into(),
        resource,
    }
}

fn fill(archive: &Archive) {
    let kept = |step: Nanos, span: Nanos| Definition::new(Some(step), None, Some(span)).unwrap();
    let definitions = vec![kept(SECOND, HOUR), kept(60 * SECOND, 7 * 24 * HOUR), kept(24 * HOUR, 10 * 365 * 24 * HOUR)];
    let methods: Vec<Method> = ["mean", "min", "max", "count"].map(|name| name.parse().unwrap()).into();
    archive.add_policy(&Policy::new("years", 0, definitions, &methods).unwrap()).unwrap();
    let plain: Vec<Metric> = (0..120).map(|number| metric(format!("plain.{number:03}"), "low", None)).collect();
    archive.add_metrics(&plain).unwrap();
    for number in 0..9_u128 {
        let resource = Resource {
            id: Uuid::from_u128(number + 1),
            kind: "generic".into(),
            original_id: format!("house {number}"),
            creator: "admin".into(),
            user: None,
            project: None,
            started_at: 0,
            ended_at: None,
            revision_start: 0,
            revision_end: None,
            revision: -1,
            attributes: Default::default(),
        };
        archive.add_resource(&resource, &[]).unwrap();
    }
    let shown = metric("room.temperature".into(), "years", Some(Uuid::from_u128(8)));
    let (id, resource) = (shown.id, Uuid::from_u128(8));
    archive.change_resource(resource, &Default::default(), Some((&[NewMetric::Create(shown)], true))).unwrap();
    let end = 1_700_000_000 * SECOND;
    let value = |at: Nanos| ((at / SECOND) as f64 / 40_000.0).sin() * 8.0 + ((at / SECOND) % 97) as f64 / 50.0;
    let slow = (0..3 * 365 * 24).map(|hour| end - (3 * 365 * 24 - hour) * HOUR);
    let fast = (0..3600).map(|second| end - HOUR + second * SECOND);
    let points =
        |times: &mut dyn Iterator<Item = Nanos>| times.map(|at| Point { at, value: value(at) }).collect::<Vec<_>>();
    archive.append(vec![(id, points(&mut slow.chain(fast)))]).unwrap();
    archive.append(vec![(id, points(&mut [1, 2, 3].map(|day| day * 24 * HOUR).into_iter()))]).unwrap();
    archive.store().unwrap();
}

fn show(name: &str, token: Option<&str>) -> Shown {
    let directory = std::env::temp_dir().join(format!("ferrometer-gnocchi-page-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let options = Options { sync: Sync::None, ..Options::default() };
    let archive = Arc::new(Archive::open(&directory, options).unwrap());
    fill(&archive);
    let mut settings = Settings { prefix: "/gnocchi".into(), ..Settings::default() };
    let mut frame = Frame::new().address("127.0.0.1:0".parse().unwrap()).limits(Gnocchi::limits());
    if let Some(token) = token {
        settings.auth = Auth::Tokens;
        let file = directory.join("tokens");
        std::fs::write(&file, format!("page=plain:{token}\n")).unwrap();
        frame = frame.tokens_file(file);
    }
    let page = Arc::new(Page::of_archive("/gnocchi"));
    let server = Arc::new(Gnocchi::new(archive, settings)).mount(frame).mount("/", page).serve().unwrap();
    Shown { server, directory }
}

fn look(scenario: &str, path: &str, shown: &Shown, token: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/browser/archive.mjs");
    let mut node = Command::new("node");
    node.arg(script).arg(scenario).arg(format!("http://{}{path}", shown.server.local_addr())).env("PAGE_TOKEN", token);
    let status = node.status().expect("node runs: scripts/test says what is needed");
    assert!(status.success(), "the scenario {scenario} failed; what it found stands above");
}

#[test]
#[ignore = "needs Chromium; scripts/test installs and runs it"]
fn an_archive_is_understood_by_looking() {
    look("archive", "/archive", &show("looking", None), "");
}

#[test]
#[ignore = "needs Chromium; scripts/test installs and runs it"]
fn a_token_of_an_archive_is_asked_for_at_its_front_too() {
    let token = "correct-horse-battery-staple";
    look("archive_token", "/", &show("token", Some(token)), token);
}
