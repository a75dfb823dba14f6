//! Measures that wait, in PostgreSQL: a row for each metric of a batch.

use super::Postgres;
use crate::Error;
use crate::cluster::places::{Entry, Part, SharedIncoming, decode_points, encode_points};
use uuid::Uuid;

impl SharedIncoming for Postgres {
    fn append(&self, parts: &[Part]) -> Result<(), Error> {
        let sacks: Vec<i32> = parts.iter().map(|(sack, ..)| *sack as i32).collect();
        let metrics: Vec<Uuid> = parts.iter().map(|(_, metric, _)| *metric).collect();
        let points: Vec<Vec<u8>> = parts.iter().map(|(.., points)| encode_points(points)).collect();
        let sql = "INSERT INTO archive_incoming (sack, metric, points) SELECT * FROM unnest($1::int4[], $2::uuid[], $3::bytea[])";
        // Once more after a connection that broke: measures that come twice count once.
        self.pool.read(|connection| Ok(connection.execute(sql, &[&sacks, &metrics, &points]).map(drop)?))
    }

    fn waiting(&self, sack: u32, most: usize) -> Result<Vec<Uuid>, Error> {
        let sql = "SELECT DISTINCT metric FROM archive_incoming WHERE sack = $1 LIMIT $2";
        self.pool.read(|connection| {
            let rows = connection.query(sql, &[&(sack as i32), &(most as i64)])?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })
    }

    fn pending(&self, sack: u32, metric: Uuid, most: usize) -> Result<Vec<Entry>, Error> {
        let sql = "SELECT id, points FROM archive_incoming WHERE sack = $1 AND metric = $2 ORDER BY id LIMIT $3";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.pool.read(|connection| {
            let rows = connection.query(sql, &[&(sack as i32), &metric, &most])?;
            rows.iter().map(|row| Ok(Entry { id: row.get(0), points: decode_points(row.get(1))? })).collect()
        })
    }

    fn remove(&self, sack: u32, metric: Uuid, ids: &[i64]) -> Result<(), Error> {
        let sql = "DELETE FROM archive_incoming WHERE sack = $1 AND metric = $2 AND id = ANY($3)";
        self.pool.read(|connection| Ok(connection.execute(sql, &[&(sack as i32), &metric, &ids]).map(drop)?))
    }

    fn forget(&self, sack: u32, metric: Uuid) -> Result<(), Error> {
        let sql = "DELETE FROM archive_incoming WHERE sack = $1 AND metric = $2";
        self.pool.read(|connection| Ok(connection.execute(sql, &[&(sack as i32), &metric]).map(drop)?))
    }

    fn load(&self) -> Result<(u64, u64), Error> {
        let sql = "SELECT count(DISTINCT metric), coalesce(sum(length(points)), 0)::int8 FROM archive_incoming";
        self.pool.read(|connection| {
            let rows = connection.query(sql, &[])?;
            let load = |row: &::postgres::Row| (row.get::<_, i64>(0) as u64, row.get::<_, i64>(1) as u64 / 16);
            Ok(rows.first().map(load).unwrap_or_default())
        })
    }

    fn loads(&self, most: usize) -> Result<Vec<(Uuid, u64)>, Error> {
        let sql = "SELECT metric, sum(length(points))::int8 FROM archive_incoming GROUP BY metric LIMIT $1";
        self.pool.read(|connection| {
            let rows = connection.query(sql, &[&(most as i64)])?;
            Ok(rows.iter().map(|row| (row.get(0), row.get::<_, i64>(1) as u64 / 16)).collect())
        })
    }
}
