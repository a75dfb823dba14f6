//! Bodies that come compressed: gzip and zstd, with a bound for what they become, alone and together.

use crate::reply::Refusal;
use ferrometer_http::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many bytes are decompressed before the memory of all is looked at again.
const PIECE: usize = 64 << 10;
/// The largest window of zstd that is taken, as a power of two: that of the format's own recommendation, 8 MiB.
#[cfg(feature = "compression")]
const WINDOW: u32 = 23;

/// The bytes of all bodies that were decompressed and are still in memory.
#[derive(Debug, Default)]
pub(crate) struct Decoded(Arc<AtomicUsize>);

/// A body, and the share of the memory that it takes.
#[derive(Debug, Default)]
pub(crate) struct Share(Option<(Arc<AtomicUsize>, usize)>);

impl Share {
    fn more(&mut self, all: &Arc<AtomicUsize>, bytes: usize, most: usize) -> bool {
        let own = self.0.get_or_insert_with(|| (Arc::clone(all), 0));
        let fits = all.fetch_add(bytes, Relaxed) + bytes <= most;
        own.1 += bytes;
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some((all, bytes)) = &self.0 {
            all.fetch_sub(*bytes, Relaxed);
        }
    }
}

impl Decoded {
    /// Returns the body as it was before it was compressed. It may have `most` bytes, and all of them together twice as many. Prometheus' `snappy` is a part
    /// of its protocol and stays.
    // Without the feature every encoding is unknown, and nothing behind that is reached.
    #[cfg_attr(not(feature = "compression"), allow(unreachable_code, unused_variables, dead_code))]
    pub(crate) fn body(&self, headers: &HeaderMap, body: Bytes, most: usize) -> Result<(Bytes, Share), Refusal> {
        let mut told = headers.get_all(CONTENT_ENCODING).into_iter();
        let (first, others) = (told.next(), told.next());
        let encoding = first.and_then(|value| value.to_str().ok()).unwrap_or("identity").trim().to_ascii_lowercase();
        if body.is_empty() || matches!(encoding.as_str(), "identity" | "snappy" | "") {
            return Ok((body, Share::default()));
        }
        let unknown = || {
            let words = format!("a body in Content-Encoding {encoding:?} is not read; known are {}", KNOWN.join(", "));
            Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, words)
        };
        if others.is_some() {
            return Err(unknown());
        }
        let source: Box<dyn Read + '_> = match encoding.as_str() {
            #[cfg(feature = "compression")]
            "gzip" | "x-gzip" => Box::new(flate2::read::MultiGzDecoder::new(&body[..])),
            #[cfg(feature = "compression")]
            "zstd" => {
                let mut decoder = zstd::stream::read::Decoder::new(&body[..]).map_err(Refusal::unable_to_decode)?;
                decoder.window_log_max(WINDOW).map_err(Refusal::unable_to_decode)?;
                Box::new(decoder)
            }
            _ => return Err(unknown()),
        };
        self.read(source, most)
    }

    fn read(&self, mut source: Box<dyn Read + '_>, most: usize) -> Result<(Bytes, Share), Refusal> {
        let (mut out, mut share) = (Vec::new(), Share::default());
        loop {
            if !share.more(&self.0, PIECE, most.saturating_mul(2)) {
                let words = "bodies that are being decompressed take all the memory that they may take; try again";
                return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, words));
            }
            let read = source.by_ref().take(PIECE as u64).read_to_end(&mut out).map_err(Refusal::unable_to_decode)?;
            if out.len() > most {
                let words = format!(
                    "a body may have {most} bytes when it is decompressed; send the measures in several requests"
                );
                return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, words));
            }
            if read < PIECE {
                return Ok((out.into(), share));
            }
        }
    }
}

#[cfg(feature = "compression")]
const KNOWN: [&str; 2] = ["gzip", "zstd"];
#[cfg(not(feature = "compression"))]
const KNOWN: [&str; 1] = ["identity, because the feature `compression` is not compiled in"];
