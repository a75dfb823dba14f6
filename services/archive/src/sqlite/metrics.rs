//! Metrics in SQLite.

use super::transaction::Undo;
use super::{DIALECT, exists, is_referred, is_taken, optional, uuid};
use crate::condition::{Condition, Parameter, metric_field};
use crate::search::{Filter, Page};
use crate::{Error, Metric};
use rusqlite::{Connection, Row, params, params_from_iter};
use uuid::Uuid;

const COLUMNS: &str = "id, creator, name, unit, archive_policy_name, resource_id";

type Raw = (String, String, Option<String>, Option<String>, String, Option<String>);

fn raw(row: &Row<'_>) -> Result<Raw, rusqlite::Error> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
}

fn metric((id, creator, name, unit, policy, resource): Raw) -> Result<Metric, Error> {
    Ok(Metric { id: uuid(&id)?, creator, name, unit, policy, resource: resource.as_deref().map(uuid).transpose()? })
}

/// Returns the change that makes metrics, all or none.
pub(super) fn making(metrics: Vec<Metric>) -> (Undo, impl FnOnce(&Connection) -> Result<(), Error> + Send) {
    let undo = if metrics.len() == 1 { Undo::Statement } else { Undo::Savepoint };
    (undo, move |connection| metrics.iter().try_for_each(|metric| insert(connection, metric)))
}

