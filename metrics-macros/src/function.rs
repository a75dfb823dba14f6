//! The function under an attribute: its signature parsed, its body left as the tokens the user wrote.
//!
//! The body is never parsed: it may hold syntax newer than our parser, and tokens that are only moved keep their spans.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, FnArg, Ident, Pat, Result, ReturnType, Signature, Token, Type, Visibility, braced, token};

use crate::span::ours;

/// A function, split where the expansion has to reach in.
pub struct Function {
    pub attrs: Vec<Attribute>,
    vis: Visibility,
    pub sig: Signature,
    pub body: Body,
    /// The attributes that became part of this expansion.
    pub merged: Vec<TokenStream>,
}

/// `{ #![inner] tokens }`
pub struct Body {
    brace: token::Brace,
    inner: Vec<Attribute>,
    tokens: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Function> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig: Signature = input.parse()?;
        if input.peek(Token![;]) {
            return Err(Error::new(
                sig.ident.span(),
                "this function has no body to measure; put the attribute on its implementations",
            ));
        }
        let content;
        let brace = braced!(content in input);
        let inner = content.call(Attribute::parse_inner)?;
        let tokens = content.parse()?;
        Ok(Function { attrs, vis, sig, body: Body { brace, inner, tokens }, merged: Vec::new() })
    }
}

