//! The arguments of an attribute: from tokens to a checked [`Args`].
//!
//! One grammar, with a message for each slip; hence the length.

use proc_macro2::{Literal, Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, Ident, LitStr, Path, Result, Token};

mod measured;

use crate::check;
use crate::labels::{Labels, at_label};

/// Which attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Timer,
    Counter,
    Gauge,
    /// Stands for a counter, a timer, and a count of what is in flight.
    Measured,
    /// No attribute by itself.
    InFlight,
}

impl Kind {
    pub fn of(ident: &Ident) -> Option<Kind> {
        [Kind::Timer, Kind::Counter, Kind::Gauge, Kind::Measured].into_iter().find(|kind| ident == kind.word())
    }

    /// The attribute's own name.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Timer => "timer",
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            // It is what the first part of `#[measured]` is.
            Kind::Measured | Kind::InFlight => "measured",
        }
    }

    /// The end of a name recorded by default.
    fn suffix(self) -> &'static str {
        match self {
            Kind::Timer => ".time",
            Kind::Counter => ".count",
            Kind::InFlight => ".in_flight",
            Kind::Gauge | Kind::Measured => "",
        }
    }

    /// The variant of the core's `Kind`.
    pub fn variant(self) -> &'static str {
        match self {
            Kind::Timer => "Timer",
            Kind::Counter => "Counter",
            Kind::Gauge => "Gauge",
            Kind::InFlight => "InFlight",
            Kind::Measured => unreachable!("it is parsed into its parts"),
        }
    }

    /// The name recorded by default, for a function called `function`.
    fn default_name(self, function: &str) -> String {
        format!("{function}{}", self.suffix())
    }

    fn allowed(self) -> &'static [&'static str] {
        match self {
            Kind::Timer => &["logger", "name", "prefix", "sample_rate", "on", "outcome", "error", "busy", "crate"],
            Kind::Counter => &["logger", "name", "prefix", "sample_rate", "on", "outcome", "error", "crate"],
            Kind::Measured => &["logger", "name", "prefix", "sample_rate", "error", "crate"],
            Kind::Gauge | Kind::InFlight => &["logger", "name", "prefix", "crate"],
        }
    }
}

/// The outcomes `on` can name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Err,
    Panic,
    Cancelled,
}

/// Arguments of one attribute.
pub struct Args {
    pub kind: Kind,
    /// `None`: the module's own logger.
    pub logger: Option<Expr>,
    name: Option<(String, Span)>,
    prefix: Option<(String, Span)>,
    pub sample_rate: Option<Literal>,
    /// Record this outcome only.
    pub on: Option<Outcome>,
    /// Record the outcome as a label.
    pub outcome: bool,
    /// Returns what a returned error is, for a label.
    pub error: Option<Expr>,
    /// Record the time in polls, too.
    pub busy: bool,
    /// Further labels.
    pub labels: Labels,
    /// The path of the facade.
    pub krate: TokenStream,
}

