//! The backend: walks what changed since the last delivery and sends it.

use crate::connection::Connection;
use crate::encoder::Encoder;
use crate::format::Format;
use crate::names::Names;
use crate::packed::Memory;
use crate::packer::Packer;
use crate::settings::Settings;
use crate::state::State;
use ferrometer_core::{Backend, BackendError, Delivery, Preview, SnapshotView, Wants};
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// How long a flush tries a server that does not take what it is sent.
const FLUSH_PATIENCE: Duration = Duration::from_millis(400);

/// The statsd backend. Counters travel as changes, gauges as values, timers value by value.
pub struct Statsd {
    format: Format,
    max_datagram: usize,
    connection: Connection,
    names: Names,
    encoder: Encoder,
    memory: Memory,
    state: State,
}

impl Statsd {
    /// A backend of these settings. A host that cannot be looked up, or that does not answer, is no error: it is tried again at each
    /// interval, and what could not be sent stays pending.
    #[must_use]
    pub fn new(settings: Settings) -> Statsd {
        // Here, because the field can be set by itself.
        let max_datagram = settings.max_datagram.clamp(64, 65_507);
        let format = settings.format();
        Statsd {
            format,
            max_datagram,
            connection: Connection::new(&settings, max_datagram),
            names: Names::new(format),
            encoder: Encoder::default(),
            memory: Memory::default(),
            state: State::new(settings.state_interval),
        }
    }

    /// Delivers what changed, and state when it is due. Returns what was taken, and why not all of it was.
    fn deliver(&mut self, view: &SnapshotView<'_>, until: Instant) -> (Delivery, Option<BackendError>) {
        self.connection.begin();
        let mut packer = Packer::new(view, &mut self.connection, self.max_datagram, until, &mut self.memory);
        let repeats = write(&self.format, &mut self.names, &mut self.encoder, &mut self.state, view, &mut packer);
        let (delivery, stopped, error) = packer.finish();
        self.state.end(repeats, stopped, self.connection.number());
        (delivery, error)
    }
}

/// Writes what changed, and state when it is due. Returns `true` when it was.
fn write(
    format: &Format,
    names: &mut Names,
    encoder: &mut Encoder,
    state: &mut State,
    view: &SnapshotView<'_>,
    packer: &mut Packer<'_, '_>,
) -> bool {
    names.begin(view.naming(), view.snapshot().totals().len());
    state.begin();
    for delta in view.deltas() {
        if packer.is_stopped() {
            break;
        }
        match names.get(delta.series) {
            Ok(name) => {
                encoder.encode(format, name, view.naming(), &delta, packer);
                state.told(delta.series);
            }
            Err(cause) => view.delta_dropped(&delta, cause),
        }
    }
    let repeats = !packer.is_stopped() && state.is_due();
    if repeats {
        for (series, value) in state.untold(view.snapshot()) {
            if packer.is_stopped() {
                break;
            }
            if let Ok(name) = names.get(series) {
                encoder.repeat(format, name, (view.naming(), series), value, packer);
            }
        }
    }
    repeats
}

impl Backend for Statsd {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let (delivery, error) = self.deliver(view, Instant::now() + Duration::from_secs(1));
        error.map_or(Ok(delivery), |error| Err(error.with_delivery(delivery)))
    }

    fn wants(&self) -> Wants {
        Wants::SINGLES
    }

    /// Rests until state is to be told again.
    fn rests_until(&self) -> Option<Instant> {
        self.state.rests_until()
    }

    /// Shows the datagrams, or what is written to the stream, as they are while the server takes everything.
    fn preview(&mut self, view: &SnapshotView<'_>) -> Option<Vec<Preview>> {
        let mut shown = Vec::new();
        let mut memory = Memory { torn: self.memory.torn.clone(), ..Memory::default() };
        let mut packer = Packer::showing(view, &mut self.connection, self.max_datagram, &mut memory, &mut shown);
        write(&self.format, &mut self.names, &mut self.encoder, &mut self.state, view, &mut packer);
        packer.finish();
        Some(shown)
    }

    /// Tries again what the delivery before could not send: for a moment only, because a program that ends should not wait for a
    /// server that is away. The first answer of the name server is waited for until the deadline.
    fn flush(&mut self, view: &mut SnapshotView<'_>, deadline: Instant) -> Result<Delivery, BackendError> {
        self.connection.wait_resolved(deadline);
        // The last attempt begins while there is time for its probe.
        let margin = Duration::from_millis(50);
        let deadline = deadline.min(Instant::now() + FLUSH_PATIENCE);
        let mut all = Delivery::default();
        loop {
            if view.deltas().next().is_none() {
                return Ok(all);
            }
            let (delivery, error) = self.deliver(view, deadline);
            all.packets += delivery.packets;
            all.bytes += delivery.bytes;
            match error {
                None => return Ok(all),
                Some(error) if Instant::now() + margin >= deadline => return Err(error.with_delivery(all)),
                Some(_) => thread::sleep(margin / 2),
            }
        }
    }
}

impl fmt::Debug for Statsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statsd").field("format", &self.format).finish_non_exhaustive()
    }
}
