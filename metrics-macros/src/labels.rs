//! Labels as they stand in a verb macro or an attribute, `"key" => value`: parsing, and how their values are evaluated.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Lit, LitStr, Result, Token};

use crate::check;
use crate::span::{borrowed, ours};

/// The most labels that are looked up by number.
const NUMBERED: usize = 4;

/// The labels of one call or attribute, with keys that were checked.
#[derive(Default)]
pub struct Labels(Vec<Label>);

struct Label {
    key: LitStr,
    value: Expr,
    /// It is marked with `%`: its text is what `Display` writes.
    is_shown: bool,
}

/// Returns whether a label comes next.
pub fn at_label(input: ParseStream<'_>) -> bool {
    input.peek(LitStr) && input.peek2(Token![=>])
}

impl Labels {
    /// Parses one more label.
    pub fn parse(&mut self, input: ParseStream<'_>) -> Result<()> {
        let key: LitStr = input.parse()?;
        input.parse::<Token![=>]>()?;
        if input.is_empty() {
            return Err(Error::new(key.span(), "this label has no value: `\"key\" => value`"));
        }
        let text = check::label_key(&key)?;
        if self.key(&text).is_some() {
            return Err(Error::new(key.span(), format!("the label key {text:?} is given twice")));
        }
        let is_shown = input.parse::<Option<Token![%]>>()?.is_some();
        let value: Expr = input.parse()?;
        let value =
            literal_text(&value).map_or(value, |lit| Expr::Lit(ExprLit { attrs: Vec::new(), lit: Lit::Str(lit) }));
        self.0.push(Label { key, is_shown: is_shown && !is_text(&value), value });
        Ok(())
    }

    /// Returns the literal of a key.
    pub fn key(&self, text: &str) -> Option<&LitStr> {
        self.0.iter().map(|label| &label.key).find(|key| key.value() == text)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn keys(&self) -> impl Iterator<Item = &LitStr> {
        self.0.iter().map(|label| &label.key)
    }

    /// Evaluates a value, if there is one, and the labels, each once and in the order in which they stand; `call` gets the arguments
    /// `(number, …), || [text, …]` of a labelled site and the local that holds the value.
    pub fn evaluate(
        &self,
        krate: &TokenStream,
        value: Option<&TokenStream>,
        call: &dyn Fn(&TokenStream, &Ident) -> TokenStream,
    ) -> TokenStream {
        let locals = self.locals();
        let texts = texts(krate, &locals);
        let numbers = self.numbers(krate, &locals);
        let local = Ident::new("__ferrometer_value", ours());
        let record = call(&quote_spanned!(ours()=> #numbers, || [#(#texts),*]), &local);
        self.bind(krate, &locals, value.map(|value| (value, &local)), &record)
    }

    /// Evaluates the labels as above; `call` gets an expression of type `[(&str, &str); N]`.
    pub fn evaluate_pairs(&self, krate: &TokenStream, call: &dyn Fn(&TokenStream) -> TokenStream) -> TokenStream {
        let locals = self.locals();
        let (keys, texts) = (self.keys(), texts(krate, &locals));
        let record = call(&quote_spanned!(ours()=> [#((#keys, #texts)),*]));
        self.bind(krate, &locals, None, &record)
    }

    /// A local for each label, with the span of the value, so that the error about one that is no label's value belongs there.
    fn locals(&self) -> Vec<Ident> {
        let local = |(at, label): (usize, &Label)| {
            format_ident!("__ferrometer_label_{at}", span = label.value.span().resolved_at(ours()))
        };
        self.0.iter().enumerate().map(local).collect()
    }

    /// `record` with the locals bound. First to the values: their numbers are found by type. Then, in the closure's sight, to what is their text.
    fn bind(
        &self,
        krate: &TokenStream,
        locals: &[Ident],
        value: Option<(&TokenStream, &Ident)>,
        record: &TokenStream,
    ) -> TokenStream {
        let given = self.0.iter().zip(locals).map(|(label, local)| {
            let value = borrowed(&label.value);
            match label.is_shown {
                true => quote_spanned!(local.span()=> &#krate::__private::display(#value)),
                false => value,
            }
        });
        let (value, local) = match value {
            Some((value, local)) => (quote_spanned!(ours()=> #value,), quote_spanned!(ours()=> #local,)),
            None => (TokenStream::new(), TokenStream::new()),
        };
        // The text of a literal is known. For the others the type tells, by method lookup over three traits: text, or what is written.
        let written: Vec<TokenStream> = locals
            .iter()
            .zip(&self.0)
            .map(|(local, label)| {
                let text = written(local);
                match is_text(&label.value) {
                    true => quote_spanned!(ours()=> let #text = #local;),
                    false => quote_spanned! {local.span()=>
                        let #text = (&&#krate::__private::TextProbe(#local)).__ferrometer_text();
                    },
                }
            })
            .collect();
        let uses = (!self.0.iter().all(|label| is_text(&label.value)))
            .then(|| quote_spanned!(ours()=> use #krate::__private::{NoText as _, RefText as _, WrittenText as _};));
        quote_spanned! {ours()=>
            match (#value #(#given,)*) {
                (#local #(#locals,)*) => {
                    #uses
                    #(#written)*
                    #record
                }
            }
        }
    }

    /// The labels' numbers. Two traits, so that method lookup tells labels with a few values from everything else without a bound on their types.
    /// A literal has one value.
    fn numbers(&self, krate: &TokenStream, locals: &[Ident]) -> TokenStream {
        let number = |(local, label): (&Ident, &Label)| match is_text(&label.value) {
            true => quote_spanned!(ours()=> #krate::__private::Literal),
            false => quote_spanned!(ours()=> (&#krate::__private::LabelProbe(#local)).__ferrometer_label_number()),
        };
        match self.0.len() {
            _ if self.0.iter().all(|label| is_text(&label.value)) => {
                quote_spanned!(ours()=> (#krate::__private::Literal,))
            }
            0..=NUMBERED => {
                let numbers = locals.iter().zip(&self.0).map(number);
                quote_spanned! {ours()=>
                    {
                        use #krate::__private::{FixedNumber as _, NoNumber as _};
                        (#(#numbers,)*)
                    }
                }
            }
            _ => quote_spanned!(ours()=> ()),
        }
    }
}

fn written(local: &Ident) -> Ident {
    format_ident!("{local}_text", span = local.span())
}

/// The texts of the labels: expressions of type `&str`.
fn texts(krate: &TokenStream, locals: &[Ident]) -> Vec<TokenStream> {
    let text = |local: &Ident| {
        let text = written(local);
        quote_spanned! {local.span()=>
            #krate::__private::core::convert::AsRef::<#krate::__private::core::primitive::str>::as_ref(&#text)
        }
    };
    locals.iter().map(text).collect()
}

fn is_text(value: &Expr) -> bool {
    matches!(check::ungroup(value), Expr::Lit(lit) if matches!(lit.lit, Lit::Str(_)))
}

/// The text of an integer or `bool` that is a literal.
fn literal_text(value: &Expr) -> Option<LitStr> {
    let Expr::Lit(ExprLit { lit, .. }) = check::ungroup(value) else { return None };
    let text = match lit {
        Lit::Int(number) if number.suffix().is_empty() || check::is_integer(number.suffix()) => {
            number.base10_digits().to_owned()
        }
        Lit::Bool(value) => value.value.to_string(),
        _ => return None,
    };
    Some(LitStr::new(&text, lit.span()))
}
