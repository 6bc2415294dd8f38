// SPDX-License-Identifier: MIT OR Apache-2.0
//! What travels: an owned payload, and the place in the order that the mailbox gave it.

use std::any::Any;
use std::fmt;

use crate::bytes::Bytes;
use crate::reply::ReplyTo;
use crate::slot::PortKey;

/// How the receiver reads the bytes of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// Any bytes, shown as they are.
    #[default]
    Raw,
    /// One JSON document, checked by the sender's side.
    Json,
    /// One MessagePack value, checked by the sender's side.
    MessagePack,
    /// A value that the receiver's language binding wrote for itself.
    Value,
}

/// The owned content of a message.
#[non_exhaustive]
pub enum Payload {
    /// Bytes and how they are read.
    Bytes {
        /// How the receiver reads them.
        encoding: Encoding,
        /// The content; its length counts against the port's `capacity_bytes`.
        bytes: Bytes,
    },
    /// All bits that [`crate::Sender::signal`] has set since the last one of these.
    Signal(u32),
    /// A Rust value for a receiver that knows its type.
    Object {
        /// The value; the receiver downcasts it.
        value: Box<dyn Any + Send>,
        /// Bytes that count against the port's `capacity_bytes`.
        size: usize,
    },
}

impl Payload {
    /// A copy of `bytes`, shown as they are.
    #[must_use]
    pub fn raw(bytes: &[u8]) -> Self {
        Self::Bytes { encoding: Encoding::Raw, bytes: Bytes::copy(bytes) }
    }

    /// A copy of `bytes`, which are one JSON document. It is not checked here: the receiver reports a malformed one and
    /// drops it.
    #[must_use]
    pub fn json(bytes: &[u8]) -> Self {
        Self::Bytes { encoding: Encoding::Json, bytes: Bytes::copy(bytes) }
    }

    /// The bytes that this payload counts for.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Bytes { bytes, .. } => bytes.len(),
            Self::Signal(_) => 0,
            Self::Object { size, .. } => *size,
        }
    }
}

impl Payload {
    /// Does it hold bytes that were copied, or none? Then to drop it runs nobody's code.
    #[must_use]
    pub fn is_copied(&self) -> bool {
        match self {
            Self::Bytes { bytes, .. } => bytes.is_copied(),
            Self::Signal(_) => true,
            Self::Object { .. } => false,
        }
    }

    fn is_in_place(&self) -> bool {
        matches!(self, Self::Signal(_)) || matches!(self, Self::Bytes { bytes, .. } if bytes.is_in_place())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { encoding, bytes } => {
                f.debug_struct("Bytes").field("encoding", encoding).field("size", &bytes.len()).finish()
            }
            Self::Signal(bits) => f.debug_tuple("Signal").field(bits).finish(),
            Self::Object { size, .. } => f.debug_struct("Object").field("size", size).finish(),
        }
    }
}

/// A payload on its way through the mailbox. It has two cache lines of its own: it goes from one core to another.
#[derive(Debug)]
#[repr(align(64))]
pub struct Message {
    /// The port that it was sent to.
    pub port: PortKey,
    /// Its place in the mailbox: strictly increasing over all ports, from 1.
    pub sequence: u64,
    /// The number that the sender attached.
    pub tag: u32,
    /// The content.
    pub payload: Payload,
    /// Present when somebody waits for an answer. Dropping it says that none will come.
    pub reply: Option<Box<ReplyTo>>,
}

impl Message {
    /// Frees what it owns, which may run code of the sender's; then it carries nothing.
    pub fn clear(&mut self) {
        if !self.payload.is_in_place() {
            self.payload = Payload::Signal(0);
        }
        self.reply = None;
    }

    /// Does a caller wait until this is answered?
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.is_awaited())
    }
}