impl Args {
    /// Parses what stands between the attribute's parentheses.
    pub fn parse(kind: Kind, tokens: TokenStream) -> Result<Args> {
        (|input: ParseStream<'_>| Fields::parse(kind, input)).parse2(tokens)?.finish(kind)
    }

    /// Returns whether recording needs to know how the call ended.
    pub fn at_exit(&self) -> bool {
        self.on.is_some() || self.outcome || self.error.is_some()
    }

    /// The metric's name as a literal that carries the user's span where there is one.
    pub fn name_for(&self, function: &Ident) -> Result<LitStr> {
        let (name, span) = match &self.name {
            Some((name, span)) => (name.clone(), *span),
            None => (self.kind.default_name(&check::from_ident(function)), function.span()),
        };
        let (name, span) = match &self.prefix {
            Some((prefix, prefix_span)) => {
                let whole = format!("{prefix}.{name}");
                (whole, if self.name.is_some() { span } else { *prefix_span })
            }
            None => (name, span),
        };
        check::length(&name, "metric name", span)?;
        Ok(LitStr::new(&name, span.resolved_at(Span::mixed_site())))
    }

    /// Returns whether `other` on the same function would record the same calls into the same series.
    pub fn repeats(&self, other: &Args) -> bool {
        let text = |logger: &Option<Expr>| logger.as_ref().map(|expr| expr.to_token_stream().to_string());
        let word = |part: &Option<(String, Span)>| part.as_ref().map(|(text, _)| text.clone());
        self.kind == other.kind
            && self.on == other.on
            && self.outcome == other.outcome
            && self.error.is_some() == other.error.is_some()
            && self.labels.is_empty()
            && other.labels.is_empty()
            && word(&self.name) == word(&other.name)
            && word(&self.prefix) == word(&other.prefix)
            && text(&self.logger) == text(&other.logger)
    }
}

/// The path the expansion reaches the facade by.
pub fn facade(path: Option<Path>) -> TokenStream {
    match path {
        Some(path) => path.into_token_stream(),
        None => quote::quote_spanned!(Span::mixed_site()=> ::ferrometer),
    }
}

/// Refuses the second use of an argument.
pub fn once<T>(slot: &mut Option<T>, value: T, what: &str, span: Span) -> Result<()> {
    if slot.is_some() {
        return Err(Error::new(span, format!("`{what}` is given twice")));
    }
    *slot = Some(value);
    Ok(())
}

/// Returns whether the next tokens are `ident =`, a named argument and not the start of an expression.
pub fn at_named(input: ParseStream<'_>) -> bool {
    input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]) && !input.peek2(Token![=>])
}

/// Parses the path of `crate = path`.
pub fn crate_path(input: ParseStream<'_>) -> Result<Path> {
    if input.peek(syn::Lit) {
        return Err(input.error("`crate` is a path without quotes, such as `crate = some::path`"));
    }
    Path::parse_mod_style(input)
}

/// A string literal, or an error that says what was expected.
pub fn string(input: ParseStream<'_>, what: &str) -> Result<LitStr> {
    if input.peek(LitStr) {
        return input.parse();
    }
    Err(if input.is_empty() {
        input.error(format!("expected {what}, a string literal"))
    } else {
        match input.parse::<Expr>() {
            Ok(found) => Error::new_spanned(found, format!("{what} is a string literal")),
            Err(error) => error,
        }
    })
}

/// The arguments as written, each at most once.
#[derive(Default)]
struct Fields {
    logger: Option<Expr>,
    name: Option<LitStr>,
    prefix: Option<LitStr>,
    sample_rate: Option<Literal>,
    on: Option<LitStr>,
    outcome: Option<Ident>,
    error: Option<Expr>,
    busy: Option<Ident>,
    labels: Labels,
    krate: Option<Path>,
}

impl Fields {
    fn parse(kind: Kind, input: ParseStream<'_>) -> Result<Fields> {
        let mut fields = Fields::default();
        let mut first = true;
        while !input.is_empty() {
            fields.argument(kind, input, first)?;
            first = false;
            if input.is_empty() {
                break;
            }
            if !input.peek(Token![,]) {
                return Err(input.error("expected `,` between two arguments"));
            }
            input.parse::<Token![,]>()?;
        }
        Ok(fields)
    }

