// SPDX-License-Identifier: MIT OR Apache-2.0
//! A growing table of things that are never freed: any thread looks a number up with no lock, in a signal handler too.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Length of the first chunk; each further one is twice as long.
const FIRST: u32 = 64;
const CHUNKS: usize = 26;

type Chunk<T> = OnceLock<Box<[OnceLock<&'static T>]>>;

pub(crate) struct Table<T: 'static> {
    length: AtomicU32,
    chunks: [Chunk<T>; CHUNKS],
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self { length: AtomicU32::new(0), chunks: [const { OnceLock::new() }; CHUNKS] }
    }

    /// The number of the next thing: it is the caller's, who adds a thing with it or leaves it unused.
    pub(crate) fn next(&self) -> u32 {
        self.length.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds the thing with this number, and only one. `None` if that is beyond the table.
    pub(crate) fn add(&self, index: u32, thing: T) -> Option<&'static T> {
        let (chunk, place) = locate(index);
        let chunk = self.chunks.get(chunk)?.get_or_init(|| {
            let length = (FIRST as usize) << chunk;
            std::iter::repeat_with(OnceLock::new).take(length).collect()
        });
        let thing: &'static T = Box::leak(Box::new(thing));
        Some(chunk.get(place)?.get_or_init(|| thing))
    }

    pub(crate) fn get(&self, index: u32) -> Option<&'static T> {
        let (chunk, place) = locate(index);
        self.chunks.get(chunk)?.get()?.get(place)?.get().copied()
    }
}

fn locate(index: u32) -> (usize, usize) {
    let position = u64::from(index) + u64::from(FIRST);
    let chunk = position.ilog2() - FIRST.ilog2();
    let place = position - (u64::from(FIRST) << chunk);
    (chunk as usize, usize::try_from(place).unwrap_or(usize::MAX))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn numbers_find_what_was_added_and_nothing_else() {
        static TABLE: Table<u32> = Table::new();
        for i in 0..1000 {
            assert_eq!(TABLE.next(), i);
            assert_eq!(TABLE.add(i, i * 3), Some(&(i * 3)));
        }
        for i in 0..1000 {
            assert_eq!(TABLE.get(i), Some(&(i * 3)));
        }
        for i in [1000, 1023, 5000, u32::MAX] {
            assert_eq!(TABLE.get(i), None);
        }
    }

    #[test]
    fn chunks_follow_each_other_without_a_gap() {
        assert_eq!(locate(0), (0, 0));
        assert_eq!(locate(63), (0, 63));
        assert_eq!(locate(64), (1, 0));
        assert_eq!(locate(191), (1, 127));
        assert_eq!(locate(192), (2, 0));
        assert!(locate(u32::MAX).0 >= CHUNKS, "beyond the table");
    }
}
