// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gate in two hands. hyper reads heads and bodies through it; while an answer is pending the connection asks by itself
//! whether the client has gone. If hyper did, it would want a new buffer of 8 KiB each time: the old one has the request in it.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::ReadBuf;

use crate::gate::Gate;

#[derive(Clone)]
pub(crate) struct Door(Rc<RefCell<Gate>>);

impl Door {
    pub(crate) fn new(gate: Gate) -> Self {
        Self(Rc::new(RefCell::new(gate)))
    }

    /// Ready: the client has gone, or its connection is broken.
    pub(crate) fn poll_gone(&self, context: &mut Context<'_>) -> Poll<()> {
        self.0.borrow_mut().poll_gone(context)
    }

    /// After 101.
    pub(crate) fn poll_through(&self, context: &mut Context<'_>, target: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_through(context, target)
    }
}

impl Read for Door {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, target: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(context, target)
    }
}

impl Write for Door {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write_vectored(context, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(context)
    }
}
