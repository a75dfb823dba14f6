//! Functions whose own body is measured: `fn` and `async fn`.
//!
//! Where nothing has to be known about the returned value, guards stand in front of the body and the body stays as it is. Otherwise the body
//! becomes a block that comes to its value, with the exits out of it replaced ([`crate::exits`]). Where that cannot be told from its tokens, it
//! is captured: in a closure, or in an async block.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};

use super::record::{Place, Record, Steps, facade, value};
use super::shape::Output;
use crate::exits::{InPlace, label};
use crate::function::Body;
use crate::span::ours;

/// The new body of a `fn`.
pub fn plain(body: &Body, records: &[Record<'_>], output: &Output) -> TokenStream {
    let steps = Steps::of(records, Place::Here, output);
    let krate = facade(records);
    let capture = || call(&krate, &return_type(output), output.span(), &body.block());
    around(&steps, &krate, body, output, true, capture)
}

/// The new body of an `async fn`. It runs from the first poll on, so guards in it do too.
pub fn asynchronous(body: &Body, records: &[Record<'_>], output: &Output) -> TokenStream {
    let steps = Steps::of(records, Place::Here, output);
    asynchronous_block(&steps, &facade(records), body, output)
}

/// The new body of an `async fn` whose polls are measured: it is a function now that returns the future. `arguments` are moved into it, used or
/// not, as those of an `async fn` are.
pub fn metered(body: &Body, arguments: &TokenStream, records: &[Record<'_>], output: &Output) -> TokenStream {
    let steps = Steps::of(records, Place::Here, output);
    let krate = facade(records);
    let inside = asynchronous_block(&steps, &krate, body, output);
    let (outside, hint) = (&steps.outside, hint(&krate, output));
    let future = steps.metered(&krate, quote_spanned!(ours()=> async move { #arguments #hint #inside }));
    quote_spanned!(ours()=> #outside return #future;)
}

/// The new inside of an async block or function.
pub fn asynchronous_block(steps: &Steps, krate: &TokenStream, body: &Body, output: &Output) -> TokenStream {
    around(steps, krate, body, output, false, || {
        let hint = hint(krate, output);
        let block = body.surround(&body.after(&hint));
        quote_spanned!(ours()=> async move #block.await)
    })
}

/// An async block takes no return type; a `return` that is never reached tells the compiler, so that coercions work and a mismatch is
/// reported where the user made it.
fn hint(krate: &TokenStream, output: &Output) -> TokenStream {
    let return_type = return_type(output);
    quote_spanned! {output.span()=>
        if let #krate::__private::core::option::Option::Some(__ferrometer_hint) =
            #krate::__private::core::option::Option::None::<#return_type>
        {
            return __ferrometer_hint;
        }
    }
}

/// The steps around a body. Where its tokens tell how it is left, it stays what it is: a block of the function. Otherwise `capture` makes it an
/// expression that no `return` inside can leave.
fn around(
    steps: &Steps,
    krate: &TokenStream,
    body: &Body,
    output: &Output,
    is_plain: bool,
    capture: impl FnOnce() -> TokenStream,
) -> TokenStream {
    let Steps { start, finish, .. } = steps;
    if !steps.wants_value() {
        return body.after(start);
    }
    let value = value();
    let evaluated = match in_place(steps, krate, body, output, is_plain) {
        Some(block) => {
            let ty = return_type(output);
            // An arm, because clippy finds fault with a `let` of what ends in a `break`.
            quote_spanned!(ours()=> let #value: #ty = match () { () => #block };)
        }
        None => {
            let captured = capture();
            quote_spanned!(ours()=> let #value = #captured;)
        }
    };
    // `return`, because a program may forbid values without. Not reached behind a body that never ends.
    quote_spanned! {ours()=>
        #start
        #evaluated
        #[allow(unreachable_code)]
        {
            #finish
            return #value;
        };
    }
}

/// The body as a block that comes to its value, if it may be one.
fn in_place(steps: &Steps, krate: &TokenStream, body: &Body, output: &Output, is_plain: bool) -> Option<TokenStream> {
    let found = InPlace::of(body.tokens(), &|span| steps.look(krate, span))?;
    // `?` converts an error on its way out of the function, and nothing here sees it then.
    if found.questions && steps.needs_error {
        return None;
    }
    // In a closure clippy still sees a `return` that is not needed. A future would become larger.
    if (found.questions && output.is_poll()) || (found.returns_last && is_plain) {
        return None;
    }
    let mut block = body.surround(&found.tokens);
    if found.questions {
        block = quote_spanned! {ours()=>
            {
                use #krate::__private::{AnyLeft as _, KnownLeft as _, Leaving as _};
                #block
            }
        };
    }
    let label = found.returns.then(|| label(ours()));
    let label = label.map(|label| quote_spanned!(ours()=> #label:));
    Some(quote_spanned!(ours()=> #label #block))
}

fn return_type(output: &Output) -> TokenStream {
    match output {
        Output::Type(ty) => ty.to_token_stream(),
        Output::Unit | Output::Never => quote_spanned!(ours()=> ()),
    }
}

/// Calls a closure around `block` once.
///
/// Through a function that takes `FnOnce`: called on the spot, a closure would be `FnMut` where it can, and could not
/// return what it borrows from a `&mut` argument. `span` is where the compiler's words about "this closure" go.
pub fn call(krate: &TokenStream, return_type: &TokenStream, span: Span, block: &TokenStream) -> TokenStream {
    // Where it begins and ends is the user's: what is found fault with in a function is in it, too.
    let begin = block.clone().into_iter().next().map_or(span, |block| block.span());
    let head = quote_spanned!(begin=> move ||);
    let closure = quote_spanned!(span=> #head -> #return_type #block);
    quote_spanned! {ours()=>
        {
            fn __ferrometer_call<R>(body: impl #krate::__private::core::ops::FnOnce() -> R) -> R {
                body()
            }
            __ferrometer_call(#closure)
        }
    }
}
