//! Flush and shutdown in an async program: the runtime goes on while they wait.

use ferrometer::backend::{Backend, BackendError, Delivery, SnapshotView};
use ferrometer::{Config, get_logger, init, is_on};
use ferrometer_testkit::{Receiver, SOON, alone};
use std::sync::mpsc::{Receiver as Gate, Sender, channel};
use std::time::Duration;

/// Delivers when it is let.
struct Slow(Gate<()>);

impl Backend for Slow {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let _ = self.0.recv();
        view.all_sent();
        Ok(Delivery::default())
    }
}

fn install() -> Sender<()> {
    let (open, gate) = channel();
    ferrometer::install("slow", Box::new(Slow(gate)), Duration::from_secs(3600)).unwrap();
    open
}

#[tokio::test(flavor = "current_thread")]
async fn the_only_thread_of_a_runtime_goes_on_while_a_flush_waits() {
    let _alone = alone();
    let statsd = Receiver::new();
    let metrics = init(Config::new().backend("statsd").statsd_host("127.0.0.1").statsd_port(statsd.port())).unwrap();
    let open = install();
    get_logger("async").send_counter("flushed", 3);
    // On this thread alone: what lets the backend deliver runs only because the flush does not block it.
    let (report, ()) = tokio::join!(metrics.flush_async(SOON), async {
        tokio::task::yield_now().await;
        open.send(()).unwrap();
    });
    assert!(report.complete && report.ledgers.len() == 2, "{:?}", report.ledgers);
    get_logger("async").send_counter("ended", 4);
    let (report, ()) = tokio::join!(metrics.shutdown_async(SOON), async {
        tokio::task::yield_now().await;
        drop(open);
    });
    assert!(report.complete && report.ledgers.iter().all(|ledger| ledger.balances()), "{:?}", report.ledgers);
    assert!(!is_on());
    let lines = statsd.lines(2);
    assert!(
        lines.contains(&"async.flushed:3|c".to_owned()) && lines.contains(&"async.ended:4|c".to_owned()),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_shutdown_whose_future_is_dropped_ends_all_the_same() {
    let _alone = alone();
    let statsd = Receiver::new();
    let metrics = init(Config::new().backend("statsd").statsd_host("127.0.0.1").statsd_port(statsd.port())).unwrap();
    get_logger("async").send_counter("dropped", 5);
    drop(metrics.shutdown_async(SOON));
    assert_eq!(statsd.lines(1), ["async.dropped:5|c"]);
    ferrometer_testkit::wait_until("the end of recording", || !is_on());
}
