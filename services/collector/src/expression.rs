//! `skip_datapoints_expression`: the part of Python that such expressions are written in, without Python.
//!
//! Comparisons of `datapoint.get("vol", {}).get("qty", 0)`, `datapoint["groupby"]["flavor"]` and the like with numbers, texts, `True`,
//! `False` and `None`, combined by `and`, `or`, `not` and brackets. Everything else is refused when the file is read.

use crate::number;
use bigdecimal::{BigDecimal, Zero as _};
use std::cmp::Ordering;

/// Depth to which an expression may be nested.
const MAX_DEPTH: usize = 32;

/// Bytes that an expression may have.
const MAX_BYTES: usize = 4096;

/// An expression over one data point.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression(Expr);

#[derive(Debug, Clone, PartialEq)]
enum Expr {
    Literal(Operand),
    /// Keys from `datapoint` down, and what is taken where the last is missing.
    Path(Vec<String>, Operand),
    Compare(Box<Expr>, Op, Box<Expr>),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    None,
    Bool(bool),
    Number(BigDecimal),
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Values that an expression may ask of a data point.
pub(crate) trait Subject {
    /// Returns the quantity.
    fn qty(&self) -> &BigDecimal;
    /// Returns the unit.
    fn unit(&self) -> &str;
    /// Returns a value of `groupby`.
    fn groupby(&self, key: &str) -> Option<String>;
    /// Returns a value of `metadata`.
    fn metadata(&self, key: &str) -> Option<String>;
}

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    /// A text that says at which character something stands that is not understood, and what is allowed.
    ///
    /// ```
    /// use ferrometer_collector::Expression;
    ///
    /// assert!(Expression::parse(r#"datapoint.get("vol", {}).get("qty", 0) == 0"#).is_ok());
    /// assert!(Expression::parse("__import__('os')").unwrap_err().starts_with("character 1: "));
    /// ```
    pub fn parse(text: &str) -> Result<Expression, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("an expression has at most {MAX_BYTES} bytes"));
        }
        let mut parser = Parser { text, at: 0, depth: 0 };
        let expr = parser.or()?;
        parser.space();
        if parser.at < text.len() {
            Err(parser.refused("expected and, or, a comparison or the end"))
        } else {
            Ok(Expression(expr))
        }
    }

    /// Returns if the expression holds for a data point.
    ///
    /// # Errors
    /// A text where the expression compares sizes of a number and a text, as Python refuses to.
    pub(crate) fn holds(&self, subject: &dyn Subject) -> Result<bool, String> {
        self.0.truth(subject)
    }
}

impl Expr {
    fn value(&self, subject: &dyn Subject) -> Result<Operand, String> {
        Ok(match self {
            Expr::Literal(operand) => operand.clone(),
            Expr::Path(keys, default) => {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                let found = match keys[..] {
                    ["vol", "qty"] => Some(Operand::Number(subject.qty().clone())),
                    ["vol", "unit"] => Some(Operand::Text(subject.unit().to_owned())),
                    ["rating", "price"] => Some(Operand::Number(BigDecimal::from(0))),
                    ["groupby", key] => subject.groupby(key).map(Operand::Text),
                    ["metadata", key] => subject.metadata(key).map(Operand::Text),
                    _ => None,
                };
                found.unwrap_or_else(|| default.clone())
            }
            _ => Operand::Bool(self.truth(subject)?),
        })
    }

