//! `/v1/metric` and the metrics of resources.

use crate::Gnocchi;
use crate::paging::{linked, page};
use crate::policies::{policy_json, unnamed_policy};
use crate::references::{bad_reference, resource_id};
use crate::reply::{Answer, Refusal, Reply};
use crate::request::{Request, not_allowed, not_found};
use crate::resource_json::{resource_json, user_and_project};
use crate::schema::{Checked, Invalid, LONGEST_NAME, dictionary, name, only, optional, short, text};
use ferrometer_archive::search::{Compare, Filter, Page, Value as Text};
use ferrometer_archive::time::timestamp;
use ferrometer_archive::{Error, Method as Aggregation, Metric, Nanos, NewMetric, Resource};
use http::{Method, StatusCode, header::HeaderName, header::LOCATION};
use serde_json::{Value, json};
use uuid::Uuid;

/// Most characters of a unit, as Gnocchi has it.
pub(crate) const LONGEST_UNIT: usize = 31;

/// A metric as a body tells it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub policy: Option<String>,
    pub unit: Option<String>,
    pub name: Option<String>,
    pub resource: Option<String>,
    /// A policy of its own.
    pub own_policy: Option<Value>,
}

impl Told {
    pub fn read(body: &Value) -> Checked<Told> {
        let map = dictionary(body)?;
        only(map, &["archive_policy_name", "archive_policy", "resource_id", "name", "unit"])?;
        if map.contains_key("archive_policy") && map.contains_key("archive_policy_name") {
            return Err(Invalid::new("two or more values in the same group of exclusion 'archive policy'"));
        }
        Ok(Told {
            policy: optional(map, "archive_policy_name", text)?,
            unit: optional(map, "unit", short(LONGEST_UNIT))?,
            name: optional(map, "name", name)?,
            resource: optional(map, "resource_id", text)?,
            own_policy: map.get("archive_policy").cloned(),
        })
    }
}

/// Returns a metric without its policy.
fn bare_json(metric: &Metric) -> Value {
    let (user, project) = user_and_project(&metric.creator);
    json!({
        "id": metric.id.to_string(),
        "name": metric.name,
        "unit": metric.unit,
        "creator": metric.creator,
        "created_by_user_id": user,
        "created_by_project_id": project,
        "resource_id": metric.resource.map(|id| id.to_string()),
    })
}

/// Says why a metric was not made.
fn not_made(error: Error) -> Refusal {
    match error {
        Error::NoSuchPolicy(_) => Refusal::bad(error.to_string()),
        Error::MetricNameExists(name) => Refusal::bad(json!({"cause": "Named metric already exists", "detail": name})),
        other => other.into(),
    }
}

impl Gnocchi {
    /// Makes a metric of what was told, which is not added yet.
    pub(crate) fn metric_of(&self, told: Told, creator: &str, resource: Option<Uuid>) -> Result<Metric, Refusal> {
        if told.name.as_ref().is_some_and(|name| name.contains('/')) {
            return Err(Refusal::bad("'/' is not supported in metric name"));
        }
        if told.name.as_ref().is_some_and(|name| name.chars().count() > LONGEST_NAME) {
            return Err(Refusal::bad(format!("length of metric name must be at most {LONGEST_NAME}")));
        }
        let policy = match told.policy {
            Some(policy) => policy,
            None => self.archive.policy_for(told.name.as_deref())?,
        };
        Ok(Metric { id: Metric::new_id(), creator: creator.into(), name: told.name, unit: told.unit, policy, resource })
    }

    /// Reads the metrics of a resource: names with ids of metrics that exist, or with metrics to make.
    pub(crate) fn new_metrics(&self, body: &Value, creator: &str, resource: Uuid) -> Result<Vec<NewMetric>, Refusal> {
        let map = dictionary(body)?;
        let mut new = Vec::new();
        for (name, value) in map {
            new.push(match value {
                Value::String(id) => {
                    let malformed = || Invalid::new("badly formed hexadecimal UUID string").in_key(name);
                    NewMetric::Link(Uuid::parse_str(id).map_err(|_| malformed())?)
                }
                told => {
                    let told = Told::read(told).map_err(|invalid| invalid.in_key(name))?;
                    if told.own_policy.is_some() {
                        return Err(Invalid::new("extra keys not allowed")
                            .at_key("archive_policy")
                            .in_key(name)
                            .into());
                    }
                    let told = Told { name: Some(name.clone()), ..told };
                    NewMetric::Create(self.metric_of(told, creator, Some(resource))?)
                }
            });
        }
        Ok(new)
    }

    pub(crate) fn metric_json(&self, metric: &Metric) -> Value {
        let mut json = bare_json(metric);
        json["archive_policy"] = self.archive.policy(&metric.policy).map_or(Value::Null, |policy| policy_json(&policy));
        json
    }

