//! Objects in PostgreSQL: a row each, with a checksum behind the bytes.

use super::Postgres;
use super::usage;
use crate::sealed::{open, seal};
use crate::storage::{Key, Storage, Usage};
use crate::{Error, Nanos};
use std::ops::RangeInclusive;
use uuid::Uuid;

impl Storage for Postgres {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT body FROM archive_object WHERE metric = $1 AND granularity = $2 AND stretch = $3";
        let body = self.pool.read(|connection| {
            let rows = connection.query(sql, &[&key.metric, &key.granularity, &key.stretch])?;
            Ok(rows.first().map(|row| row.get::<_, Vec<u8>>(0)))
        })?;
        body.map(|body| open(body, key)).transpose()
    }

    fn stretches(&self, metric: Uuid, granularity: Nanos, range: RangeInclusive<i64>) -> Result<Vec<i64>, Error> {
        let sql = "SELECT stretch FROM archive_object WHERE metric = $1 AND granularity = $2 AND stretch BETWEEN $3 AND $4 ORDER BY stretch";
        self.pool.read(|connection| {
            let rows = connection.query(sql, &[&metric, &granularity, range.start(), range.end()])?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })
    }

    fn keys(&self, each: &mut dyn FnMut(Key)) -> Result<(), Error> {
        let sql = "SELECT metric, granularity, stretch FROM archive_object WHERE (metric, granularity, stretch) > ($1, $2, $3)
            ORDER BY metric, granularity, stretch LIMIT 10000";
        let mut last = Key { metric: Uuid::nil(), granularity: i64::MIN, stretch: i64::MIN };
        loop {
            let page = self.pool.read(|connection| {
                let rows = connection.query(sql, &[&last.metric, &last.granularity, &last.stretch])?;
                let key =
                    |row: &::postgres::Row| Key { metric: row.get(0), granularity: row.get(1), stretch: row.get(2) };
                Ok(rows.iter().map(key).collect::<Vec<Key>>())
            })?;
            let Some(end) = page.last() else { return Ok(()) };
            last = *end;
            page.into_iter().for_each(&mut *each);
        }
    }

    fn put(&self, changes: &[(Key, Option<Vec<u8>>)]) -> Result<(), Error> {
        let set = "INSERT INTO archive_object VALUES ($1, $2, $3, $4)
            ON CONFLICT (metric, granularity, stretch) DO UPDATE SET body = excluded.body";
        let unset = "DELETE FROM archive_object WHERE metric = $1 AND granularity = $2 AND stretch = $3";
        self.pool.write(|connection| {
            for (key, body) in changes {
                match body {
                    Some(body) => {
                        let body = seal(body.clone());
                        connection.execute(set, &[&key.metric, &key.granularity, &key.stretch, &body])?
                    }
                    None => connection.execute(unset, &[&key.metric, &key.granularity, &key.stretch])?,
                };
            }
            Ok(())
        })
    }

    fn forget(&self, metric: Uuid) -> Result<(), Error> {
        let sql = "DELETE FROM archive_object WHERE metric = $1";
        self.pool.read(|connection| Ok(connection.execute(sql, &[&metric]).map(drop)?))
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }

    fn usage(&self) -> Result<Usage, Error> {
        let sql = "SELECT count(*), coalesce(sum(length(body)), 0)::int8 FROM archive_object";
        self.pool.read(|connection| {
            let rows = connection.query(sql, &[])?;
            Ok(rows.first().map(|row| usage(row.get(0), row.get(1))).unwrap_or_default())
        })
    }
}
