//! Packs pieces into bodies (datagrams, requests, writes) of at most a configured size, has each carried, and notes what became of the series
//! in it. A body that is too large, or of which a part is refused, is halved, and its halves are, until what is refused is alone.

use crate::packed::{Limit, Memory, Packed, Piece};
use crate::spool::Spool;
use crate::verdict::{Extent, Verdict};
use ferrometer_core::{BackendError, Cause, Delivery, Preview, SnapshotView};
use std::ops::Range;
use std::time::{Duration, Instant};

/// A piece that is refused alone is not sent again for so long: it would cost the halving each time.
const QUARANTINE: Duration = Duration::from_secs(600);
/// The most requests that are made in one delivery to find out what is refused, and how much the server takes at once.
const MOST_HALVES: usize = 128;
const MOST_CUTS: usize = 4096;
/// After this many pieces that are too large alone, the server takes nothing: the rest is not tried.
const MOST_ALONE: usize = 64;
/// The most bytes of one body, whatever the limit is.
const MOST_BYTES: usize = 1 << 30;

/// Carries what was packed to a server.
pub trait Carrier {
    /// Prepares a delivery, before anything of it is written: what the server takes may decide how.
    fn begin(&mut self, until: Instant) {
        let _ = until;
    }

    /// Writes the pieces as one body; `false`, and nothing is written, where a body is its pieces as they are, one behind the other.
    fn frame(&mut self, packed: &Packed<'_>, body: &mut Vec<u8>) -> bool {
        let _ = (packed, body);
        false
    }

    /// Compresses a body into `wire`; `false` when it is sent as it is.
    fn compress(&mut self, body: &[u8], wire: &mut Vec<u8>) -> bool {
        let _ = (body, wire);
        false
    }

    /// Sends a body. `points` is the number of pieces in it.
    fn send(&mut self, body: &[u8], is_compressed: bool, points: usize, until: Instant) -> Verdict;

    /// Ends the delivery: what the system or the server says only now of what was sent last.
    fn finish(&mut self) -> Verdict {
        Verdict::Accepted
    }
}

/// One delivery that is being packed.
pub struct Packer<'p, 'v> {
    view: &'p SnapshotView<'v>,
    carrier: &'p mut dyn Carrier,
    memory: &'p mut Memory,
    /// Where bodies go instead of the server.
    shown: Option<&'p mut Vec<Preview>>,
    /// Where bodies go that the server does not take now.
    spool: Option<&'p mut Spool>,
    limit: Limit,
    until: Instant,
    /// The most bytes of the pieces and groups of a body.
    most: usize,
    /// Every piece is written: nothing was refused or put off, and none is in quarantine.
    is_free: bool,
    /// Bytes that the pieces of the open body may need beside their own, and their groups.
    beside: usize,
    last_group: Option<u32>,
    halves: usize,
    cuts: usize,
    /// How many pieces the server found too large alone.
    alone: usize,
    delivery: Delivery,
    /// Nothing more goes out in this delivery, and the server's wish.
    later: Option<(String, Option<Duration>)>,
    /// All that is left is given up, and why.
    refused: Option<Cause>,
    /// The first reason for something that is dropped.
    dropped: Option<String>,
}

impl std::fmt::Debug for Packer<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

/// How a delivery ended.
pub(crate) struct Ended {
    pub(crate) delivery: Delivery,
    pub(crate) later: Option<(String, Option<Duration>)>,
    pub(crate) dropped: Option<String>,
}

impl Ended {
    pub(crate) fn error(&self) -> Option<BackendError> {
        let reason = self.later.as_ref().map(|(reason, _)| format!("{reason}; kept for the next interval"));
        reason.or_else(|| self.dropped.clone()).map(|reason| BackendError::new(reason).with_delivery(self.delivery))
    }
}

impl<'p, 'v> Packer<'p, 'v> {
    pub(crate) fn new(
        view: &'p SnapshotView<'v>,
        carrier: &'p mut dyn Carrier,
        memory: &'p mut Memory,
        shown: Option<&'p mut Vec<Preview>>,
        limit: Limit,
        until: Instant,
    ) -> Packer<'p, 'v> {
        memory.bytes.clear();
        memory.pieces.clear();
        memory.owners.clear();
        memory.account.begin(view.snapshot().totals().len());
        // Places in a body have 32 bits. One piece more than is allowed fits in them, too.
        let limit = Limit { bytes: limit.bytes.min(MOST_BYTES), ..limit };
        let now = Instant::now();
        memory.quarantine.retain(|_, until| *until > now);
        memory.learned = memory.learned.filter(|(_, until)| *until > now);
        let mut packer = Packer {
            view,
            carrier,
            memory,
            shown,
            spool: None,
            limit,
            until,
            most: 0,
            is_free: false,
            beside: 0,
            last_group: None,
            halves: 0,
            cuts: 0,
            alone: 0,
            delivery: Delivery::default(),
            later: None,
            refused: None,
            dropped: None,
        };
        packer.look();
        packer
    }