    /// Returns a metric with its resource.
    fn detailed(&self, metric: &Metric) -> Result<Value, Refusal> {
        let mut json = self.metric_json(metric);
        let resource = match metric.resource {
            Some(id) => self
                .archive
                .index()
                .resource("generic", id)?
                .map_or(Value::Null, |resource| resource_json(&resource, None, None)),
            None => Value::Null,
        };
        if let Some(map) = json.as_object_mut() {
            map.remove("resource_id");
            map.insert("resource".into(), resource);
        }
        Ok(json)
    }

    pub(crate) fn find_metric(&self, id: &str) -> Result<Metric, Refusal> {
        let unknown = || Refusal::from(Error::NoSuchMetric(id.into()));
        let id = Uuid::parse_str(id).map_err(|_| unknown())?;
        self.archive.index().metrics_by_id(&[id])?.pop().ok_or_else(unknown)
    }

    pub(crate) fn metrics(&self, request: &Request<'_>, rest: &[String]) -> Answer {
        match (&request.method, rest) {
            (&Method::GET, []) => self.list_metrics(request),
            (&Method::POST, []) => self.post_metric(request),
            (_, []) => not_allowed("GET, POST"),
            (_, [id, rest @ ..]) => {
                let metric = self.find_metric(id)?;
                self.one_metric(request, &metric, rest)
            }
        }
    }

    /// A metric by its id, or by its name within a resource.
    pub(crate) fn one_metric(&self, request: &Request<'_>, metric: &Metric, rest: &[String]) -> Answer {
        match (&request.method, rest) {
            (&Method::GET, []) => {
                request.owner(&metric.creator)?;
                let account = self.archive.account(metric.id)?;
                let reply = Reply::ok(&self.detailed(metric)?);
                let reply = reply.with(HeaderName::from_static("x-measures-accepted"), account.accepted.to_string());
                let reply = reply.with(HeaderName::from_static("x-measures-too-late"), account.too_late.to_string());
                Ok(match account.last {
                    Some(last) => reply.with(HeaderName::from_static("x-measures-last"), timestamp(last)),
                    None => reply,
                })
            }
            (&Method::DELETE, []) => {
                request.owner(&metric.creator)?;
                self.archive.remove_metric(metric.id)?;
                Ok(Reply::empty(StatusCode::NO_CONTENT))
            }
            (&Method::PATCH, []) => self.change_policy(request, metric),
            (_, []) => not_allowed("GET, PATCH, DELETE"),
            (&Method::DELETE, [measures]) if measures == "measures" => self.delete_measures(request, metric),
            (&Method::GET, [measures]) if measures == "measures" => self.get_measures(request, metric),
            (&Method::POST, [measures]) if measures == "measures" => self.post_measures(request, metric),
            (_, [measures]) if measures == "measures" => not_allowed("GET, POST, DELETE"),
            _ => Err(not_found()),
        }
    }

    /// `PATCH /v1/metric/{id}`: another policy, by its name or given with the request.
    fn change_policy(&self, request: &Request<'_>, metric: &Metric) -> Answer {
        request.owner(&metric.creator)?;
        let body = request.json()?;
        let map = dictionary(&body)?;
        only(map, &["archive_policy_name", "archive_policy"])?;
        let name = match (optional(map, "archive_policy_name", text)?, map.get("archive_policy")) {
            (Some(name), None) => name,
            (None, Some(policy)) => self.own_policy(request, policy)?,
            _ => return Err(Refusal::bad("one of `archive_policy_name` and `archive_policy` says the new policy")),
        };
        let bad = |error: Error| match error {
            Error::NoSuchPolicy(_) => Refusal::bad(error.to_string()),
            other => other.into(),
        };
        let done = self.archive.change_metric_policy(metric.id, &name).map_err(bad)?;
        let mut json = self.detailed(&Metric { policy: name, ..metric.clone() })?;
        let spans = |list: &[Nanos]| list.iter().map(|span| *span as f64 / 1e9).collect::<Vec<f64>>();
        let names = |list: &[Aggregation]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        if let Some(map) = json.as_object_mut() {
            let changed = json!({
                "granularities": {"kept": spans(&done.kept), "added": spans(&done.added), "removed": spans(&done.removed)},
                "aggregation_methods": {"added": names(&done.added_methods), "removed": names(&done.removed_methods)},
                "computed_from": done.points_from.map(timestamp),
            });
            map.insert("changed".into(), changed);
        }
        Ok(Reply::ok(&json))
    }

    /// Adds a policy that is given with a metric, unless it is there; returns its name.
    fn own_policy(&self, request: &Request<'_>, value: &Value) -> Result<String, Refusal> {
        // Anyone who makes policies decides what metrics cost.
        request.admin()?;
        let policy = unnamed_policy(value)?;
        match self.archive.add_policy(&policy) {
            Ok(()) | Err(Error::PolicyExists(_)) => Ok(policy.name),
            Err(error) => Err(error.into()),
        }
    }

