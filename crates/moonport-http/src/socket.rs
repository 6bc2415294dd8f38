// SPDX-License-Identifier: MIT OR Apache-2.0
//! A WebSocket as its owner holds it: what it sends waits here for the server's thread. And what that thread tells the
//! owner about it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use moonport_core::fork;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::message::{Content, Request};

/// Messages that may wait to be sent on one socket. An owner that answers each message may answer all that wait for it (`queue`, 1024)
/// before the server's thread has its turn and writes: a client that reads is not to be taken for one that does not.
pub const MOST_WAITING: usize = 4096;

/// The bytes that may wait are this many, or one message of the limit if that is more.
pub const MOST_BYTES: usize = 1 << 20;

/// The two kinds of messages (RFC 6455, section 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The client reads too slowly.
    #[error("the client reads too slowly: as much waits to be sent as may")]
    Full,
    /// One of both sides has closed, or the connection has ended.
    #[error("the socket is closed")]
    Closed,
    /// More than could ever wait.
    #[error("the message is larger than may wait to be sent (1 MiB, or limits.message if that is more)")]
    TooBig,
    /// A text that is none.
    #[error("a text message must be UTF-8")]
    NotText,
    /// This process is the child of a fork; the server's thread lives in the parent.
    #[error("the socket belongs to the parent of this forked process")]
    Forked,
    /// Not a code that a server may close with.
    #[error("expected a close code of 1000, 1001 or 3000 to 4999, got {0}")]
    Code(u16),
    /// A close frame has no room for it.
    #[error("a reason has at most 123 bytes, got {0}")]
    Reason(usize),
}

