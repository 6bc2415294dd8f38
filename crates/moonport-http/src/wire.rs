// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connection after 101: the socket of the gate with what the gate has read already. Bytes pass untouched.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::door::Door;

pub(crate) struct Wire {
    door: Door,
    /// Bytes were read, or written, since somebody asked.
    heard: bool,
    wrote: bool,
}

impl Wire {
    pub(crate) fn new(door: Door) -> Self {
        Self { door, heard: false, wrote: false }
    }

    pub(crate) fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    pub(crate) fn take_wrote(&mut self) -> bool {
        std::mem::take(&mut self.wrote)
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, target: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = target.filled().len();
        let result = wire.door.poll_through(context, target);
        wire.heard |= target.filled().len() > before;
        result
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let result = hyper::rt::Write::poll_write(Pin::new(&mut wire.door), context, bytes);
        wire.wrote |= result.is_ready();
        result
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        hyper::rt::Write::poll_flush(Pin::new(&mut self.get_mut().door), context)
    }

    /// Closes this side, and reads for a moment what the other still sends: a reset could take the close frame with it.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        hyper::rt::Write::poll_shutdown(Pin::new(&mut self.get_mut().door), context)
    }
}
