// SPDX-License-Identifier: MIT OR Apache-2.0
//! What senders and the owner of one mailbox share: the FIFO under its lock, and the wake-up beside it.

use std::collections::VecDeque;
use std::io;

use crate::fork;
use crate::message::Message;
use crate::sync::{Mutex, lock};
use crate::wake::Wake;

#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    pub(crate) wake: Wake,
    fork: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) messages: VecDeque<Message>,
    pub(crate) sequence: u64,
}

impl Queue {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { inner: Mutex::default(), wake: Wake::new()?, fork: fork::generation() })
    }

    /// Runs `change` under the lock. It must not run code of users.
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        change(&mut lock(&self.inner))
    }

    /// Moves everything that waits behind what `batch` holds. Frees nothing and sends nothing.
    pub(crate) fn drain(&self, batch: &mut VecDeque<Message>) {
        self.with(|inner| {
            if batch.is_empty() {
                std::mem::swap(&mut inner.messages, batch);
            } else {
                batch.append(&mut inner.messages);
            }
        });
    }

    /// Is this the child of a fork? Then another thread may have held the lock when the process was copied.
    pub(crate) fn is_forked(&self) -> bool {
        self.fork != fork::generation()
    }
}