/// Inserts a metric. The index looks for what it refers to by itself; it is looked for here where that refused the metric.
pub(super) fn insert(connection: &Connection, metric: &Metric) -> Result<(), Error> {
    let resource = metric.resource.map(|id| id.to_string());
    let mut statement = connection.prepare_cached("INSERT INTO metric VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    match statement.execute(params![
        metric.id.to_string(),
        metric.creator,
        metric.name,
        metric.unit,
        metric.policy,
        resource
    ]) {
        Ok(_) => Ok(()),
        Err(error) if is_taken(&error) || is_referred(&error) => {
            let name = || Error::MetricNameExists(metric.name.clone().unwrap_or_default());
            let missing = missing(connection, metric, resource)?;
            Err(missing.unwrap_or_else(|| if is_taken(&error) { name() } else { error.into() }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns an error that tells which of what a metric refers to is not there; none where all is.
fn missing(connection: &Connection, metric: &Metric, resource: Option<String>) -> Result<Option<Error>, Error> {
    if !exists(connection, "policy", &metric.policy)? {
        return Ok(Some(Error::NoSuchPolicy(metric.policy.clone())));
    }
    let Some(id) = resource else { return Ok(None) };
    let is_there = connection.prepare_cached("SELECT 1 FROM resource WHERE id = ?1")?.exists([&id])?;
    Ok((!is_there).then_some(Error::NoSuchResource(id)))
}

pub(super) fn by_ids(connection: &Connection, ids: &[Uuid]) -> Result<Vec<Metric>, Error> {
    each(connection, &format!("SELECT {COLUMNS} FROM metric WHERE id = ?1"), ids, raw)?
        .into_iter()
        .flatten()
        .map(metric)
        .collect()
}

/// Returns the names of the policies of metrics, or none for one that does not exist.
pub(super) fn policies(connection: &Connection, ids: &[Uuid]) -> Result<Vec<Option<String>>, Error> {
    each(connection, "SELECT archive_policy_name FROM metric WHERE id = ?1", ids, |row| row.get(0))
}

/// Asks for the row of each id. Of several, all are asked for in one transaction: its beginning costs as much as a row.
fn each<T>(
    connection: &Connection,
    sql: &str,
    ids: &[Uuid],
    read: impl Fn(&Row<'_>) -> Result<T, rusqlite::Error>,
) -> Result<Vec<Option<T>>, Error> {
    let transaction = if ids.len() > 1 { Some(connection.unchecked_transaction()?) } else { None };
    let mut statement = connection.prepare_cached(sql)?;
    let mut text = Uuid::encode_buffer();
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let id_text: &str = id.hyphenated().encode_lower(&mut text);
        found.push(optional(statement.query_row([id_text], &read))?);
    }
    transaction.map(rusqlite::Transaction::commit).transpose()?;
    Ok(found)
}

pub(super) fn list(connection: &Connection, filter: Option<&Filter>, page: &Page) -> Result<Vec<Metric>, Error> {
    let (statements, parameters) = selects(connection, filter, page)?;
    let most = page.limit.unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for sql in statements {
        if found.len() == most {
            break;
        }
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(&parameters), raw)?;
        for row in rows.take(most - found.len()) {
            found.push(metric(row?)?);
        }
    }
    Ok(found)
}

/// Returns the statements that select metrics, one after the other, and the parameters of each.
fn selects(
    connection: &Connection,
    filter: Option<&Filter>,
    page: &Page,
) -> Result<(Vec<String>, Vec<Parameter>), Error> {
    let mut condition = Condition::new(&DIALECT, &metric_field, "metric");
    if let Some(filter) = filter {
        condition.and(filter)?;
    }
    let order = condition.paged(page, &["id"], |marker, columns| {
        let row = connection.query_row(
            &format!("SELECT {} FROM metric WHERE id = ?1", columns.join(", ")),
            [marker],
            |row| (0..columns.len()).map(|at| row.get(at)).collect::<Result<Vec<Parameter>, _>>(),
        );
        optional(row)
    })?;
    // The index of names has those alone that are some: it orders metrics by name where those without one are asked for apart.
    let parts: &[&str] = match page.sort.first() {
        Some(sort) if sort.key == "name" && sort.nulls_first => &["name IS NULL AND ", "name IS NOT NULL AND "],
        Some(sort) if sort.key == "name" => &["name IS NOT NULL AND ", "name IS NULL AND "],
        _ => &[""],
    };
    let select = |part: &&str| format!("SELECT {COLUMNS} FROM metric WHERE {part}{} {order}", condition.sql);
    Ok((parts.iter().map(select).collect(), condition.parameters))
}

#[cfg(test)]
mod tests {
    use crate::index::Index;
    use crate::search::{Compare, Filter, Page, Sort, Value};
    use crate::sqlite::{SCHEMA, Sqlite};
    use crate::{Metric, Policy, ResourceType};
    use rusqlite::{Connection, params, params_from_iter};
    use std::path::Path;
    use uuid::Uuid;

    fn metric(number: u128, name: Option<&str>) -> Metric {
        Metric {
            id: Uuid::from_u128(number),
            creator: "me".into(),
            name: name.map(Into::into),
            unit: None,
            policy: "low".into(),
            resource: None,
        }
    }

    /// Writes an index as the first version of the schema had it, with a metric that has a name and one that has none.
    fn of_the_first_version(path: &Path) {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch(SCHEMA[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        let (policy, generic) = (&Policy::defaults()[1], ResourceType::generic());
        let policy = params![policy.name, serde_json::to_string(policy).unwrap()];
        connection.execute("INSERT INTO policy VALUES (?1, ?2)", policy).unwrap();
        let generic = [serde_json::to_string(&generic).unwrap()];
        connection.execute("INSERT INTO resource_type VALUES ('generic', ?1)", generic).unwrap();
        for metric in [metric(1, Some("b")), metric(2, None)] {
            super::insert(&connection, &metric).unwrap();
        }
    }

    fn ids(index: &Sqlite, filter: Option<&Filter>, page: &Page) -> Vec<u128> {
        index.metrics(filter, page).unwrap().iter().map(|metric| metric.id.as_u128()).collect()
    }

    fn by_name(limit: usize, marker: Option<u128>, descending: bool, nulls_first: bool) -> Page {
        let marker = marker.map(|number| Uuid::from_u128(number).to_string());
        let sort = Sort { descending, nulls_first, ..Sort::by("name") };
        Page { sort: vec![sort], limit: Some(limit), marker }
    }

    #[test]
    fn metrics_without_a_name_are_in_no_index_of_names_and_in_every_list() {
        let directory = std::env::temp_dir().join(format!("ferrometer-archive-names-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("index.sqlite");
        of_the_first_version(&path);
        let index = Sqlite::open(&path, true).unwrap();
        let more = [metric(3, Some("a")), metric(4, None), metric(5, Some("c")), metric(6, Some("b"))];
        index.add_metrics(&more).unwrap();
        for limit in 1..8 {
            for (descending, nulls_first, expected) in [
                (false, false, [3, 1, 6, 5, 2, 4]),
                (false, true, [2, 4, 3, 1, 6, 5]),
                (true, false, [5, 1, 6, 3, 2, 4]),
                (true, true, [2, 4, 5, 1, 6, 3]),
            ] {
                let mut listed = Vec::new();
                loop {
                    let page = by_name(limit, listed.last().copied(), descending, nulls_first);
                    let more = ids(&index, None, &page);
                    listed.extend(&more);
                    if more.len() < limit {
                        break;
                    }
                }
                assert_eq!(listed, expected, "{limit} a page, {descending} {nulls_first}");
            }
        }
        let like = |pattern: &str| Filter::Compare(Compare::Like, "name".into(), Value::Text(pattern.into()));
        let none = Filter::Compare(Compare::Eq, "name".into(), Value::Null);
        assert_eq!(ids(&index, Some(&none), &Page::default()), [2, 4]);
        assert_eq!(ids(&index, Some(&Filter::is("name", "b")), &Page::default()), [1, 6]);
        // The index answers questions by name, and lists by name.
        let connection = Connection::open(&path).unwrap();
        let uses = |filter: Option<&Filter>, page: &Page| {
            let (statements, parameters) = super::selects(&connection, filter, page).unwrap();
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statements[0])).unwrap();
            let rows = plan.query_map(params_from_iter(parameters), |row| row.get::<_, String>("detail")).unwrap();
            let plan: Vec<String> = rows.map(Result::unwrap).collect();
            assert!(plan[0].contains("USING INDEX metric_by_name"), "{plan:?}");
        };
        uses(Some(&Filter::is("name", "b")), &Page::default());
        let names = ["a", "b"].map(|name| Value::Text(name.into())).to_vec();
        uses(Some(&Filter::In("name".into(), names)), &Page::default());
        uses(None, &by_name(2, None, false, false));
        uses(None, &by_name(2, None, true, false));
        uses(None, &by_name(2, Some(1), false, false));
        uses(Some(&like("%b%")), &by_name(2, None, false, false));
        let version: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, SCHEMA.len());
        let many = "SELECT count(*) FROM metric INDEXED BY metric_by_name WHERE name IS NOT NULL";
        assert_eq!(connection.query_row(many, [], |row| row.get::<_, usize>(0)).unwrap(), 4);
        drop((connection, index));
        let _ = std::fs::remove_dir_all(&directory);
    }
}
