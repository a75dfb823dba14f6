//! A call site: a static that remembers its series, and beside it what it says of itself.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Expr, Ident, LitStr};

use crate::check::ungroup;
use crate::span::ours;

/// A call site to be written.
pub struct Site<'a> {
    pub krate: &'a TokenStream,
    /// The static's type, and how many labels it has where that is a part of the type.
    pub ty: &'a str,
    pub parameter: Option<usize>,
    /// The arguments of its `new`.
    pub arguments: &'a TokenStream,
    /// A variant of the core's `Kind`.
    pub kind: &'a str,
    pub name: &'a LitStr,
    /// The keys of its labels.
    pub keys: Vec<&'a LitStr>,
    pub rate: Literal,
    /// It is a timer with its parts.
    pub busy: bool,
    /// The logger as written; `None`: the module's own.
    pub logger: Option<&'a Expr>,
}

/// An expression: a `&'static` to a call site of its own. The statics sit in inner blocks, where no other expression can see their names.
pub fn site(site: &Site<'_>) -> TokenStream {
    let Site { krate, arguments, name, keys, rate, .. } = site;
    let ty = Ident::new(site.ty, ours());
    let kind = Ident::new(site.kind, ours());
    let parameter = site.parameter.map(|labels| quote_spanned!(ours()=> <#labels>));
    let source = LitStr::new(&site.logger.map(source).unwrap_or_default(), ours());
    let logger = logger_name(krate, site.logger);
    let parts = site.busy.then(|| quote_spanned!(ours()=> .busy()));
    quote_spanned! {ours()=>
        {
            static SITE: #krate::__private::#ty #parameter = {
                const TOLD: #krate::__private::Told = #krate::__private::Told::site(
                    #krate::__private::Kind::#kind,
                    #name,
                    &[#(#keys),*],
                    #rate,
                    [#source, #krate::__private::core::module_path!(), #krate::__private::core::file!()],
                    #krate::__private::core::line!(),
                )
                #parts;
                static RECORD: [#krate::__private::Byte; TOLD.len()] = TOLD.record(#logger);
                #krate::__private::#ty::new(#arguments).told(&RECORD)
            };
            &SITE
        }
    }
}

/// A constant expression: the name of a logger, empty where it is not known before the program runs.
fn logger_name(krate: &TokenStream, logger: Option<&Expr>) -> TokenStream {
    let Some(logger) = logger else {
        return quote_spanned!(ours()=> #krate::__private::core::module_path!());
    };
    match ungroup(logger) {
        // Anything else may be a local, or belong to a type that a static does not know.
        Expr::Path(path) if path.qself.is_none() && is_static(path) && is_below_modules(path) => {
            quote_spanned! {ours()=>
                #krate::__private::name_of(&#path, &|| {
                    use #krate::__private::{IsLogger as _, NoLogger as _};
                    (&#krate::__private::LoggerProbe(&#path)).__ferrometer_place()
                })
            }
        }
        _ => quote_spanned!(ours()=> ""),
    }
}

/// An expression as one line of source, without the spaces that tokens are printed with.
fn source(expr: &Expr) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut was_space = false;
    for c in ungroup(expr).to_token_stream().to_string().chars() {
        if c.is_whitespace() {
            was_space = true;
            continue;
        }
        if was_space && is_word(c) && out.ends_with(is_word) {
            out.push(' ');
        }
        out.push(c);
        was_space = false;
    }
    // A closure, a block: the beginning tells which.
    const MOST: usize = 60;
    if let Some((end, _)) = out.char_indices().nth(MOST) {
        out.truncate(end);
        out.push('…');
    }
    out
}

/// Returns whether a path names a static or a constant, by the convention every Rust program keeps.
pub fn is_static(path: &syn::ExprPath) -> bool {
    path.path.segments.last().is_some_and(|segment| {
        let name = segment.ident.to_string();
        name.chars().any(char::is_uppercase) && !name.chars().any(char::is_lowercase)
    })
}

/// Returns whether all that is in front of the last name can be a module: a type may be a parameter of the function.
fn is_below_modules(path: &syn::ExprPath) -> bool {
    let names = path.path.segments.iter().map(|segment| segment.ident.to_string());
    let modules = path.path.segments.len().saturating_sub(1);
    names.take(modules).all(|name| !name.chars().any(char::is_uppercase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn a_logger_is_written_as_in_the_source() {
        let is = |expr: Expr, expected: &str| assert_eq!(source(&expr), expected);
        is(parse_quote!(METRICS), "METRICS");
        is(parse_quote!(self.metrics), "self.metrics");
        is(parse_quote!(&crate::x::METRICS), "&crate::x::METRICS");
        is(parse_quote!(if on { A } else { B }), "if on{A}else{B}");
        let long = source(&parse_quote!(a_function_with_a_long_name(and_an_argument_of_a_long_name, and_another)));
        assert!(long.ends_with('…') && long.chars().count() == 61, "{long}");
    }

    #[test]
    fn a_name_is_known_of_what_can_be_a_static_alone() {
        let is_known = |expr: Expr| logger_name(&parse_quote!(x), Some(&expr)).to_string() != "\"\"";
        assert!(is_known(parse_quote!(METRICS)) && is_known(parse_quote!(crate::metrics::METRICS)));
        assert!(!is_known(parse_quote!(metrics)) && !is_known(parse_quote!(self.metrics)));
        assert!(!is_known(parse_quote!(Self::METRICS)) && !is_known(parse_quote!(T::METRICS)));
        assert!(!is_known(parse_quote!(<T as Metered>::METRICS)) && !is_known(parse_quote!(METRICS.child("x"))));
    }
}
