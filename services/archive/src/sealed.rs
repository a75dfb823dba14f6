//! Objects with a checksum behind them, for storages that do not have their own.

use crate::Error;
use crate::storage::Key;

/// Adds the checksum.
pub(crate) fn seal(mut object: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&object);
    object.extend_from_slice(&crc.to_le_bytes());
    object
}

/// Checks and takes off the checksum.
///
/// # Errors
/// [`Error::Damaged`].
pub(crate) fn open(mut object: Vec<u8>, key: &Key) -> Result<Vec<u8>, Error> {
    let length = object.len().saturating_sub(4);
    let crc = object.split_off(length);
    if crc != crc32fast::hash(&object).to_le_bytes() {
        return Err(Error::Damaged(format!("object {} of metric {} has a wrong checksum", key.stretch, key.metric)));
    }
    Ok(object)
}
