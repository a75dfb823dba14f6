//! `#[derive(LabelValue)]`: an enum's variants as the values of a label.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, Fields, Ident, Item, LitStr, Path, Result, Token, Variant};

use crate::args::{at_named, crate_path, facade, once};
use crate::check;
use crate::span::{ours, report};

/// Expands the derive.
pub fn expand(item: TokenStream) -> TokenStream {
    derive(item).unwrap_or_else(report)
}

fn derive(item: TokenStream) -> Result<TokenStream> {
    let item = match syn::parse2(item)? {
        Item::Enum(item) => item,
        Item::Struct(other) => return Err(no_enum(&other.ident)),
        Item::Union(other) => return Err(no_enum(&other.ident)),
        other => return Err(Error::new_spanned(other, "LabelValue is derived for enums")),
    };
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &item.generics,
            "LabelValue is derived for enums without parameters: their values are known",
        ));
    }
    if item.variants.is_empty() {
        return Err(Error::new(item.ident.span(), "this enum has no values: a label needs one"));
    }
    let mut krate: Option<Path> = None;
    for attribute in labels(&item.attrs) {
        let path = attribute.parse_args_with(|input: ParseStream<'_>| {
            if !at_named(input) || !input.peek(Token![crate]) {
                return Err(input
                    .error("on the enum: `#[label(crate = path)]`; a text goes on a variant: `#[label(\"text\")]`"));
            }
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            crate_path(input)
        })?;
        once(&mut krate, path, "crate", attribute.pound_token.span)?;
    }
    let texts = item.variants.iter().map(text).collect::<Result<Vec<_>>>()?;
    for (at, text) in texts.iter().enumerate() {
        if texts[..at].iter().any(|before| before.value() == text.value()) {
            return Err(Error::new(text.span(), format!("two values of this label read {:?}", text.value())));
        }
    }
    let (krate, name) = (facade(krate), &item.ident);
    let variants = item.variants.iter().map(|variant| &variant.ident);
    let numbers = 0..texts.len();
    // A program may have types of its own that are called `str` and `usize`.
    let core = quote_spanned!(ours()=> #krate::__private::core);
    Ok(quote_spanned! {ours()=>
        #[automatically_derived]
        impl #krate::LabelValue for #name {
            const VALUES: &'static [&'static #core::primitive::str] = &[#(#texts),*];

            #[inline]
            fn index(&self) -> #core::primitive::usize {
                match self {
                    #(Self::#variants => #numbers,)*
                }
            }
        }

        #[automatically_derived]
        impl #core::convert::AsRef<#core::primitive::str> for #name {
            #[inline]
            fn as_ref(&self) -> &#core::primitive::str {
                <Self as #krate::LabelValue>::VALUES[<Self as #krate::LabelValue>::index(self)]
            }
        }
    })
}

fn no_enum(name: &Ident) -> Error {
    Error::new(name.span(), "LabelValue is derived for enums: a label's values are the variants")
}

fn labels(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("label"))
}

/// Returns the text of a variant.
fn text(variant: &Variant) -> Result<LitStr> {
    if !matches!(variant.fields, Fields::Unit) {
        return Err(Error::new_spanned(
            &variant.fields,
            "a label's value has no fields: each text is known when compiling",
        ));
    }
    let mut given: Option<LitStr> = None;
    for attribute in labels(&variant.attrs) {
        let parse = |input: ParseStream<'_>| match input.peek(LitStr) {
            true => input.parse(),
            false => Err(input.error("the text of this value, a string literal: `#[label(\"text\")]`")),
        };
        let tokens = attribute.meta.require_list()?.tokens.clone();
        let literal: LitStr = if tokens.is_empty() { parse_empty(attribute)? } else { parse.parse2(tokens)? };
        once(&mut given, literal, "the text of this value", attribute.pound_token.span)?;
    }
    let text = match given {
        Some(text) if text.value().is_empty() => return Err(Error::new(text.span(), "this label value is empty")),
        Some(text) => text,
        None => LitStr::new(
            &snake_case(&variant.ident.unraw().to_string()),
            variant.ident.span().resolved_at(Span::mixed_site()),
        ),
    };
    check::length(&text.value(), "label value", text.span())?;
    Ok(text)
}

fn parse_empty(attribute: &Attribute) -> Result<LitStr> {
    Err(Error::new_spanned(attribute, "the text of this value is missing: `#[label(\"text\")]`"))
}

/// `NotFound` as `not_found`, `HTTPError` as `http_error`, `V2` as `v2`.
fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let begins = c.is_uppercase()
            && before.is_some_and(|b| {
                b.is_lowercase()
                    || b.is_numeric()
                    || (b.is_uppercase() && chars.get(at + 1).is_some_and(|n| n.is_lowercase()))
            });
        if begins {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_read_in_snake_case() {
        for (name, text) in [
            ("Get", "get"),
            ("NotFound", "not_found"),
            ("HTTPError", "http_error"),
            ("V2", "v2"),
            ("Http2Error", "http2_error"),
            ("OK", "ok"),
            ("Été", "été"),
            ("already_so", "already_so"),
        ] {
            assert_eq!(snake_case(name), text);
        }
    }
}
