//! Layers around the handlers of a route, and the handlers of the frame itself: each of one type for all routes, so that axum's code around
//! them is compiled once.

use crate::gate::Gate;
use crate::service::Route;
use crate::spec::Spec;
use crate::{guard, own};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::MethodRouter;
use std::pin::Pin;
use std::sync::Arc;

/// An answer in the making.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A check or a change around handlers.
#[derive(Clone)]
enum Layer {
    /// Checks what a route of a service asks for, but privilege and body.
    Guard(Arc<Gate>, Arc<Spec>),
    /// Checks privilege and body, for methods that the route has.
    Inner(Arc<Gate>, Arc<Spec>),
    /// Checks the shape of the request alone.
    Shape(Arc<Gate>),
    /// Lets the service below whose mount point a path is say that nothing is there.
    Nothing(Arc<Gate>),
    #[cfg(feature = "compression")]
    Compression,
}

impl Layer {
    fn around(self, handlers: MethodRouter) -> MethodRouter {
        handlers.layer(from_fn(move |request: Request, next: Next| self.clone().run(request, next)))
    }

    fn run(self, request: Request, next: Next) -> Answer {
        match self {
            Layer::Guard(gate, spec) => Box::pin(guard::route(gate, spec, request, next)),
            Layer::Inner(gate, spec) => Box::pin(guard::privilege_and_body(gate, spec, request, next)),
            Layer::Shape(gate) => Box::pin(guard::open(gate, request, next)),
            Layer::Nothing(gate) => Box::pin(guard::nothing(gate, request, next)),
            #[cfg(feature = "compression")]
            Layer::Compression => Box::pin(crate::compress::compress(request, next)),
        }
    }
}

/// The handlers of a service's route with all that stands around them.
pub(crate) fn guarded(gate: &Arc<Gate>, at: usize, route: Route) -> MethodRouter {
    let spec = Arc::new(Spec {
        service: Some(at),
        access: route.access,
        max_body_bytes: route.max_body_bytes,
        open_options: route.open_options,
    });
    let handlers = Layer::Inner(Arc::clone(gate), Arc::clone(&spec)).around(route.handlers);
    // It comes after the layer, so that other methods are refused without a look at privilege and body.
    layered(gate, spec, own::refusing(handlers, route.methods))
}

/// Puts compression and the guard around handlers.
pub(crate) fn layered(gate: &Arc<Gate>, spec: Arc<Spec>, handlers: MethodRouter) -> MethodRouter {
    #[cfg(feature = "compression")]
    let handlers = Layer::Compression.around(handlers);
    Layer::Guard(Arc::clone(gate), spec).around(handlers)
}

/// Puts the check of the request's shape around handlers.
pub(crate) fn open(gate: &Arc<Gate>, handlers: MethodRouter) -> MethodRouter {
    Layer::Shape(Arc::clone(gate)).around(handlers)
}

/// Puts the form of the service that is responsible around the refusal of what is not there.
pub(crate) fn nothing(gate: &Arc<Gate>, handlers: MethodRouter) -> MethodRouter {
    Layer::Nothing(Arc::clone(gate)).around(handlers)
}
