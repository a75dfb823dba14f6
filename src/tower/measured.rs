//! One request on its way, and what is recorded of it.

use ferrometer_core::{InFlightGuard, Logger, is_on};
use http::{Method, StatusCode};
use std::sync::Arc;
use std::time::Instant;

/// Options that a layer was given.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) logger: Logger,
    pub(super) exact_status: bool,
    pub(super) in_flight_by_route: bool,
    /// Routes that are not measured.
    pub(super) left_out: Arc<[String]>,
}

impl Options {
    pub(super) fn new(logger: Logger) -> Options {
        Options { logger, exact_status: false, in_flight_by_route: false, left_out: Arc::from([]) }
    }
}

/// The end of a request, or of a body.
#[derive(Clone, Copy)]
pub(super) enum Ended {
    Status(StatusCode),
    Otherwise(&'static str),
}

impl Ended {
    pub(super) const ERROR: Ended = Ended::Otherwise("error");
    pub(super) const CANCELLED: Ended = Ended::Otherwise("cancelled");
    pub(super) const PANIC: Ended = Ended::Otherwise("panic");
    pub(super) const COMPLETE: Ended = Ended::Otherwise("complete");
}

/// A request on its way. Dropping it records the request, with the status that holds by then.
pub(super) struct Measured {
    /// With `method` and `route`.
    logger: Logger,
    start: Instant,
    pub(super) if_dropped: Ended,
    is_exact: bool,
    is_head_alone: bool,
    in_flight: Option<InFlightGuard>,
}

impl Measured {
    /// Begins to measure; `None` for a route that is left out.
    pub(super) fn start(options: &Options, method: &Method, route: &str) -> Option<Measured> {
        if options.left_out.iter().any(|left_out| left_out == route) {
            return None;
        }
        let logger = options.logger.with_all(&[("method", method_label(method)), ("route", route)]);
        let in_flight = if options.in_flight_by_route { &logger } else { &options.logger };
        Some(Measured {
            in_flight: Some(in_flight.in_flight("in_flight").enter()),
            logger,
            start: Instant::now(),
            if_dropped: Ended::PANIC,
            is_exact: options.exact_status,
            is_head_alone: *method == Method::HEAD,
        })
    }

    /// Records the request. What is left is its body.
    pub(super) fn head_is_ready(mut self) -> Whole {
        Whole {
            logger: self.logger.with("status", self.status()),
            start: self.start,
            // Nobody reads what belongs to a head alone.
            if_dropped: if self.is_head_alone { Ended::COMPLETE } else { Ended::CANCELLED },
            _in_flight: self.in_flight.take(),
        }
    }

    fn status(&self) -> &str {
        match &self.if_dropped {
            Ended::Status(status) if self.is_exact => status.as_str(),
            Ended::Status(status) => class(*status),
            Ended::Otherwise(text) => text,
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if !is_on() {
            return;
        }
        let took = self.start.elapsed();
        let logger = self.logger.with("status", self.status());
        logger.send_counter("requests", 1);
        logger.send_timer("time", took);
    }
}

/// A response whose body is on its way. Dropping it records the time from the call until now, with the end that holds by then.
pub(super) struct Whole {
    /// With `method`, `route` and `status`.
    logger: Logger,
    start: Instant,
    pub(super) if_dropped: Ended,
    _in_flight: Option<InFlightGuard>,
}

impl Drop for Whole {
    fn drop(&mut self) {
        if let (Ended::Otherwise(end), true) = (self.if_dropped, is_on()) {
            let took = self.start.elapsed();
            self.logger.with("end", end).send_timer("total_time", took);
        }
    }
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    }
}
