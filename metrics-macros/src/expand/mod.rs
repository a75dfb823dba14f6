//! From an attribute and its function to the new function.
//!
//! Three steps: [`collect`] (attributes that are stacked on one function become one expansion, so that its body is quoted
//! once), look at the [`shape`] of the function, then put the recording around the body: [`body`] where the body itself
//! is what is measured, [`future`] where the function only builds a future.

mod body;
mod future;
mod record;
mod shape;
mod site;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Error, Meta, Path};

use crate::args::{Args, Kind, Outcome};
use crate::function::{Function, is_merged_marker, not_a_function};
use crate::span::{ours, report};
use record::{Place, Record};
pub use record::{borrowed_logger, rate};
use shape::{Output, Shape};
pub use site::{Site, site};

/// Expands the outermost attribute, and with it all of ours that follow on the same function.
pub fn attribute(kind: Kind, args: TokenStream, item: TokenStream) -> TokenStream {
    if is_merged_marker(&args) {
        return TokenStream::new();
    }
    let mut function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(error) => return with_error(not_a_function(kind.word(), &item, error), item),
    };
    match collect(kind, args, &mut function).and_then(|all| expand(&all, &mut function)) {
        Ok(tokens) => tokens,
        // The function stays, so that its callers do not each report that it is missing.
        Err(error) => with_error(error, function.unchanged()),
    }
}

fn with_error(error: Error, item: TokenStream) -> TokenStream {
    let error = report(error);
    quote!(#error #item)
}

fn expand(all: &[Args], function: &mut Function) -> syn::Result<TokenStream> {
    if let Some(constness) = &function.sig.constness {
        return Err(Error::new_spanned(
            constness,
            format!(
                "#[{}] cannot measure a `const fn`: it may run at compile time, where nothing can be recorded",
                all[0].kind.word()
            ),
        ));
    }
    let shape = Shape::of(&function.sig);
    for (index, args) in all.iter().enumerate() {
        if all[..index].iter().any(|earlier| earlier.repeats(args)) {
            return Err(Error::new(
                function.sig.ident.span(),
                format!("this function has the same #[{}] twice; give one of them another name", args.kind.word()),
            ));
        }
        if args.on == Some(Outcome::Err) && matches!(shape.output(), Output::Unit) {
            return Err(Error::new(
                function.sig.ident.span(),
                "`on = \"err\"` records nothing here: this function returns nothing, so it never ends with an `Err`",
            ));
        }
        if let (Some(error), Output::Unit) = (&args.error, shape.output()) {
            return Err(Error::new_spanned(
                error,
                "`error` labels nothing here: this function returns nothing, so it never ends with an `Err`",
            ));
        }
        if args.busy {
            let wrong = match &shape {
                Shape::Plain(_) => {
                    "`busy` measures the polls of a future, and this function is not `async` and returns none"
                }
                Shape::Async(Output::Never) => "`busy` measures a future that can be ready; this one never is",
                _ if all[..index].iter().any(|earlier| earlier.busy) => {
                    "this function has `busy` twice; leave it out of one of them"
                }
                _ => "",
            };
            if !wrong.is_empty() {
                return Err(Error::new(function.sig.ident.span(), wrong));
            }
        }
        if args.kind == Kind::Gauge && !matches!(shape.output(), Output::Type(_)) {
            return Err(Error::new(
                function.sig.ident.span(),
                "#[gauge] records the value a function returns, and this function returns none",
            ));
        }
    }
    if let Shape::Future(returned) = &shape
        && let Some(promise) = &returned.promise
    {
        let word = all[0].kind.word();
        return Err(Error::new_spanned(
            promise,
            format!(
                "#[{word}] makes a future of its own around the returned one, and only the returned one is `{promise}`; measure in an `async fn` \
                 that awaits it, or around the call: `time!(LOGGER, \"name\", {}(…))`",
                function.sig.ident
            ),
        ));
    }
    let place = if matches!(shape, Shape::Future(_)) { Place::Later } else { Place::Here };
    let records = all
        .iter()
        .enumerate()
        .map(|(index, args)| Record::new(index, args, place, &function.sig.ident))
        .collect::<syn::Result<Vec<_>>>()?;
    let body = match &shape {
        Shape::Plain(output) => body::plain(&function.body, &records, output),
        Shape::Async(output) if all.iter().any(|args| args.busy) => {
            let arguments = function.arguments();
            let body = body::metered(&function.body, &arguments, &records, output);
            drop(records);
            function.return_future(&all[0].krate);
            return Ok(function.with_body(&body));
        }
        Shape::Async(output) => body::asynchronous(&function.body, &records, output),
        Shape::Future(returned) => future::expand(function, &records, returned),
    };
    Ok(function.with_body(&body))
}

/// Takes our attributes off the function and parses them all; every mistake in them is reported at once.
fn collect(kind: Kind, args: TokenStream, function: &mut Function) -> syn::Result<Vec<Args>> {
    let mut results = vec![Args::all(kind, args)];
    let facade = results[0].as_ref().map_or_else(|_| String::new(), |args| args[0].krate.to_string());
    let attrs = std::mem::take(&mut function.attrs);
    function.attrs = attrs
        .into_iter()
        .filter(|attr| match stacked(attr, &facade) {
            Some(result) => {
                function.merged.push(attr.path().to_token_stream());
                results.push(result);
                false
            }
            None => true,
        })
        .collect();
    let mut all = Vec::new();
    let mut errors: Option<Error> = None;
    for result in results {
        match result {
            Ok(args) => all.extend(args),
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    errors.map_or(Ok(all), Err)
}

/// The arguments of an attribute further down, if it is one of ours.
///
/// By name only: what a path resolves to, no macro can ask. One that was renamed on import, or that belongs to another facade, is simply expanded
/// later, around the result.
fn stacked(attr: &Attribute, facade: &str) -> Option<syn::Result<Vec<Args>>> {
    let path = attr.path();
    let kind = Kind::of(&path.segments.last()?.ident)?;
    let tokens = match &attr.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        Meta::NameValue(_) => return None,
    };
    let args = Args::all(kind, tokens);
    let parent = parent(path);
    let ours = matches!(parent.as_str(), "" | "ferrometer" | ":: ferrometer") || parent == facade;
    // The types of two facades do not mix.
    let same = args.as_ref().map_or(true, |args| args[0].krate.to_string() == facade);
    (ours && same).then_some(args)
}

/// The path without its last segment, as text.
fn parent(path: &Path) -> String {
    let mut parent = path.leading_colon.to_token_stream();
    for (at, segment) in path.segments.iter().take(path.segments.len().saturating_sub(1)).enumerate() {
        if at > 0 {
            parent.extend(quote_spanned!(ours()=> ::));
        }
        segment.to_tokens(&mut parent);
    }
    parent.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn attributes_of_one_facade_become_one_expansion() {
        let is_stacked = |attr: Attribute, facade: &str| stacked(&attr, facade).is_some();
        assert!(is_stacked(parse_quote!(#[counter]), ":: ferrometer"));
        assert!(is_stacked(parse_quote!(#[ferrometer::counter(on = "err")]), ":: ferrometer"));
        assert!(is_stacked(parse_quote!(#[fm::counter(crate = fm)]), "fm"));
        // Their types differ.
        assert!(!is_stacked(parse_quote!(#[other::counter(crate = other)]), ":: ferrometer"));
        assert!(!is_stacked(parse_quote!(#[counter(crate = other)]), ":: ferrometer"));
        assert!(!is_stacked(parse_quote!(#[tokio::counter]), ":: ferrometer"));
    }
}