    fn argument(&mut self, kind: Kind, input: ParseStream<'_>, first: bool) -> Result<()> {
        if at_named(input) {
            let key = input.call(Ident::parse_any)?;
            input.parse::<Token![=]>()?;
            return self.named(kind, &key, input);
        }
        if at_label(input) {
            return self.labels.parse(input);
        }
        if input.peek(LitStr) && input.peek2(Token![=]) && !input.peek2(Token![==]) {
            return Err(input.error("a label is written `\"key\" => value`"));
        }
        if input.peek(LitStr) && !input.peek2(Token![.]) {
            let name: LitStr = input.parse()?;
            let span = name.span();
            return once(&mut self.name, name, "name", span);
        }
        if input.peek(Ident) && (input.peek2(Token![,]) || is_last(input)) {
            let ident = input.fork().parse::<Ident>()?;
            if ident == "outcome" {
                input.parse::<Ident>()?;
                has_outcome(kind, &ident)?;
                let span = ident.span();
                return once(&mut self.outcome, ident, "outcome", span);
            }
            if ident == "busy" && kind == Kind::Timer {
                input.parse::<Ident>()?;
                let span = ident.span();
                return once(&mut self.busy, ident, "busy", span);
            }
            let word = ident.to_string();
            if word != "logger" && kind.allowed().contains(&word.as_str()) {
                return Err(needs_value(&ident));
            }
            if !first && check::nearest(&word, kind.allowed()).is_some() {
                return Err(unknown(kind, &ident));
            }
        }
        let expr: Expr = input.parse()?;
        if input.peek(Token![=>]) {
            return Err(Error::new_spanned(expr, "a label key is a string literal: `\"key\" => value`"));
        }
        if let Some(message) = check::unnamed_rate(&expr) {
            let gauge = "gauges are never sampled; #[gauge] has no rate".to_owned();
            return Err(Error::new_spanned(&expr, if kind == Kind::Gauge { gauge } else { message }));
        }
        if !first {
            return Err(Error::new_spanned(
                &expr,
                format!(
                    "unexpected argument of #[{}]: a logger comes first, and the name is a string literal",
                    kind.word()
                ),
            ));
        }
        if let Expr::Lit(_) = check::ungroup(&expr) {
            return Err(Error::new_spanned(&expr, "expected a logger or a name (a string literal)"));
        }
        self.logger = Some(expr);
        Ok(())
    }

    fn named(&mut self, kind: Kind, key: &Ident, input: ParseStream<'_>) -> Result<()> {
        let span = key.span();
        if input.is_empty() || input.peek(Token![,]) {
            return Err(needs_value(key));
        }
        match key.to_string().as_str() {
            "logger" => once(&mut self.logger, input.parse()?, "logger", span),
            "name" => once(&mut self.name, string(input, "the name")?, "name", span),
            "prefix" => once(&mut self.prefix, string(input, "the prefix")?, "prefix", span),
            "crate" => once(&mut self.krate, crate_path(input)?, "crate", span),
            "sample_rate" | "rate" | "sample" if kind == Kind::Gauge => {
                Err(Error::new(span, "gauges are never sampled; #[gauge] has no `sample_rate`"))
            }
            "sample_rate" => once(&mut self.sample_rate, check::sample_rate(&input.parse()?)?, "sample_rate", span),
            "error" => {
                no_gauge(kind, key)?;
                once(&mut self.error, input.parse()?, "error", span)
            }
            "on" => {
                has_outcome(kind, key)?;
                once(&mut self.on, string(input, "`on`")?, "on", span)
            }
            "outcome" => {
                has_outcome(kind, key)?;
                Err(Error::new(span, "`outcome` is a flag and takes no value: write `outcome` alone"))
            }
            "busy" if kind == Kind::Timer => {
                Err(Error::new(span, "`busy` is a flag and takes no value: write `busy` alone"))
            }
            _ => Err(unknown(kind, key)),
        }
    }

