//! The verb macros `count!`, `set_gauge!`, `record!` and `time!`: parsing and expansion.
//!
//! Attributes are nouns and say what a function is; these are verbs and record where they stand.

use proc_macro2::{Delimiter, Group, Literal, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprBlock, Ident, LitStr, Result, Token};

use crate::args::{at_named, crate_path, facade, needs_value, once};
use crate::check;
use crate::expand::{Site, borrowed_logger, rate, site};
use crate::labels::{Labels, at_label};
use crate::span::{ours, report};

/// Which macro.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Count,
    SetGauge,
    Record,
    Time,
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Verb::Count => "count!",
            Verb::SetGauge => "set_gauge!",
            Verb::Record => "record!",
            Verb::Time => "time!",
        }
    }

    /// The variant of the core's `Kind`.
    fn variant(self) -> &'static str {
        match self {
            Verb::Count => "Counter",
            Verb::SetGauge => "Gauge",
            Verb::Record => "Histogram",
            Verb::Time => "Timer",
        }
    }

    /// How a call looks, for messages.
    fn usage(self) -> &'static str {
        match self {
            Verb::Count => "count!(LOGGER, \"name\", value, sample_rate = 0.1, \"key\" => label)",
            Verb::SetGauge => "set_gauge!(LOGGER, \"name\", value, \"key\" => label)",
            Verb::Record => "record!(LOGGER, \"name\", value, sample_rate = 0.1, \"key\" => label)",
            Verb::Time => "time!(LOGGER, \"name\", sample_rate = 0.1, \"key\" => label, { block })",
        }
    }
}

/// Expands one call.
pub fn expand(verb: Verb, tokens: TokenStream) -> TokenStream {
    match (|input: ParseStream<'_>| Call::parse(verb, input)).parse2(tokens) {
        Ok(call) => call.expand(verb),
        Err(error) => report(error),
    }
}

/// A call as written, checked.
struct Call {
    krate: TokenStream,
    logger: Expr,
    name: String,
    name_literal: LitStr,
    sample_rate: Option<Literal>,
    labels: Labels,
    /// The value to record, or what is timed.
    value: Option<Value>,
}

enum Value {
    Expr(Box<Expr>),
    /// A block as last argument, left as it was written.
    Block(Group),
}

impl ToTokens for Value {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Value::Expr(expr) => expr.to_tokens(tokens),
            Value::Block(block) => block.to_tokens(tokens),
        }
    }
}

impl Call {
    fn parse(verb: Verb, input: ParseStream<'_>) -> Result<Call> {
        let mut krate = None;
        if at_named(input) && input.peek(Token![crate]) {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            krate = Some(crate_path(input)?);
            comma(verb, input)?;
        }
        if input.is_empty() || input.peek(LitStr) {
            return Err(Error::new(input.span(), format!("the logger comes first: {}", verb.usage())));
        }
        if at_named(input) {
            return Err(unknown(verb, &input.call(Ident::parse_any)?));
        }
        let logger = input.parse()?;
        if input.is_empty() {
            return Err(Error::new_spanned(&logger, format!("a name comes after the logger: {}", verb.usage())));
        }
        comma(verb, input)?;
        let name_literal = name_literal(verb, input)?;
        let name = check::name(&name_literal, "metric name")?;
        let mut call = Call {
            krate: facade(krate),
            logger,
            name,
            name_literal,
            sample_rate: None,
            labels: Labels::default(),
            value: None,
        };
        while !input.is_empty() {
            comma(verb, input)?;
            if input.is_empty() {
                break;
            }
            call.argument(verb, input)?;
        }
        if call.value.is_none() && verb != Verb::Count {
            let missing = match verb {
                Verb::Time => "the block to time",
                Verb::Record => "the value to record",
                Verb::Count | Verb::SetGauge => "the value to set",
            };
            return Err(Error::new(
                call.name_literal.span(),
                format!("{} needs {missing}: {}", verb.word(), verb.usage()),
            ));
        }
        Ok(call)
    }