    fn list_metrics(&self, request: &Request<'_>) -> Answer {
        request.user()?;
        let mut filters = Vec::new();
        let (user, project) = (request.parameter("user_id"), request.parameter("project_id"));
        if user.is_some() || project.is_some() {
            filters.push(Filter::is("creator", format!("{}:{}", user.unwrap_or(""), project.unwrap_or(""))));
        } else if let Some(creator) = request.parameter("creator") {
            filters.push(Filter::is("creator", creator));
        }
        for name in ["name", "unit", "archive_policy_name", "id"] {
            if let Some(value) = request.parameter(name) {
                filters.push(Filter::is(name, value));
            }
        }
        if let Some(pattern) = request.parameter("name_like") {
            filters.push(Filter::Compare(Compare::Like, "name".into(), Text::Text(pattern.into())));
        }
        match request.parameter("status") {
            None | Some("active") => {}
            // A metric that is deleted is gone at once.
            Some("delete") => filters.push(Filter::Or(Vec::new())),
            Some(_) => {
                return Err(Refusal::bad("Invalid input: not a valid value for dictionary value @ data['status']"));
            }
        }
        let page = page(request, &["id:asc"])?;
        let metrics = self.archive.metrics(Some(&Filter::And(filters)), &page)?;
        let reply = Reply::ok(&metrics.iter().map(|metric| self.metric_json(metric)).collect());
        Ok(linked(reply, request, &page, metrics.len(), metrics.last().map(|metric| metric.id.to_string())))
    }

    fn post_metric(&self, request: &Request<'_>) -> Answer {
        let creator = request.user()?;
        let mut told = Told::read(&request.json()?)?;
        if let Some(policy) = told.own_policy.take() {
            told.policy = Some(self.own_policy(request, &policy)?);
        }
        let resource = match &told.resource {
            None => None,
            Some(_) if told.name.is_none() => {
                let reason = "Name cannot be null if resource_id is not null";
                return Err(Refusal::bad(
                    json!({"cause": "Attribute value error", "detail": "name", "reason": reason}),
                ));
            }
            Some(id) => {
                let id = resource_id(id, &creator).map_err(|invalid| invalid.in_key("resource_id"))?;
                let found = self
                    .archive
                    .index()
                    .resource("generic", id)?
                    .ok_or_else(|| Error::NoSuchResource(id.to_string()))?;
                request.owner(&found.creator)?;
                Some(id)
            }
        };
        let metric = self.metric_of(told, &creator, resource)?;
        let mut body = bare_json(&metric);
        body["archive_policy_name"] = metric.policy.clone().into();
        let location = self.location(request, &["metric", &metric.id.to_string()]);
        let mut reply = Reply::json(StatusCode::CREATED, &body).with(LOCATION, location);
        reply.making = Some((self.archive.make_metrics(vec![metric]), Box::new(not_made)));
        Ok(reply)
    }

    pub(crate) fn metrics_of(&self, resource: Uuid) -> Result<Vec<Metric>, Error> {
        self.archive.metrics(Some(&Filter::is("resource_id", resource.to_string())), &Page::default())
    }

    /// `/v1/resource/{type}/{id}/metric…`.
    pub(crate) fn resource_metrics(
        &self,
        request: &Request<'_>,
        id: Uuid,
        resource: Option<Resource>,
        rest: &[String],
    ) -> Answer {
        let there = resource.ok_or_else(|| Refusal::from(Error::NoSuchResource(id.to_string())));
        match (&request.method, rest) {
            (&Method::GET, []) => {
                request.owner(&there?.creator)?;
                let metrics = self.metrics_of(id)?;
                Ok(Reply::ok(&metrics.iter().map(|metric| self.metric_json(metric)).collect()))
            }
            (&Method::POST, []) => {
                let resource = there?;
                request.owner(&resource.creator)?;
                let new = self.new_metrics(&request.json()?, &request.user()?, id)?;
                self.archive.change_resource(id, &Default::default(), Some((&new, true))).map_err(bad_reference)?;
                let metrics = self.metrics_of(id)?;
                Ok(Reply::ok(&metrics.iter().map(|metric| self.metric_json(metric)).collect()))
            }
            (_, []) => not_allowed("GET, POST"),
            (_, [name, rest @ ..]) => {
                let filter =
                    Filter::And(vec![Filter::is("resource_id", id.to_string()), Filter::is("name", name.clone())]);
                let found = self.archive.metrics(Some(&filter), &Page::default())?.pop();
                match found {
                    Some(metric) => self.one_metric(request, &metric, rest),
                    None => Err(there.err().unwrap_or_else(|| Error::NoSuchMetric(name.clone()).into())),
                }
            }
        }
    }
}
