//! Against a server of our own, read with `prost`.

mod support;

use ferrometer_core::{
    Cause, Ledger, Limits, Naming, View, configure_with_views, flush, get_logger, install, ledgers, remove,
};
use ferrometer_otlp::{Encoding, Histograms, Otlp, Settings, Temporality};
use ferrometer_push_testkit::http::{Answer, Request, Server};
use ferrometer_push_testkit::{NEVER, SOON, alone, hard, with_view};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Metric, attributes, decode, metrics, numbers, total};

fn settings(server: &Server) -> Settings {
    Settings::new(format!("{}/v1/metrics", server.url()))
}

fn start(settings: Settings) {
    install("otlp", Box::new(Otlp::new(settings).unwrap()), NEVER).unwrap();
}

fn account() -> Ledger {
    ledgers().into_iter().find(|l| l.backend == "otlp").unwrap()
}

fn decoded(requests: &[Request]) -> Vec<Metric> {
    let requests: Vec<_> = requests.iter().map(|request| decode(&request.body)).collect();
    metrics(&requests)
}

#[test]
fn what_arrives_is_what_was_recorded() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(200));
    start(settings(&server).header("Authorization", "Bearer hush").attribute("service.name", "shop"));
    let truth = hard::record("od", 2);
    let logger = get_logger("od");
    logger.sampled(0.25).counter("sampled");
    let _ = logger.gauge("half").unit("bytes").description("Half of it.");
    let busy = logger.in_flight("busy").enter();
    assert!(flush(SOON).complete);
    let requests = server.take();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/metrics"));
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(request.header("authorization"), Some("Bearer hush"));
    assert!(request.wire.len() < request.body.len());
    let message = decode(&request.body);
    let resource = attributes(&message.resource_metrics[0].resource.as_ref().unwrap().attributes);
    assert_eq!(resource["service.name"], "shop");
    assert_eq!((resource["telemetry.sdk.language"].as_str(), resource["service.instance.id"].len()), ("rust", 36));
    assert_eq!(message.resource_metrics[0].scope_metrics[0].scope.as_ref().unwrap().name, "ferrometer");

    let all = metrics(&[message]);
    assert_eq!(all.iter().filter(|m| m.name == "od.hard").count(), 1, "one metric for all its labels");
    assert_eq!(total(&all, "od.hard"), truth.counted as i64);
    let mut kinds: Vec<String> =
        numbers(&all, "od.hard").iter().map(|p| attributes(&p.attributes)["kind"].clone()).collect();
    kinds.sort();
    let mut expected = hard::VALUES.map(str::to_owned);
    expected.sort();
    assert_eq!(kinds, expected, "labels arrive as they were given");
    assert_eq!((total(&all, "od.falls"), total(&all, "od.falls.decrements")), (truth.up as i64, truth.down as i64));
    for point in numbers(&all, "od.falls") {
        assert!(point.start > 1_600_000_000_000_000_000 && point.start <= point.time);
    }
    for (name, value) in hard::GAUGES {
        assert_eq!(numbers(&all, &format!("od.{name}"))[0].as_double, Some(value), "{name}");
    }
    let find = |name: &str| all.iter().find(|m| m.name == name).unwrap();
    assert_eq!((find("od.half").unit.as_str(), find("od.half").description.as_str()), ("By", "Half of it."));
    let sum = |name: &str| find(name).sum.clone().unwrap();
    assert_eq!((sum("od.falls").is_monotonic, sum("od.falls").temporality), (true, 2));
    assert_eq!((sum("od.busy").is_monotonic, sum("od.busy").points[0].as_int), (false, Some(1)));
    let took = find("od.took").exponential.clone().unwrap();
    let point = &took.points[0];
    assert_eq!((point.count, point.sum.map(|s| (s * 1000.0).round())), (truth.timed, Some(truth.millis as f64)));
    assert_eq!((find("od.took").unit.as_str(), point.scale, point.max), ("s", 4, Some(0.1)));
    assert_eq!(point.positive.as_ref().unwrap().counts.iter().sum::<u64>() + point.zero_count, truth.timed);
    drop(busy);
    let ledger = remove("otlp", SOON).unwrap();
    assert!(ledger.balances() && ledger.pending.is_zero(), "{ledger}");
    assert_eq!(ledger.dropped_in_all().recordings, 2 * hard::INVALID, "{ledger}");
}

