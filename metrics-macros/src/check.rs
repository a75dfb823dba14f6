//! Literals: what a name, a label key and a sample rate may be, with the error on the literal itself.
//!
//! Run time keeps these rules too, where the core replaces what does not fit. Here the programmer can still correct
//! it, so the macros refuse.

use proc_macro2::{Literal, Span};
use syn::{Error, Expr, ExprLit, Lit, LitStr, Result, UnOp};

/// The longest name the core accepts, in bytes.
const MAX_NAME: usize = 512;

/// Checks a metric name or a prefix (`what` says which) and returns it.
pub fn name(literal: &LitStr, what: &str) -> Result<String> {
    let text = literal.value();
    let fail = |message: String| Err(Error::new(literal.span(), message));
    if text.is_empty() {
        return fail(format!("this {what} is empty; {}", name_rule(what)));
    }
    if let Some(found) = text.chars().find(|c| *c != '.' && !allowed(*c)) {
        return fail(format!("this {what} contains {found:?}; {}", name_rule(what)));
    }
    if text.split('.').any(str::is_empty) {
        return fail(format!("this {what} has an empty part; {}", name_rule(what)));
    }
    length(&text, what, literal.span())?;
    Ok(text)
}

/// Checks the length of a whole name; `span` is where the error goes.
pub fn length(text: &str, what: &str, span: Span) -> Result<()> {
    if text.len() <= MAX_NAME {
        return Ok(());
    }
    Err(Error::new(span, format!("this {what} is {} bytes long; at most {MAX_NAME} are allowed", text.len())))
}

/// Checks a label key and returns it.
pub fn label_key(literal: &LitStr) -> Result<String> {
    let text = literal.value();
    let rule = "a label key is made of ASCII letters, digits, `_` and `-`";
    if text.is_empty() {
        return Err(Error::new(literal.span(), format!("this label key is empty; {rule}")));
    }
    if let Some(found) = text.chars().find(|c| !allowed(*c)) {
        return Err(Error::new(literal.span(), format!("this label key contains {found:?}; {rule}")));
    }
    length(&text, "label key", literal.span())?;
    Ok(text)
}

/// A function's name as a part of a metric name: without `r#`, and `_` for each character that no name may hold.
pub fn from_ident(ident: &syn::Ident) -> String {
    let text = ident.to_string();
    let text = text.strip_prefix("r#").unwrap_or(&text);
    text.chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}

/// Checks a sample rate: a number literal in (0, 1]. Returned as an `f64` literal.
pub fn sample_rate(expr: &Expr) -> Result<Literal> {
    const RULE: &str = "`sample_rate` is a number literal above 0 and at most 1, such as 0.1";
    let fail = |message: String| Err(Error::new_spanned(expr, message));
    match ungroup(expr) {
        Expr::Lit(ExprLit { lit, .. }) => {
            let (digits, suffix) = match lit {
                Lit::Float(number) => (number.base10_digits(), number.suffix()),
                Lit::Int(number) => (number.base10_digits(), number.suffix()),
                Lit::Str(text) if text.value().parse::<f64>().is_ok() => {
                    return fail(format!("found a string; {RULE}: write it without the quotes"));
                }
                Lit::Str(_) => return fail(format!("found a string; {RULE}")),
                _ => return fail(format!("found a literal that is not a number; {RULE}")),
            };
            if !matches!(suffix, "" | "f64" | "f32") {
                return fail(format!("found a number of type `{suffix}`; {RULE}"));
            }
            match digits.parse::<f64>() {
                Ok(rate) if rate > 0.0 && rate <= 1.0 => {
                    let mut literal = Literal::f64_suffixed(rate);
                    literal.set_span(lit.span());
                    Ok(literal)
                }
                _ => fail(format!("found {digits}; {RULE}")),
            }
        }
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => fail(format!("found a negative number; {RULE}")),
        _ => fail(format!("found an expression; {RULE} (for a rate known at run time: `LOGGER.sampled(rate)`)")),
    }
}

