//! Measures that other programs push: Prometheus' remote write, and lines of InfluxDB in both versions of its API. Both go into the archive, the way
//! that Gnocchi's API has for them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ferrometer_gnocchi::Gnocchi;
use ferrometer_http::{
    Body, Bytes, Credentials, HeaderMap, HeaderName, HeaderValue, JSON, Method, Privilege, RawQuery, Response, Route,
    Service, StatusCode, Uri, bearer, header, offload, respond,
};
use flate2::read::GzDecoder;
use serde_json::json;
use std::io::Read;
use std::sync::Arc;

/// The privilege to push measures, as Gnocchi's API has it.
const WRITE: Privilege = Privilege::new("Archive.Write");
const PRIVILEGES: &[Privilege] = &[WRITE];

/// How many times larger a body may be when it is not compressed any more.
const MOST_GROWTH: u64 = 20;
/// The header in which Gnocchi is told which tag names the resource.
const TAG: HeaderName = HeaderName::from_static("x-gnocchi-influxdb-tag-resource-id");

/// Takes remote write, at the path where it is mounted.
pub(crate) struct RemoteWrite {
    pub(crate) gnocchi: Arc<Gnocchi>,
    /// True if it is at the path that everybody expects.
    pub(crate) is_usual: bool,
    pub(crate) max_body: usize,
}

/// Takes lines of InfluxDB.
pub(crate) struct Influx {
    pub(crate) gnocchi: Arc<Gnocchi>,
    pub(crate) resource_tag: String,
    pub(crate) max_body: usize,
}

/// Reads a token in the forms of these protocols: `Bearer`, `Token` of InfluxDB 2, and the password of basic authentication.
pub(crate) fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    if let Some(found) = bearer(headers) {
        return Some(found);
    }
    let mut lines = headers.get_all(header::AUTHORIZATION).into_iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let (scheme, rest) = line.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("token") {
        // As a user and a password, which the API of version 1 allows.
        return Some(Credentials::new(rest.rsplit(':').next().unwrap_or(rest).trim()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = BASE64_STANDARD.decode(rest.trim()).ok()?;
    let at = plain.iter().position(|byte| *byte == b':')?;
    Some(Credentials::new(&plain[at + 1..]))
}

/// Hands a request to Gnocchi's API, as its administrator.
async fn forward(
    gnocchi: Arc<Gnocchi>,
    path: String,
    headers: HeaderMap,
    make: impl FnOnce() -> Result<Bytes, Refused> + Send + 'static,
) -> Response {
    let done = offload(move || {
        let body = match make() {
            Ok(body) => body,
            Err(Refused(status, why)) => return refuse(status, &why),
        };
        let Ok(uri) = path.parse::<Uri>() else { return refuse(StatusCode::BAD_REQUEST, "the parameters are no text") };
        let mut own = headers;
        own.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic YWRtaW46"));
        own.insert(header::ACCEPT, HeaderValue::from_static(JSON));
        let answer = gnocchi.handle(Method::POST, &uri, own, body);
        // A pusher wants to know that it was taken, and nothing else.
        match answer.status().is_success() {
            true => respond(StatusCode::NO_CONTENT, JSON, Body::empty()),
            false => answer.map(Body::from),
        }
    });
    match done.await {
        Ok(response) => response,
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "the work was not done"),
    }
}

struct Refused(StatusCode, String);

fn refuse(status: StatusCode, why: &str) -> Response {
    respond(status, JSON, json!({"error": why}).to_string())
}

impl Service for RemoteWrite {
    fn name(&self) -> &'static str {
        "remote-write"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let gnocchi = Arc::clone(&self.gnocchi);
        let take = async move |headers: HeaderMap, body: Bytes| {
            let kind = headers.get(header::CONTENT_TYPE).cloned().map(|kind| (header::CONTENT_TYPE, kind));
            let own = kind.into_iter().collect();
            forward(Arc::clone(&gnocchi), "/v1/prometheus/write".to_owned(), own, move || Ok(body)).await
        };
        let route = Route::post("", take).require(WRITE, "/").max_body_bytes(self.max_body);
        let usage = if self.is_usual { "POST /api/v1/write" } else { "POST (remote_write.path)" };
        vec![route.about(usage, "takes Prometheus' remote write 1.0 into the archive")]
    }

    fn privileges(&self) -> &'static [Privilege] {
        PRIVILEGES
    }

    fn credentials(&self, headers: &HeaderMap) -> Option<Credentials> {
        credentials(headers)
    }
}

