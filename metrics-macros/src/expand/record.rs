//! One attribute, lowered to the statements that record it.
//!
//! One lowering for all kinds of attributes; hence the length.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Ident, LitStr};

use super::shape::Output;
use super::site::{Site, is_static, site};
use crate::args::{Args, Kind, Outcome};
use crate::check::{is_sampled, ungroup};
use crate::span::{borrowed, ours};

/// One attribute on its function.
pub struct Record<'a> {
    args: &'a Args,
    /// `&'static` to this attribute's call-site memory.
    site: TokenStream,
    /// The local that lives from start to finish.
    local: Ident,
    /// The local for a logger that is kept.
    kept: Ident,
}

/// The statements around a body, for all attributes together.
#[derive(Default)]
pub struct Steps {
    /// In the function, before a future is built.
    pub outside: TokenStream,
    /// Before the body.
    pub start: TokenStream,
    /// After it. Reads the value the body came to, a local called [`value`].
    pub finish: TokenStream,
    /// Where a `?` is about to leave the body, with the outcome in a local of ours. Empty where nothing depends on it.
    leave: TokenStream,
    /// Something has to see the returned error itself, which `?` has not converted yet where it leaves.
    pub needs_error: bool,
    /// The local that measures the polls of the whole future.
    pub meter: Option<Ident>,
}

/// Where the body runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the function itself.
    Here,
    /// Later, in a future that the function returns: arguments may be gone by then.
    Later,
}

