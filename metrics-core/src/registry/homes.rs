//! Homes: the series that has the recordings of one that views lead elsewhere. Few have one, so they are kept beside the series and not in them.

use crate::registry::append_table::{AppendTable, Hashed, Permit};
use crate::registry::hash;
use std::sync::atomic::{AtomicU32, Ordering::*};

/// The ids of a series and of its home, which may change.
struct Home {
    of: u32,
    to: AtomicU32,
}

impl Hashed for Home {
    fn hash(&self) -> u64 {
        hash_of(self.of)
    }
}

static HOMES: AppendTable<Home> = AppendTable::new();

fn hash_of(id: u32) -> u64 {
    hash::mix(hash::seed(), u64::from(id))
}

fn find(id: u32) -> Option<&'static Home> {
    HOMES.find(hash_of(id), &mut |home| home.of == id)
}

/// Returns the id of the home of a series that has had one.
pub(crate) fn of(id: u32) -> Option<u32> {
    find(id).map(|home| home.to.load(Relaxed))
}

/// Makes one series the home of another.
pub(crate) fn set(permit: &mut Permit, id: u32, to: u32) {
    match find(id) {
        Some(home) => home.to.store(to, Relaxed),
        None => _ = HOMES.push(permit, hash_of(id), Home { of: id, to: AtomicU32::new(to) }),
    }
}
