// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time for the deadlines of connections, read once for a few turns of theirs: to read it at each was a hundredth of a
//! small request.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

/// So many turns have the same time. One takes some microseconds, or milliseconds where a body is large.
const TURNS: u32 = 8;

pub(crate) struct Clock {
    now: Cell<Instant>,
    turns: Cell<u32>,
    sleeping: Sleeping,
}

/// Told that the thread goes to sleep: the next turn reads the time.
#[derive(Clone, Default)]
pub(crate) struct Sleeping(Arc<AtomicBool>);

impl Sleeping {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Clock {
    pub(crate) fn new(sleeping: Sleeping) -> Self {
        Self { now: Cell::new(Instant::now()), turns: Cell::new(0), sleeping }
    }

    /// The time at most [`TURNS`] turns ago, and not before the thread slept last.
    pub(crate) fn now(&self) -> Instant {
        if self.turns.get() == 0 || self.sleeping.0.load(Ordering::Relaxed) {
            self.sleeping.0.store(false, Ordering::Relaxed);
            self.turns.set(TURNS);
            self.now.set(Instant::now());
        }
        self.turns.set(self.turns.get() - 1);
        self.now.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until the time read is another one.
    fn pass() {
        let before = Instant::now();
        while Instant::now() == before {}
    }

    #[test]
    fn the_time_is_read_after_some_turns_and_after_a_sleep() {
        let sleeping = Sleeping::default();
        let clock = Clock::new(sleeping.clone());
        let first = clock.now();
        pass();
        (1..TURNS).for_each(|_| assert_eq!(clock.now(), first));
        let second = clock.now();
        assert!(second > first);
        pass();
        assert_eq!(clock.now(), second);
        sleeping.begin();
        let third = clock.now();
        assert!(third > second);
        pass();
        (1..TURNS).for_each(|_| assert_eq!(clock.now(), third));
    }
}
