//! Functions whose own body is measured: `fn` and `async fn`.
//!
//! Where nothing has to be known about the returned value, guards stand in front of the body and the body stays as it
//! is. Otherwise it is captured, because `return` and `?` leave the function: in a closure, or in an async block.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};

use super::record::{Place, Record, Steps, facade, value};
use super::shape::Output;
use crate::function::Body;
use crate::span::ours;

/// The new body of a `fn`.
pub fn plain(body: &Body, records: &[Record<'_>], output: &Output) -> TokenStream {
    let steps = Steps::of(records, Place::Here, output);
    around(&steps, body, || call(&facade(records), &return_type(output), output.span(), &body.block()))
}

/// The new body of an `async fn`. It runs from the first poll on, so guards in it do too.
pub fn asynchronous(body: &Body, records: &[Record<'_>], output: &Output) -> TokenStream {
    let steps = Steps::of(records, Place::Here, output);
    asynchronous_block(&steps, &facade(records), body, output)
}

/// The new inside of an async block or function.
pub fn asynchronous_block(steps: &Steps, krate: &TokenStream, body: &Body, output: &Output) -> TokenStream {
    around(steps, body, || {
        // An async block takes no return type; a `return` that is never reached tells the compiler, so that
        // coercions work and a mismatch is reported where the user made it.
        let return_type = return_type(output);
        let hint = quote_spanned! {output.span()=>
            if let #krate::__private::core::option::Option::Some(__ferrometer_hint) =
                #krate::__private::core::option::Option::None::<#return_type>
            {
                return __ferrometer_hint;
            }
        };
        let block = body.surround(&body.after(&hint));
        quote_spanned!(ours()=> async move #block.await)
    })
}

/// The steps around a body; `capture` makes it an expression that no `return` inside can leave.
fn around(steps: &Steps, body: &Body, capture: impl FnOnce() -> TokenStream) -> TokenStream {
    let Steps { start, finish, .. } = steps;
    if !steps.wants_value() {
        return body.after(start);
    }
    let (captured, value) = (capture(), value());
    quote_spanned! {ours()=>
        #start
        let #value = #captured;
        #finish
        #value
    }
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
    let closure = quote_spanned!(span=> move || -> #return_type #block);
    quote_spanned! {ours()=>
        {
            fn __ferrometer_call<R>(body: impl #krate::__private::core::ops::FnOnce() -> R) -> R {
                body()
            }
            __ferrometer_call(#closure)
        }
    }
}
