//! Leases in PostgreSQL: processors that come and go, on any machine, share scopes without being told of each other.
//!
//! A processor claims scopes for a time, collects them, and commits what it collected in one transaction that also holds the length of its
//! output. A scope whose lease ended is somebody else's: each claim raises the scope's fence, and a commit with an old fence is
//! refused as a whole. So every period is committed once, however slow or dead a processor is. What an output has behind its committed
//! length does not count; its processor cuts it when it runs again.

mod connect;

use crate::checkpoints::Checkpoints;
use crate::secret::Secret;
use connect::failed;
use postgres::Client;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Makes the tables in one transaction, whose lock lasts until its end: a table that another connection makes is seen when it is
/// committed, and `if not exists` alone fails for two at once.
const TABLES: &str = "
    select pg_advisory_xact_lock(7306093);
    create table if not exists ferrometer_scopes (
        scope bytea primary key, next bigint, owner text, until timestamptz, fence bigint not null default 0);
    create table if not exists ferrometer_outputs (
        processor text, output text, length bigint not null, primary key (processor, output));";

/// Locks a processor's name as long as the connection lives.
const LOCK: &str = "select pg_try_advisory_lock(7306094, hashtext($1))";

const ADD: &str = "insert into ferrometer_scopes (scope) select unnest($1::bytea[]) on conflict do nothing";

const CLAIM: &str = "
    update ferrometer_scopes set owner = $1, until = now() + $2::float8 * interval '1 second', fence = fence + 1
    where scope in (
        select scope from ferrometer_scopes
        where scope = any($3) and (next is null or next < $4) and (owner is null or owner = $1 or until < now())
        order by random() limit $5 for update skip locked)
    returning scope, next, fence";

const REMAINING: &str = "select count(*) from ferrometer_scopes where scope = any($1) and (next is null or next < $2)";

const ADVANCE: &str = "
    update ferrometer_scopes s set next = v.next, until = now() + $5::float8 * interval '1 second'
    from unnest($1::bytea[], $2::bigint[], $3::bigint[]) as v (scope, next, fence)
    where s.scope = v.scope and s.fence = v.fence and s.owner = $4";

const LENGTH: &str = "
    insert into ferrometer_outputs (processor, output, length) values ($1, $2, $3)
    on conflict (processor, output) do update set length = excluded.length";

const RENEW: &str = "update ferrometer_scopes set until = now() + $2::float8 * interval '1 second' where owner = $1";

const RELEASE: &str = "update ferrometer_scopes set owner = null, until = null where owner = $1";

/// A claim that somebody else has taken over, because it was not renewed in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseLost;

impl fmt::Display for LeaseLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a lease ended before its scope was committed, and another processor has the scope now; nothing of the commit counts")
    }
}

impl std::error::Error for LeaseLost {}

/// Returns if an error is a [`LeaseLost`].
#[must_use]
pub fn is_lost(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|e| e.is::<LeaseLost>())
}

/// Scopes that this processor may collect now, and its checkpoints.
pub struct Leases {
    client: Client,
    processor: String,
    lease: f64,
    held: HashMap<String, (Option<i64>, i64)>,
    outputs: HashMap<String, u64>,
    furthest: Option<i64>,
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases")
            .field("processor", &self.processor)
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}

impl Leases {
    /// Connects to a database, and creates the two tables if they are not there.
    ///
    /// The connection has TLS, with a certificate of the authorities in `cafile`, or of the system's, unless the address says
    /// `sslmode=disable`, or names a socket or a loopback address and no `sslmode`.
    ///
    /// # Errors
    /// A database that cannot be reached or used, a certificate that is not trusted, or a processor of this name that is connected
    /// already.
    pub fn connect(address: &Secret, cafile: Option<&Path>, processor: &str, lease: Duration) -> io::Result<Leases> {
        let mut client = connect::client(address, cafile)?;
        let locked: bool = client.query_one(LOCK, &[&processor]).map_err(failed)?.get(0);
        if !locked {
            let message = format!("a processor named \"{processor}\" is connected to the database already");
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
        client.batch_execute(TABLES).map_err(failed)?;
        let rows = client.query("select output, length from ferrometer_outputs where processor = $1", &[&processor]);
        let outputs = rows.map_err(failed)?.iter().map(|row| (row.get(0), row.get::<_, i64>(1) as u64)).collect();
        let furthest = client.query_one("select max(next) from ferrometer_scopes", &[]).map_err(failed)?.get(0);
        Ok(Leases {
            client,
            processor: processor.to_owned(),
            lease: lease.as_secs_f64(),
            held: HashMap::new(),
            outputs,
            furthest,
        })
    }

    /// Makes scopes known, so that they can be claimed.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn add(&mut self, scopes: &[String]) -> io::Result<()> {
        self.client.execute(ADD, &[&bytes(scopes)]).map_err(failed).map(drop)
    }

