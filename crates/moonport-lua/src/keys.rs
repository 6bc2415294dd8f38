// SPDX-License-Identifier: MIT OR Apache-2.0
//! Short keys that documents had lately, so that the next document need not ask Lua for the same strings again: Lua would
//! hash each one and look for it among all its strings. Beside them is the class of empty arrays.

use std::cell::Cell;

use crate::stack::{Anchor, Stack};
use crate::value;

/// So many keys are kept, each in one of the two places that its bytes say.
const PLACES: usize = 256;

/// Where the class of empty arrays is, behind the keys.
const CLASS: i32 = 257;
const _: () = assert!(PLACES == CLASS as usize - 1);

/// The keys' bytes; the strings are in a Lua table, in the same places.
pub(crate) struct Keys {
    table: Cell<Option<Anchor>>,
    places: [Cell<Key>; PLACES],
    /// Which of its two places the next new key takes: 0 or 1.
    turn: Cell<usize>,
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
        Self { table: Cell::new(None), places: [const { Cell::new(Key::NONE) }; PLACES], turn: Cell::new(0) }
    }
}

impl Keys {
    /// Pushes the table, whose place the functions below are told.
    pub(crate) fn push_table(&self, stack: Stack) {
        if let Some(anchor) = self.table.get() {
            return stack.push_anchored(anchor);
        }
        stack.new_table(CLASS, 0);
        value::push_array_class(stack);
        stack.raw_set_at(-2, CLASS.into());
        stack.copy(-1);
        self.table.set(Some(stack.anchor()));
    }

    /// Marks the table on top as an array, as `moonport.array` does.
    pub(crate) fn mark_array(stack: Stack, table: i32) {
        stack.push_item(table, CLASS);
        stack.set_metatable(-2);
    }

    /// Pushes a key.
    #[inline]
    pub(crate) fn push(&self, stack: Stack, table: i32, text: &[u8]) {
        let Some(key) = Key::of(text) else { return stack.push_bytes(text) };
        let first = key.place();
        for at in [first, first ^ 1] {
            if self.places.get(at).is_some_and(|place| place.get() == key) {
                return stack.push_item(table, item(at));
            }
        }
        let at = first ^ self.turn.get();
        self.turn.set(self.turn.get() ^ 1);
        stack.push_bytes(text);
        stack.copy(-1);
        stack.raw_set_at(table, item(at).into());
        // Only now, since Lua may raise an error before.
        if let Some(place) = self.places.get(at) {
            place.set(key);
        }
    }
}

fn item(place: usize) -> i32 {
    i32::try_from(place + 1).unwrap_or(1)
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
