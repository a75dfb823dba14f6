//! Pages of lists: `limit`, `marker`, `sort`, and the `Link` to the next one.

use crate::reply::{Refusal, Reply};
use crate::request::Request;
use ferrometer_archive::search::{Page, Sort};
use http::header::LINK;
use serde_json::json;

/// Reads which page is wanted.
pub(crate) fn page(request: &Request<'_>, default: &[&str]) -> Result<Page, Refusal> {
    let most = request.settings.max_limit;
    let refuse = |reason: &str| Refusal::bad(json!({"cause": "Argument value error", "reason": reason}));
    let limit = match request.parameter("limit") {
        None => most,
        Some(text) => match text.trim().parse::<i64>() {
            Err(_) => return Err(refuse("expected int for dictionary value @ data['limit']")),
            Ok(number) if number < 1 => {
                return Err(refuse("value must be at least 1 for dictionary value @ data['limit']"));
            }
            Ok(number) => usize::try_from(number).unwrap_or(most).min(most),
        },
    };
    let told = request.parameters("sort");
    let sort = if told.is_empty() { default.to_vec() } else { told };
    let sort = sort.into_iter().map(|text| {
        let (key, direction) = text.split_once(':').unwrap_or((text, "asc"));
        let (descending, nulls_first) = match direction {
            "asc" | "asc-nullslast" => (false, false),
            "asc-nullsfirst" => (false, true),
            "desc" | "desc-nullsfirst" => (true, true),
            "desc-nullslast" => (true, false),
            other => {
                return Err(Refusal::bad(format!("Invalid pagination: `Sort direction supplied is invalid: {other}'")));
            }
        };
        Ok(Sort { key: key.into(), descending, nulls_first })
    });
    let marker = request.parameter("marker").map(Into::into);
    Ok(Page { sort: sort.collect::<Result<_, _>>()?, limit: Some(limit), marker })
}

/// Adds the link to the next page, when this one is full.
pub(crate) fn linked(reply: Reply, request: &Request<'_>, page: &Page, rows: usize, last: Option<String>) -> Reply {
    let (Some(limit), Some(last)) = (page.limit, last) else { return reply };
    if rows < limit {
        return reply;
    }
    let mut parameters: Vec<(String, String)> = request
        .query
        .iter()
        .filter(|(name, _)| !["limit", "marker", "sort"].contains(&name.as_str()))
        .cloned()
        .collect();
    parameters.push(("limit".into(), limit.to_string()));
    parameters.push(("marker".into(), last));
    let told = request.parameters("sort");
    let sorts = if told.is_empty() {
        page.sort.iter().map(|sort| format!("{}:asc", sort.key)).collect()
    } else {
        told.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()
    };
    parameters.extend(sorts.into_iter().map(|sort| ("sort".to_owned(), sort)));
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let root = request.base();
    let root = root.strip_suffix(request.settings.prefix.as_str()).unwrap_or(&root);
    reply.with(LINK, format!("<{root}{}?{query}>; rel=\"next\"", request.raw_path))
}
