//! The first calls at a call site, made by several threads at the same moment: whoever fills what the site remembers, each call counts once.

#[path = "support/recording.rs"]
mod recording;

use ferrometer::{LabelValue, Logger, count, counter, get_logger, logger};
use recording::{expect_balance, recorded};
use std::sync::Barrier;

static METRICS: Logger = logger!("first");

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

#[test]
fn each_call_counts_once_whoever_comes_first() {
    const THREADS: usize = 8;
    const CALLS: usize = 6;
    recording::on();
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
            assert_eq!(recorded(logger, metric).0, calls(share) * each, "{logger}.{metric}");
        }
        assert!((1..calls(share)).contains(&recorded(logger, "rated").0), "{logger}.rated");
    }
    for logger in ["first", "first.other"] {
        let series = ["fixed", "literal", "generic"].map(|metric| recorded(logger, metric).1);
        assert_eq!(series, [3 * sites.len(), 3, 3], "{logger}");
    }
    expect_balance();
}
