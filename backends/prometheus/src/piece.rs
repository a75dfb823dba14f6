//! A piece of an exposition: bytes that readers share.

use std::ops::Deref;
use std::sync::Arc;

/// A piece of an exposition, shared and not copied. Usually some 64 KiB, never empty.
#[derive(Clone, Debug)]
pub struct Piece(Arc<Vec<u8>>);

impl Piece {
    pub(crate) fn new(mut bytes: Vec<u8>) -> Piece {
        bytes.shrink_to_fit();
        Piece(Arc::new(bytes))
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
