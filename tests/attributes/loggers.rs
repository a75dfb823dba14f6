//! Which logger an attribute uses, and when its expression is evaluated.

use super::*;

struct Service {
    metrics: Logger,
    evaluated: Cell<u32>,
    items: Vec<u32>,
}

impl Service {
    fn new() -> Service {
        Service { metrics: get_logger("service"), evaluated: Cell::new(0), items: vec![1, 2, 3] }
    }

    fn logger(&self) -> &Logger {
        self.evaluated.set(self.evaluated.get() + 1);
        &self.metrics
    }

    #[timer(self.metrics)]
    #[counter(self.metrics)]
    fn by_field(&self) {}

    #[timer(self.metrics)]
    fn by_field_mut(&mut self) -> &mut Vec<u32> {
        &mut self.items
    }

    #[counter(self.logger())]
    #[counter(self.logger(), "ended", on = "ok")]
    fn by_method(&self) {}

    // The body borrows all of `self` mutably, and what it returns still does.
    #[gauge(self.metrics)]
    fn last(&mut self) -> &u32 {
        self.items.last_mut().unwrap()
    }

    #[gauge(self.metrics)]
    #[timer(self.metrics, outcome)]
    fn consumed(self) -> usize {
        self.items.into_iter().map(|item| item as usize).sum()
    }
}

#[counter(metrics)]
#[gauge(metrics)]
fn by_argument(metrics: Logger) -> u32 {
    // Moved into the body, and gone when the gauge is set.
    let moved = metrics;
    u32::from(moved == get_logger("argument"))
}

#[timer(metrics, outcome)]
fn by_reference(metrics: &Logger) {
    let _ = metrics;
}

#[timer(get_logger("made").clone())]
fn by_value() {}

#[test]
fn expressions() {
    let seen = capture(|| {
        let mut service = Service::new();
        service.by_field();
        service.by_field_mut().push(4);
        service.by_method();
        assert_eq!(*service.last(), 4);
        assert_eq!(service.evaluated.get(), 2);
        assert_eq!(service.consumed(), 10);
        by_argument(get_logger("argument"));
        by_reference(&get_logger("reference"));
        by_value();
    });
    assert_eq!(seen.timer("by_field.time"), 1);
    assert_eq!(seen.counter("by_field.count"), 1);
    assert_eq!(seen.timer("by_field_mut.time"), 1);
    assert_eq!(seen.counter("by_method.count"), 1);
    assert_eq!(seen.counter("ended"), 1);
    assert_eq!(seen.gauge("last"), Some(4.0));
    assert_eq!(seen.gauge("consumed"), Some(10.0));
    assert_eq!(seen.timer_with("consumed.time", &[("outcome", "ok")]), 1);
    assert_eq!(seen.gauge("by_argument"), Some(1.0));
    assert_eq!(seen.counter("by_argument.count"), 1);
    assert_eq!(seen.logger("by_field.time"), Some("service"));
    assert_eq!(seen.logger("by_argument"), Some("argument"));
    assert_eq!(seen.logger("by_reference.time"), Some("reference"));
    assert_eq!(seen.logger("by_value.time"), Some("made"));
}

#[test]
fn not_evaluated_while_off() {
    off(|| {
        let service = Service::new();
        service.by_method();
        assert_eq!(service.evaluated.get(), 0);
    });
}
