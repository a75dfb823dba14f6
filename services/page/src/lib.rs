//! The page at `/`: a browser shows with it what a pull cache holds. Its files are part of the program; they hold no data and need no
//! token. The page asks `/v1/instruments`, `/v1/metrics` and `/v1/nodes` for what it shows, as any other reader does.
//!
//! Beside an archive, `/archive` shows what it keeps: [`Page::with_archive`].
//!
//! # Example
//! ```
//! use ferrometer_http::Frame;
//! use ferrometer_page::Page;
//! use std::sync::Arc;
//!
//! let server = Frame::new().address("127.0.0.1:0".parse().unwrap()).mount("/", Arc::new(Page::new())).serve()?;
//! assert!(server.local_addr().ip().is_loopback());
//! # Ok::<(), ferrometer_http::ServeError>(())
//! ```

#![deny(missing_docs)]

mod minify;
mod page;

pub use page::Page;
