//! The macros of [ferrometer](https://docs.rs/ferrometer): attributes that measure functions, and verbs that record
//! where they stand. Use them through the facade, which re-exports them all.
//!
//! | macro | records |
//! |---|---|
//! | [`#[timer]`](macro@timer) | how long each call takes |
//! | [`#[counter]`](macro@counter) | each call, or each that ended a certain way |
//! | [`#[gauge]`](macro@gauge) | the value a function returns |
//! | [`#[measured]`](macro@measured) | each call by its outcome, how long it takes, and how many are in flight |
//! | [`count!`] | an increment |
//! | [`set_gauge!`] | a value |
//! | [`record!`] | a value of a distribution |
//! | [`time!`] | how long a block takes |
//! | [`#[derive(LabelValue)]`](derive@LabelValue) | nothing: makes an enum the values of a label |
//!
//! # What they have in common
//!
//! Names, label keys and sample rates are literals, checked while compiling, with the error on the literal: a name is
//! made of parts of ASCII letters, digits, `_` and `-`, joined by single dots, at most 512 bytes; a sample rate is above
//! 0 and at most 1.
//!
//! Every expansion has a call-site memory in a `static`, so that a name is looked up once. While recording is off, an
//! expansion is one relaxed load and one branch; value and label expressions are not evaluated, and of loggers only a
//! plain path such as `METRICS` is looked at.
//!
//! All paths in an expansion start at `::ferrometer`; `crate = some::path` replaces that, for those who re-export the
//! facade.
//!
//! # Reading the source
//!
//! `args` parses an attribute, with `check` for the literals and `labels` for labels; `function` parses what it stands on; `exits` finds out how a
//! body is left; `expand` writes the new function. `verbs` holds the four function-like macros, `label_value` the derive.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod args;
mod check;
mod exits;
mod expand;
mod function;
mod label_value;
mod labels;
mod span;
mod verbs;

use args::Kind;
use proc_macro::TokenStream;
use verbs::Verb;

