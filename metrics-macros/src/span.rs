//! The span of the tokens that the macros add.

use proc_macro2::Span;

/// Returns the span of the tokens we add: our own locals cannot clash with the user's, paths resolve where the user stands.
pub fn ours() -> Span {
    Span::mixed_site()
}
