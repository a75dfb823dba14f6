//! The wire format of protocol buffers: what an encoder of a few messages needs.

/// Appends a number of variable length.
#[inline]
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes [`varint`] takes.
#[must_use]
#[inline]
pub fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Maps signed numbers to unsigned ones, small ones to small ones.
#[must_use]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Appends a field's number and wire type: 0 for a varint, 1 for eight bytes, 2 for bytes with their length.
#[inline]
pub fn key(out: &mut Vec<u8>, field: u32, wire: u32) {
    varint(out, u64::from(field << 3 | wire));
}

/// Appends a field that is a number.
#[inline]
pub fn unsigned(out: &mut Vec<u8>, field: u32, value: u64) {
    key(out, field, 0);
    varint(out, value);
}

/// Appends a field of eight bytes, little end first.
#[inline]
pub fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    if field >= 16 {
        key(out, field, 1);
        return out.extend_from_slice(&value.to_le_bytes());
    }
    // The key is one byte: nine bytes are put there at once.
    let mut all = [(field << 3 | 1) as u8; 9];
    all[1..].copy_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&all);
}

/// Appends a field that is a float.
#[inline]
pub fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    fixed64(out, field, value.to_bits());
}

/// Appends a field that is text, bytes or a message.
#[inline]
pub fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    key(out, field, 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Appends a message that `write` writes; its length is put in front when it is known.
#[inline]
pub fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    key(out, field, 2);
    let at = out.len();
    out.push(0);
    write(out);
    let len = (out.len() - at - 1) as u64;
    if len < 0x80 {
        out[at] = len as u8;
        return;
    }
    // Seldom: most messages are short.
    let more = varint_len(len) - 1;
    let end = out.len();
    out.resize(end + more, 0);
    out.copy_within(at + 1..end, at + 1 + more);
    let mut rest = len;
    for place in &mut out[at..at + more] {
        *place = rest as u8 | 0x80;
        rest >>= 7;
    }
    out[at + more] = rest as u8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_stand_in_front_of_messages_of_any_size() {
        for len in [0usize, 1, 127, 128, 300, 16_383, 16_384, 3_000_000] {
            let content: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let (mut one, mut other) = (Vec::new(), Vec::new());
            bytes(&mut one, 5, &content);
            message(&mut other, 5, |out| out.extend_from_slice(&content));
            assert_eq!(one, other);
            assert_eq!(varint_len(len as u64), one.len() - 1 - len);
        }
        let mut out = Vec::new();
        varint(&mut out, u64::MAX);
        assert_eq!(out.len(), varint_len(u64::MAX));
        assert_eq!((zigzag(-1), zigzag(1), zigzag(i64::MIN)), (1, 2, u64::MAX));
    }
}
