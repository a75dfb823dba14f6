//! Texts that are rendered once for each instrument and copied at each delivery, in one buffer.

/// Texts by number.
#[derive(Debug, Default)]
pub struct Texts {
    bytes: Vec<u8>,
    /// Where each stands; both 0 for one that is not there yet.
    places: Vec<(u32, u32)>,
}

impl Texts {
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// The text of a number.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&[u8]> {
        let (start, end) = *self.places.get(at)?;
        if end == 0 { None } else { self.bytes.get(start as usize..end as usize) }
    }

    /// Keeps the text of a number. One that finds no place below 4 GiB is not kept, and is rendered again each time.
    pub fn set(&mut self, at: usize, text: &[u8]) {
        let (start, end) = (self.bytes.len(), self.bytes.len() + text.len());
        let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) else { return };
        if text.is_empty() {
            return;
        }
        self.bytes.extend_from_slice(text);
        if self.places.len() <= at {
            self.places.resize(at + 1, (0, 0));
        }
        self.places[at] = (start, end);
    }
}
