//! The span of the tokens that the macros add, errors in the user's, and expressions of the user's inside ours.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Error, Expr};

/// Returns the span of the tokens we add: our own locals cannot clash with the user's, paths resolve where the user stands.
pub fn ours() -> Span {
    Span::mixed_site()
}

/// Returns the tokens that make the compiler report an error where it belongs.
///
/// Those of `syn` begin with `::core`, which edition 2015 looks for in the crate that is compiled. Here they begin with the macro's name.
pub fn report(error: Error) -> TokenStream {
    let in_path = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => punct.as_char() == ':',
        TokenTree::Ident(word) => word == "core",
        _ => false,
    };
    error.into_compile_error().into_iter().filter(|token| !in_path(token)).collect()
}

/// An expression of the user's, borrowed. In parentheses, because `&a + b` is another expression than `&(a + b)`.
pub fn borrowed(expr: &Expr) -> TokenStream {
    quote_spanned!(expr.span().resolved_at(ours())=> &(#expr))
}
