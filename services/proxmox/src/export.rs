//! The text of an export, `{"data":{"data":[…]}}`, made in steps while the client takes it, ordered by time stamp.
//!
//! No more than one generation of this node's history is in memory at once; the rows of other nodes are there already, and bounded.

use crate::export_rows::{Column, Row, Shown};
use crate::peer_reply::PeerRow;
use ferrometer_cache_api::{Source, Unwritable};
use ferrometer_http::{CHUNK_BYTES, CHUNK_WORK, Chunks};
use ferrometer_pull_cache::Generation;
use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

pub(crate) struct Export {
    own: Peekable<Source>,
    shown: Shown,
    /// The generation in work, and where in it.
    current: Option<(Arc<Generation>, usize)>,
    peers: Peekable<IntoIter<PeerRow>>,
    state: State,
    /// True if a row was written already.
    separate: bool,
    unwritable: Unwritable,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Rows,
    Done,
}

impl Export {
    /// `peers` is sorted by time stamp.
    pub(crate) fn new(own: Source, shown: Shown, peers: Vec<PeerRow>, unwritable: Unwritable) -> Export {
        Export {
            own: own.peekable(),
            shown,
            current: None,
            peers: peers.into_iter().peekable(),
            state: State::Head,
            separate: false,
            unwritable,
        }
    }

    fn own_rows(&mut self, out: &mut Vec<u8>, generation: Arc<Generation>, from: usize, work: &mut usize) {
        let columns = Arc::clone(generation.columns());
        let shown = std::mem::take(&mut self.shown);
        for (place, column, value) in generation.values_from(from) {
            if *work == 0 || out.len() >= CHUNK_BYTES {
                self.current = Some((Arc::clone(&generation), place));
                break;
            }
            *work -= 1;
            match shown.column(column, &columns.identities()[column]) {
                Column::Row(id, metric) => {
                    let (timestamp, kind) = (generation.timestamp(), columns.identities()[column].kind());
                    self.write(out, &Row { id, metric, timestamp, kind, value });
                }
                Column::Refused => self.unwritable.add(),
                Column::Hidden => {}
            }
        }
        self.shown = shown;
    }

    /// Writes a row. One that cannot be written is left out, and the rest of the answer is whole.
    fn write(&mut self, out: &mut Vec<u8>, row: &Row<'_>) {
        let before = out.len();
        if self.separate {
            out.push(b',');
        }
        if !row.value.is_finite() || serde_json::to_writer(&mut *out, row).is_err() {
            out.truncate(before);
            return self.unwritable.add();
        }
        self.separate = true;
    }
}

impl Chunks for Export {
    fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn next_chunk(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.state == State::Head {
            self.state = State::Rows;
            out.extend(b"{\"data\":{\"data\":[");
        }
        let mut work = CHUNK_WORK;
        while work > 0 && out.len() < CHUNK_BYTES {
            if let Some((generation, at)) = self.current.take() {
                self.own_rows(&mut out, generation, at, &mut work);
                continue;
            }
            let next = self.own.peek().map(|generation| generation.timestamp());
            let earlier = |row: &PeerRow| next.is_none_or(|next| row.timestamp < next);
            if let Some(row) = self.peers.next_if(earlier) {
                work -= 1;
                let PeerRow { id, metric, timestamp, kind, value } = row;
                self.write(&mut out, &Row { id: &id, metric: &metric, timestamp, kind, value });
            } else if let Some(generation) = self.own.next() {
                // A generation costs something, even an empty one.
                work -= 1;
                self.current = Some((generation, 0));
            } else {
                self.state = State::Done;
                out.extend(b"]}}");
                break;
            }
        }
        out
    }
}
