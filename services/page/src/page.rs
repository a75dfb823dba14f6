//! The files of the page, and the service that sends them.

use crate::minify::minify;
use ferrometer_http::{
    Body, Bytes, Front, HeaderMap, HeaderValue, Path, Refusal, Response, Route, Service, StatusCode, header, respond,
    shorten,
};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Nothing from elsewhere, nothing in line, no form, no frame around it, and no text that becomes a tree.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Where the page's files are, as seen from the page: `{base}` in it.
const BASE: &str = "{base}/";
/// The place of `yes` or `no`: the page does not have to ask whether there are metric servers.
const SERVERS: &str = "{servers}";
/// The way from the page to where it is mounted.
const ROOT: &str = "{root}";
/// The place of `hidden`, where a program has no archive.
const ARCHIVE: &str = "{archive}";
/// The place of `hidden` in the page of an archive, where a program has nothing live to show.
const LIVE: &str = "{live}";
/// The way from the page of an archive to its API.
const API: &str = "{api}";
const HIDDEN: &str = " hidden";
const PAGE: &str = include_str!("../assets/index.html");
const ARCHIVE_PAGE: &str = include_str!("../assets/archive.html");

macro_rules! files {
    ($($name:literal $content_type:expr),* $(,)?) => {
        /// Name, type and contents of each file, as it stands in the tree.
        const FILES: &[(&str, &str, &[u8])] = &[$(($name, $content_type, include_bytes!(concat!("../assets/", $name)))),*];
    };
}

files! {
    "app.js" SCRIPT,
    "archive.css" STYLE,
    "archive.js" SCRIPT,
    "archive_api.js" SCRIPT,
    "archive_format.js" SCRIPT,
    "archive_metric.js" SCRIPT,
    "archive_range.js" SCRIPT,
    "cardinality.js" SCRIPT,
    "chart.js" SCRIPT,
    "client.js" SCRIPT,
    "data.js" SCRIPT,
    "detail.js" SCRIPT,
    "dom.js" SCRIPT,
    "filter.js" SCRIPT,
    "format.js" SCRIPT,
    "health.js" SCRIPT,
    "icon.svg" "image/svg+xml",
    "list.js" SCRIPT,
    "route.js" SCRIPT,
    "servers.js" SCRIPT,
    "spark.js" SCRIPT,
    "style.css" STYLE,
    "token.js" SCRIPT,
    "uplot.css" STYLE,
    "uplot.js" SCRIPT,
}

/// The files as they are sent.
static SENT: LazyLock<Vec<(&str, &str, Bytes)>> = LazyLock::new(|| {
    let sent = |bytes: &'static [u8], name: &str| match std::str::from_utf8(bytes) {
        // Those of others are as lean as can be.
        Ok(text) if !name.starts_with("uplot.") => minify(text).into(),
        _ => Bytes::from_static(bytes),
    };
    FILES.iter().map(|(name, content_type, bytes)| (*name, *content_type, sent(bytes, name))).collect()
});

/// The page, which browsers get at `/`.
#[derive(Clone, Debug, Default)]
pub struct Page {
    has_servers: bool,
    /// The path of an archive's API.
    archive: Option<String>,
    /// There is nothing but the archive.
    is_archive_alone: bool,
}

impl Page {
    /// The page as it is.
    #[must_use]
    pub fn new() -> Page {
        Page::default()
    }

    /// Shows the metric servers too, and a form that creates, tests and disables one, for a frame in which they are managed.
    #[must_use]
    pub fn with_servers(mut self) -> Page {
        self.has_servers = true;
        self
    }

    /// Shows an archive too, at `archive` below where the page is mounted: its metrics and resources, their curves, its policies. `api` is the
    /// path of Gnocchi's API, seen from there: `/gnocchi`, say, or nothing.
    ///
    /// ```
    /// # use ferrometer_page::Page;
    /// let page = Page::new().with_archive("/gnocchi");
    /// ```
    #[must_use]
    pub fn with_archive(mut self, api: &str) -> Page {
        self.archive = Some(api.trim_matches('/').to_owned());
        self
    }

    /// Returns the page of an archive alone, for a frame in which no cache is: browsers get it at `archive`, and at `/` where the frame has an index.
    #[must_use]
    pub fn of_archive(api: &str) -> Page {
        Page { is_archive_alone: true, ..Page::new().with_archive(api) }
    }

    /// Makes the page of the archive whose files are at `base`; where it is mounted is in front of them.
    fn archive_page(&self, base: &str) -> String {
        let root = base.trim_end_matches("page/");
        let api = self.archive.as_deref().unwrap_or_default();
        let api: String = api.chars().filter(|c| c.is_ascii_alphanumeric() || "-._~%/".contains(*c)).collect();
        let page = minify(ARCHIVE_PAGE).replace(BASE, base).replace(ROOT, root);
        let page = page.replace(LIVE, if self.is_archive_alone { HIDDEN } else { "" });
        page.replace(API, format!("{root}{api}").trim_end_matches('/'))
    }
}

