// SPDX-License-Identifier: MIT OR Apache-2.0
//! The signal as loom can see it. Only the models use it.

use std::io;
use std::time::Duration;

use loom::sync::{Condvar, Mutex};

use crate::sync::lock;

#[derive(Debug)]
pub(super) struct Signal {
    stands: Mutex<bool>,
    changed: Condvar,
    edge: Mutex<bool>,
    edge_came: Condvar,
}

impl Signal {
    #[expect(clippy::unnecessary_wraps, reason = "the signature of the real signals")]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            stands: Mutex::new(false),
            changed: Condvar::new(),
            edge: Mutex::new(false),
            edge_came: Condvar::new(),
        })
    }

    pub(super) fn raise(&self) {
        *lock(&self.stands) = true;
        self.changed.notify_one();
        *lock(&self.edge) = true;
        self.edge_came.notify_one();
    }

    pub(super) fn lower(&self) {
        *lock(&self.stands) = false;
    }

    #[expect(clippy::unused_self, reason = "the signature of the real signals")]
    pub(super) fn prepare_sleep(&self) {}

    #[expect(clippy::unnecessary_wraps, reason = "the signature of the real signals")]
    pub(super) fn sleep(&self) -> io::Result<()> {
        let mut edge = lock(&self.edge);
        while !std::mem::take(&mut *edge) {
            edge = self.edge_came.wait(edge).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the signature of the real signals")]
    pub(super) fn wait(&self, _timeout: Option<Duration>) -> io::Result<bool> {
        let mut stands = lock(&self.stands);
        while !*stands {
            stands = self.changed.wait(stands).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        Ok(true)
    }
}