    fn finish(self, kind: Kind) -> Result<Args> {
        let on = match &self.on {
            Some(on) => on_outcome(kind, on)?,
            None => None,
        };
        if let (Some(written), Some(flag), None) = (&self.on, &self.outcome, on) {
            return Err(Error::new(
                flag.span(),
                format!("`on = \"{}\"` counts before the outcome is known; leave one of the two out", written.value()),
            ));
        }
        if let (Some(_), Some(key)) = (&self.outcome, self.labels.key("outcome")) {
            return Err(Error::new(
                key.span(),
                "the label key \"outcome\" is that of the flag `outcome`; leave one of the two out",
            ));
        }
        if let (Some(_), Some(key)) = (&self.error, self.labels.key("error")) {
            return Err(Error::new(
                key.span(),
                "the label key \"error\" is that of the argument `error`; leave one of the two out",
            ));
        }
        if let Some(flag) = &self.busy {
            let other = match (&self.sample_rate, &self.on, &self.outcome, &self.error) {
                (Some(_), ..) => Some("sample_rate"),
                (_, Some(_), ..) => Some("on"),
                (.., Some(_), _) => Some("outcome"),
                (.., Some(_)) => Some("error"),
                _ => None,
            };
            if let Some(other) = other {
                let message = format!(
                    "`busy` measures every call, however it ends, and goes with no `{other}`; use a second #[timer]"
                );
                return Err(Error::new(flag.span(), message));
            }
        }
        let checked = |literal: Option<LitStr>, what: &str| {
            literal.map(|literal| check::name(&literal, what).map(|name| (name, literal.span()))).transpose()
        };
        Ok(Args {
            kind,
            logger: self.logger,
            name: checked(self.name, "metric name")?,
            prefix: checked(self.prefix, "prefix")?,
            sample_rate: self.sample_rate,
            on,
            outcome: self.outcome.is_some(),
            error: self.error,
            busy: self.busy.is_some(),
            labels: self.labels,
            krate: facade(self.krate),
        })
    }
}

/// Returns whether exactly one token is left.
fn is_last(input: ParseStream<'_>) -> bool {
    input.cursor().token_tree().is_some_and(|(_, rest)| rest.eof())
}

/// The error for `argument =` with nothing behind it.
pub fn needs_value(key: &Ident) -> Error {
    Error::new(key.span(), format!("`{key}` needs a value: `{key} = …`"))
}

fn unknown(kind: Kind, key: &Ident) -> Error {
    let found = key.to_string();
    Error::new(
        key.span(),
        format!(
            "unknown argument `{found}` of #[{}]; {}",
            kind.word(),
            check::allowed_arguments(&found, kind.allowed())
        ),
    )
}

/// Refuses an argument about how calls end, of attributes that are not told.
fn has_outcome(kind: Kind, key: &Ident) -> Result<()> {
    if kind == Kind::Measured {
        let message = format!(
            "#[measured] records every outcome, with a label `outcome`; `{key}` is an argument of #[counter] and #[timer]"
        );
        return Err(Error::new(key.span(), message));
    }
    no_gauge(kind, key)
}

fn no_gauge(kind: Kind, key: &Ident) -> Result<()> {
    if kind != Kind::Gauge {
        return Ok(());
    }
    Err(Error::new(
        key.span(),
        format!("#[gauge] records the value a function returned and has no `{key}`; #[counter] and #[timer] have"),
    ))
}

/// `None` is `"entry"`: counted when the call begins.
fn on_outcome(kind: Kind, literal: &LitStr) -> Result<Option<Outcome>> {
    let entry = if kind == Kind::Counter { "\"entry\" (the default), " } else { "" };
    match literal.value().as_str() {
        "ok" => Ok(Some(Outcome::Ok)),
        "err" => Ok(Some(Outcome::Err)),
        "panic" => Ok(Some(Outcome::Panic)),
        "cancelled" => Ok(Some(Outcome::Cancelled)),
        "entry" if kind == Kind::Counter => Ok(None),
        found => {
            let meant = match found {
                "error" | "errors" | "failure" => "; did you mean \"err\"?",
                "success" => "; did you mean \"ok\"?",
                "canceled" | "cancel" => "; did you mean \"cancelled\"?",
                "entry" => "; a timer records when the call ended",
                _ => "",
            };
            Err(Error::new(
                literal.span(),
                format!(
                    "found {found:?}; `on` of #[{}] is {entry}\"ok\", \"err\", \"panic\" or \"cancelled\"{meant}",
                    kind.word()
                ),
            ))
        }
    }
}