/// Records how long each call takes: on return, `?`, panic, and when a future is dropped half-way.
///
/// An `async fn` is measured from its first poll, waiting included; a future that is never polled records nothing. The
/// same goes for functions that return `impl Future` or `Pin<Box<dyn Future>>`, and so for `#[async_trait]`.
///
/// # Arguments
///
/// All are optional, in any order but for a logger without a key, which comes first.
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `METRICS` or `logger = METRICS` | the logger: any expression of type `Logger` or `&Logger`; it may use arguments (`self.metrics`) and is evaluated on entry | a logger named after the module |
/// | `"name"` or `name = "name"` | the metric's name | `<function>.time` |
/// | `prefix = "Type"` | put in front of the name, with a dot: tells apart methods of two types | |
/// | `sample_rate = 0.1` | the probability that a call is measured, a literal | the logger's |
/// | `on = "err"` | only calls that ended so: `"ok"`, `"err"`, `"panic"`, `"cancelled"` | every call |
/// | `outcome` | label each time with `outcome`: `ok`, `err`, `panic`, `cancelled` | |
/// | `error = Error::kind` | label the times of calls that return `Err` with `error`: what this function, which gets the error, returns; a label as in [`count!`] | |
/// | `busy` | of a future: record its polls too, see below | |
/// | `"key" => value` | a label, as in [`count!`]: evaluated on entry, while recording is on | |
/// | `crate = path` | where the facade is | `::ferrometer` |
///
/// A returned `Err` is the outcome `err`, every other value `ok`; a future that is dropped before it is ready is
/// `cancelled`.
///
/// # The polls of a future
///
/// With `busy` an `async fn`, or a function that returns a future, records five series. For `#[timer(busy)]` on `fetch` they are the timer `fetch.time`, from the
/// first poll to the end; the timers `fetch.busy`, in polls, and `fetch.idle`, between them, which together are the whole; the counter `fetch.polls`; and the counter
/// `fetch.cancelled` of futures that were dropped between their first poll and their end. A name that does not end with `.time` stays whole in front: `load`, `load.busy`.
/// Every call is recorded, so `busy` goes with no `sample_rate`, `on` or `outcome`; a second attribute on the function may have those. Logger and labels are
/// evaluated in the call, before the first poll.
///
/// # Example
///
/// ```
/// use ferrometer::{Logger, logger, timer};
///
/// static METRICS: Logger = logger!();
///
/// # async fn get(url: &str) -> std::io::Result<Vec<u8>> { Ok(url.into()) }
/// #[timer]                                                            // <module>.parse.time
/// fn parse(input: &str) -> Vec<u32> {
///     input.split(',').filter_map(|number| number.parse().ok()).collect()
/// }
///
/// #[timer(METRICS, "fetch.time", sample_rate = 0.1, outcome)]         // <module>.fetch.time, outcome=ok|err|…
/// async fn fetch(url: &str) -> Result<Vec<u8>, std::io::Error> {
///     let mut page = get(url).await?;
///     page.truncate(1000);
///     Ok(page)
/// }
/// ```
///
/// # Expansion
///
/// A guard in front of the body; the body is not touched:
///
/// ```text
/// fn parse(input: &str) -> Vec<u32> {
///     let timer = {
///         static SITE: TimerSite = TimerSite::new("parse.time", 0.0);
///         &SITE
///     }
///     .start({
///         static LOGGER: Logger = Logger::from_static(module_path!());
///         &LOGGER
///     });
///     { /* the body */ }
/// }
/// ```
///
/// With `on` or `outcome` the body becomes a block whose value is looked at. A `return` becomes a `break` out of the block; in front of a `?`, the
/// value that it may leave with is looked at.
///
/// ```text
/// async fn fetch(url: &str) -> Result<Vec<u8>, Error> {
///     let mut timer = { static SITE: ExitSite = …; &SITE }.start(&METRICS);
///     let value: Result<Vec<u8>, Error> = { get(url).await.leaving(|value| timer.leave(…))?.bytes().await };
///     timer.finish(outcome_of(&value));
///     return value;
/// }
/// ```
///
/// With `busy` an `async fn` becomes a function that returns the future of its body, measured from outside:
///
/// ```text
/// fn fetch(url: &str) -> impl Future<Output = Result<Vec<u8>, Error>> {
///     let meter = { static SITE: TimerSite = …; &SITE }.meter(&METRICS);
///     return BusyFuture::new(meter, async move { let url = url; /* the body */ });
/// }
/// ```
///
/// An attribute makes a future at most 32 bytes larger, and functions can be nested as deep as without; with `busy` three quarters as deep.
///
/// # Limits
///
/// * A `const fn` is refused: it may run while compiling, where nothing can be recorded.
/// * `impl Future + Clone` (`Debug`, `FusedFuture` and the like) is refused: the future that records keeps no such promise.
/// * A future type with a name of its own (`-> Ready<T>`, `-> BoxFuture<'_, T>`) is not recognised: building it is what is timed.
///   So it is with iterators and streams. `Pin<Box<dyn Future>>` that is more than `Box::pin(async move { … })` is boxed a second
///   time while recording is on.
/// * With `error` a body that has a `?` is captured, in a closure or an async block: only there the error has the function's own type. With `on`,
///   `outcome` and `#[gauge]` a body is captured where its tokens do not tell how it is left: it calls a
///   macro that may return (all but those of the standard library, `log` and `tracing` by their paths, and a few more), or has a closure with a `return` or
///   `?` inside. Arguments that a captured body uses are then dropped when it ends, before those it does not use; `#[track_caller]` does not
///   reach into it; and an async function holds its arguments twice. Clippy does not see a `return` that an async function does not need.
/// * Of several attributes on one function, those called `timer`, `counter`, `gauge` and `measured` become one expansion. Renamed
///   imports work too, one around the other.
#[proc_macro_attribute]
pub fn timer(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Kind::Timer, args.into(), item.into()).into()
}

