//! Objects on S3, or on what speaks its API: Ceph's gateway, Swift with its S3 API, MinIO, Google's with HMAC keys.
//!
//! An object is named `PREFIX/METRIC/GRANULARITY.STRETCH`. Putting, getting, deleting and listing are all that is asked of the server:
//! neither conditional writes nor versions.

use crate::sealed::{open, seal};
use crate::storage::{Key, Storage, Usage};
use crate::{Error, Nanos};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};
use uuid::Uuid;

/// How long a signature is good for.
const SIGNED: Duration = Duration::from_secs(300);
/// Longest that one request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Tries of a request that fails in a way that passes.
const TRIES: u32 = 3;
/// Most bytes of an answer.
const MOST: u64 = 1 << 30;

/// A bucket, or a part of one.
pub struct S3 {
    bucket: Bucket,
    credentials: Option<Credentials>,
    prefix: String,
    agent: Agent,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3").field("bucket", &self.bucket.name()).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// How an answer is taken.
enum Answer {
    Found(Vec<u8>),
    Missing,
}

impl S3 {
    /// Opens `s3://BUCKET[/PREFIX][?endpoint=URL&region=REGION]`. Without an endpoint it is Amazon's; with one, the bucket is the first part of
    /// the path. Keys come from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, and `AWS_SESSION_TOKEN`, unless the address has some:
    /// `s3://KEY:SECRET@BUCKET…`. Without any, requests are not signed.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an address that is none; [`Error::Away`] when the bucket cannot be listed.
    pub fn connect(address: &str) -> Result<S3, Error> {
        let rest = address.strip_prefix("s3://").unwrap_or(address);
        let (keys, rest) = rest.split_once('@').map_or((None, rest), |(keys, rest)| (Some(keys), rest));
        // The keys are not shown.
        let wrong = |reason: &str| {
            Error::Invalid(format!(
                "s3://{rest} is no address of a bucket: {reason}; one is s3://bucket/prefix?endpoint=http://127.0.0.1:9000&region=us-east-1"
            ))
        };
        let credentials = match keys {
            Some(keys) => {
                let (key, secret) = keys.split_once(':').ok_or_else(|| wrong("before `@` stand KEY:SECRET"))?;
                Some(Credentials::new(key, secret))
            }
            None => Credentials::from_env(),
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (name, prefix) = path.split_once('/').unwrap_or((path, ""));
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')) {
            return Err(wrong("the name of the bucket has letters, digits, `-`, `.` and `_`"));
        }
        let (mut endpoint, mut region) = (None, "us-east-1".to_owned());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("endpoint", url)) => endpoint = Some(url.to_owned()),
                Some(("region", text)) if !text.is_empty() => region = text.to_owned(),
                _ => return Err(wrong(&format!("`{pair}` is none of endpoint=URL and region=REGION"))),
            }
        }
        let style = if endpoint.is_some() { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let endpoint = endpoint.parse().map_err(|error| wrong(&format!("endpoint={endpoint}: {error}")))?;
        let bucket = Bucket::new(endpoint, style, name.to_owned(), region);
        let bucket = bucket.map_err(|error| wrong(&error.to_string()))?;
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(tls)
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("ferrometer/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections_per_host(16)
            .build()
            .into();
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let s3 = S3 { bucket, credentials, prefix, agent };
        // A bucket that can be listed is there, and the keys are right.
        s3.list(&format!("{}/", Uuid::nil()), |_| {})?;
        Ok(s3)
    }

    fn name(&self, key: &Key) -> String {
        format!("{}{}/{}.{}", self.prefix, key.metric, key.granularity, key.stretch)
    }

    /// Asks, and asks again where the failure may pass.
    fn ask(
        &self,
        what: &str,
        send: impl Fn() -> Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, Error> {
        let mut reason = String::new();
        for turn in 0..TRIES {
            if turn > 0 {
                std::thread::sleep(Duration::from_millis(100 << turn));
            }
            let mut answer = match send() {
                Ok(answer) => answer,
                Err(error) => {
                    reason = error.to_string();
                    continue;
                }
            };
            let status = answer.status().as_u16();
            let body = match answer.body_mut().with_config().limit(MOST).read_to_vec() {
                Ok(body) => body,
                Err(error) => {
                    reason = error.to_string();
                    continue;
                }
            };
            let told = || String::from_utf8_lossy(&body[..body.len().min(300)]).replace(|c: char| c.is_control(), " ");
            match status {
                200..=299 => return Ok(Answer::Found(body)),
                // A bucket that is not there is another matter than an object that is not.
                404 if !body.windows(12).any(|words| words == b"NoSuchBucket") => return Ok(Answer::Missing),
                429 | 500..=599 => reason = format!("{status} {}", told()),
                _ => return Err(Error::Away(format!("S3 refuses to {what}: {status} {}", told()))),
            }
        }
        Err(Error::Away(format!("S3 does not {what}: {reason}")))
    }

    /// Hands the names of the objects whose names begin so to `each`, without the prefix of the archive.
    fn list(&self, below: &str, mut each: impl FnMut(&str)) -> Result<(), Error> {
        let mut token: Option<String> = None;
        loop {
            let mut action = ListObjectsV2::new(&self.bucket, self.credentials.as_ref());
            action.with_prefix(format!("{}{below}", self.prefix));
            if let Some(token) = &token {
                action.with_continuation_token(token.clone());
            }
            let url = action.sign(SIGNED);
            let Answer::Found(body) = self.ask("list objects", || self.agent.get(url.as_str()).call())? else {
                return Err(Error::Away("S3 has no such bucket".into()));
            };
            let text = with_the_usual_namespace(&String::from_utf8_lossy(&body));
            let page = ListObjectsV2::parse_response(&text)
                .map_err(|error| Error::Away(format!("S3 answered with no list of objects: {error}")))?;
            for object in &page.contents {
                if let Some(name) = object.key.strip_prefix(&self.prefix) {
                    each(name);
                }
            }
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    fn delete(&self, name: &str) -> Result<(), Error> {
        let url = self.bucket.delete_object(self.credentials.as_ref(), name).sign(SIGNED);
        self.ask("delete an object", || self.agent.delete(url.as_str()).call()).map(drop)
    }
}

impl Storage for S3 {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        let name = self.name(key);
        let url = self.bucket.get_object(self.credentials.as_ref(), &name).sign(SIGNED);
        match self.ask("give an object", || self.agent.get(url.as_str()).call())? {
            Answer::Found(object) => open(object, key).map(Some),
            Answer::Missing => Ok(None),
        }
    }

    fn stretches(&self, metric: Uuid, granularity: Nanos, range: RangeInclusive<i64>) -> Result<Vec<i64>, Error> {
        let mut numbers = Vec::new();
        let begin = format!("{granularity}.");
        let begin = format!("{metric}/{begin}");
        let each = |name: &str| numbers.extend(name.strip_prefix(&begin).and_then(|number| number.parse::<i64>().ok()));
        self.list(&begin, each)?;
        numbers.retain(|number| range.contains(number));
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn keys(&self, each: &mut dyn FnMut(Key)) -> Result<(), Error> {
        self.list("", |name| {
            let key = name.split_once('/').and_then(|(metric, rest)| {
                let (granularity, stretch) = rest.split_once('.')?;
                let metric = Uuid::parse_str(metric).ok()?;
                Some(Key { metric, granularity: granularity.parse().ok()?, stretch: stretch.parse().ok()? })
            });
            key.into_iter().for_each(&mut *each);
        })
    }

    fn put(&self, changes: &[(Key, Option<Vec<u8>>)]) -> Result<(), Error> {
        for (key, object) in changes {
            let name = self.name(key);
            let Some(object) = object else {
                self.delete(&name)?;
                continue;
            };
            let object = seal(object.clone());
            let url = self.bucket.put_object(self.credentials.as_ref(), &name).sign(SIGNED);
            match self.ask("take an object", || self.agent.put(url.as_str()).send(&object[..]))? {
                Answer::Found(_) => {}
                Answer::Missing => return Err(Error::Away("S3 has no such bucket".into())),
            }
        }
        Ok(())
    }

    fn forget(&self, metric: Uuid) -> Result<(), Error> {
        let mut names = Vec::new();
        self.list(&format!("{metric}/"), |name| names.push(format!("{}{name}", self.prefix)))?;
        names.iter().try_for_each(|name| self.delete(name))
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }

    /// S3 does not tell what a part of a bucket takes.
    fn usage(&self) -> Result<Usage, Error> {
        Ok(Usage::default())
    }
}

/// Returns a list with the XML namespace that Amazon gives it: some servers have another, or none.
fn with_the_usual_namespace(text: &str) -> String {
    const ROOT: &str = "<ListBucketResult";
    let Some((before, rest)) = text.split_once(ROOT) else { return text.to_owned() };
    let Some((_, body)) = rest.split_once('>') else { return text.to_owned() };
    format!("{before}{ROOT} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_whatever_their_namespace() {
        for space in ["", " xmlns=\"http://doc.s3.amazonaws.com/2006-03-01/\""] {
            let text = format!(
                "<?xml version=\"1.0\"?><ListBucketResult{space}><Contents><Key>a/b/-1.7</Key><LastModified>x</LastModified><ETag>e</ETag><Size>3</Size></Contents></ListBucketResult>"
            );
            let page = ListObjectsV2::parse_response(&with_the_usual_namespace(&text)).unwrap();
            assert_eq!(page.contents[0].key, "a/b/-1.7");
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_its_keys() {
        for address in [
            "s3://",
            "s3://KEY:hidden@bad name",
            "s3://KEYhidden@b",
            "s3://KEY:hidden@b?zone=1",
            "s3://KEY:hidden@b?endpoint=ftp://x",
        ] {
            let Err(Error::Invalid(text)) = S3::connect(address) else { panic!("{address} was taken") };
            assert!(!text.contains("hidden"), "{text}");
        }
    }
}
