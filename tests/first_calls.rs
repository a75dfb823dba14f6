//! The first calls at a call site, made by several threads at the same moment: no matter who fills what the site remembers, each call counts once.

#[path = "support/recording.rs"]
mod recording;

use ferrometer::{LabelValue, Logger, count, counter, get_logger, logger};
use recording::{expect_balance, recorded, recorded_each};
use std::sync::Barrier;

static METRICS: Logger = logger!("first");

#[derive(Clone, Copy, LabelValue)]
enum Method {
    Get,
    Put,
    Head,
}

const METHODS: [Method; 3] = [Method::Get, Method::Put, Method::Head];

/// Another type for the same place in a generic function, with fewer values.
#[derive(Clone, Copy, LabelValue)]
enum Few {
    #[allow(dead_code)]
    First,
    Second,
}

/// Call site of each kind, with an action before each.
type Site = fn(&Logger, Method, &dyn Fn());

macro_rules! sites {
    ($($name:ident)*) => { [$({
        fn site(logger: &Logger, method: Method, first: &dyn Fn()) {
            #[counter(logger, "rated", sample_rate = 0.5)]
            fn rated(logger: &Logger) {}
            #[counter(logger, "plain")]
            fn plain(logger: &Logger) {}
            fn of<T: LabelValue>(logger: &Logger, value: T) {
                count!(*logger, "generic", "of" => value);
            }
            first();
            count!(*logger, "fixed", "method" => method, "site" => stringify!($name));
            first();
            count!(*logger, "literal", 2, "method" => ["GET", "PUT", "HEAD"][method as usize]);
            first();
            count!(*logger, "text", "method" => format!("{}", method as usize));
            first();
            match method {
                // One number.
                Method::Get => of(logger, Few::Second),
                Method::Put | Method::Head => of(logger, method),
            }
            first();
            plain(logger);
            first();
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
                    for call in 0..CALLS {
                        let together = || {
                            if call == 0 {
                                barrier.wait();
                            }
                        };
                        let logger = if thread % 4 == 0 { other } else { &METRICS };
                        site(logger, METHODS[(thread + call) % 3], &together);
                    }
                });
            }
        });
    }
    let calls = |share: usize| (sites.len() * CALLS * THREADS * share / 4) as u64;
    for (logger, share) in [("first", 3), ("first.other", 1)] {
        for (metric, each) in [("fixed", 1), ("literal", 2), ("text", 1), ("generic", 1), ("plain", 1)] {
            assert_eq!(recorded(logger, metric), calls(share) * each, "{logger}.{metric}");
        }
        // Under each label the same: none is another's.
        for (metric, each, labels) in [("fixed", 1, 3 * sites.len()), ("literal", 2, 3), ("generic", 1, 3)] {
            assert_eq!(
                recorded_each(logger, metric),
                vec![calls(share) * each / labels as u64; labels],
                "{logger}.{metric}"
            );
        }
        assert!((1..calls(share)).contains(&recorded(logger, "rated")), "{logger}.rated");
    }
    expect_balance();
}