    fn truth(&self, subject: &dyn Subject) -> Result<bool, String> {
        Ok(match self {
            Expr::Literal(_) | Expr::Path(..) => match self.value(subject)? {
                Operand::None => false,
                Operand::Bool(value) => value,
                Operand::Number(number) => !number.is_zero(),
                Operand::Text(text) => !text.is_empty(),
            },
            Expr::Not(inner) => !inner.truth(subject)?,
            Expr::And(a, b) => a.truth(subject)? && b.truth(subject)?,
            Expr::Or(a, b) => a.truth(subject)? || b.truth(subject)?,
            Expr::Compare(a, op, b) => {
                let (a, b) = (a.value(subject)?, b.value(subject)?);
                let ordering = match (&a, &b) {
                    (Operand::Number(a), Operand::Number(b)) => Some(a.cmp(b)),
                    (Operand::Text(a), Operand::Text(b)) => Some(a.cmp(b)),
                    (Operand::Bool(a), Operand::Bool(b)) => Some(a.cmp(b)),
                    (Operand::None, Operand::None) => Some(Ordering::Equal),
                    _ => None,
                };
                match (op, ordering) {
                    (Op::Eq, ordering) => ordering == Some(Ordering::Equal),
                    (Op::Ne, ordering) => ordering != Some(Ordering::Equal),
                    (Op::Lt, Some(ordering)) => ordering == Ordering::Less,
                    (Op::Le, Some(ordering)) => ordering != Ordering::Greater,
                    (Op::Gt, Some(ordering)) => ordering == Ordering::Greater,
                    (Op::Ge, Some(ordering)) => ordering != Ordering::Less,
                    (_, None) => {
                        let text = "skip_datapoints_expression: a number and a text have no order; labels are texts"
                            .to_owned();
                        return Err(text);
                    }
                }
            }
        })
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn refused(&self, expected: &str) -> String {
        let character = self.text[..self.at].chars().count() + 1;
        format!("character {character}: {expected}")
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Takes a sign if it comes next.
    fn sign(&mut self, sign: &str) -> bool {
        self.space();
        let found = self.text[self.at..].starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    /// Takes a whole word if it comes next.
    fn word(&mut self, word: &str) -> bool {
        self.space();
        let rest = &self.text[self.at..];
        let found = rest.strip_prefix(word).is_some_and(|r| !r.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        if found {
            self.at += word.len();
        }
        found
    }

    fn or(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.refused("the expression is nested too deeply"));
        }
        let mut left = self.and()?;
        while self.word("or") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.not()?;
        while self.word("and") {
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, String> {
        let mut negated = false;
        let mut any = false;
        while self.word("not") {
            negated = !negated;
            any = true;
        }
        let inner = self.comparison()?;
        // An even number of `not` makes a boolean of a value, which is its truth.
        Ok(match (any, negated) {
            (false, _) => inner,
            (true, true) => Expr::Not(Box::new(inner)),
            (true, false) => Expr::Not(Box::new(Expr::Not(Box::new(inner)))),
        })
    }

    fn comparison(&mut self) -> Result<Expr, String> {
        let left = self.operand()?;
        for (sign, op) in [("==", Op::Eq), ("!=", Op::Ne), ("<=", Op::Le), (">=", Op::Ge), ("<", Op::Lt), (">", Op::Gt)]
        {
            if self.sign(sign) {
                let right = self.operand()?;
                return Ok(Expr::Compare(Box::new(left), op, Box::new(right)));
            }
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expr, String> {
        if self.sign("(") {
            let inner = self.or()?;
            return if self.sign(")") { Ok(inner) } else { Err(self.refused("expected a closing bracket")) };
        }
        if self.word("datapoint") {
            return self.path();
        }
        self.literal()?.map(Expr::Literal).ok_or_else(|| {
            self.refused("expected datapoint, a number, a text in quotes, True, False, None, not or a bracket")
        })
    }

    fn literal(&mut self) -> Result<Option<Operand>, String> {
        for (word, operand) in [("True", Operand::Bool(true)), ("False", Operand::Bool(false)), ("None", Operand::None)]
        {
            if self.word(word) {
                return Ok(Some(operand));
            }
        }
        self.space();
        let rest = &self.text[self.at..];
        match rest.chars().next() {
            Some('"' | '\'') => self.quoted().map(|text| Some(Operand::Text(text))),
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => {
                let end =
                    rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '.').map_or(rest.len(), |n| n + 1);
                let number = number::parse(&rest[..end]).map_err(|e| self.refused(&e.to_string()))?;
                self.at += end;
                Ok(Some(Operand::Number(number)))
            }
            _ => Ok(None),
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        let rest = &self.text[self.at..];
        let quote = &rest[..1];
        let Some(end) = rest[1..].find(quote) else { return Err(self.refused("the text has no closing quote")) };
        let text = &rest[1..=end];
        if text.contains('\\') {
            return Err(self.refused("a text with a backslash is not understood"));
        }
        self.at += end + 2;
        Ok(text.to_owned())
    }

    /// The chain of `.get("key", default)` and `["key"]` behind `datapoint`.
    fn path(&mut self) -> Result<Expr, String> {
        let mut keys = Vec::new();
        let mut default = Operand::None;
        loop {
            if self.sign("[") {
                self.space();
                keys.push(self.key()?);
                if !self.sign("]") {
                    return Err(self.refused("expected ]"));
                }
                default = Operand::None;
            } else if self.sign(".get(") {
                keys.push(self.key()?);
                default = if self.sign(",") { self.default()? } else { Operand::None };
                if !self.sign(")") {
                    return Err(self.refused("expected )"));
                }
            } else {
                break;
            }
        }
        let known = match keys.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["vol", key] => matches!(key, "qty" | "unit"),
            ["rating", key] => key == "price",
            ["groupby" | "metadata", _] => true,
            _ => false,
        };
        let allowed = "a data point has vol.qty, vol.unit, rating.price, groupby.<label> and metadata.<label>";
        if known { Ok(Expr::Path(keys, default)) } else { Err(self.refused(allowed)) }
    }

    fn key(&mut self) -> Result<String, String> {
        self.space();
        if self.text[self.at..].starts_with(['"', '\'']) {
            self.quoted()
        } else {
            Err(self.refused("expected a key in quotes"))
        }
    }

    fn default(&mut self) -> Result<Operand, String> {
        if self.sign("{") {
            return if self.sign("}") { Ok(Operand::None) } else { Err(self.refused("expected }")) };
        }
        self.literal()?.ok_or_else(|| self.refused("expected a number, a text in quotes, True, False, None or {}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Point(BigDecimal);

    impl Subject for Point {
        fn qty(&self) -> &BigDecimal {
            &self.0
        }
        fn unit(&self) -> &str {
            "GiB"
        }
        fn groupby(&self, key: &str) -> Option<String> {
            (key == "flavor").then(|| "small".to_owned())
        }
        fn metadata(&self, _: &str) -> Option<String> {
            None
        }
    }

    #[test]
    fn expressions_that_are_understood() {
        let zero = Point(BigDecimal::from(0));
        for (text, holds) in [
            ("False", false),
            (r#"datapoint.get("vol", {}).get("qty", 0) == 0"#, true),
            ("datapoint['vol']['qty'] != 0 or datapoint['groupby']['flavor'] == 'small'", true),
            ("not (datapoint['vol']['qty'] < 1)", false),
            ("not not datapoint['groupby']['flavor']", true),
            ("datapoint['metadata'].get('x', 'none') == 'none' and datapoint['vol']['qty'] <= .5", true),
            ("datapoint['metadata'].get('x') == None", true),
            ("datapoint['groupby']['flavor'] == 5", false),
        ] {
            assert_eq!(Expression::parse(text).unwrap().holds(&zero), Ok(holds), "{text}");
        }
        let order = Expression::parse("datapoint['groupby']['flavor'] > 5").unwrap();
        assert!(order.holds(&zero).unwrap_err().contains("no order"));
    }

    #[test]
    fn expressions_that_are_refused() {
        for (text, at) in [
            ("", "character 1"),
            ("open('/etc/passwd')", "character 1"),
            ("datapoint", "character 10"),
            ("datapoint['vol']['size'] == 0", "character 26"),
            ("datapoint['vol']['qty'] == 0; 1", "character 29"),
            ("datapoint['vol']['qty'] == 1e99999", "character 28"),
            ("1 == 'a", "character 6"),
            ("é == 1", "character 1"),
        ] {
            let message = Expression::parse(text).unwrap_err();
            assert!(message.starts_with(at), "{text}: {message}");
        }
        assert!(Expression::parse(&"(".repeat(4000)).unwrap_err().contains("deeply"));
        assert!(Expression::parse(&"not ".repeat(1000)).is_err());
    }
}
