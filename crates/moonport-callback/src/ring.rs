// SPDX-License-Identifier: MIT OR Apache-2.0
//! Strings that callbacks have returned: each thread keeps its last eight.

use std::cell::RefCell;
use std::collections::VecDeque;

const KEPT: usize = 8;

thread_local! {
    static STRINGS: RefCell<VecDeque<Box<[u8]>>> = const { RefCell::new(VecDeque::new()) };
}

/// A copy with a NUL behind it, valid until the eighth next one of this thread; for ever where the thread has ended as far as
/// this place knows.
pub(crate) fn keep(text: &[u8]) -> *const u8 {
    let mut copy = Some([text, b"\0"].concat().into_boxed_slice());
    let address = copy.as_ref().map_or(std::ptr::null(), |copy| copy.as_ptr());
    let kept = STRINGS.try_with(|strings| {
        let mut strings = strings.borrow_mut();
        strings.extend(copy.take());
        if strings.len() > KEPT {
            strings.pop_front();
        }
    });
    if let (Err(_), Some(copy)) = (kept, copy) {
        Box::leak(copy);
    }
    address
}
