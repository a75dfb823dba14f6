//! `GET /v1/metrics`: which records are asked for, in which form, and whether the client has them already.

use crate::cursor::{Cursor, mark};
use crate::query::Query;
use crate::stream::{Form, Source, Stream, Window};
use crate::unwritable::Unwritable;
use ferrometer_http::{
    Body, ChunkedBody, HeaderMap, HeaderValue, JSON, Refusal, Response, StatusCode, header, in_steps, media_type,
    offload, respond,
};
use ferrometer_pull_cache::{Generation, History, PullCacheHandle};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

const NDJSON: &str = "application/x-ndjson";

/// Everything that the route needs.
#[derive(Debug)]
pub(crate) struct Records {
    handle: PullCacheHandle,
    tags: Tags,
    unwritable: Unwritable,
}

impl Records {
    pub(crate) fn new(handle: PullCacheHandle, unwritable: Unwritable) -> Records {
        Records { handle, tags: Tags::default(), unwritable }
    }

    pub(crate) async fn get(self: Arc<Self>, query: &str, headers: &HeaderMap) -> Result<Response, Refusal> {
        let query = Query::parse(query).map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
        let form = match media_type(headers, &[JSON, NDJSON]) {
            Some(JSON) => Form::Json,
            Some(_) => Form::Lines,
            None => {
                let message = format!("Accept takes none of what there is: {JSON} and {NDJSON}");
                return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, message));
            }
        };
        // The window first, then the newest: what is announced as the window's end is never newer than what is served.
        let (loading, window) = (self.handle.is_loading(), self.handle.window());
        let newest = self.handle.most_recent();
        let to = newest.as_ref().map(|newest| newest.timestamp());
        let window = Window { from: window.map(|(from, _)| from).or(to), to, loading };

        // Looking through the newest generation takes a moment when it is large.
        let given = headers.get_all(header::IF_NONE_MATCH).iter().cloned().collect::<Vec<_>>();
        let shared = Arc::clone(&self);
        let made = offload(move || {
            let tag = shared.tags.tag(newest.as_ref(), &window, &query, form);
            let known = has_already(&given, &tag);
            (tag, known, newest, window, query)
        });
        let (tag, known, newest, window, query) = made.await?;
        if known {
            return Ok(with_tag(respond(StatusCode::NOT_MODIFIED, JSON, Body::empty()), &tag));
        }
        let (chosen, query) = match walk(&self.handle, &query) {
            None => (Ok((only(newest, query.start_time), 0)), query),
            Some(from) => {
                let from = passed(from).await?;
                offload(move || (chosen(from, newest.as_ref(), &query), query)).await?
            }
        };
        let (source, skip) = chosen.map_err(|gone| Refusal::new(StatusCode::GONE, gone))?;
        let content_type = if form == Form::Json { JSON } else { NDJSON };
        let unwritable = self.unwritable.clone();
        let body = Body::new(ChunkedBody::new(Stream::new(source, skip, query, form, window, unwritable)));
        Ok(with_tag(respond(StatusCode::OK, content_type, body), &tag))
    }
}

/// Passes what lies before the first generation that is wanted. In a long history that takes seconds.
///
/// # Errors
/// As [`in_steps`].
pub async fn passed(from: History) -> Result<History, Refusal> {
    if !from.is_behind() {
        return Ok(from);
    }
    let step = |from: &mut History| {
        from.pass();
        from.is_behind()
    };
    in_steps(from, step).await
}

/// The walk along the history that a query asks for; `None` when the newest generation is all it asks for.
fn walk(handle: &PullCacheHandle, query: &Query) -> Option<History> {
    let first = query.after.map(|after| after.timestamp.checked_sub(1));
    first.or(query.history.then_some(query.start_time)).map(|after| handle.history(after))
}

/// The newest generation, if it is newer than `start`.
fn only(newest: Option<Arc<Generation>>, start: Option<i64>) -> Source {
    let newer = move |g: &Arc<Generation>| start.is_none_or(|start| g.timestamp() > start);
    Box::new(newest.into_iter().filter(newer))
}

/// The generations asked for, and how many records of the first are done with. What is made from now on stands outside of the window
/// announced.
fn chosen(mut from: History, newest: Option<&Arc<Generation>>, query: &Query) -> Result<(Source, usize), String> {
    let last = newest.map_or(i64::MIN, |newest| newest.timestamp());
    let first = from.next();
    let Some(after) = query.after else {
        return Ok((Box::new(first.into_iter().chain(from).take_while(move |g| g.timestamp() <= last)), 0));
    };
    let first = first.filter(|first| first.timestamp() == after.timestamp);
    let Some(first) = first.filter(|first| stands(first, after)) else {
        return Err(format!(
            "after is {:?}, but the generation {} is no longer kept, or another took its place; begin again without it",
            after.to_string(),
            after.timestamp
        ));
    };
    Ok(match query.history {
        true => (Box::new(std::iter::once(first).chain(from.take_while(move |g| g.timestamp() <= last))), after.index),
        false => (Box::new(std::iter::once(first)), after.index),
    })
}

/// Returns whether the cursor's last record is where it was.
fn stands(generation: &Generation, cursor: Cursor) -> bool {
    let last = generation.records().nth(cursor.index.saturating_sub(1));
    last.is_some_and(|last| mark(&last) == cursor.mark)
}

fn with_tag(mut response: Response, tag: &str) -> Response {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    // To be kept by the client alone, and asked about each time.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.append(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// Returns whether one of the lines of `If-None-Match` names the tag, compared weakly.
fn has_already(given: &[HeaderValue], tag: &str) -> bool {
    let lines = given.iter().filter_map(|line| line.to_str().ok());
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    lines.flat_map(|line| line.split(',')).any(|item| item.trim() == "*" || opaque(item) == opaque(tag))
}

/// Makes entity tags. They depend on what the newest generation holds, not on when it was made: one made in the same second as
/// the one before it has the same timestamp.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    /// The newest generation when last asked, and what it came to.
    last: Mutex<Option<(Weak<Generation>, u64)>>,
}

impl Tags {
    fn tag(&self, newest: Option<&Arc<Generation>>, window: &Window, query: &Query, form: Form) -> String {
        let mut hasher = DefaultHasher::new();
        (newest.map(|newest| self.contents(newest)), window.from, window.to, window.loading, query, form)
            .hash(&mut hasher);
        format!("W/\"{:x}-{:016x}\"", window.to.unwrap_or(0), hasher.finish())
    }

    fn contents(&self, newest: &Arc<Generation>) -> u64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // As long as the weak reference is there, no other generation can stand at the same address.
        match &*last {
            Some((weak, contents)) if Weak::ptr_eq(weak, &Arc::downgrade(newest)) => *contents,
            _ => {
                let mut hasher = DefaultHasher::new();
                for record in newest.records() {
                    (mark(&record), record.value.to_bits()).hash(&mut hasher);
                }
                let contents = hasher.finish();
                *last = Some((Arc::downgrade(newest), contents));
                contents
            }
        }
    }
}