/// Returns the message for an argument that is a number and stands where only a rate can be meant.
pub fn unnamed_rate(expr: &Expr) -> Option<String> {
    let rate = sample_rate(expr).ok()?;
    let rate = rate.to_string();
    Some(format!("a rate is given by name: `sample_rate = {}`", rate.trim_end_matches("f64")))
}

/// Returns whether a suffix is that of an integer.
pub fn is_integer(suffix: &str) -> bool {
    suffix.strip_prefix(['i', 'u']).is_some_and(|bits| ["8", "16", "32", "64", "128", "size"].contains(&bits))
}

/// Returns whether by this rate, one that was [checked](sample_rate), there are calls that are not recorded.
pub fn is_sampled(rate: Option<&Literal>) -> bool {
    rate.is_some_and(|rate| rate.to_string().trim_end_matches("f64").parse() != Ok(1.0))
}

/// The expression inside the invisible groups that a `macro_rules!` fragment arrives in.
pub fn ungroup(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => ungroup(&group.expr),
        _ => expr,
    }
}

/// The rest of an "unknown argument" message: what is allowed, and what was probably meant.
pub fn allowed_arguments(found: &str, allowed: &[&str]) -> String {
    let list = allowed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match nearest(found, allowed) {
        Some(name) => format!("did you mean `{name}`? Allowed: {list}"),
        None => format!("allowed: {list}"),
    }
}

/// The allowed argument that was probably meant.
pub fn nearest<'a>(found: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let found = found.to_ascii_lowercase();
    allowed
        .iter()
        .map(|name| {
            // A word of it ("rate", "sample") says more than a slip of the finger ("crate").
            let word = name.split('_').any(|word| word == found);
            (if word { 0 } else { distance(&found, name) }, name)
        })
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .map(|(_, name)| *name)
}

fn name_rule(what: &str) -> String {
    format!("a {what} is made of parts of ASCII letters, digits, `_` and `-`, joined by single dots")
}

fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Levenshtein's distance, by rows.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn names() {
        for good in ["a", "a.b-c.D_9", &"x".repeat(512)] {
            assert_eq!(name(&LitStr::new(good, Span::call_site()), "metric name").unwrap(), good);
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a:b", "a|b", "é", "a\n", "a/b", "a{b}", &"x".repeat(513)] {
            assert!(name(&LitStr::new(bad, Span::call_site()), "metric name").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn rates() {
        let ok: [Expr; 5] =
            [parse_quote!(0.1), parse_quote!(1), parse_quote!(1.0), parse_quote!(1e-3), parse_quote!(0.5f32)];
        for expr in &ok {
            assert!(sample_rate(expr).is_ok(), "{expr:?}", expr = quote::quote!(#expr).to_string());
        }
        let bad: [Expr; 9] = [
            parse_quote!(0),
            parse_quote!(0.0),
            parse_quote!(1.5),
            parse_quote!(2),
            parse_quote!(-0.1),
            parse_quote!("0.1"),
            parse_quote!(RATE),
            parse_quote!(1e-400),
            parse_quote!(1u8),
        ];
        for expr in &bad {
            assert!(sample_rate(expr).is_err(), "{expr:?}", expr = quote::quote!(#expr).to_string());
        }
    }

    #[test]
    fn nearest_argument() {
        let known = ["logger", "name", "sample_rate", "on", "outcome"];
        for (found, meant) in [
            ("sampel_rate", "sample_rate"),
            ("rate", "sample_rate"),
            ("samplerate", "sample_rate"),
            ("outcom", "outcome"),
            ("nmae", "name"),
            ("frequency", ""),
        ] {
            let message = allowed_arguments(found, &known);
            assert_eq!(message.contains("did you mean"), !meant.is_empty(), "{message}");
            assert!(message.contains(meant));
        }
    }
}
