//! A runtime under load: its counts are those of an independent count.

use ferrometer_core::{flush, install, remove};
use ferrometer_testkit::{NEVER, Record, Recorder, SOON, alone, wait_until};
use ferrometer_tokio::RuntimeMetrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

const OFTEN: Duration = Duration::from_millis(20);

fn recorder() -> Recorder {
    let recorder = Recorder::default();
    install("record", Box::new(recorder.clone()), NEVER).unwrap();
    recorder
}

fn now(recorder: &Recorder) -> Record {
    assert!(flush(SOON).complete);
    recorder.record()
}

#[test]
fn a_runtime_and_its_tasks_are_counted() {
    let _alone = alone().then(|| drop(remove("record", SOON)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_time().build().unwrap();
    let recorder = recorder();
    let metrics = RuntimeMetrics::start("api", runtime.handle(), OFTEN);
    let requests = metrics.tasks("request");
    let gate = Arc::new(Semaphore::new(0));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let gate = Arc::clone(&gate);
            runtime.spawn(requests.instrument(async move {
                let _permit = gate.acquire().await;
                tokio::task::yield_now().await;
            }))
        })
        .collect();
    wait_until("the live tasks are seen", || now(&recorder).gauges.get("tokio.tasks.live runtime=api") == Some(&50.0));
    wait_until("all were polled", || {
        now(&recorder).counters.get("tokio.task.polls runtime=api task=request").is_some_and(|polls| *polls >= 50)
    });
    assert_eq!(now(&recorder).gauges["tokio.workers runtime=api"], 3.0);
    gate.add_permits(1);
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    let of = |record: &Record, name: &str| {
        record.counters.get(&format!("tokio.task.{name} runtime=api task=request")).copied().unwrap_or(0)
    };
    wait_until("all have ended", || of(&now(&recorder), "finished") == 50);
    let record = now(&recorder);
    assert_eq!(of(&record, "started"), 50);
    assert!(of(&record, "polls") >= 100, "{record:?}");
    let ratio = record.gauges["tokio.busy.ratio runtime=api"];
    assert!((0.0..=1.0).contains(&ratio), "{ratio}");
    assert!(record.counters["tokio.parks runtime=api"] > 0);
}

#[test]
fn a_runtime_whose_workers_are_blocked_is_seen() {
    let _alone = alone().then(|| drop(remove("record", SOON)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let recorder = recorder();
    let _metrics = RuntimeMetrics::start("blocked", runtime.handle(), OFTEN);
    let (free, blocked) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = std::sync::mpsc::channel::<()>();
    let task = runtime.spawn(async move {
        begun.send(()).unwrap();
        let _ = blocked.recv();
    });
    // A worker that begins takes what waits into a queue of its own.
    begins.recv().unwrap();
    let waiting: Vec<_> = (0..10).map(|_| runtime.spawn(async {})).collect();
    wait_until("the queue is seen", || {
        now(&recorder).gauges.get("tokio.queue.global.depth runtime=blocked").is_some_and(|depth| *depth >= 9.0)
    });
    free.send(()).unwrap();
    runtime.block_on(async {
        task.await.unwrap();
        for task in waiting {
            task.await.unwrap();
        }
    });
}

#[test]
fn names_of_tasks_are_bounded() {
    let _alone = alone().then(|| drop(remove("record", SOON)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let recorder = recorder();
    let metrics = RuntimeMetrics::start("names", runtime.handle(), Duration::from_secs(3600));
    (0..1000).for_each(|n| runtime.block_on(metrics.tasks(&format!("t{n}")).instrument(async {})));
    // The last interval is recorded when it ends.
    drop(metrics);
    let started = |record: &Record| -> Vec<i64> {
        let names = record.counters.iter().filter(|(name, _)| name.starts_with("tokio.task.started runtime=names"));
        names.map(|(_, count)| *count).collect()
    };
    wait_until("all are counted", || started(&now(&recorder)).iter().sum::<i64>() == 1000);
    assert_eq!(started(&now(&recorder)).len(), 257);
}
