//! PostgreSQL as index, as incoming and as storage.
//!
//! Tables are made, and brought up to date, when it is opened. Their names begin with `archive_`, so that they can stand beside others.

mod heads;
mod incoming;
mod index;
mod metrics;
mod pool;
mod resources;
mod schema;
mod storage;
mod types;

use crate::condition::{Dialect, Parameter};
use crate::resource::AttributeKind;
use crate::{Error, storage::Usage};
use pool::{Connection, Pool};

/// Number of sacks of a new archive.
const SACKS: i32 = 64;

/// An archive's tables in a database.
pub struct Postgres {
    pool: Pool,
    sacks: u32,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("sacks", &self.sacks).finish_non_exhaustive()
    }
}

impl Postgres {
    /// Connects, without TLS, and brings the tables up to date. The address is that of libpq: `postgresql://user:password@host:port/database` or
    /// `host=… user=…`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an address that is none; [`Error::Away`] when it cannot be reached; [`Error::Index`] when the tables were made
    /// by a later version.
    pub fn connect(address: &str) -> Result<Postgres, Error> {
        let pool = Pool::new(address)?;
        let sacks = pool.write(schema::bring_up_to_date)?;
        Ok(Postgres { pool, sacks })
    }
}

/// Every parameter is sent as text, and becomes what it is compared with.
const DIALECT: Dialect = Dialect {
    truth: ["TRUE", "FALSE"],
    place: |number, kind| match kind {
        AttributeKind::String { .. } | AttributeKind::Uuid => format!("${number}::text"),
        AttributeKind::Number { .. } => format!("${number}::text::float8"),
        AttributeKind::Bool => format!("${number}::text::int"),
        AttributeKind::Datetime => format!("${number}::text::int8"),
    },
    attribute: |name, kind| match kind {
        AttributeKind::String { .. } | AttributeKind::Uuid => format!("(attributes->>'{name}' COLLATE \"C\")"),
        AttributeKind::Number { .. } => format!("((attributes->>'{name}')::float8)"),
        AttributeKind::Bool => format!("((attributes->>'{name}')::boolean::int)"),
        AttributeKind::Datetime => format!("((attributes->>'{name}')::int8)"),
    },
    same: "IS NOT DISTINCT FROM",
    creator: [
        "split_part(creator, ':', 1)",
        "(CASE WHEN strpos(creator, ':') > 0 THEN substr(creator, strpos(creator, ':') + 1) ELSE '' END)",
    ],
};

/// Returns parameters as they are sent.
fn texts(parameters: Vec<Parameter>) -> Vec<Option<String>> {
    let text = |parameter| match parameter {
        Parameter::Null => None,
        Parameter::Integer(whole) => Some(whole.to_string()),
        // The shortest text that is this number.
        Parameter::Real(number) => Some(format!("{number:?}")),
        Parameter::Text(text) => Some(text),
    };
    parameters.into_iter().map(text).collect()
}

/// Returns the values of the columns of a row that a marker names.
fn marker_row(
    connection: &mut Connection,
    sql: &str,
    parameters: &[&(dyn ::postgres::types::ToSql + Sync)],
) -> Result<Option<Vec<Parameter>>, Error> {
    let rows = connection.query(sql, parameters)?;
    Ok(rows.first().map(|row| {
        let value = |at| row.get::<_, Option<String>>(at).map_or(Parameter::Null, Parameter::Text);
        (0..row.len()).map(value).collect()
    }))
}

/// Refuses text that PostgreSQL cannot keep.
fn storable(texts: &[Option<&str>]) -> Result<(), Error> {
    match texts.iter().flatten().find(|text| text.contains('\0')) {
        Some(_) => Err(Error::Invalid("text must not have the character U+0000".into())),
        None => Ok(()),
    }
}

fn usage(objects: i64, bytes: i64) -> Usage {
    Usage { objects: objects as u64, live: bytes as u64, disk: bytes as u64, files: 0 }
}