impl Service for Page {
    fn name(&self) -> &'static str {
        "page"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let mut routes = vec![Route::get("/page/{file}", file).public()];
        if self.archive.is_some() {
            let page = async move |headers: HeaderMap| send(&headers, HTML, self.archive_page("./page/").into());
            routes.push(Route::get("/archive", page).public().about("GET /archive", "shows the archive to a browser"));
        }
        routes
    }

    fn front(&self) -> Option<Front> {
        let page = self.clone();
        Some(Arc::new(move |uri, headers| {
            let base = base(uri.path());
            if page.is_archive_alone {
                return send(headers, HTML, page.archive_page(&base).into());
            }
            let has_servers = if page.has_servers { "yes" } else { "no" };
            let archive = if page.archive.is_some() { "" } else { HIDDEN };
            let text = minify(PAGE).replace(BASE, &base).replace(SERVERS, has_servers).replace(ARCHIVE, archive);
            send(headers, HTML, text.replace(ROOT, base.trim_end_matches("page/")).into())
        }))
    }
}

/// The way from the page to its files. Where the routes are mounted at `/internal`, the page is at `/internal` without a slash, and
/// its files are at `internal/page/…` seen from there.
fn base(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~%".contains(c);
    if last.is_empty() || !last.chars().all(plain) { "./page/".to_owned() } else { format!("./{last}/page/") }
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Refusal> {
    match SENT.iter().find(|(known, ..)| *known == name) {
        Some((_, content_type, bytes)) => Ok(send(&headers, content_type, bytes.clone())),
        None => {
            let message = format!("there is no file {:?} of the page; GET / shows the page", shorten(&name));
            Err(Refusal::new(StatusCode::NOT_FOUND, message))
        }
    }
}

/// With a tag of the contents: a new build of the program is seen at once, and otherwise nothing is sent twice.
fn send(headers: &HeaderMap, content_type: &'static str, bytes: Bytes) -> Response {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let tag = format!("W/\"{:016x}\"", hasher.finish());
    let known = headers.get_all(header::IF_NONE_MATCH).into_iter().any(|line| line.as_bytes() == tag.as_bytes());
    let (status, body) =
        if known { (StatusCode::NOT_MODIFIED, Body::empty()) } else { (StatusCode::OK, Body::from(bytes)) };
    let mut response = respond(status, content_type, body);
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_from_wherever_the_page_is_mounted() {
        for (path, expected) in [
            ("/", "./page/"),
            ("", "./page/"),
            ("/internal", "./internal/page/"),
            ("/a/b%20c", "./b%20c/page/"),
            ("/internal/", "./page/"),
            ("/\"><script>", "./page/"),
        ] {
            assert_eq!(base(path), expected, "{path}");
        }
    }

    #[test]
    fn page_and_files_are_less_than_150_kb() {
        // Those of an archive and of metric servers are loaded where there are some.
        let part = |name: &str| ["archive", "servers"].into_iter().find(|part| name.starts_with(part)).unwrap_or("");
        let sum = |of: &str| {
            let those = SENT.iter().filter(|(name, ..)| part(name) == of);
            those.map(|(.., bytes)| bytes.len()).sum::<usize>()
        };
        let (live, servers) = (minify(PAGE).len() + sum(""), sum("servers"));
        let archive = minify(ARCHIVE_PAGE).len() + sum("archive");
        println!("{live} bytes, {servers} of metric servers, and {archive} of the archive");
        assert!(live < 150_000, "{live} bytes");
        assert!(servers < 8_000, "{servers} bytes of metric servers");
        assert!(archive < 25_000, "{archive} bytes of the archive");
    }

    #[test]
    fn no_text_of_ours_goes_over_several_lines() {
        for (name, _, bytes) in FILES.iter().filter(|(name, ..)| name.ends_with(".js") && !name.starts_with("uplot.")) {
            for line in std::str::from_utf8(bytes).unwrap().lines().filter(|line| !line.trim().starts_with(['/', '*']))
            {
                assert_eq!(line.matches('`').count() % 2, 0, "{name}: {line}");
            }
        }
    }

    #[test]
    fn every_file_that_is_asked_for_is_there_and_nothing_comes_from_elsewhere() {
        let texts = FILES.iter().filter(|(name, ..)| !name.starts_with("uplot."));
        let texts = texts.map(|(name, _, bytes)| (*name, std::str::from_utf8(bytes).unwrap()));
        for (name, text) in texts.chain([("index.html", PAGE), ("archive.html", ARCHIVE_PAGE)]) {
            for found in text.match_indices("./").map(|(at, _)| &text[at + 2..]) {
                let found = found.strip_prefix("page/").unwrap_or(found);
                let asked = found.split(['"', '\'', '`', ' ', '\n']).next().unwrap_or_default();
                let there = asked.is_empty() || FILES.iter().any(|(known, ..)| *known == asked);
                assert!(there || !asked.ends_with(".js"), "{name} asks for {asked:?}");
            }
            assert!(!text.contains("innerHTML") && !text.contains("insertAdjacentHTML"), "{name}");
            let hosts =
                text.match_indices("://").map(|(at, _)| &text[at..]).filter(|at| !at.starts_with("://www.w3.org/"));
            assert_eq!(hosts.collect::<Vec<_>>(), Vec::<&str>::new(), "{name}");
        }
    }
}
