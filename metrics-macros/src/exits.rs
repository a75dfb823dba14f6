//! How a body is left, as far as its tokens tell: at its end, by `return`, or by `?`.
//!
//! To look at a function's value, its body becomes a block whose value is looked at: `return` becomes a `break` out of that block, and in front
//! of a `?`, which leaves the function, the value that it is about to leave with is looked at. The body is not parsed. Where its tokens may
//! mean something else (a closure with a `?` inside, a macro that may hide a `return`), [`InPlace::of`] says so, and the body is captured.

use proc_macro2::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::Lifetime;

use crate::span::ours;

/// A body that can stay where it is.
pub struct InPlace {
    /// The tokens, with `return` and `?` replaced.
    pub tokens: TokenStream,
    /// True if there was a `return`, and so a `break` to [`label`].
    pub returns: bool,
    /// True if the last statement has a `return`.
    pub returns_last: bool,
    /// True if there was a `?` whose value is looked at.
    pub questions: bool,
}

/// Macros of the standard library that leave no function, with expressions as arguments. A program has hardly one of its own by such a name.
const OPEN: [&str; 9] = ["eprint", "eprintln", "format", "format_args", "print", "println", "vec", "write", "writeln"];

/// Macros that leave no function, whose arguments must not change: they are shown, or no expressions.
const CLOSED: [&str; 31] = [
    "anyhow",
    "assert",
    "assert_eq",
    "assert_ne",
    "cfg",
    "column",
    "concat",
    "count",
    "dbg",
    "debug",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "env",
    "file",
    "include_bytes",
    "include_str",
    "info",
    "join",
    "json",
    "line",
    "matches",
    "module_path",
    "option_env",
    "panic",
    "set_gauge",
    "stringify",
    "time",
    "todo",
    "unimplemented",
    "unreachable",
];

/// Crates and modules whose macros leave no function.
const CRATES: [&str; 4] = ["ferrometer", "log", "std", "tracing"];

/// Words that no operand ends with.
const KEYWORDS: [&str; 20] = [
    "as", "async", "break", "const", "continue", "dyn", "else", "for", "if", "impl", "in", "let", "loop", "match",
    "move", "mut", "ref", "return", "unsafe", "while",
];

/// The label of the block that the body becomes.
pub fn label(span: Span) -> Lifetime {
    Lifetime::new("'__ferrometer_body", span)
}

impl InPlace {
    /// Rewrites a body; `look` returns the closure that looks at the value in front of a `?`, if any does. `None`: the body is to be captured.
    pub fn of(body: &TokenStream, look: &dyn Fn(Span) -> Option<TokenStream>) -> Option<InPlace> {
        let mut rewriter = Rewriter { look, returns: false, questions: false };
        let before: Vec<TokenTree> = body.clone().into_iter().collect();
        let returns_last = returns(last_statement(&before));
        let tokens = rewriter.level(before)?;
        Some(InPlace { tokens, returns: rewriter.returns, returns_last, questions: rewriter.questions })
    }
}

struct Rewriter<'a> {
    look: &'a dyn Fn(Span) -> Option<TokenStream>,
    returns: bool,
    questions: bool,
}