#[test]
fn every_value_lies_in_the_bucket_that_it_is_counted_in() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(200));
    start(settings(&server));
    let logger = get_logger("ob");
    let values = [0.0, 1e-13, 1e-9, 0.001, 0.5, 1.0, 1.5, 2.0, 3.0, 1000.0, 1e6, -0.25, -8.0, -1e5];
    values.iter().for_each(|value| logger.send_histogram("h", *value));
    flush(SOON);
    let all = decoded(&server.take());
    let metric = all.iter().find(|m| m.name == "ob.h").unwrap();
    let point = &metric.exponential.as_ref().unwrap().points[0];
    assert_eq!((point.count, point.zero_count, point.sum), (14, 2, None), "a sum that may fall is left out");
    let base = 2f64.powf(2f64.powi(-point.scale));
    for (side, sign) in [(&point.positive, 1.0), (&point.negative, -1.0)] {
        let side = side.as_ref().unwrap();
        let mut own: Vec<f64> = values.iter().map(|v| v * sign).filter(|v| *v > point.zero_threshold).collect();
        own.sort_by(f64::total_cmp);
        let counted = side.counts.iter().enumerate().flat_map(|(at, n)| (0..*n).map(move |_| at as i32 + side.offset));
        let counted: Vec<i32> = counted.collect();
        assert_eq!(counted.len(), own.len());
        for (value, at) in own.iter().zip(counted) {
            let (low, high) = (base.powi(at), base.powi(at + 1));
            // The core's bucket adds 6.25 %.
            assert!(*value > low * 0.935 && *value <= high * 1.065, "{value}: {low}..{high}");
        }
    }
}

#[test]
fn explicit_buckets_add_up() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(200));
    start(settings(&server).histograms(Histograms::Explicit));
    let truth = hard::record("oe", 1);
    (0..50).for_each(|i| get_logger("oe").send_histogram("rows", f64::from(i) * 7.0 - 20.0));
    flush(SOON);
    let all = decoded(&server.take());
    let of = |name: &str| all.iter().find(|m| m.name == name).unwrap().histogram.clone().unwrap().points[0].clone();
    for (name, count) in [("oe.took", truth.timed), ("oe.rows", 50)] {
        let point = of(name);
        assert_eq!((point.count, point.bucket_counts.iter().sum::<u64>()), (count, count));
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        assert!(point.explicit_bounds.windows(2).all(|pair| pair[0] < pair[1]));
    }
    let took = of("oe.took");
    let below: u64 =
        took.bucket_counts.iter().zip(&took.explicit_bounds).filter(|(_, b)| **b <= 0.05).map(|(n, _)| n).sum();
    // Among 1 to 100 ms, 50 are at most 50 ms; the core's bucket at the bound goes to the next.
    assert!((44..=50).contains(&below), "{below}");
}

#[test]
fn a_view_gives_the_explicit_buckets() {
    let _alone = alone();
    let views = |views: Vec<View>| configure_with_views(Naming::default(), Limits::default(), vec![], views);
    views(vec![View::new("oviewed.took").buckets([0.01, 0.1]), View::new("oviewed.rows").buckets([10.0, 1000.0])]);
    let server = Server::start(|_| Answer::status(200));
    start(settings(&server).histograms(Histograms::Explicit));
    [1, 50, 500].into_iter().for_each(|millis| get_logger("oviewed").send_timer("took", Duration::from_millis(millis)));
    [1.0, 2.0, 500.0].into_iter().for_each(|rows| get_logger("oviewed").send_histogram("rows", rows));
    assert!(flush(SOON).complete);
    let all = decoded(&server.take());
    let of = |name: &str| all.iter().find(|m| m.name == name).unwrap().histogram.clone().unwrap().points[0].clone();
    let (took, rows) = (of("oviewed.took"), of("oviewed.rows"));
    assert_eq!((took.explicit_bounds, took.bucket_counts), (vec![0.01, 0.1], vec![1, 1, 1]));
    assert_eq!((rows.explicit_bounds, rows.bucket_counts), (vec![10.0, 1000.0], vec![2, 1, 0]));
    remove("otlp", SOON).unwrap();
    views(vec![]);
}