/// One open WebSocket, in its owner's hands.
///
/// Thread: any. Blocks: only while another thread looks into the queue.
pub struct Socket {
    id: u64,
    most_bytes: usize,
    fork: u32,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    frames: VecDeque<Message>,
    bytes: usize,
    stage: Stage,
    farewell: Option<CloseFrame>,
    /// The task was woken and has not looked yet.
    told: bool,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// The owner has closed it.
    Closing,
    Closed,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Socket {
    pub(crate) fn new(id: u64, limit: usize, waker: Waker) -> Self {
        Self {
            id,
            most_bytes: limit.max(MOST_BYTES),
            fork: fork::generation(),
            inner: Mutex::new(Inner { waker: Some(waker), ..Inner::default() }),
        }
    }

    /// Tells the sockets of one server apart.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Puts a message behind those that wait to be sent.
    ///
    /// # Errors
    /// [`SocketError`] says why not; nothing is sent then.
    pub fn send(&self, kind: Kind, data: Bytes) -> Result<(), SocketError> {
        if self.is_forked() {
            return Err(SocketError::Forked);
        }
        let size = data.len();
        let message = match kind {
            Kind::Text => Message::Text(Utf8Bytes::try_from(data).map_err(|_| SocketError::NotText)?),
            Kind::Binary => Message::Binary(data),
        };
        if size > self.most_bytes {
            return Err(SocketError::TooBig);
        }
        let mut inner = self.lock();
        if inner.stage != Stage::Open {
            return Err(SocketError::Closed);
        }
        if inner.frames.len() >= MOST_WAITING || inner.bytes + size > self.most_bytes {
            return Err(SocketError::Full);
        }
        inner.frames.push_back(message);
        inner.bytes += size;
        tell(inner);
        Ok(())
    }

    /// Closes the socket once all that waits is sent. Nothing happens if it is closed already.
    ///
    /// # Errors
    /// Another code than 1000, 1001 or 3000 to 4999; a long reason; this is a forked child.
    pub fn close(&self, code: u16, reason: &str) -> Result<(), SocketError> {
        if !matches!(code, 1000 | 1001 | 3000..=4999) {
            return Err(SocketError::Code(code));
        }
        if reason.len() > MOST_REASON {
            return Err(SocketError::Reason(reason.len()));
        }
        if self.is_forked() {
            return Err(SocketError::Forked);
        }
        self.say_farewell(code.into(), reason);
        Ok(())
    }

    /// As [`Socket::close`] with 1001: the server goes away. Nothing in a forked child.
    pub fn leave(&self) {
        if !self.is_forked() {
            self.say_farewell(CloseCode::Away, "");
        }
    }

    fn say_farewell(&self, code: CloseCode, reason: &str) {
        let mut inner = self.lock();
        if inner.stage == Stage::Open {
            inner.stage = Stage::Closing;
            inner.farewell = Some(CloseFrame { code, reason: reason.into() });
            tell(inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_forked(&self) -> bool {
        self.fork != fork::generation()
    }

    /// The next thing to send; what is asked for later wakes the task.
    pub(crate) fn next(&self) -> Next {
        let mut inner = self.lock();
        inner.told = false;
        let closing = inner.stage == Stage::Closing;
        let message = inner.frames.pop_front();
        if let Some(message) = &message {
            inner.bytes = inner.bytes.saturating_sub(message.len());
        }
        let message = message.or_else(|| inner.farewell.take().map(|frame| Message::Close(Some(frame))));
        Next { message, closing }
    }

    /// Nothing can be sent any more. What waits is dropped.
    pub(crate) fn shut(&self) {
        let mut inner = self.lock();
        inner.stage = Stage::Closed;
        inner.bytes = 0;
        let dropped = (std::mem::take(&mut inner.frames), inner.waker.take(), inner.farewell.take());
        drop(inner);
        drop(dropped);
    }
}

/// What a close frame has room for beside its code.
const MOST_REASON: usize = 123;

pub(crate) struct Next {
    pub(crate) message: Option<Message>,
    pub(crate) closing: bool,
}

/// Wakes the server's thread, once for all that it has not seen yet.
fn tell(mut inner: MutexGuard<'_, Inner>) {
    let waker = if inner.told { None } else { inner.waker.clone() };
    inner.told = true;
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// A close frame of the server's own; `reason` is cut to what has room.
pub(crate) fn farewell(code: CloseCode, reason: &str) -> Message {
    let end = (0..=reason.len().min(MOST_REASON)).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
    Message::Close(Some(CloseFrame { code, reason: reason[..end].into() }))
}

/// What happened to a WebSocket, sent as [`moonport_core::Payload::Object`]: first `Open`, in the end `Close`, each once.
#[derive(Debug)]
pub struct SocketEvent {
    /// What [`crate::Routes::add`] gave.
    pub route: usize,
    /// Which one.
    pub socket: Arc<Socket>,
    /// That of its path.
    pub codec: Option<Content>,
    /// What happened.
    pub event: Event,
    pub(crate) _held: Held,
}

/// What happened to a WebSocket.
#[derive(Debug)]
pub enum Event {
    /// It was opened by this request, whose `reply` nobody waits for.
    Open(Box<Request>),
    /// A message came. With a codec it is well formed.
    Message {
        /// How the client sent it.
        kind: Kind,
        /// All of it.
        data: Bytes,
    },
    /// It is over. Sockets that are open when the server is aborted have none.
    Close {
        /// By which side ever, 1005 if the client gave none, 1006 if the connection just ended.
        code: u16,
        /// Empty if there was none.
        reason: String,
    },
}

/// Bytes of messages that the owner has not handled yet, over all sockets of a server.
#[derive(Debug)]
pub(crate) struct Held {
    bytes: Arc<AtomicUsize>,
    size: usize,
}

impl Held {
    pub(crate) fn new(bytes: &Arc<AtomicUsize>, size: usize) -> Self {
        bytes.fetch_add(size, Ordering::Relaxed);
        Self { bytes: Arc::clone(bytes), size }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Seen by the server's thread at the latest when it is told of the room (`room.rs`).
        self.bytes.fetch_sub(self.size, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> Socket {
        Socket::new(1, 0, Waker::noop().clone())
    }

    #[test]
    fn what_waits_is_bounded_by_count_and_by_bytes() {
        let many = socket();
        for _ in 0..MOST_WAITING {
            many.send(Kind::Text, Bytes::new()).unwrap();
        }
        assert_eq!(many.send(Kind::Text, Bytes::new()), Err(SocketError::Full));
        assert!(many.next().message.is_some());
        assert_eq!(many.send(Kind::Text, Bytes::new()), Ok(()));

        let large = socket();
        let half = Bytes::from(vec![0; MOST_BYTES / 2]);
        assert_eq!(large.send(Kind::Binary, half.clone()), Ok(()));
        assert_eq!(large.send(Kind::Binary, half.clone()), Ok(()));
        assert_eq!(large.send(Kind::Binary, Bytes::from_static(b"x")), Err(SocketError::Full));
        assert!(large.next().message.is_some());
        assert_eq!(large.send(Kind::Binary, half), Ok(()));
        assert_eq!(large.send(Kind::Binary, Bytes::from(vec![0; MOST_BYTES + 1])), Err(SocketError::TooBig));
        assert_eq!(socket().send(Kind::Text, Bytes::from_static(b"\xff")), Err(SocketError::NotText));
    }

    #[test]
    fn a_message_of_the_limit_always_fits() {
        let socket = Socket::new(1, 5 << 20, Waker::noop().clone());
        assert_eq!(socket.send(Kind::Binary, Bytes::from(vec![0; 5 << 20])), Ok(()));
    }

    #[test]
    fn a_closed_socket_says_so() {
        let socket = socket();
        socket.send(Kind::Text, Bytes::from_static(b"a")).unwrap();
        for code in [0, 999, 1002, 1005, 1006, 1011, 2999, 5000] {
            assert_eq!(socket.close(code, ""), Err(SocketError::Code(code)));
        }
        assert_eq!(socket.close(1000, &"é".repeat(62)), Err(SocketError::Reason(124)));
        assert_eq!(socket.close(4000, &"x".repeat(123)), Ok(()));
        assert_eq!(socket.close(1000, ""), Ok(()), "twice");
        assert_eq!(socket.send(Kind::Text, Bytes::new()), Err(SocketError::Closed));
        assert_eq!(socket.next().message.unwrap().len(), 1, "what waited before is sent before");
        assert!(matches!(socket.next().message, Some(Message::Close(Some(frame))) if frame.code == 4000.into()));
        assert!(socket.next().message.is_none());
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let Message::Close(Some(frame)) = farewell(CloseCode::Invalid, &"é".repeat(100)) else { unreachable!() };
        assert_eq!(frame.reason.len(), 122);
    }
}
