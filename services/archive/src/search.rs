//! Questions about resources and metrics: filters, order, pages.

/// A value that an attribute is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text; a time stamp or a UUID where the attribute is one.
    Text(String),
}

/// A comparison of an attribute with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Equal.
    Eq,
    /// Not equal, or not there.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// A pattern of SQL: `%` for any text, `_` for any character.
    Like,
}

/// A condition on resources or metrics.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// An attribute compared with a value.
    Compare(Compare, String, Value),
    /// An attribute that is one of several values.
    In(String, Vec<Value>),
    /// All conditions.
    And(Vec<Filter>),
    /// Any of the conditions.
    Or(Vec<Filter>),
    /// Not the condition.
    Not(Box<Filter>),
}

impl Filter {
    /// Returns the condition that an attribute has this text.
    pub fn is(attribute: &str, value: impl Into<String>) -> Filter {
        Filter::Compare(Compare::Eq, attribute.into(), Value::Text(value.into()))
    }
}

/// A key that answers are sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The attribute.
    pub key: String,
    /// Largest first.
    pub descending: bool,
    /// Rows without the attribute first.
    pub nulls_first: bool,
}

impl Sort {
    /// Returns the ascending order by an attribute.
    pub fn by(key: &str) -> Sort {
        Sort { key: key.into(), descending: false, nulls_first: false }
    }
}

/// Which part of an answer is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The order; ids decide where it does not.
    pub sort: Vec<Sort>,
    /// Most rows; `None` for all.
    pub limit: Option<usize>,
    /// The last row of the page before: an id, or `id@revision`.
    pub marker: Option<String>,
}