impl Function {
    /// The function with another body (the tokens between its braces).
    pub fn with_body(&self, tokens: &TokenStream) -> TokenStream {
        let Function { attrs, vis, sig, body, merged } = self;
        let merged = merged.iter().map(merged_marker);
        let Body { brace, inner, .. } = body;
        let mut whole = quote!(#(#attrs)* #vis #sig);
        brace.surround(&mut whole, |whole| {
            whole.extend(quote!(#(#inner)* #(#merged)*));
            tokens.to_tokens(whole);
        });
        whole
    }

    /// Statements that move the arguments of an `async fn` into an async block, as the compiler does: whole first, then into their patterns, used or
    /// not. The signature gets names in their place.
    pub fn arguments(&mut self) -> TokenStream {
        let mut statements = TokenStream::new();
        for (at, argument) in self.sig.inputs.iter_mut().enumerate() {
            let argument = match argument {
                FnArg::Receiver(receiver) => {
                    // The user's own word: one of ours is another `self`.
                    let word = &receiver.self_token;
                    statements.extend(quote_spanned!(ours()=> let _ = &#word;));
                    continue;
                }
                FnArg::Typed(argument) => argument,
            };
            let pattern = argument.pat.to_token_stream();
            let whole = match &*argument.pat {
                Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => name.ident.to_token_stream(),
                _ => {
                    let whole = format_ident!("__ferrometer_argument_{at}", span = ours());
                    statements.extend(quote_spanned!(ours()=> let #whole = #whole;));
                    whole.to_token_stream()
                }
            };
            statements.extend(quote_spanned!(ours()=> let #pattern = #whole;));
            *argument.pat = Pat::Verbatim(whole);
        }
        statements
    }

    /// Makes an `async fn` a function that returns its future. It borrows what the future of an `async fn` does: what `impl` borrows goes by the
    /// edition of the one who wrote it.
    pub fn return_future(&mut self, krate: &TokenStream) {
        let output = match &self.sig.output {
            ReturnType::Default => quote_spanned!(ours()=> ()),
            ReturnType::Type(_, ty) => ty.to_token_stream(),
        };
        self.sig.asyncness = None;
        self.sig.output = ReturnType::Type(
            Token![->](ours()),
            Box::new(Type::Verbatim(quote_spanned! {ours()=>
                impl #krate::__private::core::future::Future<Output = #output>
            })),
        );
    }

    /// The function as it was written, less the attributes taken out of `attrs`.
    pub fn unchanged(&self) -> TokenStream {
        self.with_body(&self.body.tokens)
    }
}

impl Body {
    /// The body of a block inside another body.
    pub fn of_block(block: &Group) -> Body {
        Body { brace: token::Brace { span: block.delim_span() }, inner: Vec::new(), tokens: block.stream() }
    }

    /// The body as a block between the user's own braces.
    pub fn block(&self) -> TokenStream {
        self.surround(&self.tokens)
    }

    /// Other tokens between the user's braces, so that they keep to the rules of the user's edition for the end of a block.
    pub fn surround(&self, tokens: &TokenStream) -> TokenStream {
        let mut block = TokenStream::new();
        self.brace.surround(&mut block, |block| tokens.to_tokens(block));
        block
    }

    /// Statements of ours, and the body after them.
    ///
    /// Items belong at the head of a block (clippy's `items_after_statements`), so a body that may hold some stays a
    /// block of its own. Any other does not, because braces around one expression are a warning, too.
    pub fn after(&self, statements: &TokenStream) -> TokenStream {
        const ITEMS: [&str; 14] = [
            "use",
            "const",
            "static",
            "fn",
            "struct",
            "enum",
            "union",
            "trait",
            "impl",
            "type",
            "mod",
            "extern",
            "pub",
            "macro_rules",
        ];
        let items = self.tokens.clone().into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ITEMS.iter().any(|word| ident == word),
            _ => false,
        });
        let body = if items { self.block() } else { self.tokens.clone() };
        quote!(#statements #body)
    }

    /// The tokens between the braces.
    pub fn tokens(&self) -> &TokenStream {
        &self.tokens
    }
}

/// An attribute that is merged into another is never expanded, and its import would count as unused. So one is left in
/// the body, on an item that expands to nothing.
fn merged_marker(attribute: &TokenStream) -> TokenStream {
    quote_spanned!(ours()=> #[#attribute(__ferrometer_merged)] const _: () = ();)
}

/// Returns whether an attribute's arguments are those of such a marker.
pub fn is_merged_marker(args: &TokenStream) -> bool {
    let mut tokens = args.clone().into_iter();
    matches!(tokens.next(), Some(TokenTree::Ident(ident)) if ident == "__ferrometer_merged") && tokens.next().is_none()
}

/// The error for an item that is no function with a body; `parse_error` is what the parser said.
pub fn not_a_function(word: &str, item: &TokenStream, parse_error: Error) -> Error {
    match kind_of_item(item.clone()) {
        Some((kind, found)) => Error::new_spanned(found, format!("#[{word}] measures a function, and this is {kind}")),
        None => parse_error,
    }
}

/// Returns the kind of an item, by its first keyword, and the token to point at: its name.
fn kind_of_item(item: TokenStream) -> Option<(&'static str, TokenTree)> {
    let mut tokens = item.into_iter().skip_while(|token| {
        // Attributes and the visibility, `pub(in path)` included, stand in front of the keyword.
        matches!(token, TokenTree::Punct(_) | TokenTree::Group(_))
            || matches!(token, TokenTree::Ident(ident) if ident == "pub")
    });
    let first = tokens.next()?;
    let mut second = tokens.next();
    let TokenTree::Ident(keyword) = &first else { return None };
    let kind = match keyword.unraw().to_string().as_str() {
        "struct" => "a struct",
        "enum" => "an enum",
        "union" => "a union",
        "trait" => "a trait: put it on the trait's methods",
        "impl" => "an impl block: put it on the methods inside",
        "mod" => "a module",
        "static" => "a static",
        "const" if matches!(&second, Some(TokenTree::Ident(name)) if !is_fn_word(name)) => "a constant",
        "type" => "a type alias",
        "use" => "an import",
        "let" => "a statement",
        "macro_rules" => "a macro",
        _ => return None,
    };
    if matches!(keyword.to_string().as_str(), "impl" | "use" | "let" | "macro_rules") {
        second = None;
    }
    Some((kind, second.filter(|token| matches!(token, TokenTree::Ident(_))).unwrap_or(first)))
}

fn is_fn_word(ident: &Ident) -> bool {
    ["fn", "async", "unsafe", "extern"].iter().any(|word| ident == word)
}
