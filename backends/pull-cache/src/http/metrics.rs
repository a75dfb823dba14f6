//! `/metrics`: totals in the format the reader asks for, sent piece by piece as it takes them.

use super::answer::{error, respond};
use super::heavy::heavy;
use super::query::{decode, shorten};
use crate::handle::PullCacheHandle;
use crate::prometheus::{Filter, Format, Pieces};
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper::body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

pub(super) async fn get(
    State(handle): State<PullCacheHandle>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let filter = match filter(query.as_deref().unwrap_or("")) {
        Ok(filter) => filter,
        Err(message) => return error(StatusCode::BAD_REQUEST, &message),
    };
    let format = Format::negotiate(accept(&headers).as_deref());
    // A snapshot of many series takes some milliseconds, which others shall not wait for. What is there already is taken at once: a
    // scrape does not queue behind readers of the history.
    let made = match handle.made_exposition(format, &filter) {
        Some(there) => Ok(there),
        None => heavy(move || handle.exposition(format, &filter)).await,
    };
    let body: Stream = match made {
        Ok(pieces) => pieces.into(),
        Err(failed) => return failed,
    };
    let mut response = respond(StatusCode::OK, format.content_type(), Body::new(body));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// All that the reader accepts: several lines are one list.
fn accept(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
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

impl From<Pieces> for Stream {
    fn from(pieces: Pieces) -> Stream {
        Stream(pieces)
    }
}

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
