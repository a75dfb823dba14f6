//! `/v1/resource`: resources, their history, and their search.

use crate::Gnocchi;
use crate::filter;
use crate::paging::{linked, page};
use crate::references::{bad_reference, resource_id};
use crate::reply::{Answer, Refusal, Reply};
use crate::request::{Request, not_allowed, not_found, time_of};
use crate::resource_json::{names, resource_json};
use crate::schema::{Checked, Invalid, dictionary, name, optional, required, text};
use ferrometer_archive::search::{Filter, Page, Value as Wanted};
use ferrometer_archive::time::{now, timestamp};
use ferrometer_archive::{
    Error, Metric, Nanos, NewMetric, Resource, ResourceChange, ResourceQuery, ResourceType, SECOND,
};
use http::header::{ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED, LOCATION};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use uuid::Uuid;

/// Order of resources that are not told another.
pub(crate) const ORDER: [&str; 2] = ["revision_start:asc", "started_at:asc"];

fn etag(resource: &Resource) -> String {
    let content = format!("{}{}", resource.id, resource.revision_start);
    Uuid::new_v5(&ferrometer_archive::RESOURCE_NAMESPACE, content.as_bytes()).simple().to_string()
}

/// Reads and writes the dates of HTTP.
fn http_date(stamp: Nanos) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = timestamp(stamp);
    let day = stamp.div_euclid(86_400 * SECOND).rem_euclid(7) as usize;
    let month: usize = text[5..7].parse().unwrap_or(1);
    format!("{}, {} {} {} {} GMT", DAYS[day], &text[8..10], MONTHS[month - 1], &text[..4], &text[11..19])
}

fn resource_reply(status: StatusCode, kind: &ResourceType, resource: &Resource, metrics: &[Metric]) -> Reply {
    Reply::json(status, &resource_json(resource, Some(kind), Some(names(metrics))))
        .with(ETAG, format!("\"{}\"", etag(resource)))
        .with(LAST_MODIFIED, http_date(resource.revision_start))
}

impl Gnocchi {
    /// Refuses a request whose conditions a resource does not meet.
    fn check_conditions(&self, request: &Request<'_>, resource: &Resource) -> Result<(), Refusal> {
        let tag = etag(resource);
        let names = |list: &str| {
            list.split(',')
                .map(|name| name.trim().trim_start_matches("W/").trim_matches('"'))
                .any(|name| name == "*" || name == tag)
        };
        let failed = || Refusal::new(StatusCode::PRECONDITION_FAILED, "");
        let reads = request.method == Method::GET || request.method == Method::HEAD;
        // Dates of HTTP are compared as seconds.
        let modified = http_date(resource.revision_start);
        let since = |date: &str| {
            date == modified
                || parse_http_date(date).is_some_and(|date| date >= resource.revision_start / SECOND * SECOND)
        };
        match (request.header(IF_MATCH), request.header(IF_UNMODIFIED_SINCE)) {
            (Some(list), _) if !names(list) => return Err(failed()),
            (None, Some(date)) if !since(date) => return Err(failed()),
            _ => {}
        }
        match (request.header(IF_NONE_MATCH), request.header(IF_MODIFIED_SINCE)) {
            (Some(list), _) if names(list) && reads => Err(Refusal::new(StatusCode::NOT_MODIFIED, "")),
            (Some(list), _) if names(list) => Err(failed()),
            (None, Some(date)) if reads && since(date) => Err(Refusal::new(StatusCode::NOT_MODIFIED, "")),
            _ => Ok(()),
        }
    }