    fn argument(&mut self, verb: Verb, input: ParseStream<'_>) -> Result<()> {
        if verb == Verb::Time
            && let Some(value) = &self.value
        {
            if let Value::Expr(expr) = value
                && let Some(message) = check::unnamed_rate(expr)
            {
                return Err(Error::new_spanned(expr, message));
            }
            return Err(input.error("the timed block comes last"));
        }
        if at_named(input) && !assignment_to_time(verb, input) {
            return self.named(verb, input);
        }
        if at_label(input) {
            return self.labels.parse(input);
        }
        if input.peek(LitStr) && input.peek2(Token![=]) && !input.peek2(Token![==]) {
            return Err(input.error("a label is written `\"key\" => value`"));
        }
        if let Some(block) = last_block(input) {
            input.parse::<TokenTree>()?;
            return self.set_value(verb, Value::Block(our_braces(block)));
        }
        let expr: Expr = input.parse()?;
        if input.peek(Token![=>]) {
            return Err(Error::new_spanned(expr, "a label key is a string literal: `\"key\" => value`"));
        }
        if let Expr::Block(ExprBlock { attrs, label: None, block }) = check::ungroup(&expr)
            && attrs.is_empty()
        {
            let stmts = &block.stmts;
            let mut group = Group::new(Delimiter::Brace, quote!(#(#stmts)*));
            group.set_span(block.brace_token.span.join());
            return self.set_value(verb, Value::Block(our_braces(group)));
        }
        self.set_value(verb, Value::Expr(Box::new(expr)))
    }

    fn set_value(&mut self, verb: Verb, value: Value) -> Result<()> {
        if self.value.is_some() {
            return Err(Error::new_spanned(value, format!("{} takes one value; this is a second one", verb.word())));
        }
        self.value = Some(value);
        Ok(())
    }

    fn named(&mut self, verb: Verb, input: ParseStream<'_>) -> Result<()> {
        let key = input.call(Ident::parse_any)?;
        match (key.to_string().as_str(), verb) {
            ("sample_rate" | "rate" | "sample", Verb::SetGauge) => {
                Err(Error::new(key.span(), "gauges are never sampled; set_gauge! has no `sample_rate`"))
            }
            ("sample_rate", _) => {
                input.parse::<Token![=]>()?;
                if input.is_empty() || input.peek(Token![,]) {
                    return Err(needs_value(&key));
                }
                let rate = check::sample_rate(&input.parse()?)?;
                once(&mut self.sample_rate, rate, "sample_rate", key.span())
            }
            ("crate", _) => Err(Error::new(
                key.span(),
                format!("`crate = path` is the first argument: {}(crate = path, LOGGER, …)", verb.word()),
            )),
            _ => Err(unknown(verb, &key)),
        }
    }

    fn expand(&self, verb: Verb) -> TokenStream {
        let Call { krate, logger, value, .. } = self;
        let logger = borrowed_logger(logger);
        let site = self.site(verb);
        if let (Verb::Time, Some(timed)) = (verb, value) {
            return self.time(&site, &logger, timed);
        }
        // A value of a type that cannot be recorded is reported where the value stands.
        let span = value.as_ref().map_or_else(ours, |value| value.span().resolved_at(ours()));
        let method = match (verb, value) {
            (Verb::Time, _) => unreachable!("refused while parsing"),
            (Verb::Count, None) if self.labels.is_empty() && self.is_sampled() => "increment_rated",
            (Verb::Count, None) if self.labels.is_empty() => "increment",
            (Verb::Count, _) => "add",
            (Verb::SetGauge, _) => "set",
            (Verb::Record, _) => "record",
        };
        let method = Ident::new(method, span);
        let record = match (self.labels.is_empty(), value) {
            (true, None) => quote_spanned!(ours()=> #site.#method(#logger)),
            (true, Some(value)) => quote_spanned!(ours()=> #site.#method(#logger, #value)),
            (false, None) => {
                self.with_labels(None, &|labels, _| quote_spanned!(ours()=> #site.#method(#logger, 1, #labels)))
            }
            (false, Some(value)) => self.with_labels(
                Some(value),
                &|labels, value| quote_spanned!(ours()=> #site.#method(#logger, #value, #labels)),
            ),
        };
        if self.costs_nothing(verb) {
            // The call site's own check is the only one.
            return quote_spanned!(ours()=> { #record });
        }
        quote_spanned! {ours()=>
            { if #krate::__private::enabled() { #record } }
        }
    }

    /// The timed block runs inline, so that `?`, `return`, `break` and `.await` inside mean what they say.
    fn time(&self, site: &TokenStream, logger: &TokenStream, timed: &Value) -> TokenStream {
        let krate = &self.krate;
        let start = match self.labels.is_empty() {
            true if self.is_sampled() => quote_spanned!(ours()=> #site.start_block_rated(#logger)),
            true => quote_spanned!(ours()=> #site.start_block(#logger)),
            false => self.with_labels(None, &|labels, _| quote_spanned!(ours()=> #site.start(#logger, #labels))),
        };
        let start = if self.costs_nothing(Verb::Time) {
            start
        } else {
            let option = quote_spanned!(ours()=> #krate::__private::core::option::Option);
            quote_spanned! {ours()=>
                if #krate::__private::enabled() { #option::Some(#start) } else { #option::None }
            }
        };
        let timed = match timed {
            // Without parentheses, `match … {} + 1` would be two statements.
            Value::Expr(expr) => quote_spanned!(ours()=> (#expr)),
            Value::Block(block) => block.to_token_stream(),
        };
        quote_spanned! {ours()=>
            {
                let __ferrometer_timer = #start;
                #timed
            }
        }
    }

    /// Returns whether there are calls that are not recorded, by the call's own rate.
    fn is_sampled(&self) -> bool {
        check::is_sampled(self.sample_rate.as_ref())
    }

    fn site(&self, verb: Verb) -> TokenStream {
        let name = LitStr::new(&self.name, self.name_literal.span().resolved_at(ours()));
        let (rate, variant) = (rate(self.sample_rate.as_ref()), verb.variant());
        let keys: Vec<&LitStr> = self.labels.keys().collect();
        let kind = Ident::new(variant, ours());
        let krate = &self.krate;
        let (ty, parameter, arguments) = match verb {
            _ if !self.labels.is_empty() => {
                let arguments = quote_spanned!(ours()=> #name, &[#(#keys),*], #krate::__private::Kind::#kind, #rate);
                ("LabelledSite", Some(keys.len()), arguments)
            }
            Verb::SetGauge => ("GaugeSite", None, name.to_token_stream()),
            Verb::Count => ("CounterSite", None, quote_spanned!(ours()=> #name, #rate)),
            Verb::Record => ("HistogramSite", None, quote_spanned!(ours()=> #name, #rate)),
            Verb::Time => ("TimerSite", None, quote_spanned!(ours()=> #name, #rate)),
        };
        let (arguments, logger) = (&arguments, Some(&self.logger));
        site(&Site { krate, ty, parameter, arguments, kind: variant, name: &name, keys, rate, busy: false, logger })
    }

    fn with_labels(&self, value: Option<&Value>, call: &dyn Fn(&TokenStream, &Ident) -> TokenStream) -> TokenStream {
        self.labels.evaluate(&self.krate, value.map(ToTokens::to_token_stream).as_ref(), call)
    }

    /// Returns whether nothing the user wrote has to be evaluated before the call site looks at the switch.
    fn costs_nothing(&self, verb: Verb) -> bool {
        let value = match &self.value {
            None => true,
            // A timed block runs in any case.
            Some(_) if verb == Verb::Time => true,
            Some(Value::Expr(expr)) => matches!(check::ungroup(expr), Expr::Lit(_)),
            Some(Value::Block(_)) => false,
        };
        matches!(check::ungroup(&self.logger), Expr::Path(_)) && self.labels.is_empty() && value
    }
}

fn comma(verb: Verb, input: ParseStream<'_>) -> Result<()> {
    if !input.peek(Token![,]) {
        return Err(input.error(format!("expected `,`: {}", verb.usage())));
    }
    input.parse::<Token![,]>()?;
    Ok(())
}

fn name_literal(verb: Verb, input: ParseStream<'_>) -> Result<LitStr> {
    if input.peek(LitStr) {
        return input.parse();
    }
    let method = match verb {
        Verb::Count => "send_counter",
        Verb::SetGauge => "send_gauge",
        Verb::Record => "send_histogram",
        Verb::Time => "send_timer",
    };
    let message = format!("the name is a string literal (for one made at run time: `LOGGER.{method}(name, …)`)");
    Err(match input.parse::<Expr>() {
        Ok(found) => Error::new_spanned(found, message),
        Err(_) => input.error(message),
    })
}

/// `time!(LOGGER, "x", a = f())` times an assignment: it is last, and no argument has that name.
fn assignment_to_time(verb: Verb, input: ParseStream<'_>) -> bool {
    let fork = input.fork();
    verb == Verb::Time
        && fork.call(Ident::parse_any).is_ok_and(|ident| ident != "sample_rate" && ident != "crate")
        && fork.parse::<Token![=]>().is_ok()
        && Expr::parse(&fork).is_ok()
        && (fork.is_empty() || fork.parse::<Token![,]>().is_ok() && fork.is_empty())
}

/// Braces around a single expression are the macro's form, not a slip that the compiler should warn of.
fn our_braces(mut block: Group) -> Group {
    block.set_span(block.span().resolved_at(ours()));
    block
}

/// A block that is the last argument.
fn last_block(input: ParseStream<'_>) -> Option<Group> {
    let (token, rest) = input.cursor().token_tree()?;
    let last = rest.eof() || rest.punct().is_some_and(|(punct, rest)| punct.as_char() == ',' && rest.eof());
    match token {
        TokenTree::Group(group) if last && group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

fn unknown(verb: Verb, key: &Ident) -> Error {
    let found = key.to_string();
    let allowed: &[&str] = match verb {
        Verb::Count | Verb::Record | Verb::Time => &["sample_rate", "crate"],
        Verb::SetGauge => &["crate"],
    };
    let allowed = check::allowed_arguments(&found, allowed);
    Error::new(key.span(), format!("unknown argument `{found}` of {}; {allowed}", verb.word()))
}
