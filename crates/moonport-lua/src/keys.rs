// SPDX-License-Identifier: MIT OR Apache-2.0
//! Short keys that documents had lately, so that the next document need not ask Lua for the same strings again: Lua would
//! hash each one and look for it among all its strings.

use std::cell::Cell;

use crate::stack::{Anchor, Stack};

/// So many keys are kept, each in the place that its bytes say.
const PLACES: usize = 256;

/// The keys' bytes; the strings are in a Lua table, in the same places.
pub(crate) struct Keys {
    strings: Cell<Option<Anchor>>,
    places: [Cell<Key>; PLACES],
}

/// A key of up to 16 bytes: those from its beginning and those up to its end, which overlap.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    first: u64,
    last: u64,
    length: u8,
}

impl Default for Keys {
    fn default() -> Self {
        Self { strings: Cell::new(None), places: [const { Cell::new(Key::NONE) }; PLACES] }
    }
}

impl Keys {
    /// Pushes the table of strings, which `push` is told the place of.
    pub(crate) fn push_strings(&self, stack: Stack) {
        if let Some(anchor) = self.strings.get() {
            return stack.push_anchored(anchor);
        }
        stack.new_table(i32::try_from(PLACES).unwrap_or(0), 0);
        stack.copy(-1);
        self.strings.set(Some(stack.anchor()));
    }

    /// Pushes a key. `strings` is where the table of strings is.
    #[inline]
    pub(crate) fn push(&self, stack: Stack, strings: i32, text: &[u8]) {
        let Some(key) = Key::of(text) else { return stack.push_bytes(text) };
        let at = key.place();
        let Some(place) = self.places.get(at) else { return stack.push_bytes(text) };
        let item = i32::try_from(at + 1).unwrap_or(1);
        if place.get() == key {
            return stack.push_item(strings, item);
        }
        stack.push_bytes(text);
        stack.copy(-1);
        stack.raw_set_at(strings, item.into());
        // Only now, since Lua may raise an error before.
        place.set(key);
    }
}

impl Key {
    /// No key has this length.
    const NONE: Self = Self { first: 0, last: 0, length: u8::MAX };

    #[inline]
    fn of(bytes: &[u8]) -> Option<Self> {
        let length = u8::try_from(bytes.len()).ok().filter(|length| *length <= 16)?;
        if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            return Some(Self { first: u64::from_le_bytes(*first), last: u64::from_le_bytes(*last), length });
        }
        if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            return Some(Self { first: first.into(), last: last.into(), length });
        }
        let byte = |at: usize| u64::from(bytes.get(at).copied().unwrap_or_default());
        Some(Self { first: byte(0) | byte(1) << 8 | byte(2) << 16, last: 0, length })
    }

    #[inline]
    fn place(self) -> usize {
        let mixed =
            (self.first ^ self.last.rotate_left(29) ^ u64::from(self.length)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 56) as usize % PLACES
    }
}
