//! The layer: it measures spans from their creation to their end, and counts events.

use crate::callsite::{self, SpanTimers, Times};
use crate::fields::Values;
use crate::span_time::SpanTime;
use crate::trace_ids;
use ferrometer_core::is_on;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// A layer of `tracing_subscriber` that records spans as timers and events as counters.
///
/// ```
/// use ferrometer_tracing_layer::Layer;
/// use tracing_subscriber::filter::LevelFilter;
/// use tracing_subscriber::layer::{Layer as _, SubscriberExt};
///
/// let layer = Layer::new()
///     .busy(false)            // no `….busy` and `….idle`
///     .label("method")        // the field `method` of a span becomes a label
///     .sample_rate(0.1)       // one span of ten is recorded
///     .with_filter(LevelFilter::INFO);
/// let subscriber = tracing_subscriber::registry().with(layer);
/// # drop(subscriber);
/// ```
#[derive(Clone, Debug)]
pub struct Layer {
    number: usize,
    times: Times,
    events: bool,
    labels: &'static [&'static str],
    /// As the rules of the configuration say, where there is none.
    sample_rate: Option<f64>,
}

/// Numbers the layers, so that a thread tells their instruments apart.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Most fields that become labels.
const MAX_LABELS: usize = 16;

impl Layer {
    /// Makes a layer that records the whole, the busy and the idle time of each span, without labels, and counts events.
    #[must_use]
    pub fn new() -> Layer {
        Layer {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            times: Times { time: true, busy: true, idle: true },
            events: true,
            labels: &[],
            sample_rate: None,
        }
    }

    /// Records `….busy` and `….idle` beside `….time`, or not. They are recorded if nothing is said.
    #[must_use]
    pub fn busy(mut self, record: bool) -> Layer {
        self.times.busy = record;
        self.times.idle = record;
        self
    }

    /// Counts events, or not. They are counted if nothing is said.
    #[must_use]
    pub fn events(mut self, count: bool) -> Layer {
        self.events = count;
        self
    }

    /// Makes a label of the values of a field of spans. Each value is a series of its own: take fields with few values alone. A value is cut
    /// after 256 bytes. A value that comes later, by `Span::record`, counts. At most 16 fields are taken; further ones are left out.
    #[must_use]
    pub fn label(mut self, field: &str) -> Layer {
        if self.labels.len() < MAX_LABELS && !self.labels.contains(&field) {
            let mut all: Vec<&'static str> = self.labels.to_vec();
            // A program makes few layers, once: their lists of names live as long as the program.
            all.push(Box::leak(field.to_owned().into_boxed_str()));
            self.labels = Vec::leak(all);
        }
        self
    }

    /// Records this share of the spans: more than 0, at most 1. Another value is reported, and records all. If nothing is said, a rule of the
    /// configuration decides (`[metrics.loggers."…"]`), and without one all are recorded.
    #[must_use]
    pub fn sample_rate(mut self, rate: f64) -> Layer {
        self.sample_rate = Some(rate);
        self.number = NEXT.fetch_add(1, Ordering::Relaxed);
        self
    }
}

impl Default for Layer {
    fn default() -> Layer {
        Layer::new()
    }
}

/// A span that is measured. Layers of one program keep theirs apart by their number.
struct Measured {
    layer: usize,
    time: SpanTime,
    values: Option<Values>,
}

/// Measured spans of all layers of this type, in one extension. Most programs have one layer, whose span takes no further memory.
struct All {
    first: Measured,
    more: Vec<Measured>,
}

impl All {
    fn of(&mut self, layer: usize) -> Option<&mut Measured> {
        std::iter::once(&mut self.first).chain(&mut self.more).find(|measured| measured.layer == layer)
    }
}

/// Returns whether a call site belongs to ferrometer itself. Its diagnostics are no events of the program, and may come from where it must not record.
fn is_own(metadata: &Metadata<'_>) -> bool {
    metadata
        .target()
        .strip_prefix("ferrometer")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '_', '.']))
}

impl Layer {
    fn with<S>(&self, id: &Id, context: &Context<'_, S>, act: impl FnOnce(&mut Measured))
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if let Some(span) = context.span(id)
            && let Some(all) = span.extensions_mut().get_mut::<All>()
            && let Some(measured) = all.of(self.number)
        {
            act(measured);
        }
    }
}

impl<S> tracing_subscriber::Layer<S> for Layer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !is_on() || is_own(attributes.metadata()) {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let values = (!self.labels.is_empty()).then(|| {
            let mut values = Values::new(self.labels);
            attributes.record(&mut values);
            values
        });
        let measured = Measured { layer: self.number, time: SpanTime::new(Instant::now()), values };
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<All>() {
            Some(all) => all.more.push(measured),
            None => extensions.insert(All { first: measured, more: Vec::new() }),
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        if !self.labels.is_empty() {
            self.with(id, &context, |measured| measured.values.iter_mut().for_each(|values| record.record(values)));
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if self.times.busy || self.times.idle {
            self.with(id, &context, |measured| measured.time.enter(Instant::now()));
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        if self.times.busy || self.times.idle {
            self.with(id, &context, |measured| measured.time.exit(Instant::now()));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let now = Instant::now();
        // Values and times are taken out first: recording must not happen under the span's lock.
        let ended = span.extensions_mut().get_mut::<All>().and_then(|all| {
            let measured = all.of(self.number)?;
            Some((measured.time.end(now), measured.values.take()))
        });
        let Some(((whole, busy), values)) = ended else { return };
        // The span's own times are of its trace.
        let _within = trace_ids::within(&span.extensions());
        let metadata = span.metadata();
        let labels = values.as_ref().map(Values::labels).unwrap_or_default();
        let timers = if labels.is_empty() {
            callsite::span_timers(self.number, metadata, self.times, self.sample_rate)
        } else {
            let logger = callsite::logger(metadata).with_all(&labels);
            SpanTimers::new(&logger, metadata.name(), self.times, self.sample_rate)
        };
        let parts = [(timers.time, whole), (timers.busy, busy), (timers.idle, whole - busy)];
        parts.into_iter().filter_map(|(timer, took)| Some((timer?, took))).for_each(|(timer, took)| timer.record(took));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if self.events && is_on() && !is_own(event.metadata()) {
            callsite::event_counter(self.number, event.metadata()).increment();
        }
    }
}