/// Counts calls: each on entry, or with `on` and `outcome` as they end.
///
/// An `async fn`, or a function that returns a future, is entered at the first poll.
///
/// # Arguments
///
/// Those of [`#[timer]`](macro@timer), with these differences:
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `"name"` or `name = "name"` | the metric's name | `<function>.count` |
/// | `sample_rate = 0.1` | the probability that a call is counted, a literal | the logger's |
/// | `on = "err"` | count as the call ends, and only if it ended so: `"ok"`, `"err"`, `"panic"`, `"cancelled"` | `"entry"` |
/// | `outcome` | count as the call ends, with a label `outcome`: `ok`, `err`, `panic`, `cancelled` | |
/// | `error = Error::kind` | count as the call ends, and label those that return `Err` with `error`: what this function, which gets the error, returns; a label as in [`count!`] | |
/// | `"key" => value` | a label, as in [`count!`]: evaluated on entry, while recording is on | |
///
/// # Example
///
/// ```
/// use ferrometer::{counter, timer};
///
/// # use std::io::{Error, Write};
/// # type Row = [u8];
/// # fn write(row: &Row) -> Result<(), Error> { std::io::sink().write_all(row) }
/// #[counter]                                  // <module>.save.count, every call
/// #[counter("save.errors", on = "err")]       // <module>.save.errors, those that failed
/// #[timer]                                    // <module>.save.time
/// fn save(rows: &[&Row]) -> Result<(), Error> {
///     for row in rows {
///         write(row)?;
///     }
///     Ok(())
/// }
/// ```
///
/// # Expansion
///
/// ```text
/// fn save(rows: &[Row]) -> Result<(), Error> {
///     { static SITE: CounterSite = CounterSite::new("save.count", 0.0); &SITE }.increment({ static LOGGER: … &LOGGER });
///     let mut errors = { static SITE: … &SITE }.count({ static LOGGER: … &LOGGER });
///     let timer = { static SITE: … &SITE }.start({ static LOGGER: … &LOGGER });
///     let value: Result<(), Error> = { /* the body */ };
///     errors.finish(outcome_of(&value));
///     return value;
/// }
/// ```
///
/// The limits are those of [`#[timer]`](macro@timer).
#[proc_macro_attribute]
pub fn counter(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Kind::Counter, args.into(), item.into()).into()
}

/// Records the value a function returns.
///
/// The function returns a number, a reference to one, or an `Option` or `Result` of one; `None` and `Err` record
/// nothing, and neither does a panic.
///
/// # Arguments
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `METRICS` or `logger = METRICS` | the logger, evaluated on entry | a logger named after the module |
/// | `"name"` or `name = "name"` | the metric's name | `<function>` |
/// | `prefix = "Type"` | put in front of the name, with a dot | |
/// | `"key" => value` | a label, as in [`count!`]: evaluated on entry, while recording is on | |
/// | `crate = path` | where the facade is | `::ferrometer` |
///
/// Gauges are never sampled, so there is no `sample_rate`.
///
/// # Example
///
/// ```
/// use ferrometer::gauge;
/// use std::collections::VecDeque;
///
/// #[gauge("queue.depth")]                     // <module>.queue.depth
/// fn depth(queue: &VecDeque<u32>) -> usize {
///     queue.len()
/// }
/// ```
///
/// # Expansion
///
/// ```text
/// fn depth(queue: &Queue) -> usize {
///     let value: usize = { /* the body */ };
///     { static SITE: GaugeSite = GaugeSite::new("queue.depth"); &SITE }.set_return({ static LOGGER: … &LOGGER }, &value);
///     return value;
/// }
/// ```
///
/// A logger that is an expression (`self.metrics`) or a lower-case path is cloned on entry while recording is on: the
/// body may move what it was read from.
#[proc_macro_attribute]
pub fn gauge(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Kind::Gauge, args.into(), item.into()).into()
}

