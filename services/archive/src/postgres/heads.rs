//! Leases and heads in PostgreSQL.
//!
//! A commit locks the row of its sack for as long as it lasts, so that a claim of the sack comes before it or behind it. Behind a claim the
//! fence is a newer one, and the commit changes nothing.

use super::{Postgres, usage};
use crate::cluster::places::{Found, Lease, SharedIndex};
use crate::{Error, storage::Usage};
use std::time::Duration;
use uuid::Uuid;

const RENEW_WORKER: &str = "
    INSERT INTO archive_worker VALUES ($1, now() + $2::float8 * interval '1 second')
    ON CONFLICT (name) DO UPDATE SET until = excluded.until";
const RENEW_SACKS: &str = "UPDATE archive_sack SET until = now() + $2::float8 * interval '1 second' WHERE owner = $1";
/// Sacks of each worker, rounded up.
const SHARE: &str = "
    SELECT ((SELECT count(*) FROM archive_sack) + count(*) - 1) / count(*) FROM archive_worker WHERE until >= now()";
const CLAIM: &str = "
    UPDATE archive_sack SET owner = $1, until = now() + $2::float8 * interval '1 second', fence = nextval('archive_fence'),
        taken_over = owner IS NOT NULL
    WHERE id IN (SELECT id FROM archive_sack WHERE owner IS NULL OR until < now() ORDER BY random() LIMIT $3 FOR UPDATE SKIP LOCKED)";
const GIVE_BACK: &str = "
    UPDATE archive_sack SET owner = NULL, until = NULL
    WHERE id IN (SELECT id FROM archive_sack WHERE owner = $1 ORDER BY id DESC LIMIT $2 FOR UPDATE SKIP LOCKED)";
const FIRST: &str = "
    WITH held AS (SELECT 1 FROM archive_sack WHERE id = $1 AND fence <= $2 FOR SHARE),
        known AS (SELECT 1 FROM archive_metric WHERE id = $3::uuid::text FOR KEY SHARE)
    INSERT INTO archive_head (metric, generation, head, objects, bytes) SELECT $3, $4::int8 + 1, $5, $6, $7
    WHERE EXISTS (SELECT FROM held) AND EXISTS (SELECT FROM known)
    ON CONFLICT DO NOTHING";
const NEXT: &str = "
    WITH held AS (SELECT 1 FROM archive_sack WHERE id = $1 AND fence <= $2 FOR SHARE),
        known AS (SELECT 1 FROM archive_metric WHERE id = $3::uuid::text FOR KEY SHARE)
    UPDATE archive_head SET generation = $4::int8 + 1, head = $5, objects = $6, bytes = $7
    WHERE metric = $3 AND generation = $4::int8 AND EXISTS (SELECT FROM held) AND EXISTS (SELECT FROM known)";

impl SharedIndex for Postgres {
    fn sacks(&self) -> Result<u32, Error> {
        Ok(self.sacks)
    }

    fn lease(&self, worker: &str, length: Duration) -> Result<Vec<Lease>, Error> {
        let seconds = length.as_secs_f64();
        self.pool.write(|connection| {
            connection.execute(RENEW_WORKER, &[&worker, &seconds])?;
            connection.execute("DELETE FROM archive_worker WHERE until < now() - interval '1 hour'", &[])?;
            let held = connection.execute(RENEW_SACKS, &[&worker, &seconds])? as i64;
            let share = connection.query(SHARE, &[])?.first().map_or(0, |row| row.get::<_, i64>(0));
            if held < share {
                connection.execute(CLAIM, &[&worker, &seconds, &(share - held)])?;
            } else if held > share {
                connection.execute(GIVE_BACK, &[&worker, &(held - share)])?;
            }
            let rows =
                connection.query("SELECT id, fence, taken_over FROM archive_sack WHERE owner = $1", &[&worker])?;
            let lease = |row: &::postgres::Row| Lease {
                sack: row.get::<_, i32>(0) as u32,
                fence: row.get(1),
                taken_over: row.get(2),
            };
            Ok(rows.iter().map(lease).collect())
        })
    }

    fn fence(&self) -> Result<i64, Error> {
        self.pool.read(|connection| {
            let rows = connection.query("SELECT nextval('archive_fence')", &[])?;
            rows.first().map(|row| row.get(0)).ok_or_else(|| Error::Index("a sequence gave nothing".into()).into())
        })
    }

    fn release(&self, worker: &str) -> Result<(), Error> {
        self.pool.write(|connection| {
            connection.execute("UPDATE archive_sack SET owner = NULL, until = NULL WHERE owner = $1", &[&worker])?;
            connection.execute("DELETE FROM archive_worker WHERE name = $1", &[&worker])?;
            Ok(())
        })
    }

    fn found(&self, metric: Uuid) -> Result<Found, Error> {
        self.pool.read(|connection| {
            let rows =
                connection.query("SELECT generation, head, bytes FROM archive_head WHERE metric = $1", &[&metric])?;
            let found = |row: &::postgres::Row| Found {
                generation: row.get(0),
                head: row.get(1),
                bytes: row.get::<_, i64>(2) as u64,
            };
            Ok(rows.first().map(found).unwrap_or_default())
        })
    }

    fn commit(&self, lease: Lease, metric: Uuid, generation: i64, head: &[u8], bytes: u64) -> Result<bool, Error> {
        let sql = if generation == 0 { FIRST } else { NEXT };
        let (sack, bytes, objects) = (lease.sack as i32, bytes as i64, 1_i32);
        self.pool.write(|connection| {
            let changed =
                connection.execute(sql, &[&sack, &lease.fence, &metric, &generation, &head, &objects, &bytes])?;
            Ok(changed == 1)
        })
    }

    fn leaving(&self, metrics: &[Uuid]) -> Result<Vec<Uuid>, Error> {
        self.pool.read(|connection| {
            let rows = connection.query("SELECT metric FROM archive_removed WHERE metric = ANY($1)", &[&metrics])?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })
    }

    fn removed(&self, most: usize) -> Result<Vec<Uuid>, Error> {
        // Who removed a metric clears it at once, and needs a while for many.
        let sql = "SELECT metric FROM archive_removed WHERE at < now() - interval '30 seconds' LIMIT $1";
        self.pool.read(|connection| {
            let rows = connection.query(sql, &[&(most as i64)])?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })
    }

    fn cleared(&self, metrics: &[Uuid]) -> Result<(), Error> {
        self.pool.read(|connection| {
            connection.execute("DELETE FROM archive_removed WHERE metric = ANY($1)", &[&metrics])?;
            Ok(())
        })
    }

    fn usage(&self) -> Result<Usage, Error> {
        self.pool.read(|connection| {
            let sql = "SELECT coalesce(sum(objects), 0)::int8, coalesce(sum(bytes), 0)::int8 FROM archive_head";
            let rows = connection.query(sql, &[])?;
            Ok(rows.first().map(|row| usage(row.get(0), row.get(1))).unwrap_or_default())
        })
    }
}
