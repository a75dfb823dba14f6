//! Fields of messages that are written already, taken apart again.

/// A field: its number, its content (of a number, its bytes), and all of it with its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) content: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// Takes a field off the front of a message. `None`: there is none, or no whole one.
pub(crate) fn take<'a>(rest: &mut &'a [u8]) -> Option<Field<'a>> {
    let all = *rest;
    let key = number(rest)?;
    let len = match key & 7 {
        0 => {
            let before = *rest;
            number(rest)?;
            let len = before.len() - rest.len();
            *rest = before;
            len
        }
        1 => 8,
        2 => usize::try_from(number(rest)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (content, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    let whole = &all[..all.len() - behind.len()];
    Some(Field { number: u32::try_from(key >> 3).ok()?, content, whole })
}

/// Returns all fields of a message; `None` in the place of one that is damaged.
pub(crate) fn of(mut message: &[u8]) -> impl Iterator<Item = Option<Field<'_>>> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let field = take(&mut message);
        if field.is_none() {
            message = &[];
        }
        Some(field)
    })
}

/// Takes a number of variable length off the front.
pub(crate) fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_push::protobuf::{bytes, double, unsigned};

    #[test]
    fn fields_are_found_whole_and_damaged_ones_end_all() {
        let mut message = Vec::new();
        unsigned(&mut message, 2, 300);
        double(&mut message, 1, 1.5);
        bytes(&mut message, 16, &[7; 200]);
        let all: Vec<Field<'_>> = of(&message).map(Option::unwrap).collect();
        assert_eq!(all.iter().map(|f| (f.number, f.content.len())).collect::<Vec<_>>(), [(2, 2), (1, 8), (16, 200)]);
        assert_eq!(all.iter().flat_map(|f| f.whole).copied().collect::<Vec<_>>(), message);
        for cut in 1..message.len() {
            let found: Vec<_> = of(&message[..cut]).collect();
            let is_between = cut == all[0].whole.len() || cut == all[0].whole.len() + all[1].whole.len();
            assert_eq!(found.last().unwrap().is_some(), is_between, "{cut}");
        }
        // A key of a kind that there is not, and a number without an end.
        assert!(of(&[3]).all(|field| field.is_none()) && of(&[0xff; 20]).all(|field| field.is_none()));
    }
}
