//! The outside of a backend that is a pusher: what each crate of one would write alike.

/// Makes a tuple struct of one [`Pusher`](crate::Pusher) a backend, with a method `preview`. The crate that uses it depends on `ferrometer-core`.
///
/// ```
/// use ferrometer_core::SnapshotView;
/// use ferrometer_push::{Exporter, Limit, Packer, Pusher, Socket, SocketSettings};
///
/// struct Nothing;
///
/// impl Exporter for Nothing {
///     fn limit(&self) -> Limit {
///         Limit::bytes(1000)
///     }
///
///     fn write(&mut self, _: &SnapshotView<'_>, _: &mut Packer<'_, '_>) {}
/// }
///
/// /// A backend that sends nothing.
/// pub struct Silent(Pusher<Nothing, Socket>);
///
/// ferrometer_push::delegate!(Silent);
///
/// fn is_backend(_: impl ferrometer_core::Backend) {}
/// is_backend(Silent(Pusher::new(Nothing, Socket::new(SocketSettings::new("localhost", 9)))));
/// ```
#[macro_export]
macro_rules! delegate {
    ($backend:ty) => {
        impl $backend {
            /// Returns the datagrams or bodies that the next delivery would send, byte for byte, without sending anything.
            pub fn preview(&mut self, view: &::ferrometer_core::SnapshotView<'_>) -> Vec<$crate::Preview> {
                self.0.preview(view)
            }
        }

        impl ::ferrometer_core::Backend for $backend {
            fn publish(
                &mut self,
                view: &mut ::ferrometer_core::SnapshotView<'_>,
            ) -> Result<::ferrometer_core::Delivery, ::ferrometer_core::BackendError> {
                self.0.publish(view)
            }

            fn flush(
                &mut self,
                view: &mut ::ferrometer_core::SnapshotView<'_>,
                deadline: ::std::time::Instant,
            ) -> Result<::ferrometer_core::Delivery, ::ferrometer_core::BackendError> {
                self.0.flush(view, deadline)
            }

            fn preview(&mut self, view: &::ferrometer_core::SnapshotView<'_>) -> Option<Vec<$crate::Preview>> {
                Some(self.0.preview(view))
            }
        }
    };
}
