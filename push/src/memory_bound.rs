//! How much memory a pushing backend may take, known before it is started.

/// The most memory that what pushing backends share takes for one of them, in bytes: for `series` series, bodies of at most `body` bytes, and
/// texts of at most `text` bytes that are kept for each series.
#[must_use]
pub const fn max_bytes(series: usize, body: usize, text: usize) -> usize {
    // Names that are claimed, which instrument and family a series belongs to, where its total is, and its fate: tables that double.
    const KNOWN: usize = 6 * 2 * 40 + 2 * (64 + 24 + 48 + 24 + 8 + 8);
    // A body, its pieces, as it is framed and as it is compressed, in buffers that double.
    const BUFFERS: usize = 10;
    // The client's own buffers, and a reply.
    const CLIENT: usize = 512 * 1024;
    let known = series.saturating_mul(KNOWN.saturating_add(text.saturating_mul(2)));
    known.saturating_add(body.saturating_mul(BUFFERS)).saturating_add(CLIENT)
}

/// The most that one distribution takes, with every bucket in use: what a backend keeps that tells what is new of it.
pub const DISTRIBUTION: usize = 1025 * 16 + 128;

/// The longest text of a series' name and labels, in bytes, before anything is escaped.
pub const NAME_AND_LABELS: usize = ferrometer_core::name::MAX_NAME_BYTES
    + ferrometer_core::name::MAX_RAW_BYTES
    + ferrometer_core::object::MAX_OBJECT_BYTES
    + ferrometer_core::name::MAX_LABELS * 8;
