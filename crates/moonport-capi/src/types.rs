// SPDX-License-Identifier: MIT OR Apache-2.0
//! The types of the C ABI.

use std::ffi::c_void;

/// A port: what Port:handle() gives in Lua. {0} is no port.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct moonport_port {
    /// A number with a generation: a stale one is told from a good one.
    pub id: u64,
}

/// One Lua state's mailbox: moonport.state in Lua. {0} is no state.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct moonport_state {
    /// A number with a generation.
    pub id: u64,
}

/// What the functions return. They never get other numbers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum moonport_status {
    /// Done.
    MOONPORT_OK = 0,
    /// Done as the port's policy says: this message or an older one was discarded.
    MOONPORT_DROPPED = 1,
    /// No room, and the policy is "error".
    MOONPORT_FULL = -1,
    /// The port or state is closed, or never was: a stale, forged or zero handle.
    MOONPORT_CLOSED = -2,
    /// Not in time.
    MOONPORT_TIMEOUT = -3,
    /// The calling thread would wait for itself.
    MOONPORT_WOULD_DEADLOCK = -4,
    /// No memory for the message.
    MOONPORT_NO_MEMORY = -5,
    /// A null pointer, an unknown codec, bytes that the codec refuses.
    MOONPORT_INVALID = -6,
    /// Larger than capacity_bytes could ever hold.
    MOONPORT_TOO_BIG = -7,
    /// This process is the child of a fork; the owner lives in the parent.
    MOONPORT_FORKED = -8,
    /// Only another thread may: the owner's, or the one that holds the lock.
    MOONPORT_WRONG_THREAD = -9,
    /// No such callback.
    MOONPORT_NOT_FOUND = -10,
    /// The handler raised an error, or dropped the question without an answer.
    MOONPORT_HANDLER = -11,
    /// Not in this build, or not where it was called.
    MOONPORT_UNSUPPORTED = -12,
}

/// How Lua sees the bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum moonport_codec {
    /// As the port was made.
    MOONPORT_CODEC_PORT = 0,
    /// A string of any bytes.
    MOONPORT_RAW = 1,
    /// One JSON document.
    MOONPORT_JSON = 2,
    /// One MessagePack value.
    MOONPORT_MSGPACK = 3,
}

/// Frees the memory of moonport_send_owned. Runs exactly once, on an unspecified thread; it must not call Lua.
pub type moonport_free_fn = Option<unsafe extern "C" fn(data: *mut c_void, size: usize, context: *mut c_void)>;

/// The answer to moonport_call. Set codec before the call; free it with moonport_reply_free.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct moonport_reply {
    /// The bytes, followed by a NUL that size does not count; null unless the call gave MOONPORT_OK.
    pub data: *mut c_void,
    /// How many.
    pub size: usize,
    /// In: the codec wanted (0: the port's). Out: the codec of the bytes.
    pub codec: u32,
}

/// Counts of one port since it was made.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct moonport_port_stats {
    /// Set by the caller to sizeof(moonport_port_stats).
    pub struct_size: usize,
    /// Messages taken into the queue.
    pub sent: u64,
    /// Messages given to Lua.
    pub delivered: u64,
    /// Messages discarded by the policy or at close.
    pub dropped: u64,
    /// Messages whose sender was told: full, too big, timed out.
    pub refused: u64,
    /// Messages that wait now.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// The most that ever waited.
    pub high_water: u64,
    /// Messages refused because the port was closed.
    pub after_close: u64,
}
