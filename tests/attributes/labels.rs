//! Labels of attributes, with the syntax of the verb macros, and values that are no text.

use super::support::block_on;
use super::*;
use ferrometer::{LabelValue, count, set_gauge, time};
use std::future::Future;

#[derive(Clone, Copy, LabelValue)]
enum Size {
    Small,
    Large,
}

#[counter("reads", "op" => "read")]
#[counter("reads.by", "op" => "read", "status" => status, "cached" => true, "size" => size)]
#[timer("reads.time", sample_rate = 1.0, "status" => status + 1)]
#[timer(METRICS, "reads.outcome", outcome, "status" => status, "text" => format!("{text}!"))]
#[counter("reads.errors", on = "err", "op" => op.as_str())]
#[gauge("reads.value", "shard" => 3u8)]
fn read(status: u16, size: Size, text: &str, op: String) -> Result<i64, std::num::ParseIntError> {
    drop(op);
    text.parse()
}

#[test]
fn attributes_take_labels() {
    let seen = capture(|| {
        assert_eq!(read(200, Size::Small, "5", "get".into()), Ok(5));
        assert!(read(500, Size::Large, "x", "put".into()).is_err());
    });
    assert_eq!(seen.counter_with("reads", &[("op", "read")]), 2);
    let by = |status, size| {
        seen.counter_with("reads.by", &[("cached", "true"), ("op", "read"), ("size", size), ("status", status)])
    };
    assert_eq!([by("200", "small"), by("500", "large"), by("200", "large")], [1, 1, 0]);
    assert_eq!(
        [seen.timer_with("reads.time", &[("status", "201")]), seen.timer_with("reads.time", &[("status", "501")])],
        [1; 2]
    );
    let outcome = |outcome, status, text| {
        seen.timer_with("reads.outcome", &[("outcome", outcome), ("status", status), ("text", text)])
    };
    assert_eq!([outcome("ok", "200", "5!"), outcome("err", "500", "x!")], [1; 2]);
    assert_eq!(seen.counter_with("reads.errors", &[("op", "put")]), 1);
    assert_eq!(seen.gauge_with("reads.value", &[("shard", "3")]), Some(5.0));
}

struct Owner {
    metrics: Logger,
    id: u64,
}

impl Owner {
    #[timer(self.metrics, "owned", "id" => self.id)]
    #[timer(self.metrics, "owned.outcome", outcome, "id" => self.id)]
    async fn owned(self) -> u64 {
        self.id
    }

    #[timer(self.metrics, "later", "id" => self.id)]
    #[counter("later.count", "id" => self.id)]
    fn later(self) -> impl Future<Output = u64> {
        std::future::ready(self.id)
    }
}

#[test]
fn labels_are_evaluated_on_entry() {
    let seen = capture(|| {
        let owner = || Owner { metrics: get_logger("owner"), id: 7 };
        assert_eq!((block_on(owner().owned()), block_on(owner().later())), (7, 7));
    });
    let labels = [("id", "7")];
    assert_eq!([seen.timer_with("owned", &labels), seen.timer_with("later", &labels)], [1; 2]);
    assert_eq!(seen.timer_with("owned.outcome", &[("id", "7"), ("outcome", "ok")]), 1);
    assert_eq!(seen.counter_with("later.count", &labels), 1);
}

#[test]
fn integers_and_bool_are_labels() {
    let seen = capture(|| {
        let (status, flag, below, n) = (404u16, false, -5i64, 3);
        count!(METRICS, "verb", "status" => status, "flag" => flag, "below" => &below, "n" => n);
        count!(METRICS, "verb", "status" => 404, "flag" => false, "below" => "-5", "n" => 3u8);
        set_gauge!(METRICS, "verb.gauge", 1, "big" => u128::MAX);
        time!(METRICS, "verb.time", "status" => status, "text" => String::from("t"), {});
        METRICS.with("status", 200u8).with("flag", true).with("text", &String::from("t")).send_counter("with", 2);
        METRICS.counter("handle").with("status", status).increment();
    });
    let labels = [("below", "-5"), ("flag", "false"), ("n", "3"), ("status", "404")];
    assert_eq!(seen.counter_with("verb", &labels), 2);
    assert_eq!(seen.gauge_with("verb.gauge", &[("big", "340282366920938463463374607431768211455")]), Some(1.0));
    assert_eq!(seen.timer_with("verb.time", &[("status", "404"), ("text", "t")]), 1);
    assert_eq!(seen.counter_with("with", &[("flag", "true"), ("status", "200"), ("text", "t")]), 2);
    assert_eq!(seen.counter_with("handle", &[("status", "404")]), 1);
}

#[test]
fn nothing_is_evaluated_while_recording_is_off() {
    fn never() -> &'static str {
        panic!("evaluated")
    }
    #[timer("off", "label" => never())]
    #[counter("off", on = "ok", "label" => never())]
    #[gauge("off", "label" => never())]
    fn quiet() -> u32 {
        3
    }
    off(|| assert_eq!(quiet(), 3));
}

#[test]
fn a_gauge_counts_up_and_down() {
    let seen = capture(|| {
        let open = METRICS.gauge("open");
        open.increment();
        open.increment();
        open.decrement();
    });
    assert_eq!(seen.gauge("open"), Some(1.0));
}