/// Where the logger comes from.
enum Logger<'a> {
    /// A place that outlives all: these tokens borrow it, at any time.
    Static(TokenStream),
    /// An expression that is only looked at while recording is on.
    Guarded(&'a Expr),
    /// An expression as above, evaluated on entry and kept.
    Kept(Option<&'a Expr>),
}

impl<'a> Record<'a> {
    pub fn new(index: usize, args: &'a Args, place: Place, function: &Ident) -> syn::Result<Record<'a>> {
        let name = args.name_for(function)?;
        let krate = &args.krate;
        let (ty, arguments) = match args.kind {
            Kind::Gauge => ("GaugeSite", quote_spanned!(ours()=> #name)),
            Kind::InFlight => ("InFlightSite", quote_spanned!(ours()=> #name)),
            Kind::Measured => unreachable!("it is parsed into its parts"),
            Kind::Timer | Kind::Counter if args.at_exit() => {
                let kind = Ident::new(if args.kind == Kind::Timer { "Timer" } else { "Counter" }, ours());
                let (rate, on, label) = (rate(args.sample_rate.as_ref()), on(krate, args.on), args.outcome);
                ("ExitSite", quote_spanned!(ours()=> #name, #krate::__private::Kind::#kind, #rate, #on, #label))
            }
            Kind::Timer | Kind::Counter if !args.labels.is_empty() && place == Place::Here && !args.busy => {
                let kind = Ident::new(if args.kind == Kind::Timer { "Timer" } else { "Counter" }, ours());
                let (rate, keys) = (rate(args.sample_rate.as_ref()), args.labels.keys());
                ("LabelledSite", quote_spanned!(ours()=> #name, &[#(#keys),*], #krate::__private::Kind::#kind, #rate))
            }
            Kind::Timer | Kind::Counter => {
                let rate = rate(args.sample_rate.as_ref());
                let ty = if args.kind == Kind::Timer { "TimerSite" } else { "CounterSite" };
                (ty, quote_spanned!(ours()=> #name, #rate))
            }
        };
        // The labels that the arguments bring.
        let brought = [("outcome", args.outcome), ("error", args.error.is_some())];
        let brought: Vec<LitStr> =
            brought.iter().filter(|(_, is)| *is).map(|(key, _)| LitStr::new(key, ours())).collect();
        Ok(Record {
            args,
            site: site(&Site {
                krate,
                ty,
                parameter: (ty == "LabelledSite").then_some(args.labels.len()),
                arguments: &arguments,
                kind: args.kind.variant(),
                name: &name,
                keys: args.labels.keys().chain(&brought).collect(),
                rate: rate(args.sample_rate.as_ref()),
                busy: args.busy,
                logger: args.logger.as_ref(),
            }),
            local: Ident::new(&format!("__ferrometer_{}_{index}", args.kind.word()), ours()),
            kept: format_ident!("__ferrometer_logger_{index}", span = ours()),
        })
    }

    /// Returns whether this record has to see the value that the body comes to.
    fn wants_value(&self, output: &Output) -> bool {
        // A body that never returns is recorded by its guard when it panics or is dropped.
        !matches!(output, Output::Never) && (self.args.kind == Kind::Gauge || self.args.at_exit())
    }

    /// Returns whether it is recorded on entry through a site with labels.
    fn is_labelled_here(&self, place: Place) -> bool {
        let has_site = matches!(self.args.kind, Kind::Counter | Kind::Timer);
        !self.args.labels.is_empty() && place == Place::Here && has_site && !self.args.at_exit()
    }

    fn logger(&self, place: Place) -> Logger<'_> {
        let krate = &self.args.krate;
        // Labels are evaluated on entry; where the recording is made later, in a logger that has them.
        if !self.args.labels.is_empty() && !self.is_labelled_here(place) {
            return Logger::Kept(self.args.logger.as_ref());
        }
        let Some(expr) = &self.args.logger else {
            return Logger::Static(module_logger(krate));
        };
        // A gauge records after the body, which may have moved or mutably borrowed what the expression reads.
        let late = place == Place::Later || self.args.kind == Kind::Gauge;
        match ungroup(expr) {
            Expr::Path(path) if !late || is_static(path) => Logger::Static(borrowed_logger(expr)),
            _ if late => Logger::Kept(Some(expr)),
            _ => Logger::Guarded(expr),
        }
    }

    /// In the call, before its future is built: what is looked at then is what the function was given.
    fn lower_busy(&self, steps: &mut Steps) {
        let Record { args, site, local, .. } = self;
        let krate = &args.krate;
        let logger = args.logger.as_ref().map_or_else(|| module_logger(krate), borrowed_logger);
        let logger = match args.labels.is_empty() {
            true => logger,
            false => {
                let labelled = args.labels.evaluate_pairs(
                    krate,
                    &|labels| quote_spanned!(ours()=> #krate::__private::Logger::with_all(#logger, &#labels)),
                );
                quote_spanned!(ours()=> &#labelled)
            }
        };
        steps.outside.extend(quote_spanned! {ours()=>
            let #local = if #krate::__private::enabled() {
                #site.meter(#logger)
            } else {
                #krate::__private::Meter::off()
            };
        });
        steps.meter = Some(local.clone());
    }

    fn lower(&self, place: Place, output: &Output, steps: &mut Steps) {
        let Record { args, site, local, kept } = self;
        let krate = &args.krate;
        let option = quote_spanned!(ours()=> #krate::__private::core::option::Option);
        if args.busy {
            return self.lower_busy(steps);
        }
        let logger = self.logger(place);

        if let Logger::Kept(expr) = &logger {
            let logger = expr.map_or_else(|| module_logger(krate), borrowed_logger);
            let logger = match args.labels.is_empty() {
                true => quote_spanned! {ours()=>
                    <#krate::__private::Logger as #krate::__private::core::clone::Clone>::clone(#logger)
                },
                false => args.labels.evaluate_pairs(
                    krate,
                    &|labels| quote_spanned!(ours()=> #krate::__private::Logger::with_all(#logger, &#labels)),
                ),
            };
            let keep = quote_spanned! {ours()=>
                let #kept = if #krate::__private::enabled() {
                    #option::Some(#logger)
                } else {
                    #option::None
                };
            };
            if place == Place::Later { steps.outside.extend(keep) } else { steps.start.extend(keep) }
        }

        // `call` with the logger in its hands, if there is one: an expression of type `T`, or `Option<T>`.
        let with_logger = |call: &dyn Fn(&TokenStream) -> TokenStream| match &logger {
            Logger::Static(logger) => call(logger),
            Logger::Guarded(expr) => {
                let call = call(&borrowed_logger(expr));
                quote_spanned!(ours()=> if #krate::__private::enabled() { #option::Some(#call) } else { #option::None })
            }
            Logger::Kept(_) => {
                let call = call(&quote_spanned!(ours()=> __ferrometer_logger));
                quote_spanned!(ours()=> match &#kept {
                    #option::Some(__ferrometer_logger) => #option::Some(#call),
                    #option::None => #option::None,
                })
            }
        };
        let optional = !matches!(logger, Logger::Static(_));

        if args.kind == Kind::Gauge {
            // The trait error for a type that is no gauge value belongs on the return type.
            let span = output.span();
            let mut value = value();
            value.set_span(span);
            let set = with_logger(
                &|logger| quote_spanned!(span=> #krate::__private::GaugeSite::set_return(#site, #logger, &#value)),
            );
            steps.finish.extend(if optional {
                quote_spanned!(ours()=> let _: #option<()> = #set;)
            } else {
                quote_spanned!(ours()=> #set;)
            });
            return;
        }

        if !args.at_exit() {
            let method = match (args.kind, is_sampled(args.sample_rate.as_ref())) {
                (Kind::Counter, false) => "increment",
                (Kind::Counter, true) => "increment_rated",
                (Kind::InFlight, _) => "enter",
                (_, false) => "start",
                (_, true) => "start_rated",
            };
            let method = Ident::new(method, ours());
            if self.is_labelled_here(place) {
                let method = Ident::new(if args.kind == Kind::Counter { "add" } else { "start" }, ours());
                let one = (args.kind == Kind::Counter).then(|| quote_spanned!(ours()=> 1,));
                let record = with_logger(&|logger| {
                    args.labels.evaluate(
                        krate,
                        None,
                        &|labels, _| quote_spanned!(ours()=> #site.#method(#logger, #one #labels)),
                    )
                });
                let record = if optional {
                    record
                } else {
                    quote_spanned! {ours()=>
                        if #krate::__private::enabled() { #option::Some(#record) } else { #option::None }
                    }
                };
                steps.start.extend(if args.kind == Kind::Counter {
                    quote_spanned!(ours()=> let _: #option<()> = #record;)
                } else {
                    quote_spanned!(ours()=> let #local = #record;)
                });
                return;
            }
            steps.start.extend(match (args.kind, &logger) {
                (Kind::Counter, Logger::Static(logger)) => quote_spanned!(ours()=> #site.#method(#logger);),
                (Kind::Counter, _) => {
                    let increment = with_logger(&|logger| quote_spanned!(ours()=> #site.#method(#logger)));
                    quote_spanned!(ours()=> let _: #option<()> = #increment;)
                }
                _ => {
                    let start = with_logger(&|logger| quote_spanned!(ours()=> #site.#method(#logger)));
                    quote_spanned!(ours()=> let #local = #start;)
                }
            });
            return;
        }

        let method = Ident::new(if args.kind == Kind::Timer { "start" } else { "count" }, ours());
        let start = with_logger(&|logger| quote_spanned!(ours()=> #site.#method(#logger)));
        if !self.wants_value(output) {
            steps.start.extend(quote_spanned!(ours()=> let #local = #start;));
            return;
        }
        steps.start.extend(quote_spanned!(ours()=> let mut #local = #start;));
        let outcome = outcome_local();
        let call = |method: &str, how: &TokenStream| {
            let method = Ident::new(method, ours());
            // By its path: a trait of the program's may have a method of this name for every type, and it would be found first.
            let method = quote_spanned!(ours()=> #krate::__private::OnExit::#method);
            if optional {
                quote_spanned! {ours()=>
                    if let #option::Some(__ferrometer_exit) = &mut #local { #method(__ferrometer_exit, #how); }
                }
            } else {
                quote_spanned!(ours()=> #method(&mut #local, #how);)
            }
        };
        let how = outcome.into_token_stream();
        if let Some(kind) = &args.error {
            // The program's function gets the error that is returned, and says what it is in any form that a label takes.
            let (value, span) = (value(), kind.span().resolved_at(ours()));
            let error = call(
                "finish_error",
                &quote_spanned!(span=> #krate::__private::core::convert::AsRef::<#krate::__private::core::primitive::str>::as_ref(&__ferrometer_text)),
            );
            let finish = call("finish", &how);
            steps.finish.extend(quote_spanned! {span=>
                match &#value {
                    #krate::__private::core::result::Result::Err(__ferrometer_error) if #krate::__private::enabled() => {
                        use #krate::__private::{NoText as _, RefText as _, WrittenText as _};
                        let __ferrometer_kind = (#kind)(__ferrometer_error);
                        let __ferrometer_text = (&&#krate::__private::TextProbe(&__ferrometer_kind)).__ferrometer_text();
                        #error
                    }
                    _ => { #finish }
                }
            });
            steps.needs_error = true;
            return;
        }
        steps.finish.extend(call("finish", &how));
        steps.leave.extend(call("leave", &how));
    }
}

impl Steps {
    pub fn of(records: &[Record<'_>], place: Place, output: &Output) -> Steps {
        let mut steps = Steps::default();
        let exits = records.iter().find(|record| record.args.at_exit() && record.wants_value(output));
        if let Some(record) = exits {
            let krate = &record.args.krate;
            let (outcome, value) = (outcome_local(), value());
            // Two traits, so that method lookup tells a `Result` from everything else without a bound on its type.
            steps.finish.extend(quote_spanned! {ours()=>
                let #outcome = {
                    use #krate::__private::{AnyOutcome as _, ResultOutcome as _};
                    (&#krate::__private::Probe(&#value)).__ferrometer_outcome()
                };
            });
        }
        for record in records {
            record.lower(place, output, &mut steps);
        }
        steps
    }

    /// The closure that looks at the value in front of a `?`.
    pub fn look(&self, krate: &TokenStream, span: Span) -> Option<TokenStream> {
        if self.leave.is_empty() && !self.needs_error {
            return None;
        }
        let (value, outcome, leave) = (value(), outcome_local(), &self.leave);
        Some(quote_spanned! {span=>
            |#value| if let #krate::__private::core::option::Option::Some(#outcome) =
                (&#krate::__private::Left(#value)).__ferrometer_left()
            {
                #leave
            }
        })
    }

    /// Returns a future with its polls measured, if they are.
    pub fn metered(&self, krate: &TokenStream, future: TokenStream) -> TokenStream {
        match &self.meter {
            Some(meter) => quote_spanned!(ours()=> #krate::__private::BusyFuture::new(#meter, #future)),
            None => future,
        }
    }

    /// Returns whether the body's value is needed at all.
    pub fn wants_value(&self) -> bool {
        !self.finish.is_empty()
    }
}

/// The facade's path, as the first attribute gives it.
pub fn facade(records: &[Record<'_>]) -> TokenStream {
    records[0].args.krate.clone()
}

/// The local that holds the body's value.
pub fn value() -> Ident {
    Ident::new("__ferrometer_value", ours())
}

fn outcome_local() -> Ident {
    Ident::new("__ferrometer_outcome", ours())
}

/// The `rate` argument of a call site: 0 stands for "none given".
pub fn rate(given: Option<&Literal>) -> Literal {
    given.cloned().unwrap_or_else(|| Literal::f64_suffixed(0.0))
}

/// An expression: a `&'static` to the logger named after the module.
fn module_logger(krate: &TokenStream) -> TokenStream {
    quote_spanned! {ours()=>
        {
            static LOGGER: #krate::__private::Logger =
                #krate::__private::Logger::from_static(#krate::__private::core::module_path!());
            &LOGGER
        }
    }
}

/// The outcome that is recorded alone, if there is one: an expression.
fn on(krate: &TokenStream, on: Option<Outcome>) -> TokenStream {
    let option = quote_spanned!(ours()=> #krate::__private::core::option::Option);
    let Some(on) = on else { return quote_spanned!(ours()=> #option::None) };
    let variant = match on {
        Outcome::Ok => "Ok",
        Outcome::Err => "Err",
        Outcome::Panic => "Panic",
        Outcome::Cancelled => "Cancelled",
    };
    let variant = Ident::new(variant, ours());
    quote_spanned!(ours()=> #option::Some(#krate::__private::Outcome::#variant))
}

/// A logger of the user's, borrowed: an expression of type `Logger`, `&Logger`, or what dereferences to one.
///
/// Borrows a logger. The value of a block, an `if` or a `match` is expected to have the type that is asked for, so that `&(if …)` of a `&Logger` would be
/// refused. Behind a dereference nothing is expected.
pub fn borrowed_logger(expr: &Expr) -> TokenStream {
    let borrowed = borrowed(expr);
    match innermost(expr) {
        Expr::Block(_)
        | Expr::Const(_)
        | Expr::If(_)
        | Expr::Loop(_)
        | Expr::Macro(_)
        | Expr::Match(_)
        | Expr::Unsafe(_) => {
            quote_spanned!(expr.span().resolved_at(ours())=> &*#borrowed)
        }
        _ => borrowed,
    }
}

fn innermost(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => innermost(&group.expr),
        Expr::Paren(paren) => innermost(&paren.expr),
        _ => expr,
    }
}
