//! The first calls at a call site, made by several threads at the same moment: whoever fills what the site remembers, each call counts once.

use ferrometer::{
    Backend, BackendError, Delivery, LabelValue, Logger, SnapshotView, Value, count, counter, get_logger, logger,
};
use std::sync::Barrier;
use std::time::Duration;

static METRICS: Logger = logger!("first");

struct Sink;

impl Backend for Sink {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        view.all_sent();
        Ok(Delivery::default())
    }
}

#[derive(Clone, Copy, LabelValue)]
enum Method {
    Get,
    Put,
    Head,
}

const METHODS: [Method; 3] = [Method::Get, Method::Put, Method::Head];

/// What is counted at one call site of each kind.
fn of<T: LabelValue>(logger: &Logger, value: T) {
    count!(*logger, "generic", "of" => value);
}

type Site = fn(&Logger, Method);

macro_rules! sites {
    ($($name:ident)*) => { [$({
        fn site(logger: &Logger, method: Method) {
            #[counter(logger, "rated", sample_rate = 0.5)]
            fn rated(logger: &Logger) {}
            #[counter(logger, "plain")]
            fn plain(logger: &Logger) {}
            count!(*logger, "fixed", "method" => method, "site" => stringify!($name));
            count!(*logger, "literal", 2, "method" => ["GET", "PUT", "HEAD"][method as usize]);
            count!(*logger, "text", "method" => format!("{}", method as usize));
            of(logger, method);
            plain(logger);
            rated(logger);
        }
        site as Site
    }),*] };
}

fn counted(logger: &str, metric: &str) -> u64 {
    let snapshot = ferrometer::snapshot();
    let of = snapshot.totals().iter().filter(|t| t.series.logger_name() == logger && t.series.metric_name() == metric);
    of.map(|t| match t.value {
        Value::Counter { increments, .. } => increments,
        _ => panic!("{metric} is no counter"),
    })
    .sum()
}

#[test]
fn each_call_counts_once_whoever_comes_first() {
    const THREADS: usize = 8;
    const CALLS: usize = 6;
    ferrometer::install("sink", Box::new(Sink), Duration::from_secs(3600)).unwrap();
    let sites: [Site; 16] = sites!(a b c d e f g h i j k l m n o p);
    let other = get_logger("first.other");
    for site in sites {
        let barrier = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (barrier, other) = (&barrier, &other);
                scope.spawn(move || {
                    barrier.wait();
                    for call in 0..CALLS {
                        site(if thread % 4 == 0 { other } else { &METRICS }, METHODS[(thread + call) % 3]);
                    }
                });
            }
        });
    }
    let calls = |share: usize| (sites.len() * CALLS * THREADS * share / 4) as u64;
    for (logger, share) in [("first", 3), ("first.other", 1)] {
        for (metric, each) in [("fixed", 1), ("literal", 2), ("text", 1), ("generic", 1), ("plain", 1)] {
            assert_eq!(counted(logger, metric), calls(share) * each, "{logger}.{metric}");
        }
        assert!((1..calls(share)).contains(&counted(logger, "rated")), "{logger}.rated");
    }
    let labels = |metric| ferrometer::snapshot().totals().iter().filter(|t| t.series.metric_name() == metric).count();
    assert_eq!((labels("fixed"), labels("literal"), labels("generic")), (2 * 3 * 16, 2 * 3, 2 * 3));
    let flushed = ferrometer::flush(Duration::from_secs(10));
    assert!(flushed.ledgers[0].balances(), "{flushed:?}");
}
