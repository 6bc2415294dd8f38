// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that calls into Lua may leave by a raised error without a destructor on their frames.

use std::cell::{Cell, UnsafeCell};

/// A value that is being shown to Lua. It stays here if an error is raised meanwhile, and goes at the next use.
pub(crate) struct InHand<T>(UnsafeCell<Option<T>>, Cell<bool>);

impl<T> Default for InHand<T> {
    fn default() -> Self {
        Self(UnsafeCell::new(None), Cell::new(false))
    }
}

impl<T> InHand<T> {
    /// Shows `value` while `show` runs; `None` if another is being shown (a finaliser of Lua's collector called us).
    pub(crate) fn show<R>(&self, value: T, show: impl FnOnce(&T) -> R) -> Option<R> {
        if self.1.replace(true) {
            return None;
        }
        // SAFETY: the flag says that nobody else has a reference; one thread owns the state.
        let place = unsafe { &mut *self.0.get() };
        let result = show(place.insert(value));
        *place = None;
        self.1.set(false);
        Some(result)
    }

    /// After a raised error nothing is being shown any more. Call it where no `show` can be on the stack.
    pub(crate) fn reset(&self) {
        self.1.set(false);
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.1.get()
    }
}

/// Buffers for encoding and decoding, one for each nesting of such calls (a finaliser may start another one).
#[derive(Default)]
pub(crate) struct Scratch {
    #[expect(clippy::vec_box, reason = "a buffer must not move while another is added")]
    buffers: UnsafeCell<Vec<Box<Vec<u8>>>>,
    depth: Cell<usize>,
}

/// A buffer that grew beyond this is freed after its use.
const KEPT: usize = 1 << 20;

impl Scratch {
    /// Lends an empty buffer to `run`, which may enter Lua.
    pub(crate) fn with<R>(&self, run: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let depth = self.depth.get();
        // SAFETY: this reference ends before `run` starts; one thread owns the state.
        let buffers = unsafe { &mut *self.buffers.get() };
        if buffers.len() <= depth {
            buffers.resize_with(depth + 1, Box::default);
        }
        let buffer: *mut Vec<u8> = &raw mut *buffers[depth];
        self.depth.set(depth + 1);
        // SAFETY: the box does not move, and nested calls use the buffers behind this one.
        let buffer = unsafe { &mut *buffer };
        buffer.clear();
        let result = run(buffer);
        if buffer.capacity() > KEPT {
            *buffer = Vec::new();
        }
        self.depth.set(depth);
        result
    }

    /// After a raised error no buffer is lent any more. Call it where no `with` can be on the stack.
    pub(crate) fn reset(&self) {
        self.depth.set(0);
    }
}
