//! The sink of gauges: the newest quantity of each group is what a snapshot of ferrometer shows.

#![cfg(feature = "facade")]

#[path = "support/instant.rs"]
mod instant;
mod support;

use ferrometer_collector::client::{Client, Limits};
use ferrometer_collector::run::{Task, run};
use ferrometer_collector::sink::{GaugeSink, MemorySink};
use ferrometer_collector::{Collector, Config, DataPoint};
use ferrometer_core::{Backend, BackendError, Delivery, SnapshotView, install};
use std::net::TcpListener;
use std::time::Duration;
use support::Folder;

struct Everything;

impl Backend for Everything {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        view.all_sent();
        Ok(Delivery::default())
    }
}

fn collector(name: &str) -> Collector {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    instant::serve(listener, Vec::new(), Duration::ZERO);
    let folder = Folder::new(name);
    folder.write("metrics.yml", "metrics: {cpu: {unit: x, groupby: [id]}}");
    let conf = format!(
        "[collect]\nperiod = 60\nscope_key = namespace\nmetrics_conf = metrics.yml\n[collector_prometheus]\nprometheus_url = {url}\n\
         [ferrometer]\nperiods_per_query = 7\n"
    );
    let config = Config::load(&folder.write("cloudkitty.conf", conf), None).unwrap();
    Collector::new(Client::new(&config.server, Limits::default()).unwrap(), config)
}

fn tasks() -> Vec<Task> {
    ["a", "b"].map(|scope| Task { scope: scope.into(), from: 6000, to: 12_000 }).to_vec()
}

#[test]
fn gauges_show_the_newest_period() {
    install("everything", Box::new(Everything), Duration::from_secs(3600)).unwrap();
    let mut sink = GaugeSink::new("usage");
    let report = run(&collector("gauges"), &tasks(), &mut sink, None, &mut |_| {}).unwrap();
    assert_eq!((report.periods, report.points, report.failed), (200, 200, 0));
    let snapshot = ferrometer_core::snapshot();
    let mut shown = Vec::new();
    for total in snapshot.totals().iter() {
        if total.series.metric_name() == "cpu" {
            let labels: Vec<_> = total.series.labels().map(|(k, v)| format!("{k}={v}")).collect();
            shown.push((labels.join(" "), format!("{:?}", total.value)));
        }
    }
    shown.sort();
    let labels: Vec<_> = shown.iter().map(|(labels, _)| labels.as_str()).collect();
    assert_eq!(labels, ["id=v namespace=a", "id=v namespace=b"]);
    assert!(shown.iter().all(|(_, value)| value.contains("200")), "{shown:?}");
}

#[test]
fn a_function_takes_every_point_once() {
    let mut points: Vec<DataPoint> = Vec::new();
    let mut sink = MemorySink::new(|more| {
        points.extend(more);
        Ok(())
    });
    run(&collector("memory"), &tasks(), &mut sink, None, &mut |_| {}).unwrap();
    drop(sink);
    let mut seen: Vec<_> = points.iter().map(|p| (p.scope.to_string(), p.period.end)).collect();
    seen.sort();
    let expected = ["a", "b"].iter().flat_map(|s| (1..=100).map(move |n| ((*s).to_owned(), 6000 + 60 * n)));
    assert_eq!(seen, expected.collect::<Vec<_>>());
}