    /// Notes how much a body may have, and whether all pieces are written, as far as is known now.
    fn look(&mut self) {
        let learned = self.memory.learned.map_or(usize::MAX, |(bytes, _)| bytes);
        self.most = self.limit.bytes.min(learned).saturating_sub(self.limit.frame);
        self.is_free = self.later.is_none() && self.refused.is_none() && self.memory.quarantine.is_empty();
    }

    /// Keeps what the server does not take now in a spool. `away`: it is known to be away, and is not tried.
    pub(crate) fn spool(&mut self, spool: Option<&'p mut Spool>, away: Option<String>) {
        self.spool = spool;
        self.later = away.map(|reason| (reason, None));
        self.look();
    }

    /// Returns `true` when nothing more goes out in this delivery: what is written from here on stays pending.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.later.is_some() && self.spool.is_none()
    }

    /// Notes that a series cannot be written, and why.
    pub fn dropped(&mut self, series: usize, cause: Cause) {
        self.memory.account.dropped(series as u32, cause);
    }

    /// Notes that nothing of a series has to be written.
    pub fn sent(&mut self, series: usize) {
        self.memory.account.sent(series as u32);
    }

    /// Adds a piece, which is never divided: `write` writes it; `owners` are the ids of the series that are in it, which are sent when it is.
    ///
    /// Pieces of one `group` stand together in one frame, for which a body needs `group_bytes` more.
    #[inline]
    pub fn piece(
        &mut self,
        group: u32,
        group_bytes: usize,
        owners: impl IntoIterator<Item = usize>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        self.piece_in(group, (group_bytes, 0), owners, write);
    }

    /// Adds a piece, as [`piece`](Self::piece) does, that may need more bytes in a body than it has itself: the second number.
    #[inline]
    pub fn piece_in(
        &mut self,
        group: u32,
        (group_bytes, more): (usize, usize),
        owners: impl IntoIterator<Item = usize>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let owned = self.memory.owners.len();
        self.memory.owners.extend(owners.into_iter().map(|id| id as u32));
        if !self.is_free && !self.admits(owned) {
            return;
        }
        write(&mut self.memory.bytes);
        if self.last_group != Some(group) {
            self.beside += group_bytes;
            self.last_group = Some(group);
        }
        self.beside += more;
        let is_full =
            self.memory.bytes.len() + self.beside > self.most || self.memory.pieces.len() >= self.limit.pieces;
        if is_full {
            self.turn(group, group_bytes + more);
        }
        let (end, owners) = (self.memory.bytes.len() as u32, self.memory.owners.len() as u32);
        self.memory.pieces.push(Piece { end, owners, group });
        if is_full {
            self.give_up_too_large();
        }
    }

    /// Decides whether a piece is written; notes what becomes of its owners, from this one on, where it is not.
    #[cold]
    fn admits(&mut self, owned: usize) -> bool {
        let has_left = !self.is_stopped() && self.refused.is_none();
        if has_left && !self.is_quarantined(owned) {
            return true;
        }
        let cause = self.later.is_none().then_some(self.refused.unwrap_or(Cause::Refused));
        for at in owned..self.memory.owners.len() {
            let id = self.memory.owners[at];
            match cause {
                Some(cause) => self.memory.account.dropped(id, cause),
                None => self.memory.account.pending(id),
            }
        }
        self.memory.owners.truncate(owned);
        false
    }

    /// Sends all pieces. One that is written behind them begins the next body.
    #[cold]
    fn turn(&mut self, group: u32, beside: usize) {
        let count = self.memory.pieces.len();
        if count == 0 {
            return;
        }
        let (bytes, owners) = (self.memory.begin(count), self.memory.owners(0..count).end);
        self.carry_all();
        self.memory.owners.drain(..owners);
        self.memory.bytes.drain(..bytes);
        self.memory.pieces.clear();
        self.beside = beside;
        self.last_group = Some(group);
    }

    /// Drops a piece that is alone, and too large all the same.
    #[cold]
    fn give_up_too_large(&mut self) {
        if self.memory.bytes.len() + self.beside + self.limit.frame > self.limit.bytes {
            self.note_dropped(0..1, Cause::TooLarge);
            let reason = format!("one piece is larger than the {} bytes that may go out at once", self.limit.bytes);
            self.dropped.get_or_insert(reason);
            self.clear();
        }
    }

    fn is_quarantined(&self, first: usize) -> bool {
        let quarantine = &self.memory.quarantine;
        !quarantine.is_empty() && self.memory.owners.get(first).is_some_and(|id| quarantine.contains_key(id))
    }

    /// Forgets the open body.
    fn clear(&mut self) {
        self.memory.bytes.clear();
        self.memory.pieces.clear();
        self.memory.owners.clear();
        self.beside = 0;
        self.last_group = None;
    }

    fn carry_all(&mut self) {
        self.carry(0..self.memory.pieces.len());
        self.look();
    }

    /// Sends some of the pieces, in halves where need be.
    fn carry(&mut self, pieces: Range<usize>) {
        if pieces.is_empty() {
            return;
        }
        if self.is_stopped() {
            return self.note_pending(pieces);
        }
        if let Some(cause) = self.refused {
            return self.note_dropped(pieces, cause);
        }
        if self.shown.is_none() && Instant::now() >= self.until {
            self.later.get_or_insert(("no time is left".to_owned(), None));
            if self.is_stopped() {
                return self.note_pending(pieces);
            }
        }
        let (mut body, mut wire) = (std::mem::take(&mut self.memory.body), std::mem::take(&mut self.memory.wire));
        body.clear();
        let packed = Packed { memory: self.memory, pieces: pieces.clone() };
        let is_framed = self.carrier.frame(&packed, &mut body);
        let plain: &[u8] = if is_framed { &body } else { packed.bytes() };
        let is_compressed = self.carrier.compress(plain, &mut wire);
        let out = if is_compressed { &wire } else { plain };
        let verdict = match &mut self.shown {
            Some(shown) => {
                let plain = if is_compressed { plain.to_vec() } else { Vec::new() };
                shown.push(Preview::new(out.to_vec()).with_plain(plain));
                Verdict::Accepted
            }
            None => match self.later.clone() {
                // The server is away, and there is a spool.
                Some((reason, after)) => Verdict::Later { reason, after },
                None => self.carrier.send(out, is_compressed, pieces.len(), self.until),
            },
        };
        let (sent, plain) = (out.len() as u64, plain.len());
        if let (Verdict::Later { .. }, Some(spool)) = (&verdict, &mut self.spool) {
            if !is_framed && !is_compressed {
                body.extend_from_slice(packed.bytes());
            }
            spool.keep(if is_compressed { &wire } else { &body }, pieces.len(), is_compressed);
        }
        (self.memory.body, self.memory.wire) = (body, wire);
        match verdict {
            Verdict::Accepted => {
                self.delivery.packets += 1;
                self.delivery.bytes += sent;
                let owners = self.memory.owners(pieces);
                self.memory.account.all_sent(&self.memory.owners[owners]);
            }
            Verdict::Later { reason, after } => {
                self.note_pending(pieces);
                self.later.get_or_insert((reason, after));
            }
            Verdict::TooLarge { .. } if pieces.len() > 1 && self.cuts < MOST_CUTS => {
                self.cuts += 2;
                self.memory.learned = Some((plain / 2, Instant::now() + QUARANTINE));
                self.carry_halves(pieces);
            }
            Verdict::Refused { reason, extent: Extent::Part } if pieces.len() > 1 && self.halves < MOST_HALVES => {
                self.dropped.get_or_insert(reason);
                self.halves += 2;
                self.carry_halves(pieces);
            }
            Verdict::TooLarge { reason } => {
                self.dropped.get_or_insert(reason);
                self.alone += usize::from(pieces.len() == 1);
                if self.alone >= MOST_ALONE {
                    self.refused = Some(Cause::TooLarge);
                }
                self.note_dropped(pieces, Cause::TooLarge);
            }
            Verdict::Refused { reason, extent } => {
                self.dropped.get_or_insert(reason);
                if extent == Extent::Part && pieces.len() == 1 {
                    let first = self.memory.owners(pieces.clone()).start;
                    if let Some(id) = self.memory.owners.get(first) {
                        self.memory.quarantine.insert(*id, Instant::now() + QUARANTINE);
                    }
                }
                if extent == Extent::All {
                    self.refused = Some(Cause::Refused);
                }
                self.note_dropped(pieces, Cause::Refused);
            }
        }
    }

    fn carry_halves(&mut self, pieces: Range<usize>) {
        let middle = pieces.start + pieces.len() / 2;
        self.carry(pieces.start..middle);
        self.carry(middle..pieces.end);
    }

    fn note_pending(&mut self, pieces: Range<usize>) {
        for at in self.memory.owners(pieces) {
            let id = self.memory.owners[at];
            self.memory.account.pending(id);
        }
    }

    fn note_dropped(&mut self, pieces: Range<usize>, cause: Cause) {
        for at in self.memory.owners(pieces) {
            let id = self.memory.owners[at];
            self.memory.account.dropped(id, cause);
        }
    }

    /// Sends what is left, and hands in what became of each series.
    pub(crate) fn finish(mut self) -> Ended {
        self.carry_all();
        if self.shown.is_none() {
            if self.later.is_none()
                && let Verdict::Later { reason, after } = self.carrier.finish()
            {
                // The bodies that went out last did not arrive.
                self.note_pending(0..self.memory.pieces.len());
                self.later = Some((reason, after));
            }
            self.memory.account.hand_in(self.view);
        }
        Ended { delivery: self.delivery, later: self.later, dropped: self.dropped }
    }
}
