// SPDX-License-Identifier: MIT OR Apache-2.0
//! Room in the owner's mailbox: a WebSocket whose message finds none is not read further, and goes on when the owner has
//! taken something.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::task::{Context, Poll, Waker};

use moonport_core::Sender;

use crate::socket::Held;
use crate::wakes::Wakes;

/// Bytes of messages that may wait for the owner, over all sockets; one message always may.
const MOST_BYTES: usize = 64 << 20;

/// What the owner knows of it.
pub(crate) struct Room {
    /// Somebody waits.
    wanted: AtomicBool,
    /// Something was taken since.
    made: AtomicBool,
    bytes: Arc<AtomicUsize>,
    wakes: Arc<Wakes>,
}

impl Room {
    pub(crate) fn new(wakes: Arc<Wakes>) -> Self {
        Self { wanted: AtomicBool::new(false), made: AtomicBool::new(false), bytes: Arc::default(), wakes }
    }

    /// The owner has taken a message, and freed it.
    pub(crate) fn made(&self) {
        // Pairs with the fence in `poll`: either this sees that room is wanted, or the other sees the room.
        fence(Ordering::SeqCst);
        if self.wanted.load(Ordering::Relaxed) && self.wanted.swap(false, Ordering::AcqRel) {
            // Pairs with the swap in `spread`; the lock of the wakes orders both.
            self.made.store(true, Ordering::Release);
            self.wakes.wake_main();
        }
    }
}

/// The server's thread's end: the tasks that wait.
pub(crate) struct Crowd {
    pub(crate) room: Arc<Room>,
    tasks: RefCell<Vec<Waker>>,
}

impl Crowd {
    pub(crate) fn new(room: Arc<Room>) -> Self {
        Self { room, tasks: RefCell::default() }
    }

    /// Is there room for one message of this size? Nobody but this thread fills it.
    pub(crate) fn poll(&self, sender: Sender, size: usize, context: &Context<'_>) -> Poll<()> {
        if self.fits(sender, size) {
            return Poll::Ready(());
        }
        let mut tasks = self.tasks.borrow_mut();
        if !tasks.iter().any(|task| task.will_wake(context.waker())) {
            tasks.push(context.waker().clone());
        }
        drop(tasks);
        self.room.wanted.store(true, Ordering::Relaxed);
        // Pairs with the fence in `made`.
        fence(Ordering::SeqCst);
        if self.fits(sender, size) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn fits(&self, sender: Sender, size: usize) -> bool {
        let bytes = self.room.bytes.load(Ordering::Relaxed);
        sender.has_room(size) && (bytes == 0 || bytes.saturating_add(size) <= MOST_BYTES)
    }

    pub(crate) fn hold(&self, size: usize) -> Held {
        Held::new(&self.room.bytes, size)
    }

    /// Wakes those who wait, if there is room now.
    pub(crate) fn spread(&self) {
        if self.room.made.load(Ordering::Relaxed) && self.room.made.swap(false, Ordering::AcqRel) {
            let tasks = self.tasks.take();
            tasks.into_iter().for_each(Waker::wake);
        }
    }
}