/// Counts calls by their outcome, times them, and counts those that are in flight: what a dashboard of a service begins with, in one attribute.
///
/// On a function `fetch` it records, below the logger:
///
/// | metric | kind | labels |
/// |---|---|---|
/// | `fetch.count` | counter | `outcome`: `ok`, `err`, `panic`, `cancelled` |
/// | `fetch.time` | timer | the same |
/// | `fetch.in_flight` | in-flight count | |
///
/// # Arguments
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `METRICS` or `logger = METRICS` | the logger, as in [`#[timer]`](macro@timer) | a logger named after the module |
/// | `"name"` or `name = "name"` | how the three names begin | `<function>` |
/// | `prefix = "Type"` | put in front of the names, with a dot | |
/// | `sample_rate = 0.1` | the probability that a call is timed; all are counted | the logger's |
/// | `error = Error::kind` | a label `error` for calls that return `Err`, as in [`#[counter]`](macro@counter) | |
/// | `"key" => value` | a label of all three, evaluated for each on entry, while recording is on | |
/// | `crate = path` | where the facade is | `::ferrometer` |
///
/// # Example
///
/// ```
/// use ferrometer::{Logger, logger, measured};
///
/// static METRICS: Logger = logger!("shop");
///
/// enum Error {
///     NotFound,
///     Closed,
/// }
///
/// impl Error {
///     fn kind(&self) -> &'static str {
///         match self {
///             Error::NotFound => "not_found",
///             Error::Closed => "closed",
///         }
///     }
/// }
///
/// # async fn load(id: u64) -> Result<u64, Error> { if id > 0 { Ok(id) } else { Err(Error::NotFound) } }
/// #[measured(METRICS, "order", error = Error::kind)]      // shop.order.count, shop.order.time, shop.order.in_flight
/// async fn order(id: u64) -> Result<u64, Error> {
///     let order = load(id).await?;
///     if order % 2 == 0 { Ok(order) } else { Err(Error::Closed) }
/// }
/// ```
///
/// The expansion and the limits are those of `#[counter(outcome)]` and `#[timer(outcome)]` on the function.
#[proc_macro_attribute]
pub fn measured(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Kind::Measured, args.into(), item.into()).into()
}

/// Adds to a counter: 1, or the given value.
///
/// `count!([crate = path,] LOGGER, "name" [, value] [, sample_rate = 0.1] [, "key" => label]*)`
///
/// The value is an integer and may be negative; a label is anything that is `AsRef<str>`, an integer, `bool`, or,
/// marked with `%`, anything that is `Display` (its text is made again at each call). Neither is evaluated while recording is off. Labels in the call itself, of types that are [`LabelValue`](derive@LabelValue), and literals from elsewhere in the program are found without
/// being read; others are compared. The macro's value is `()`.
///
/// # Example
///
/// ```
/// # use ferrometer::{Logger, count, logger};
/// # static METRICS: Logger = logger!();
/// # let (rows, route, address) = ([1, 2], "/orders/{id}", std::net::SocketAddr::from(([10, 0, 0, 1], 80)));
/// count!(METRICS, "cache.miss");
/// count!(METRICS, "rows", rows.len(), sample_rate = 0.1);
/// count!(METRICS, "requests", "method" => "GET", "route" => route, "status" => 200);
/// count!(METRICS, "connections", "peer" => %address.ip());
/// ```
///
/// # Expansion
///
/// ```text
/// { static SITE: CounterSite = CounterSite::new("cache.miss", 0.0); &SITE }.increment(&METRICS)
///
/// if enabled() {
///     { static SITE: CounterSite = CounterSite::new("rows", 0.1); &SITE }.add(&METRICS, rows.len())
/// }
/// ```
#[proc_macro]
pub fn count(tokens: TokenStream) -> TokenStream {
    verbs::expand(Verb::Count, tokens.into()).into()
}

/// Sets a gauge.
///
/// `set_gauge!([crate = path,] LOGGER, "name", value [, "key" => label]*)`
///
/// The value is a number, `bool` (1 or 0), or a `Duration` (in seconds); labels are those of [`count!`]. Neither is evaluated while recording is off. The
/// macro's value is `()`. Gauges are never sampled.
///
/// # Example
///
/// ```
/// # use ferrometer::{Logger, logger, set_gauge};
/// # static METRICS: Logger = logger!();
/// # let (queue, pool) = (vec![1, 2], String::from("database"));
/// set_gauge!(METRICS, "queue.depth", queue.len());
/// set_gauge!(METRICS, "pool.free", 12, "pool" => pool);
/// ```
///
/// # Expansion
///
/// ```text
/// if enabled() {
///     { static SITE: GaugeSite = GaugeSite::new("queue.depth"); &SITE }.set(&METRICS, queue.len())
/// }
/// ```
#[proc_macro]
pub fn set_gauge(tokens: TokenStream) -> TokenStream {
    verbs::expand(Verb::SetGauge, tokens.into()).into()
}

