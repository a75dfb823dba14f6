//! Functions that return a future: `-> impl Future`, `-> Pin<Box<dyn Future>>`, and with it what `#[async_trait]`
//! makes of an `async fn` (it runs first, so this is what our attribute gets to see).
//!
//! The call builds the future and is not measured; the future is, from its first poll. One that is never polled records
//! nothing, as with `async fn`.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};

use super::body::{asynchronous_block, call};
use super::record::{Place, Record, Steps, facade, value};
use super::shape::{Form, Returned};
use crate::function::{Body, Function};
use crate::span::ours;

/// The new body.
pub fn expand(function: &Function, records: &[Record<'_>], returned: &Returned) -> TokenStream {
    let steps = Steps::of(records, Place::Later, &returned.output);
    let krate = facade(records);
    match AsyncBlock::find(function.body.tokens(), returned.form) {
        Some(found) => {
            let inside = asynchronous_block(&steps, &krate, &Body::of_block(&found.block), &returned.output);
            let (outside, whole) = (&steps.outside, found.with(&inside, |block| steps.metered(&krate, block)));
            quote_spanned!(ours()=> #outside #whole)
        }
        None => wrap(function, &steps, &krate, returned),
    }
}

/// The general case: call the body, await what it returned.
fn wrap(function: &Function, steps: &Steps, krate: &TokenStream, returned: &Returned) -> TokenStream {
    let Steps { outside, start, finish, .. } = steps;
    // The awaited call carries the span of the return type: a body that returns no future is reported there.
    let span = returned.span;
    let inner = call(krate, &returned.declared.to_token_stream(), span, &function.body.block());
    let value = value();
    let awaited = quote_spanned!(span=> __ferrometer_future.await);
    let measured = if steps.wants_value() {
        quote_spanned!(span=> async move { #start let #value = #awaited; #finish return #value; })
    } else {
        quote_spanned!(span=> async move { #start #awaited })
    };
    let measured = steps.metered(krate, measured);
    let result = match returned.form {
        Form::Opaque => measured,
        // An async block is not `Unpin`; a pinned box of one is.
        Form::OpaqueUnpin | Form::BoxedOpaque => quote_spanned!(ours()=> #krate::__private::Box::pin(#measured)),
        // The second box is only paid for while recording is on.
        Form::Boxed => quote_spanned! {ours()=>
            if #krate::__private::enabled() {
                #krate::__private::Box::pin(#measured)
            } else {
                __ferrometer_future
            }
        },
    };
    quote_spanned! {ours()=>
        #outside
        let __ferrometer_future = #inner;
        return #result;
    }
}

/// A body that is one async block and nothing else, `async move { … }` or `Box::pin(async move { … })`: the recording
/// goes inside, without a second future or box.
struct AsyncBlock {
    /// The tokens in front: `async move`, and inside the parentheses of `Box::pin` where there are.
    head: Vec<TokenTree>,
    block: Group,
    pin: Option<(Vec<TokenTree>, Group)>,
}

impl AsyncBlock {
    fn find(body: &TokenStream, form: Form) -> Option<AsyncBlock> {
        let mut tokens: Vec<TokenTree> = body.clone().into_iter().collect();
        if form == Form::Opaque {
            return AsyncBlock::bare(tokens);
        }
        let TokenTree::Group(parentheses) = tokens.pop()? else { return None };
        if parentheses.delimiter() != Delimiter::Parenthesis || !is_box_pin(&tokens) {
            return None;
        }
        let found = AsyncBlock::bare(parentheses.stream().into_iter().collect())?;
        Some(AsyncBlock { pin: Some((tokens, parentheses)), ..found })
    }

    fn bare(mut tokens: Vec<TokenTree>) -> Option<AsyncBlock> {
        let TokenTree::Group(block) = tokens.pop()? else { return None };
        let [TokenTree::Ident(first), TokenTree::Ident(second)] = tokens.as_slice() else { return None };
        let matches = block.delimiter() == Delimiter::Brace && first == "async" && second == "move";
        matches.then_some(AsyncBlock { head: tokens, block, pin: None })
    }

    /// Returns this expression with another inside, and something around the block.
    fn with(&self, inside: &TokenStream, around: impl FnOnce(TokenStream) -> TokenStream) -> TokenStream {
        let mut block = TokenStream::from_iter(self.head.iter().cloned());
        block.extend([regroup(&self.block, inside.clone())]);
        let block = around(block);
        match &self.pin {
            None => block,
            Some((path, parentheses)) => {
                let mut whole = TokenStream::from_iter(path.iter().cloned());
                whole.extend([regroup(parentheses, block)]);
                whole
            }
        }
    }
}

/// Returns whether the tokens are a path that ends in `Box::pin`, and no more than a path.
fn is_box_pin(tokens: &[TokenTree]) -> bool {
    let text: String = tokens.iter().map(ToString::to_string).collect();
    let path = tokens.iter().all(|token| match token {
        TokenTree::Ident(ident) => ident != "return",
        TokenTree::Punct(punct) => punct.as_char() == ':',
        _ => false,
    });
    path && (text == "Box::pin" || text.ends_with("::Box::pin"))
}

fn regroup(like: &Group, stream: TokenStream) -> TokenTree {
    let mut group = Group::new(like.delimiter(), stream);
    group.set_span(like.span());
    TokenTree::Group(group)
}