#[test]
fn deltas_add_up_to_what_was_recorded_whatever_is_lost_on_the_way() {
    let _alone = alone();
    for histograms in [Histograms::Exponential, Histograms::Explicit] {
        let fails = Arc::new(Mutex::new(false));
        let failing = Arc::clone(&fails);
        let server = Server::start(move |_| Answer::status(if *failing.lock().unwrap() { 503 } else { 200 }));
        let mut settings = settings(&server).temporality(Temporality::Delta).histograms(histograms);
        // Several bodies, so that a delivery may end between two parts of a counter.
        settings.max_body_size = 1500;
        start(settings);
        let name = format!("odelta.{histograms:?}");
        let logger = get_logger(&name);
        let (mut up, mut down, mut millis, mut got) = (0, 0, 0, Vec::new());
        for round in 0..12u64 {
            for label in ["a", "b", "c"] {
                logger.with("l", label).send_counter("c", round);
                logger.with("l", label).send_counter("c", -1);
                logger.with("l", label).sampled(0.5).counter("s").add(0);
                up += round;
                down += 1;
            }
            logger.send_timer("t", Duration::from_millis(round));
            millis += round;
            *fails.lock().unwrap() = round % 3 == 1;
            flush(Duration::from_millis(1500));
            let accepted = !*fails.lock().unwrap();
            let requests = server.take();
            if accepted {
                got.extend(decoded(&requests));
            }
            assert!(account().balances(), "{}", account());
        }
        *fails.lock().unwrap() = false;
        let ledger = remove("otlp", SOON).unwrap();
        got.extend(decoded(&server.take()));
        assert!(ledger.balances() && ledger.dropped_in_all().is_zero(), "{ledger}");
        assert_eq!(total(&got, &format!("{name}.c")), up as i64);
        assert_eq!(total(&got, &format!("{name}.c.decrements")), down);
        let (mut count, mut sum, mut buckets) = (0, 0.0, 0);
        let mut before = 0;
        for metric in got.iter().filter(|m| m.name == format!("{name}.t")) {
            for point in metric.exponential.iter().flat_map(|e| &e.points) {
                assert_eq!(metric.exponential.as_ref().unwrap().temporality, 1);
                let own = point.positive.as_ref().map_or(0, |p| p.counts.iter().sum());
                (count, sum, buckets) =
                    (count + point.count, sum + point.sum.unwrap(), buckets + own + point.zero_count);
                assert!(point.start >= before, "intervals do not overlap");
                before = point.time;
            }
            for point in metric.histogram.iter().flat_map(|h| &h.points) {
                let own: u64 = point.bucket_counts.iter().sum();
                (count, sum, buckets) = (count + point.count, sum + point.sum.unwrap(), buckets + own);
            }
        }
        assert_eq!((count, buckets, (sum * 1000.0).round()), (12, 12, millis as f64));
    }
}

#[test]
fn partial_success_is_counted() {
    let _alone = alone();
    for (encoding, name) in [(Encoding::Protobuf, "opart.p"), (Encoding::Json, "opart.j")] {
        // The server does not take one of the names, and says how many points that are.
        let refuse = move |request: &Request| {
            let text = String::from_utf8_lossy(&request.body);
            let count = text.matches("badname").count();
            let said = match encoding {
                Encoding::Json if count > 0 => {
                    format!("{{\"partialSuccess\":{{\"rejectedDataPoints\":\"{count}\",\"errorMessage\":\"no\"}}}}")
                        .into_bytes()
                }
                // partial_success { rejected_data_points: count, error_message: "no" }
                _ if count > 0 => vec![0x0a, 6, 8, count as u8, 0x12, 2, b'n', b'o'],
                _ => Vec::new(),
            };
            Answer::Status(200, "Content-Type: application/json\r\n", said)
        };
        let server = Server::start(refuse);
        start(settings(&server).encoding(encoding));
        let logger = get_logger(name);
        (0..40).for_each(|i| logger.send_counter(format!("c{i}"), 1));
        logger.send_counter("badname", 1000);
        (40..80).for_each(|i| logger.send_counter(format!("c{i}"), 1));
        flush(SOON);
        let ledger = remove("otlp", SOON).unwrap();
        assert!(ledger.balances() && ledger.sent.increments == 80, "{ledger}");
        assert_eq!(ledger.dropped[Cause::Refused].increments, 1000, "{ledger}");
    }
}

