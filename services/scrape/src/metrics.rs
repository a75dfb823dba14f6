//! `/metrics`: totals in the format the reader asks for, sent piece by piece as it takes them.

use ferrometer_http::axum::http::request::Parts;
use ferrometer_http::{
    Body, Bytes, HeaderMap, HeaderValue, Privilege, Refusal, Request, Response, Route, Service, StatusCode, decode,
    header, offload, respond, shorten,
};
use ferrometer_prometheus::{Filter, Format, Pieces, PrometheusHandle};
use http_body::{Body as HttpBody, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The privilege to see what concerns a system. With it on `/`, a token that has a list of privileges may scrape.
pub const AUDIT: Privilege = Privilege::new("Sys.Audit");

/// Serves the totals of a Prometheus exporter at `/metrics`. See the [crate](crate) for an example.
#[derive(Debug)]
pub struct Scrape {
    totals: PrometheusHandle,
}

impl Scrape {
    /// Serves these totals.
    #[must_use]
    pub fn new(totals: PrometheusHandle) -> Scrape {
        Scrape { totals }
    }
}

impl Service for Scrape {
    fn name(&self) -> &'static str {
        "scrape"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let totals = self.totals.clone();
        let get = move |request: Request| get(totals.clone(), request.into_parts().0);
        vec![
            Route::get("/metrics", get)
                .readable_with(AUDIT, "/")
                .about("GET /metrics", "totals for Prometheus: text, OpenMetrics or protobuf, as Accept says")
                .about("GET /metrics?name[]=<name>", "only these families; any number of times"),
        ]
    }

    fn privileges(&self) -> &'static [Privilege] {
        &[AUDIT]
    }
}

async fn get(totals: PrometheusHandle, head: Parts) -> Result<Response, Refusal> {
    let filter =
        filter(head.uri.query().unwrap_or("")).map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
    let format = Format::negotiate(accept(&head.headers).as_deref());
    // A snapshot of many series takes some milliseconds, which others need not wait for. What is there already is taken at once: a
    // scrape does not queue behind readers of the history.
    let pieces = match totals.ready_exposition(format, &filter) {
        Some(there) => there,
        None => offload(move || totals.exposition(format, &filter)).await?,
    };
    let mut response = respond(StatusCode::OK, format.content_type(), Body::new(Stream(pieces)));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// All that the reader accepts: several lines are one list.
fn accept(headers: &HeaderMap) -> Option<String> {
    let mut all: Option<String> = None;
    for line in headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok()) {
        all = Some(all.map_or_else(|| line.to_owned(), |before| before + "," + line));
    }
    all
}

/// Reads a query string. The error says what was found and what is allowed.
fn filter(query: &str) -> Result<Filter, String> {
    let mut names = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode(key), decode(value));
        if key != "name[]" {
            let meant = if key.starts_with("name") { "; did you mean \"name[]\"?" } else { "" };
            return Err(format!("unknown parameter {:?}; allowed is name[]{meant}", shorten(&key)));
        }
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if value.is_empty() || !value.chars().all(valid) || value.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!(
                "name[] is {:?}; allowed are names of families and samples, such as process_open_fds",
                shorten(&value)
            ));
        }
        names.push(value);
    }
    Ok(names.into_iter().collect())
}

/// Pieces as the client takes them.
struct Stream(Pieces);

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(Bytes::from_owner(piece)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_mistakes_are_named() {
        assert_eq!(filter(""), Ok(Filter::default()));
        let two: Filter = ["a_total", "b:c"].into_iter().collect();
        assert_eq!(filter("name[]=a_total&name%5B%5D=b%3Ac&&name[]=a_total"), Ok(two));
        for (query, expected) in [
            ("x=1", r#"unknown parameter "x"; allowed is name[]"#),
            ("name=up", r#"unknown parameter "name"; allowed is name[]; did you mean "name[]"?"#),
            ("name[]=", r#"name[] is ""; allowed are names of families and samples, such as process_open_fds"#),
            ("name[]=9a", r#"name[] is "9a"; allowed are names of families and samples, such as process_open_fds"#),
            ("name[]=a%7Bb", r#"name[] is "a{b"; allowed are names of families and samples, such as process_open_fds"#),
        ] {
            assert_eq!(filter(query), Err(expected.to_owned()));
        }
        assert!(filter(&format!("name[]={}", "{".repeat(9000))).unwrap_err().len() < 300);
    }

    #[test]
    fn several_lines_of_accept_are_one_list() {
        let mut headers = HeaderMap::new();
        assert_eq!(accept(&headers), None);
        headers.append(header::ACCEPT, HeaderValue::from_static("a/b;q=0.1"));
        headers.append(header::ACCEPT, HeaderValue::from_static("c/d"));
        assert_eq!(accept(&headers).as_deref(), Some("a/b;q=0.1,c/d"));
    }
}