    pub(crate) fn resources(&self, request: &Request<'_>, rest: &[String]) -> Answer {
        let (name, rest) = match rest {
            [] if request.method == Method::GET => {
                let base = request.base();
                let types = self.archive.index().resource_types()?;
                let links: Map<String, Value> = types
                    .iter()
                    .map(|kind| (kind.name.clone(), format!("{base}/v1/resource/{}", kind.name).into()))
                    .collect();
                return Ok(Reply::ok(&links.into()));
            }
            [] => return not_allowed("GET"),
            [name, rest @ ..] => (name, rest),
        };
        let kind = self.archive.index().resource_type(name)?;
        match (&request.method, rest) {
            (&Method::GET, []) => {
                request.user()?;
                self.list_resources(request, &kind, None)
            }
            (&Method::POST, []) => self.post_resource(request, &kind),
            (&Method::DELETE, []) => self.delete_resources(request, &kind),
            (_, []) => not_allowed("GET, POST, DELETE"),
            (_, [id, rest @ ..]) => {
                let user = request.user()?;
                let uuid = resource_id(id, &user).map_err(|_| Refusal::from(Error::NoSuchResource(id.clone())))?;
                let resource = self.archive.index().resource(name, uuid)?;
                match rest {
                    [] => self.one_resource(
                        request,
                        &kind,
                        resource.ok_or_else(|| Error::NoSuchResource(uuid.to_string()))?,
                    ),
                    [what, rest @ ..] if what == "metric" => self.resource_metrics(request, uuid, resource, rest),
                    [what] if what == "history" && request.method == Method::GET => {
                        let resource = resource.ok_or_else(|| Error::NoSuchResource(uuid.to_string()))?;
                        request.owner(&resource.creator)?;
                        self.list_resources(request, &kind, Some(Filter::is("id", uuid.to_string())))
                    }
                    [what] if what == "history" => not_allowed("GET"),
                    _ => Err(not_found()),
                }
            }
        }
    }

    fn one_resource(&self, request: &Request<'_>, kind: &ResourceType, resource: Resource) -> Answer {
        request.owner(&resource.creator)?;
        match request.method {
            Method::GET => {
                self.check_conditions(request, &resource)?;
                self.resource_reply(StatusCode::OK, kind, &resource)
            }
            Method::PATCH => {
                self.check_conditions(request, &resource)?;
                let body = request.json()?;
                let map = dictionary(&body)?;
                let told = self.read_resource(kind, map, false)?;
                let change = changes(&resource, told);
                let new = map
                    .get("metrics")
                    .map(|metrics| self.new_metrics(metrics, &request.user()?, resource.id))
                    .transpose()?;
                if !change.revision && new.is_none() {
                    return self.resource_reply(StatusCode::OK, kind, &resource);
                }
                let new = new.as_deref().map(|new| (new, false));
                let changed = self.archive.change_resource(resource.id, &change, new).map_err(bad_reference)?;
                self.resource_reply(StatusCode::OK, kind, &changed)
            }
            Method::DELETE => {
                self.check_conditions(request, &resource)?;
                match self.archive.remove_resources("generic", &Filter::is("id", resource.id.to_string()))? {
                    0 => Err(Error::NoSuchResource(resource.id.to_string()).into()),
                    _ => Ok(Reply::empty(StatusCode::NO_CONTENT)),
                }
            }
            _ => not_allowed("GET, PATCH, DELETE"),
        }
    }

    fn resource_reply(&self, status: StatusCode, kind: &ResourceType, resource: &Resource) -> Answer {
        Ok(resource_reply(status, kind, resource, &self.metrics_of(resource.id)?))
    }

    /// Reads a resource of a body; `whole` wants everything that is required.
    fn read_resource(&self, kind: &ResourceType, map: &Map<String, Value>, whole: bool) -> Checked<Told> {
        const KNOWN: [&str; 6] = ["id", "started_at", "ended_at", "user_id", "project_id", "metrics"];
        let known = |key: &str| KNOWN[usize::from(!whole)..].contains(&key) || kind.attributes.contains_key(key);
        if let Some(extra) = map.keys().find(|key| !known(key)) {
            return Err(Invalid::new("extra keys not allowed").at_key(extra));
        }
        let time = |value: &Value| time_of(value).map_err(Invalid::new);
        let maybe = |value: &Value| {
            if value.is_null() { Ok(None) } else { name(value).map(Some) }
        };
        let mut attributes = Map::new();
        for (name, attribute) in &kind.attributes {
            match map.get(name) {
                Some(value) => {
                    let value =
                        attribute.kind.accept(value, time_of).map_err(|reason| Invalid::new(reason).in_key(name))?;
                    attributes.insert(name.clone(), value);
                }
                None if attribute.required && whole => {
                    return Err(Invalid::new("required key not provided").at_key(name));
                }
                None => {}
            }
        }
        Ok(Told {
            started_at: optional(map, "started_at", time)?,
            ended_at: optional(
                map,
                "ended_at",
                |value| if value.is_null() { Ok(None) } else { time(value).map(Some) },
            )?,
            user: optional(map, "user_id", maybe)?,
            project: optional(map, "project_id", maybe)?,
            attributes,
        })
    }

