//! A delivery takes memory for a body, however many series there are. In a process of its own, whose allocator counts.

use ferrometer_core::{Limits, Naming, configure, flush, get_logger, install, remove};
use ferrometer_otlp::{Otlp, Settings};
use ferrometer_push_testkit::http::{Answer, Server};
use ferrometer_push_testkit::peak::{Counting, Watched};
use ferrometer_push_testkit::{NEVER, SOON, alone};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BODY: usize = 32 * 1024;

fn backend(server: &Server) -> Otlp {
    let mut settings = Settings::new(format!("{}/v1/metrics", server.url()));
    settings.max_body_size = BODY;
    Otlp::new(settings).unwrap()
}

#[test]
fn a_delivery_of_many_series_takes_no_more_than_one_of_few() {
    let _alone = alone();
    let limits = Limits::default().max_instruments(30_000).max_label_sets(30_000);
    configure(Naming::default(), limits, Vec::new());
    let server = Server::start(|_| Answer::status(200));
    let (watched, peaks) = Watched::new(backend(&server));
    install("watched", Box::new(watched), NEVER).unwrap();
    let logger = get_logger("peak");
    // Peaks of deliveries in which no name is new: the buffers and what is kept of each series are there.
    let of = |from: usize, to: usize| {
        let all: Vec<_> = (from..to).map(|i| logger.with("id", &format!("{i:05}")).counter("c")).collect();
        for _ in 0..3 {
            all.iter().for_each(|counter| counter.increment());
            peaks.lock().unwrap().clear();
            assert!(flush(SOON).complete);
        }
        peaks.lock().unwrap().iter().copied().max().unwrap()
    };
    let (few, many) = (of(0, 1000), of(0, 20_000));
    let bytes: usize = server.take().iter().map(|request| request.body.len()).sum();
    assert!(bytes > 10 * BODY, "{bytes}");
    // The client's buffers, gzip's window, and a body: bounds that no number of series is in.
    let most = 8 * BODY + 1024 * 1024;
    assert!(few <= most && many <= most && many <= few + 2 * BODY, "few {few}, many {many}, at most {most}");
    assert!(remove("watched", SOON).unwrap().balances());
}