    /// Claims at most this many of these scopes that have periods before `to` left and that nobody holds.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn claim(&mut self, scopes: &[String], to: i64, most: usize) -> io::Result<Vec<String>> {
        let arguments: [&(dyn postgres::types::ToSql + Sync); 5] =
            [&self.processor, &self.lease, &bytes(scopes), &to, &(most as i64)];
        let rows = self.client.query(CLAIM, &arguments).map_err(failed)?;
        let mut claimed = Vec::new();
        for row in rows {
            let scope = String::from_utf8_lossy(row.get(0)).into_owned();
            self.held.insert(scope.clone(), (row.get(1), row.get(2)));
            claimed.push(scope);
        }
        Ok(claimed)
    }

    /// Returns how many of these scopes have periods before `to` left, no matter who holds them.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn remaining(&mut self, scopes: &[String], to: i64) -> io::Result<i64> {
        self.client.query_one(REMAINING, &[&bytes(scopes), &to]).map_err(failed).map(|row| row.get(0))
    }

    /// Gives all claimed scopes back.
    ///
    /// # Errors
    /// The database cannot be used; the leases end by themselves then.
    pub fn release(&mut self) -> io::Result<()> {
        self.held.clear();
        self.client.execute(RELEASE, &[&self.processor]).map_err(failed).map(drop)
    }
}

impl Checkpoints for Leases {
    fn next(&self, scope: &str) -> Option<i64> {
        self.held.get(scope).and_then(|(next, _)| *next)
    }

    fn furthest(&self) -> Option<i64> {
        self.furthest
    }

    fn output(&self, identity: &str) -> Option<u64> {
        self.outputs.get(identity).copied()
    }

    fn commit(&mut self, output: Option<(&str, u64)>, next: BTreeMap<String, i64>) -> io::Result<()> {
        let (mut scopes, mut nexts, mut fences) = (Vec::new(), Vec::new(), Vec::new());
        for (scope, next) in &next {
            let Some((_, fence)) = self.held.get(scope) else { return Err(io::Error::other(LeaseLost)) };
            scopes.push(scope.as_bytes());
            nexts.push(*next);
            fences.push(*fence);
        }
        let mut transaction = self.client.transaction().map_err(failed)?;
        let arguments: [&(dyn postgres::types::ToSql + Sync); 5] =
            [&scopes, &nexts, &fences, &self.processor, &self.lease];
        let advanced = transaction.execute(ADVANCE, &arguments).map_err(failed)?;
        if advanced != scopes.len() as u64 {
            transaction.rollback().map_err(failed)?;
            return Err(io::Error::other(LeaseLost));
        }
        // Scopes that wait for their turn stay claimed.
        transaction.execute(RENEW, &[&self.processor, &self.lease]).map_err(failed)?;
        if let Some((identity, length)) = output {
            transaction.execute(LENGTH, &[&self.processor, &identity, &(length as i64)]).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        if let Some((identity, length)) = output {
            self.outputs.insert(identity.to_owned(), length);
        }
        for (scope, next) in next {
            self.furthest = self.furthest.max(Some(next));
            if let Some((known, _)) = self.held.get_mut(&scope) {
                *known = Some(next);
            }
        }
        Ok(())
    }
}

fn bytes(scopes: &[String]) -> Vec<&[u8]> {
    scopes.iter().map(String::as_bytes).collect()
}