    fn post_resource(&self, request: &Request<'_>, kind: &ResourceType) -> Answer {
        let creator = request.user()?;
        let body = request.json()?;
        let map = dictionary(&body)?;
        let told = self.read_resource(kind, map, true)?;
        // Keys that are there are looked at before those that are missing.
        let new = map.get("metrics").map(|metrics| self.new_metrics(metrics, &creator, Uuid::nil())).transpose()?;
        let original = required(map, "id", text)?;
        let id = resource_id(&original, &creator).map_err(|invalid| invalid.in_key("id"))?;
        let at = now() / 1000 * 1000;
        let resource = Resource {
            id,
            kind: kind.name.clone(),
            original_id: original,
            creator: creator.clone(),
            user: told.user.flatten(),
            project: told.project.flatten(),
            started_at: told.started_at.unwrap_or(at),
            ended_at: told.ended_at.flatten(),
            revision_start: at,
            revision_end: None,
            revision: -1,
            attributes: told.attributes,
        };
        let new = new.unwrap_or_default().into_iter().map(|metric| match metric {
            NewMetric::Create(metric) => NewMetric::Create(Metric { resource: Some(id), ..metric }),
            link => link,
        });
        let new: Vec<NewMetric> = new.collect();
        let metrics = self.metrics_to_be(&new)?;
        let location = self.location(request, &["resource", &kind.name, &id.to_string()]);
        let mut reply = resource_reply(StatusCode::CREATED, kind, &resource, &metrics).with(LOCATION, location);
        let refused = move |error| match error {
            Error::ResourceExists(_) => {
                Refusal::new(StatusCode::CONFLICT, Error::ResourceExists(id.to_string()).to_string())
            }
            other => bad_reference(other),
        };
        reply.making = Some((self.archive.make_resource(resource, new), Box::new(refused)));
        Ok(reply)
    }

    /// Returns the metrics that a new resource has when it is there. A metric keeps its name: one that is linked is looked up before.
    fn metrics_to_be(&self, new: &[NewMetric]) -> Result<Vec<Metric>, Error> {
        let linked = |metric: &NewMetric| match metric {
            NewMetric::Link(id) => Some(*id),
            NewMetric::Create(_) => None,
        };
        let linked: Vec<Uuid> = new.iter().filter_map(linked).collect();
        let mut metrics = if linked.is_empty() { Vec::new() } else { self.archive.index().metrics_by_id(&linked)? };
        metrics.extend(new.iter().filter_map(|metric| match metric {
            NewMetric::Create(metric) => Some(metric.clone()),
            NewMetric::Link(_) => None,
        }));
        Ok(metrics)
    }

    fn delete_resources(&self, request: &Request<'_>, kind: &ResourceType) -> Answer {
        let user = request.user()?;
        let filter = filter::of_request(request, &user)?;
        let filter = filter.ok_or_else(|| {
            Refusal::bad("caution: the query can not be empty, or it will                   delete entire database")
        })?;
        let filter =
            if request.is_admin(&user) { filter } else { Filter::And(vec![Filter::is("creator", user), filter]) };
        let deleted = self.archive.remove_resources(&kind.name, &filter)?;
        Ok(Reply::ok(&json!({"deleted": deleted})))
    }

    /// `/v1/search/resource/{type}`.
    pub(crate) fn search_resources(&self, request: &Request<'_>, name: &str) -> Answer {
        let kind = self.archive.index().resource_type(name)?;
        if request.method != Method::POST {
            return not_allowed("POST");
        }
        let user = request.user()?;
        let filter = filter::of_request(request, &user)?;
        self.list_resources(request, &kind, filter)
    }