/// Records a value into a histogram: bytes, rows, a ratio.
///
/// `record!([crate = path,] LOGGER, "name", value [, sample_rate = 0.1] [, "key" => label]*)`
///
/// The value is what [`set_gauge!`] takes; a `Duration` is recorded in seconds, and [`time!`] or a timer is better for those. NaN and infinities are counted
/// and not recorded. Labels are those of [`count!`]. Nothing is evaluated while recording is off. The macro's value is `()`.
///
/// # Example
///
/// ```
/// # use ferrometer::{Logger, logger, record};
/// # static METRICS: Logger = logger!();
/// # let (body, rows, table) = ("text", [1, 2], "orders");
/// record!(METRICS, "response.bytes", body.len());
/// record!(METRICS, "batch.rows", rows.len(), sample_rate = 0.1, "table" => table);
/// ```
///
/// # Expansion
///
/// ```text
/// if enabled() {
///     { static SITE: HistogramSite = HistogramSite::new("response.bytes", 0.0); &SITE }.record(&METRICS, body.len())
/// }
/// ```
#[proc_macro]
pub fn record(tokens: TokenStream) -> TokenStream {
    verbs::expand(Verb::Record, tokens.into()).into()
}

/// Records how long a block takes, and is the block's value.
///
/// `time!([crate = path,] LOGGER, "name" [, sample_rate = 0.1] [, "key" => label]*, block_or_expression)`
///
/// The block runs where it stands, recording on or off: `?`, `return`, `break` and `.await` inside mean what they say,
/// and the time is recorded however it ends. Labels are those of [`count!`], not evaluated while recording is off. Temporaries of the block's last expression end with the block, as in edition 2024.
///
/// # Example
///
/// ```
/// use ferrometer::{Logger, logger, time};
///
/// static METRICS: Logger = logger!();
///
/// # async fn fetch(url: &str) -> std::io::Result<usize> { Ok(url.len()) }
/// async fn load(path: &str, host: &str) -> std::io::Result<usize> {
///     let url = time!(METRICS, "load.time", { std::fs::read_to_string(path)? });
///     time!(METRICS, "fetch.time", sample_rate = 0.1, "host" => host, fetch(&url).await)
/// }
/// ```
///
/// # Expansion
///
/// ```text
/// {
///     let timer = { static SITE: TimerSite = TimerSite::new("load.time", 0.0); &SITE }.start_block(&METRICS);
///     { read(path)? }
/// }
/// ```
#[proc_macro]
pub fn time(tokens: TokenStream) -> TokenStream {
    verbs::expand(Verb::Time, tokens.into()).into()
}

/// Makes an enum's variants the values of a label: `LabelValue` and `AsRef<str>`.
///
/// A call of [`count!`], [`set_gauge!`] or [`time!`] whose labels are all of such types, or literals in the call (at most 4, with
/// at most 4,096 combinations), finds its series by the variants' numbers, without reading a text.
///
/// A variant reads its name in snake case (`NotFound`: `not_found`), or the text of `#[label("text")]` on it. Variants have no
/// fields, and no two read the same. `#[label(crate = path)]` on the enum says where the facade is.
///
/// # Example
///
/// ```
/// use ferrometer::{LabelValue, Logger, count, logger};
///
/// static METRICS: Logger = logger!();
///
/// #[derive(Clone, Copy, LabelValue)]
/// enum Method {
///     #[label("GET")]
///     Get,
///     #[label("PUT")]
///     Put,
///     Other,                                  // other
/// }
///
/// count!(METRICS, "requests", "method" => Method::Put);
/// METRICS.with("method", &Method::Get).send_counter("requests", 1);
/// ```
#[proc_macro_derive(LabelValue, attributes(label))]
pub fn label_value(item: TokenStream) -> TokenStream {
    label_value::expand(item.into()).into()
}