#[test]
fn a_body_never_passes_its_limit() {
    let _alone = alone();
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let server = Server::start(|_| Answer::status(200));
        let mut settings = settings(&server).encoding(encoding);
        settings.max_body_size = 2048;
        start(settings);
        let logger = get_logger(&format!("olimit.{encoding:?}"));
        for i in 0..300u64 {
            logger.with("quote\"", "\n").send_counter(format!("c{i}"), i);
            logger.send_timer(format!("t{}", i % 10), Duration::from_millis(i));
        }
        flush(SOON);
        let requests = server.take();
        assert!(requests.len() > 10 && requests.iter().all(|r| r.body.len() <= 2048));
        let ledger = remove("otlp", SOON).unwrap();
        assert!(ledger.balances() && ledger.dropped_in_all().is_zero(), "{ledger}");
        assert_eq!(ledger.sent.increments, (0..300).sum::<u64>());
    }
}

#[test]
fn json_says_the_same_as_protobuf() {
    let _alone = alone();
    let of = |encoding| Otlp::new(Settings::new("http://localhost/v1/metrics").encoding(encoding)).unwrap();
    let (mut proto, mut json) = (of(Encoding::Protobuf), of(Encoding::Json));
    let (proto, json) = with_view(
        || {
            hard::record("ojson", 1);
            get_logger("ojson").send_histogram("h", -3.5);
        },
        move |view| (proto.preview(view), json.preview(view)),
    );
    let all = metrics(&[decode(&proto[0].plain)]);
    let json: serde_json::Value = serde_json::from_slice(&json[0].plain).unwrap();
    let list = json["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    assert_eq!(list.len(), all.len());
    let long = |value: &serde_json::Value| match value.as_str() {
        Some(text) => text.parse::<i64>().unwrap(),
        None => value.as_i64().unwrap(),
    };
    for (metric, json) in all.iter().zip(list) {
        assert_eq!(json["name"].as_str(), Some(metric.name.as_str()));
        if let Some(sum) = &metric.sum {
            let points = json["sum"]["dataPoints"].as_array().unwrap();
            assert_eq!(json["sum"]["isMonotonic"].as_bool(), Some(sum.is_monotonic));
            assert_eq!(json["sum"]["aggregationTemporality"].as_i64(), Some(i64::from(sum.temporality)));
            assert_eq!(points.len(), sum.points.len());
            for (json, point) in points.iter().zip(&sum.points) {
                assert_eq!(
                    (long(&json["asInt"]), long(&json["timeUnixNano"])),
                    (point.as_int.unwrap(), point.time as i64)
                );
                assert_eq!(long(&json["startTimeUnixNano"]), point.start as i64);
                for (key, value) in attributes(&point.attributes) {
                    let own = json["attributes"].as_array().unwrap();
                    assert!(own.iter().any(|a| a["key"] == key && a["value"]["stringValue"] == value), "{json}");
                }
            }
        }
        if let Some(gauge) = &metric.gauge {
            assert_eq!(json["gauge"]["dataPoints"][0]["asDouble"].as_f64(), gauge.points[0].as_double);
        }
        if let Some(exponential) = &metric.exponential {
            let (json, point) = (&json["exponentialHistogram"]["dataPoints"][0], &exponential.points[0]);
            assert_eq!((long(&json["count"]) as u64, json["sum"].as_f64()), (point.count, point.sum));
            for (name, side) in [("positive", &point.positive), ("negative", &point.negative)] {
                let Some(side) = side else { continue };
                assert_eq!(json[name]["offset"].as_i64(), Some(i64::from(side.offset)));
                let counts: Vec<i64> = json[name]["bucketCounts"].as_array().unwrap().iter().map(long).collect();
                assert!(counts.iter().map(|n| *n as u64).eq(side.counts.iter().copied()));
            }
        }
    }
}

#[test]
fn unequal_identities_are_kept_apart() {
    let _alone = alone();
    let server = Server::start(|_| Answer::status(200));
    start(settings(&server));
    let logger = get_logger("oalike");
    logger.send_counter("a:b", 1);
    logger.send_counter("a|b", 20);
    logger.with("k", "1").send_counter("x", 1);
    logger.with("l", "1").send_gauge("x", 5);
    logger.with("k1", "").send_counter("y", 1);
    logger.with("k", "1").send_counter("y", 2);
    flush(SOON);
    let ledger = remove("otlp", SOON).unwrap();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!((ledger.sent.increments, ledger.dropped[Cause::Collision].recordings), (5, 2), "{ledger}");
}
