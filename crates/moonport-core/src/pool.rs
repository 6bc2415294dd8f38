// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where queues and places come from: used ones first. Everything is numbered, so that any thread finds it.

#[cfg(not(loom))]
pub(crate) use real::{give_back, queue, queue_at, slot, slot_at};

#[cfg(loom)]
pub(crate) use model::{give_back, queue, slot};

#[cfg(not(loom))]
mod real {
    use std::io;

    use crate::fork::{self, PerProcess};
    use crate::queue::Queue;
    use crate::slot::Slot;
    use crate::sync::{Mutex, lock};
    use crate::table::Table;

    static QUEUES: Table<Queue> = Table::new();
    static SLOTS: Table<Slot> = Table::new();
    /// A forked child starts with none: the parent's queues have its descriptors, and perhaps locks that were held.
    static FREE: PerProcess<Mutex<Vec<&'static Queue>>> =
        PerProcess::new([const { Mutex::new(Vec::new()) }; fork::NESTED]);

    pub(crate) fn queue() -> io::Result<&'static Queue> {
        let used = lock(FREE.get()).pop();
        if let Some(queue) = used {
            return Ok(queue);
        }
        let index = QUEUES.next();
        QUEUES.add(index, Queue::new(index)?).ok_or_else(|| io::Error::other("too many mailboxes"))
    }

    pub(crate) fn give_back(queue: &'static Queue) {
        lock(FREE.get()).push(queue);
    }

    pub(crate) fn queue_at(index: u32) -> Option<&'static Queue> {
        QUEUES.get(index)
    }

    pub(crate) fn slot(queue: &'static Queue) -> Option<&'static Slot> {
        let index = SLOTS.next();
        SLOTS.add(index, Slot::new(queue, index))
    }

    pub(crate) fn slot_at(index: u32) -> Option<&'static Slot> {
        SLOTS.get(index)
    }
}

/// loom's locks and atomics end with each run of a model, and so everything is made anew.
#[cfg(loom)]
mod model {
    use std::io;
    use std::sync::atomic::{AtomicU32, Ordering};

    use crate::queue::Queue;
    use crate::slot::Slot;

    static NEXT: AtomicU32 = AtomicU32::new(0);

    pub(crate) fn queue() -> io::Result<&'static Queue> {
        Ok(Box::leak(Box::new(Queue::new(0)?)))
    }

    pub(crate) fn give_back(_: &'static Queue) {}

    #[expect(clippy::unnecessary_wraps, reason = "the signature of the real one")]
    pub(crate) fn slot(queue: &'static Queue) -> Option<&'static Slot> {
        Some(Box::leak(Box::new(Slot::new(queue, NEXT.fetch_add(1, Ordering::Relaxed)))))
    }
}