    /// Lists resources of a request: the whole type, the history of one, or those of a search.
    fn list_resources(&self, request: &Request<'_>, kind: &ResourceType, filter: Option<Filter>) -> Answer {
        let details = request.truth("details", false)?;
        let history = request.truth("history", false)? || request.path.last().is_some_and(|last| last == "history");
        let page = page(request, &ORDER)?;
        let query = ResourceQuery { kind: kind.name.clone(), filter, history, page: page.clone() };
        // An attribute that a type has not is a fault of the question, as a type that does not exist is of the path.
        let resources = self.archive.resources(&query)?;
        let last = resources
            .last()
            .map(|last| if history { format!("{}@{}", last.id, last.revision) } else { last.id.to_string() });
        let reply = Reply::ok(&self.resources_json(&resources, kind, details, &request.parameters("attrs"))?);
        Ok(linked(reply, request, &page, resources.len(), last))
    }

    fn resources_json(
        &self,
        resources: &[Resource],
        kind: &ResourceType,
        details: bool,
        wanted: &[&str],
    ) -> Result<Value, Refusal> {
        let types: HashMap<String, ResourceType> = match details {
            true => self.archive.index().resource_types()?.into_iter().map(|kind| (kind.name.clone(), kind)).collect(),
            false => HashMap::new(),
        };
        let metrics = self.metrics_by_resource(resources)?;
        let rows = resources.iter().map(|resource| {
            let kind = types.get(&resource.kind).unwrap_or(kind);
            let mut json = resource_json(
                resource,
                Some(kind),
                Some(metrics.get(&resource.id).map(|list| names(list)).unwrap_or_default()),
            );
            if let Some(map) = json.as_object_mut().filter(|_| !wanted.is_empty()) {
                map.retain(|name, _| wanted.contains(&name.as_str()));
            }
            json
        });
        Ok(rows.collect())
    }

    /// Returns the metrics of resources.
    pub(crate) fn metrics_by_resource(&self, resources: &[Resource]) -> Result<HashMap<Uuid, Vec<Metric>>, Refusal> {
        let mut metrics: HashMap<Uuid, Vec<Metric>> = HashMap::new();
        for part in resources.chunks(500) {
            let ids = part.iter().map(|resource| Wanted::Text(resource.id.to_string())).collect();
            for metric in self.archive.metrics(Some(&Filter::In("resource_id".into(), ids)), &Page::default())? {
                if let Some(resource) = metric.resource {
                    metrics.entry(resource).or_default().push(metric);
                }
            }
        }
        Ok(metrics)
    }
}

/// A resource as a body tells it.
struct Told {
    started_at: Option<Nanos>,
    ended_at: Option<Option<Nanos>>,
    user: Option<Option<String>>,
    project: Option<Option<String>>,
    attributes: Map<String, Value>,
}

/// Returns what a body changes of a resource.
fn changes(resource: &Resource, told: Told) -> ResourceChange {
    let differs = told.user.as_ref().is_some_and(|user| *user != resource.user)
        || told.project.as_ref().is_some_and(|project| *project != resource.project)
        || told.started_at.is_some_and(|at| at != resource.started_at)
        || told.ended_at.is_some_and(|at| at != resource.ended_at)
        || told.attributes.iter().any(|(name, value)| resource.attributes.get(name).unwrap_or(&Value::Null) != value);
    ResourceChange {
        user: told.user,
        project: told.project,
        started_at: told.started_at,
        ended_at: told.ended_at,
        attributes: told.attributes,
        at: now() / 1000 * 1000,
        revision: differs,
    }
}

fn parse_http_date(date: &str) -> Option<Nanos> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let parts: Vec<&str> = date.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = parts[..] else { return None };
    let month = MONTHS.iter().position(|known| *known == month)? + 1;
    ferrometer_archive::time::parse_timestamp(&format!("{year}-{month:02}-{day:0>2}T{time}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_come_back() {
        let stamp = ferrometer_archive::time::parse_timestamp("2014-10-06T14:33:57").unwrap();
        assert_eq!(http_date(stamp), "Mon, 06 Oct 2014 14:33:57 GMT");
        assert_eq!(parse_http_date(&http_date(stamp)), Some(stamp));
        assert_eq!(parse_http_date("Mon, 06 Oct"), None);
    }
}