impl Rewriter<'_> {
    /// Rewrites the tokens between two delimiters.
    fn level(&mut self, tokens: Vec<TokenTree>) -> Option<TokenStream> {
        let mut out: Vec<TokenTree> = Vec::with_capacity(tokens.len());
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let rest = &tokens[at + 1..];
            match token {
                TokenTree::Ident(word) if word == "return" => {
                    self.returns = true;
                    let span = word.span().resolved_at(ours());
                    out.push(Ident::new("break", span).into());
                    out.extend(label(span).into_token_stream());
                }
                // A function, a block or a type of its own follows, with exits of its own.
                TokenTree::Ident(word) if word == "try" => return None,
                TokenTree::Ident(word) if word == "async" => {
                    let length = async_block(rest)?;
                    out.extend(tokens[at..=at + length].iter().cloned());
                    at += length;
                }
                TokenTree::Ident(word)
                    if ["fn", "impl", "trait", "mod", "macro_rules", "macro"].iter().any(|item| word == item) =>
                {
                    // A type (`fn(u32)`, `impl Trait`) or an item: of an item the tokens up to its braces are passed over.
                    let is_type = matches!(rest.first(), Some(TokenTree::Group(_)));
                    if !is_type {
                        let length = item(rest)?;
                        out.extend(tokens[at..=at + length].iter().cloned());
                        at += length;
                    } else {
                        out.push(token.clone());
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == '?' => {
                    // Anywhere else it relaxes a bound: `?Sized`.
                    let span = punct.span().resolved_at(ours());
                    if out.last().is_some_and(is_operand)
                        && let Some(look) = (self.look)(span)
                    {
                        self.questions = true;
                        out.extend(quote_spanned!(span=> .__ferrometer_leaving(#look)));
                    }
                    out.push(token.clone());
                }
                TokenTree::Punct(punct) if punct.as_char() == '|' => {
                    // Between two operands it is an operator. Behind braces it may be one, or begin a closure.
                    let operator = out.last().is_some_and(|last| is_operand(last) && !is_braces(last));
                    let second = matches!(out.last(), Some(TokenTree::Punct(last)) if last.as_char() == '|');
                    if !operator && !second && leaves(statement(rest)) {
                        return None;
                    }
                    out.push(token.clone());
                }
                TokenTree::Group(group) => {
                    let stream: Vec<TokenTree> = group.stream().into_iter().collect();
                    let stream = match macro_in_front(&out)? {
                        Some(Macro::Closed) if leaves(&stream) => return None,
                        Some(Macro::Closed) => group.stream(),
                        Some(Macro::Open) | None if is_attribute(&out, group) => group.stream(),
                        Some(Macro::Open) | None => self.level(stream)?,
                    };
                    let mut new = Group::new(group.delimiter(), stream);
                    new.set_span(group.span());
                    out.push(new.into());
                }
                _ => out.push(token.clone()),
            }
            at += 1;
        }
        Some(out.into_iter().collect())
    }
}

/// How many of the tokens behind `async` belong to a block or a closure without exits of the function; `None`: hard to tell.
fn async_block(rest: &[TokenTree]) -> Option<usize> {
    let moved = usize::from(matches!(rest.first(), Some(TokenTree::Ident(word)) if word == "move"));
    match rest.get(moved)? {
        block if is_braces(block) => Some(moved + 1),
        TokenTree::Ident(_) => item(rest),
        // A closure: what is in its body is passed over with the rest of the statement, if it has no exits.
        _ => (!leaves(statement(rest))).then_some(0),
    }
}

/// How many of the tokens behind the word of an item belong to it: those up to its braces, or its semicolon.
fn item(rest: &[TokenTree]) -> Option<usize> {
    let is = |at: usize, chars: &[char]| matches!(rest.get(at), Some(TokenTree::Punct(punct)) if chars.contains(&punct.as_char()));
    // Braces in a list of generic arguments are not those of the item.
    let end = |at: &usize| is(*at, &[';']) || (is_braces(&rest[*at]) && !is(*at + 1, &['>', ',']));
    (0..rest.len()).find(end).map(|at| at + 1)
}

/// The rest of a statement.
fn statement(rest: &[TokenTree]) -> &[TokenTree] {
    let end = rest.iter().position(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';'));
    &rest[..end.unwrap_or(rest.len())]
}

/// The last statement, whatever ends in braces in front of it included.
fn last_statement(tokens: &[TokenTree]) -> &[TokenTree] {
    let ends = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
    let inside = &tokens[..tokens.len().saturating_sub(1)];
    &tokens[inside.iter().rposition(ends).map_or(0, |at| at + 1)..]
}

/// Returns whether there is a `return` anywhere in the tokens.
fn returns(tokens: &[TokenTree]) -> bool {
    tokens.iter().any(|token| match token {
        TokenTree::Ident(word) => word == "return",
        TokenTree::Group(group) => returns(&group.stream().into_iter().collect::<Vec<_>>()),
        _ => false,
    })
}

/// Returns whether there is a `return` or a `?` anywhere in the tokens.
fn leaves(tokens: &[TokenTree]) -> bool {
    tokens.iter().any(|token| match token {
        TokenTree::Ident(word) => word == "return",
        TokenTree::Punct(punct) => punct.as_char() == '?',
        TokenTree::Group(group) => leaves(&group.stream().into_iter().collect::<Vec<_>>()),
        TokenTree::Literal(_) => false,
    })
}

fn is_operand(token: &TokenTree) -> bool {
    match token {
        TokenTree::Ident(word) => !KEYWORDS.iter().any(|keyword| word == keyword),
        TokenTree::Group(_) | TokenTree::Literal(_) => true,
        TokenTree::Punct(punct) => punct.as_char() == '?',
    }
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn is_attribute(before: &[TokenTree], group: &Group) -> bool {
    let hash = |token: Option<&TokenTree>, c: char| matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == c);
    let [.., before_last, last] = before else {
        return group.delimiter() == Delimiter::Bracket && hash(before.last(), '#');
    };
    group.delimiter() == Delimiter::Bracket
        && (hash(Some(last), '#') || (hash(Some(last), '!') && hash(Some(before_last), '#')))
}

enum Macro {
    Open,
    Closed,
}

/// The macro whose arguments come next: `Some(None)` where there is none, `None` where it may leave the function.
fn macro_in_front(before: &[TokenTree]) -> Option<Option<Macro>> {
    let [.., TokenTree::Ident(name), TokenTree::Punct(bang)] = before else { return Some(None) };
    // `if !(a)` and `x != (b)` are none: there, `!` follows a keyword, or is not alone.
    if bang.as_char() != '!' || KEYWORDS.iter().any(|keyword| name == keyword) {
        return Some(None);
    }
    let path = path(&before[..before.len() - 1]);
    let (name, first) = (path.first()?, path.last()?);
    if OPEN.iter().any(|known| name == known) {
        return Some(Some(Macro::Open));
    }
    let known = CLOSED.iter().any(|known| name == known);
    let of_known_crate = path.len() > 1 && CRATES.iter().any(|known| first == known);
    (known || of_known_crate).then_some(Some(Macro::Closed))
}

/// The path that the tokens end with, its last part first.
fn path(tokens: &[TokenTree]) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = tokens;
    while let [before @ .., TokenTree::Ident(part)] = rest {
        parts.push(part.to_string());
        let [before @ .., TokenTree::Punct(first), TokenTree::Punct(second)] = before else { break };
        if (first.as_char(), second.as_char(), first.spacing()) != (':', ':', Spacing::Joint) {
            break;
        }
        rest = before;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(body: &str) -> Option<String> {
        let look = |span| Some(quote_spanned!(span=> LOOK));
        let body: TokenStream = body.parse().unwrap();
        let found = InPlace::of(&body, &look)?;
        let text = found.tokens.to_string();
        assert_eq!(found.returns, text.contains("'__ferrometer_body"), "{text}");
        assert_eq!(found.questions, text.contains("LOOK"), "{text}");
        Some(text)
    }

    fn same(body: &str) {
        assert_eq!(rewritten(body).as_deref(), Some(&*body.parse::<TokenStream>().unwrap().to_string()));
    }

    #[track_caller]
    fn becomes(body: &str, expected: &str) {
        assert_eq!(rewritten(body), Some(expected.parse::<TokenStream>().unwrap().to_string()));
    }

    #[test]
    fn exits_are_replaced() {
        becomes("return 3;", "break '__ferrometer_body 3;");
        becomes("if a { return; } b", "if a { break '__ferrometer_body; } b");
        becomes("a?;", "a.__ferrometer_leaving(LOOK)?;");
        becomes("f(a).await??.b", "f(a).await.__ferrometer_leaving(LOOK)?.__ferrometer_leaving(LOOK)?.b");
        becomes("x.0? + 1", "x.0.__ferrometer_leaving(LOOK)? + 1");
        becomes("println!(\"{}\", a?)", "println!(\"{}\", a.__ferrometer_leaving(LOOK)?)");
        becomes(
            "let Some(a) = b else { return Err(c) }; a",
            "let Some(a) = b else { break '__ferrometer_body Err(c) }; a",
        );
        becomes("a.map(|x| x + 1)?", "a.map(|x| x + 1).__ferrometer_leaving(LOOK)?");
        becomes("if !(a?) { b }", "if !(a.__ferrometer_leaving(LOOK)?) { b }");
    }

    #[test]
    fn exits_of_something_inside_stay() {
        same("let f = async move { a?; return Ok(3) }; f.await");
        same("fn inner() -> Option<u32> { a?; return None } inner()");
        same("async fn inner() -> Option<u32> { a?; return None } inner().await");
        same("struct A<T: ?Sized>(T); impl<T: ?Sized> A<T> { fn a() -> X { return b?; } } 3");
        same("fn inner() -> impl Iterator<Item = u32> { a?; return b } inner()");
        same("fn inner() -> A<{ 3 }, { 4 }> { a?; return b } inner()");
        same("let f: fn(u32) -> u32 = g; f(a | b)");
        same("match a { 1 | 2 => b, _ => c } || d");
        same("assert!(a, \"why\"); tracing::error!(\"x\"); std::println!(\"y\")");
    }

    #[test]
    fn what_is_hard_to_tell_is_captured() {
        for body in [
            "bail!(\"x\")",
            "anyhow::bail!(\"x\")",
            "A { log: bail!(\"x\") }",
            "error!(\"one of the program's own may return\")",
            "let f = |x| x?; f(1)",
            "spawn(move || { a?; Ok(()) })",
            "spawn(async || { a?; Ok(()) })",
            "{ a } |x| { return 3 }",
            "assert!(a?)",
            "let a: Option<u32> = try { b? };",
        ] {
            assert_eq!(rewritten(body), None, "{body}");
        }
    }
}
