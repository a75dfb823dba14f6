//! Traces that spans name in their fields: for exemplars of a program without OpenTelemetry.

use crate::fields::Values;
use ferrometer_core::exemplars::TraceContext;
use std::cell::RefCell;
use tracing_core::Subscriber;
use tracing_core::span::{Attributes, Id, Record};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{Extensions, LookupSpan};

/// A layer of `tracing_subscriber` that remembers which trace each span belongs to: the one that its fields `trace_id` and `span_id` name in hexadecimal
/// digits, or else that of the span around it. [`current_trace`] tells it, for exemplars.
///
/// A field may come later, by `Span::record`; a span that is within by then has what there was when it began. What is no id is none.
///
/// ```
/// use ferrometer_core::exemplars::{TraceContext, provide};
/// use ferrometer_tracing_layer::{TraceIds, current_trace};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// provide(current_trace)?;
/// let subscriber = tracing_subscriber::registry().with(TraceIds::new());
/// tracing::subscriber::with_default(subscriber, || {
///     let _request = tracing::info_span!("request", trace_id = "4bf92f3577b34da6a3ce929d0e0e4736").entered();
///     let _query = tracing::info_span!("query").entered();
///     assert_eq!(current_trace(), TraceContext::from_hex("4bf92f3577b34da6a3ce929d0e0e4736", ""));
/// });
/// # Ok::<(), ferrometer_core::exemplars::AlreadyProvided>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TraceIds {
    /// Numbers of the trace and of the span.
    fields: &'static [&'static str; 2],
}

impl TraceIds {
    /// Makes a layer that looks at the fields `trace_id` and `span_id`.
    #[must_use]
    pub fn new() -> TraceIds {
        TraceIds { fields: &["trace_id", "span_id"] }
    }

    /// Looks at fields of other names: that of the trace, and that of the span, which spans need not have.
    #[must_use]
    pub fn fields(self, trace: &str, span: &str) -> TraceIds {
        // A program makes few layers, once: their names live as long as the program.
        let leaked = |name: &str| -> &'static str { Box::leak(name.to_owned().into_boxed_str()) };
        TraceIds { fields: Box::leak(Box::new([leaked(trace), leaked(span)])) }
    }
}

impl Default for TraceIds {
    fn default() -> TraceIds {
        TraceIds::new()
    }
}

/// The fields of a span, and the trace that it belongs to.
struct Named {
    values: Values,
    context: Option<TraceContext>,
}

impl Named {
    /// Takes the trace that the fields name, if they do.
    fn read(&mut self, [trace, span]: &[&str; 2]) {
        let labels = self.values.labels();
        let value = |name: &str| labels.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        if let Some(named) = value(trace).and_then(|id| TraceContext::from_hex(id, value(span).unwrap_or(""))) {
            self.context = Some(named);
        }
    }
}

thread_local! {
    /// The spans that this thread is in, with their traces, the innermost last.
    static SPANS: RefCell<Vec<(u64, Option<TraceContext>)>> = const { RefCell::new(Vec::new()) };
}

/// Returns the trace of the span that this thread is in, as [`TraceIds`] remembers it.
#[must_use]
pub fn current_trace() -> Option<TraceContext> {
    let innermost = |spans: &RefCell<Vec<(u64, Option<TraceContext>)>>| spans.try_borrow().ok()?.last()?.1;
    SPANS.try_with(innermost).ok().flatten()
}

fn enter(span: u64, context: Option<TraceContext>) {
    let _ = SPANS.try_with(|spans| spans.borrow_mut().push((span, context)));
}

fn exit(span: u64) {
    let _ = SPANS.try_with(|spans| {
        let mut spans = spans.borrow_mut();
        // Spans may be left in any order.
        if let Some(at) = spans.iter().rposition(|(entered, _)| *entered == span) {
            spans.remove(at);
        }
    });
}

/// While it lives, this thread is in a trace.
pub(crate) struct Within(());

impl Drop for Within {
    fn drop(&mut self) {
        exit(0);
    }
}

/// Has this thread be in the trace of a span that has ended, if it is known: for what is recorded about the span itself.
pub(crate) fn within(extensions: &Extensions<'_>) -> Option<Within> {
    let context = extensions.get::<Named>()?.context?;
    // No span has this id.
    enter(0, Some(context));
    Some(Within(()))
}

impl<S> tracing_subscriber::Layer<S> for TraceIds
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let around =
            span.parent().and_then(|parent| parent.extensions().get::<Named>().and_then(|named| named.context));
        let mut named = Named { values: Values::new(self.fields), context: around };
        attributes.record(&mut named.values);
        named.read(self.fields);
        span.extensions_mut().replace(named);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(named) = span.extensions_mut().get_mut::<Named>()
        {
            record.record(&mut named.values);
            named.read(self.fields);
            let context = named.context;
            let _ = SPANS.try_with(|spans| {
                let mut spans = spans.borrow_mut();
                spans.iter_mut().filter(|(entered, _)| *entered == id.into_u64()).for_each(|(_, of)| *of = context);
            });
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let named = span.extensions().get::<Named>().and_then(|named| named.context);
        enter(id.into_u64(), named);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        exit(id.into_u64());
    }
}
