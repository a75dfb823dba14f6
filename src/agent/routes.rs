//! A conductor's side: options that are checked before they are served.

use crate::config::Config;
use crate::error::Error;
use ferrometer_agent::{LookupRoutes, Nodes, Options};
use std::sync::Arc;

/// Makes the routes that tell agents these options: at `/v1/lookup`, and at `/drivers/<driver>/vendor_passthru/lookup`. `options` are [`Options`], or a
/// `&Config` whose `agent_*` keys they are.
///
/// Mount them into a frame (`Frame::mount("/", routes)`), or take [`router`](LookupRoutes::router) for a program's own axum. To change what agents are
/// told while they are served, [`check`] and [`set_options`](LookupRoutes::set_options).
///
/// ```
/// use ferrometer::agent::{Node, NodeList, Options, lookup_routes};
/// use ferrometer::http::Frame;
///
/// let nodes = NodeList::default();
/// nodes.put(Node::new("1be26c0b-03f2-4d2e-ae87-c02d7f33c123")?.address("52:54:00:ab:cd:01"));
/// let lookup = lookup_routes(Options::new().backend("statsd").statsd("10.0.0.1", 8125), nodes)?;
/// let server = Frame::new().address("127.0.0.1:0".parse()?).mount("/", lookup).serve()?;
/// # drop(server);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When an agent would refuse or ignore one of the options: the message names it.
pub fn lookup_routes(options: impl Into<Options>, nodes: impl Nodes) -> Result<Arc<LookupRoutes>, Error> {
    let options = options.into();
    check(&options)?;
    Ok(Arc::new(LookupRoutes::new(options, nodes)))
}

/// Checks options as an agent will.
///
/// ```
/// use ferrometer::agent::{Options, check};
///
/// let error = check(&Options::new().backend("statd")).unwrap_err().to_string();
/// assert!(error.starts_with("options: metrics.backend = \"statd\" (string): expected "), "{error}");
/// assert!(error.ends_with("did you mean \"statsd\"?"), "{error}");
/// ```
///
/// # Errors
/// The first key that an agent does not know or take, or the first value that is wrong.
pub fn check(options: &Options) -> Result<(), Error> {
    let config = options.config();
    let table = |name: &str| config[name].as_object().cloned().unwrap_or_default();
    // Any UUID: the agent's own is not known here.
    let any = Some("00000000-0000-0000-0000-000000000000".to_owned());
    let told = Config::new().told("options", any, &table("metrics"), &table("metrics_statsd"))?;
    match told.ignored.into_iter().next() {
        None => Ok(()),
        Some(ignored) => Err(Error::Lookup(format!("options: {ignored}"))),
    }
}
