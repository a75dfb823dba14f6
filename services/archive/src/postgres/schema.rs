//! Tables in PostgreSQL, and the changes that they went through.

use super::SACKS;
use super::pool::{Connection, Failure};
use crate::{Error, ResourceType};

/// Changes of the schema, in order; the number of those that were made is kept in `archive_schema`.
const SCHEMA: [&str; 1] = [r#"
CREATE TABLE archive_policy (name text COLLATE "C" PRIMARY KEY, body text NOT NULL);
CREATE TABLE archive_rule (
  name text COLLATE "C" PRIMARY KEY, pattern text COLLATE "C" NOT NULL, policy text COLLATE "C" NOT NULL REFERENCES archive_policy);
CREATE TABLE archive_resource_type (name text COLLATE "C" PRIMARY KEY, body text NOT NULL);
CREATE TABLE archive_resource (
  id text COLLATE "C" PRIMARY KEY, type text COLLATE "C" NOT NULL REFERENCES archive_resource_type,
  original_resource_id text COLLATE "C" NOT NULL, creator text COLLATE "C" NOT NULL,
  user_id text COLLATE "C", project_id text COLLATE "C", started_at int8 NOT NULL, ended_at int8,
  revision_start int8 NOT NULL, attributes json NOT NULL);
CREATE INDEX archive_resource_by_type ON archive_resource (type, revision_start, started_at, id);
CREATE TABLE archive_resource_history (
  revision int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL REFERENCES archive_resource ON DELETE CASCADE, type text COLLATE "C" NOT NULL,
  original_resource_id text COLLATE "C" NOT NULL, creator text COLLATE "C" NOT NULL,
  user_id text COLLATE "C", project_id text COLLATE "C", started_at int8 NOT NULL, ended_at int8,
  revision_start int8 NOT NULL, revision_end int8 NOT NULL, attributes json NOT NULL);
CREATE INDEX archive_history_by_resource ON archive_resource_history (id);
CREATE TABLE archive_metric (
  id text COLLATE "C" PRIMARY KEY, creator text COLLATE "C" NOT NULL, name text COLLATE "C", unit text COLLATE "C",
  archive_policy_name text COLLATE "C" NOT NULL REFERENCES archive_policy,
  resource_id text COLLATE "C" REFERENCES archive_resource);
CREATE UNIQUE INDEX archive_metric_by_resource ON archive_metric (resource_id, name) WHERE resource_id IS NOT NULL;
CREATE INDEX archive_metric_by_policy ON archive_metric (archive_policy_name);
CREATE INDEX archive_metric_by_name ON archive_metric (name);
CREATE TABLE archive_head (metric uuid PRIMARY KEY, generation int8 NOT NULL, head bytea NOT NULL, objects int4 NOT NULL, bytes int8 NOT NULL)
  WITH (fillfactor = 70);
CREATE TABLE archive_removed (metric uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE archive_sack (id int4 PRIMARY KEY, owner text, until timestamptz, fence int8 NOT NULL DEFAULT 0, taken_over boolean NOT NULL DEFAULT false);
CREATE TABLE archive_worker (name text PRIMARY KEY, until timestamptz NOT NULL);
CREATE SEQUENCE archive_fence MINVALUE 1 MAXVALUE 2147483647;
CREATE TABLE archive_incoming (
  sack int4 NOT NULL, metric uuid NOT NULL, id int8 GENERATED ALWAYS AS IDENTITY, points bytea NOT NULL, PRIMARY KEY (sack, metric, id));
CREATE TABLE archive_object (
  metric uuid NOT NULL, granularity int8 NOT NULL, stretch int8 NOT NULL, body bytea NOT NULL, PRIMARY KEY (metric, granularity, stretch));
ALTER TABLE archive_object ALTER body SET STORAGE EXTERNAL;
"#];

/// Makes the tables, or brings them up to date; returns the number of sacks.
pub(super) fn bring_up_to_date(connection: &mut Connection) -> Result<u32, Failure> {
    // Processes that start together do it one after the other.
    connection.batch(
        "SELECT pg_advisory_xact_lock(7306095);
         CREATE TABLE IF NOT EXISTS archive_schema (version int4 NOT NULL)",
    )?;
    let rows = connection.query("SELECT version FROM archive_schema", &[])?;
    let version = rows.first().map_or(0, |row| row.get::<_, i32>(0)) as usize;
    if version > SCHEMA.len() {
        return Err(Error::Index(format!(
            "its schema has the number {version}, written by a later version of this program; this one knows up to {}",
            SCHEMA.len()
        ))
        .into());
    }
    for change in SCHEMA.iter().skip(version) {
        connection.batch(change)?;
    }
    if version == 0 {
        connection.execute("INSERT INTO archive_sack (id) SELECT generate_series(0, $1 - 1)", &[&SACKS])?;
        let generic = serde_json::to_string(&ResourceType::generic())?;
        connection.execute("INSERT INTO archive_resource_type VALUES ('generic', $1)", &[&generic])?;
        connection.execute("INSERT INTO archive_schema VALUES ($1)", &[&(SCHEMA.len() as i32)])?;
    } else if version < SCHEMA.len() {
        connection.execute("UPDATE archive_schema SET version = $1", &[&(SCHEMA.len() as i32)])?;
    }
    let sacks = connection.query("SELECT count(*) FROM archive_sack", &[])?;
    Ok(sacks.first().map_or(0, |row| row.get::<_, i64>(0)) as u32)
}