impl Service for Influx {
    fn name(&self) -> &'static str {
        "influx"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let route = |path: &'static str| {
            let influx = Arc::clone(&self);
            let take = async move |RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes| {
                influx.take(query.unwrap_or_default(), &headers, body).await
            };
            Route::post(path, take).require(WRITE, "/").max_body_bytes(self.max_body)
        };
        let up = async || respond(StatusCode::NO_CONTENT, JSON, Body::empty());
        let health = async || respond(StatusCode::OK, JSON, r#"{"name":"ferrometer","status":"pass"}"#);
        vec![
            route("/write").about(
                "POST /write",
                "takes lines of InfluxDB 1 into the archive; precision says the unit of their times",
            ),
            route("/api/v2/write").about("POST /api/v2/write", "the same for clients of InfluxDB 2"),
            Route::get("/ping", up).public(),
            Route::get("/health", health).public(),
        ]
    }

    fn privileges(&self) -> &'static [Privilege] {
        PRIVILEGES
    }

    fn credentials(&self, headers: &HeaderMap) -> Option<Credentials> {
        credentials(headers)
    }
}

impl Influx {
    async fn take(&self, query: String, headers: &HeaderMap, body: Bytes) -> Response {
        let is_packed = headers.get(header::CONTENT_ENCODING).is_some_and(|value| value.as_bytes() == b"gzip");
        let mut own = HeaderMap::new();
        if let Ok(tag) = HeaderValue::from_str(&self.resource_tag) {
            own.insert(TAG, tag);
        }
        let most = (self.max_body as u64).saturating_mul(MOST_GROWTH);
        let make = move || {
            let body = if is_packed { unpacked(&body, most)? } else { body };
            let unit = query.split('&').find_map(|pair| pair.strip_prefix("precision=")).unwrap_or("ns");
            match nanoseconds(unit) {
                Some(1) => Ok(body),
                Some(factor) => in_nanoseconds(&body, factor),
                None => Err(Refused(StatusCode::BAD_REQUEST, "precision is none of ns, us, ms, s, m, h".to_owned())),
            }
        };
        forward(Arc::clone(&self.gnocchi), "/v1/influxdb/write?db=influxdb".to_owned(), own, make).await
    }
}

fn unpacked(body: &Bytes, most: u64) -> Result<Bytes, Refused> {
    let mut plain = Vec::new();
    let read = GzDecoder::new(&body[..]).take(most + 1).read_to_end(&mut plain);
    match read {
        Err(_) => Err(Refused(StatusCode::BAD_REQUEST, "the body is no gzip".to_owned())),
        Ok(_) if plain.len() as u64 > most => Err(Refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has more than {most} bytes when it is unpacked"),
        )),
        Ok(_) => Ok(plain.into()),
    }
}

/// Returns the nanoseconds of a unit, in the words of both versions.
fn nanoseconds(unit: &str) -> Option<i64> {
    Some(match unit {
        "ns" | "n" | "" => 1,
        "us" | "u" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Brings the times of all lines to nanoseconds.
fn in_nanoseconds(body: &[u8], factor: i64) -> Result<Bytes, Refused> {
    let mut out = Vec::with_capacity(body.len() + body.len() / 4);
    for (number, line) in body.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii_end();
        // A time is what stands behind the last space, when it is a number: fields have an equals sign.
        let stamp = line.iter().rposition(|byte| *byte == b' ').and_then(|at| {
            let text = std::str::from_utf8(&line[at + 1..]).ok()?;
            Some((at, text.parse::<i64>().ok()?))
        });
        match stamp {
            Some((at, stamp)) => {
                let wrong = || {
                    Refused(
                        StatusCode::BAD_REQUEST,
                        format!("line {}: the time {stamp} is too large for its unit", number + 1),
                    )
                };
                let nanos = stamp.checked_mul(factor).ok_or_else(wrong)?;
                out.extend_from_slice(&line[..=at]);
                out.extend_from_slice(nanos.to_string().as_bytes());
            }
            None => out.extend_from_slice(line),
        }
        out.push(b'\n');
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_brought_to_nanoseconds() {
        let text = |body: &str, factor| match in_nanoseconds(body.as_bytes(), factor) {
            Ok(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Err(Refused(_, why)) => why,
        };
        assert_eq!(text("cpu,host=a v=1 5\ncpu,host=a v=2", 1000), "cpu,host=a v=1 5000\ncpu,host=a v=2\n");
        assert_eq!(text("cpu v=\"a 5\"", 1000), "cpu v=\"a 5\"\n");
        assert_eq!(
            text("cpu v=1 9223372036854775807", 1000),
            "line 1: the time 9223372036854775807 is too large for its unit"
        );
    }

    #[test]
    fn tokens_are_found_in_every_form() {
        let read = |line: &'static str| {
            credentials(&HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(line))]))
        };
        for line in ["Bearer secret", "Token secret", "Token user:secret", "Basic dXNlcjpzZWNyZXQ="] {
            assert_eq!(read(line), Some(Credentials::new("secret")), "{line}");
        }
        for line in ["", "Basic", "Basic !", "Digest secret"] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
