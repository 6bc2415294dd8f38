// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that calls into Lua may leave by a raised error without a destructor on their frames.

use std::cell::{Cell, UnsafeCell};

use moonport_codec::json::Tape;

/// Values that are lent while Lua is entered, one for each nesting of such calls: a finaliser of the collector may start
/// another one. An error that is raised meanwhile (memory has run out) leaves its value here, until the protected call
/// that caught it takes it back.
pub(crate) struct Scratch<T> {
    /// Boxed, since a lent value must not move while another is added.
    values: UnsafeCell<Vec<Box<T>>>,
    depth: Cell<usize>,
}

impl<T: Default> Default for Scratch<T> {
    fn default() -> Self {
        Self { values: UnsafeCell::default(), depth: Cell::new(0) }
    }
}

impl<T: Default> Scratch<T> {
    /// Lends a value, as it was left, to `run`, which may enter Lua.
    pub(crate) fn with<R>(&self, run: impl FnOnce(&mut T) -> R) -> R {
        let depth = self.depth.get();
        // SAFETY: this reference ends before `run` starts; one thread owns the state.
        let values = unsafe { &mut *self.values.get() };
        if values.len() <= depth {
            values.resize_with(depth + 1, Box::default);
        }
        let value: *mut T = &raw mut *values[depth];
        self.depth.set(depth + 1);
        // SAFETY: the box does not move, and nested calls use the values behind this one.
        let result = run(unsafe { &mut *value });
        self.depth.set(depth);
        result
    }

    pub(crate) fn lent(&self) -> usize {
        self.depth.get()
    }

    /// What was lent above `depth` comes back: an error passed by the calls that used it.
    pub(crate) fn take_back(&self, depth: usize) {
        if self.depth.get() <= depth {
            return;
        }
        self.depth.set(depth);
        // SAFETY: nobody uses these values any more, and one thread owns the state.
        let values = unsafe { &mut *self.values.get() };
        values.truncate(depth);
    }

    /// Frees all, when nothing is lent any more.
    pub(crate) fn clear(&self) {
        self.depth.set(0);
        // SAFETY: no reference into it is left; one thread owns the state.
        drop(std::mem::take(unsafe { &mut *self.values.get() }));
    }
}

/// A buffer that grew beyond this is freed after its use.
const KEPT: usize = 1 << 20;

impl Scratch<Vec<u8>> {
    /// Lends an empty buffer.
    pub(crate) fn with_buffer<R>(&self, run: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.with(|buffer| {
            buffer.clear();
            let result = run(buffer);
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
            result
        })
    }
}

impl Scratch<Tape> {
    /// Lends a tape. One that grew beyond what is kept of buffers is freed after its use.
    pub(crate) fn with_tape<R>(&self, run: impl FnOnce(&mut Tape) -> R) -> R {
        self.with(|tape| {
            let result = run(tape);
            if tape.capacity() > KEPT {
                *tape = Tape::default();
            }
            result
        })
    }
}
