// SPDX-License-Identifier: MIT OR Apache-2.0
//! The engine of Moonport: any thread may send, one thread takes.
//!
//! A [`Sender`] (any thread) puts an owned [`Message`] into the one [`Mailbox`] of an owner thread and wakes that
//! thread's event loop once; the owner takes the messages in order and may answer through [`reply`]. The engine knows
//! no Lua and no sockets.
//!
//! ```
//! use moonport_core::{Mailbox, Payload, PortOptions};
//!
//! let mut mailbox = Mailbox::new()?;
//! let port = mailbox.open(PortOptions::default())?;
//! mailbox.listen(port, true);
//!
//! let sender = mailbox.sender(port).ok_or("closed")?;
//! let worker = std::thread::Builder::new()
//!     .name("worker".into())
//!     .spawn(move || sender.send(Payload::raw(b"hello"), 0))?;
//!
//! mailbox.wait(None)?;
//! let message = mailbox.next().ok_or("nothing")?;
//! assert!(matches!(&message.payload, Payload::Bytes { bytes, .. } if &**bytes == b"hello"));
//! worker.join().map_err(|_| "worker")??;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bytes;
mod message;
mod slot;

#[cfg(not(loom))]
mod call;
mod port;
mod prefetch;

mod barrier;
mod blocked;
mod doing;
mod mailbox;
mod queue;
mod state_lock;
mod wake;

#[cfg(all(unix, not(loom)))]
pub mod lane;
#[cfg(all(windows, not(loom)))]
#[path = "lane_windows.rs"]
pub mod lane;
#[cfg(all(windows, not(loom)))]
mod loopback;
pub mod reply;

pub mod errno;
pub mod fork;
mod pool;
#[cfg(not(loom))]
pub mod priority;
pub mod registry;
#[cfg(not(loom))]
mod table;
mod thread;

mod sync;

pub use bytes::{Bytes, BytesBuilder};
pub use doing::Doing;
#[cfg(not(loom))]
pub use mailbox::wait_readable;
pub use mailbox::{Look, Mailbox, Notifier, OpenError, Sleep};
pub use message::{Encoding, Message, Payload};
pub use port::{BLOCK_TIME, Overflow, PortOptions, PortStats, SendError, Sender, Sent};
pub use queue::Event;
pub use slot::PortKey;
pub use state_lock::{LockError, StateLock, WATCH};
#[cfg(not(loom))]
pub use wake::Descriptor;
#[cfg(all(unix, not(loom)))]
pub use wake::poll::milliseconds;
