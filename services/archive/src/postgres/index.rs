//! The [`Index`] in PostgreSQL.

use super::pool::{Connection, Failure, is_referred, is_taken};
use super::{Postgres, metrics, resources, storable, types};
use crate::index::{Index, NewMetric, ResourceChange, ResourceQuery, TypeChange};
use crate::search::{Filter, Page};
use crate::{Error, Metric, Policy, Resource, ResourceType, Rule};
use uuid::Uuid;

/// Reads the JSON of a table in which each row has one.
fn bodies<T: serde::de::DeserializeOwned>(connection: &mut Connection, sql: &str) -> Result<Vec<T>, Failure> {
    let rows = connection.query(sql, &[])?;
    rows.iter().map(|row| Ok(serde_json::from_str(row.get(0))?)).collect()
}

impl Index for Postgres {
    fn policies(&self) -> Result<Vec<Policy>, Error> {
        self.pool.read(|connection| bodies(connection, "SELECT body FROM archive_policy ORDER BY name"))
    }

    fn set_policy(&self, policy: &Policy, replace: bool) -> Result<(), Error> {
        storable(&[Some(&policy.name)])?;
        let body = serde_json::to_string(policy)?;
        let end = if replace { "DO UPDATE SET body = excluded.body" } else { "DO NOTHING" };
        let sql = format!("INSERT INTO archive_policy VALUES ($1, $2) ON CONFLICT (name) {end}");
        match self.pool.write(|connection| Ok(connection.execute(&sql, &[&policy.name, &body])?))? {
            0 => Err(Error::PolicyExists(policy.name.clone())),
            _ => Ok(()),
        }
    }

    fn remove_policy(&self, name: &str) -> Result<(), Error> {
        self.pool.write(|connection| match connection.execute("DELETE FROM archive_policy WHERE name = $1", &[&name]) {
            Ok(0) => Err(Error::NoSuchPolicy(name.into()).into()),
            Ok(_) => Ok(()),
            Err(error) if is_referred(&error) => Err(Error::PolicyInUse(name.into()).into()),
            Err(error) => Err(error.into()),
        })
    }

    fn rules(&self) -> Result<Vec<Rule>, Error> {
        self.pool.read(|connection| {
            let rows =
                connection.query("SELECT name, pattern, policy FROM archive_rule ORDER BY pattern DESC, name", &[])?;
            Ok(rows.iter().map(|row| Rule { name: row.get(0), pattern: row.get(1), policy: row.get(2) }).collect())
        })
    }

    fn add_rule(&self, rule: &Rule) -> Result<(), Error> {
        storable(&[Some(&rule.name), Some(&rule.pattern), Some(&rule.policy)])?;
        self.pool.write(|connection| {
            let added = connection
                .execute("INSERT INTO archive_rule VALUES ($1, $2, $3)", &[&rule.name, &rule.pattern, &rule.policy]);
            match added {
                Ok(_) => Ok(()),
                Err(error) if is_taken(&error) => Err(Error::RuleExists(rule.name.clone()).into()),
                Err(error) if is_referred(&error) => Err(Error::NoSuchPolicy(rule.policy.clone()).into()),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn rename_rule(&self, name: &str, to: &str) -> Result<(), Error> {
        storable(&[Some(to)])?;
        self.pool.write(|connection| {
            match connection.execute("UPDATE archive_rule SET name = $2 WHERE name = $1", &[&name, &to]) {
                Ok(0) => Err(Error::NoSuchRule(name.into()).into()),
                Ok(_) => Ok(()),
                Err(error) if is_taken(&error) => {
                    Err(Error::RuleChange(name.into(), format!("Archive policy rule {to} already exists.")).into())
                }
                Err(error) => Err(error.into()),
            }
        })
    }

    fn remove_rule(&self, name: &str) -> Result<(), Error> {
        self.pool.write(|connection| {
            match connection.execute("DELETE FROM archive_rule WHERE name = $1", &[&name])? {
                0 => Err(Error::NoSuchRule(name.into()).into()),
                _ => Ok(()),
            }
        })
    }

    fn add_metrics(&self, metrics: &[Metric]) -> Result<(), Error> {
        self.pool.write(|connection| metrics.iter().try_for_each(|metric| metrics::insert(connection, metric)))
    }

    fn metrics_by_id(&self, ids: &[Uuid]) -> Result<Vec<Metric>, Error> {
        self.pool.read(|connection| metrics::by_id(connection, ids))
    }

    fn metrics(&self, filter: Option<&Filter>, page: &Page) -> Result<Vec<Metric>, Error> {
        self.pool.read(|connection| metrics::list(connection, filter, page))
    }

    fn set_metric_policy(&self, id: Uuid, policy: &str) -> Result<(), Error> {
        self.pool.write(|connection| {
            let sql = "UPDATE archive_metric SET archive_policy_name = $2 WHERE id = $1";
            match connection.execute(sql, &[&id.to_string(), &policy]) {
                Ok(0) => Err(Error::NoSuchMetric(id.to_string()).into()),
                Ok(_) => Ok(()),
                Err(error) if is_referred(&error) => Err(Error::NoSuchPolicy(policy.into()).into()),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn remove_metric(&self, id: Uuid) -> Result<(), Error> {
        self.pool.write(|connection| {
            match connection.execute("DELETE FROM archive_metric WHERE id = $1", &[&id.to_string()])? {
                0 => Err(Error::NoSuchMetric(id.to_string()).into()),
                _ => metrics::leave(connection, &[id]),
            }
        })
    }

    fn resource_types(&self) -> Result<Vec<ResourceType>, Error> {
        self.pool.read(|connection| bodies(connection, "SELECT body FROM archive_resource_type ORDER BY name"))
    }

    fn resource_type(&self, name: &str) -> Result<ResourceType, Error> {
        self.pool.read(|connection| types::get(connection, name))
    }

    fn add_resource_type(&self, kind: &ResourceType) -> Result<(), Error> {
        self.pool.write(|connection| types::add(connection, kind))
    }

    fn change_resource_type(&self, name: &str, change: &TypeChange) -> Result<ResourceType, Error> {
        self.pool.write(|connection| types::change(connection, name, change))
    }

    fn remove_resource_type(&self, name: &str) -> Result<(), Error> {
        self.pool.write(|connection| types::remove(connection, name))
    }

    fn add_resource(&self, resource: &Resource, metrics: &[NewMetric]) -> Result<(), Error> {
        self.pool.write(|connection| resources::add(connection, resource, metrics))
    }

    fn resource(&self, kind: &str, id: Uuid) -> Result<Option<Resource>, Error> {
        let found = self.pool.read(|connection| resources::get(connection, id, false))?;
        Ok(found.filter(|found| kind == "generic" || found.kind == kind))
    }

    fn change_resource(
        &self,
        id: Uuid,
        change: &ResourceChange,
        metrics: Option<(&[NewMetric], bool)>,
    ) -> Result<Resource, Error> {
        self.pool.write(|connection| resources::change(connection, id, change, metrics))
    }

    fn remove_resources(&self, kind: &str, filter: &Filter) -> Result<(u64, Vec<Uuid>), Error> {
        self.pool.write(|connection| resources::remove(connection, kind, filter))
    }

    fn resources(&self, query: &ResourceQuery) -> Result<Vec<Resource>, Error> {
        self.pool.read(|connection| resources::list(connection, query))
    }
}
