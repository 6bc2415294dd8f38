// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending, and what else any thread may do with a port.

use std::ffi::{CStr, c_char, c_int, c_void};

use moonport_core::{Bytes, Encoding, Payload, Sender, registry};

use crate::convert::*;
use crate::guard::guard;
use crate::types::{moonport_free_fn, moonport_port, moonport_port_stats, moonport_status};

/// The bytes of a caller, borrowed for the call.
///
/// # Safety
/// `data` points to `size` readable bytes, or `size` is 0.
pub(crate) unsafe fn borrow<'a>(data: *const c_void, size: usize) -> Result<&'a [u8], moonport_status> {
    if size == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(MOONPORT_INVALID);
    }
    if isize::try_from(size).is_err() {
        return Err(MOONPORT_TOO_BIG);
    }
    // SAFETY: the caller's promise, and a size that a slice may have.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), size) })
}

/// A checked copy of a caller's bytes, on the caller's thread.
///
/// # Safety
/// As [`borrow`].
pub(crate) unsafe fn copy(
    sender: Sender,
    data: *const c_void,
    size: usize,
    codec: u32,
) -> Result<Payload, moonport_status> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { borrow(data, size)? };
    let encoding = encoding(codec, sender.key())?;
    if encoding != Encoding::Raw {
        check(encoding, bytes).map_err(|_| MOONPORT_INVALID)?;
    }
    let bytes = Bytes::try_copy(bytes).ok_or(MOONPORT_NO_MEMORY)?;
    Ok(Payload::Bytes { encoding, bytes })
}

/// Copies size bytes into the port's mailbox and wakes its owner. What one thread sends arrives in the order it was sent,
/// through whichever ports of a state. tag is message.tag in Lua.
///
/// Thread: any. Blocks: never, except that a full port with the policy "block" makes it wait up to 5 s.
/// Returns: MOONPORT_OK, _DROPPED, _FULL, _CLOSED, _INVALID, _TOO_BIG, _NO_MEMORY, _FORKED; with "block" also _TIMEOUT, and
/// _WOULD_DEADLOCK at once on a thread that owns a Lua state.
///
/// # Safety
/// `data` points to `size` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moonport_send(
    port: moonport_port,
    data: *const c_void,
    size: usize,
    codec: u32,
    tag: u32,
) -> c_int {
    guard(MOONPORT_INVALID as c_int, || {
        number(sender(port).and_then(|sender| {
            // SAFETY: the caller's promise.
            let payload = unsafe { copy(sender, data, size, codec)? };
            sent(sender.send(payload, tag))
        }))
    })
}

/// Memory of the sender's on its way.
struct Owned {
    data: *mut c_void,
    size: usize,
    free: unsafe extern "C" fn(*mut c_void, usize, *mut c_void),
    context: *mut c_void,
}

// SAFETY: moonport_send_owned's caller gives the memory away, and lets it be freed on any thread.
unsafe impl Send for Owned {}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: moonport_send_owned's caller vouches for the bytes until they are freed.
        unsafe { borrow(self.data, self.size) }.unwrap_or_default()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the function is the caller's, for this memory; a drop runs once.
        unsafe { (self.free)(self.data, self.size, self.context) };
    }
}

/// As moonport_send, without a copy: the memory is given away, and must not change until free_fn(data, size, context)
/// runs. That happens exactly once, whatever this returns, on an unspecified thread, perhaps before this returns.
///
/// Thread: any. Blocks: as moonport_send. Frees: data, by free_fn.
/// Returns: as moonport_send; _INVALID if free_fn is null.
///
/// # Safety
/// `data` points to `size` readable bytes until they are freed, and `free_fn` may be called with them on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moonport_send_owned(
    port: moonport_port,
    data: *mut c_void,
    size: usize,
    codec: u32,
    tag: u32,
    free_fn: moonport_free_fn,
    context: *mut c_void,
) -> c_int {
    guard(MOONPORT_INVALID as c_int, || {
        let Some(free) = free_fn else { return MOONPORT_INVALID as c_int };
        let owned = Owned { data, size, free, context };
        number(sender(port).and_then(|sender| {
            let encoding = encoding(codec, sender.key())?;
            // SAFETY: the caller's promise.
            let bytes = unsafe { borrow(data, size)? };
            check(encoding, bytes).map_err(|_| MOONPORT_INVALID)?;
            sent(sender.send(Payload::Bytes { encoding, bytes: Bytes::foreign(owned) }, tag))
        }))
    })
}

/// As moonport_send, but waits up to timeout seconds for room, whatever the policy.
///
/// Thread: any. Blocks: up to timeout; on the port's owner's thread never.
/// Returns: MOONPORT_OK, _TIMEOUT, _CLOSED, _INVALID, _TOO_BIG, _NO_MEMORY, _FORKED; _WOULD_DEADLOCK on the port's owner's
/// thread when it is full.
///
/// # Safety
/// `data` points to `size` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moonport_send_within(
    port: moonport_port,
    data: *const c_void,
    size: usize,
    codec: u32,
    tag: u32,
    timeout: f64,
) -> c_int {
    guard(MOONPORT_INVALID as c_int, || {
        number(sender(port).and_then(|sender| {
            let timeout = seconds(timeout)?;
            // SAFETY: the caller's promise.
            let payload = unsafe { copy(sender, data, size, codec)? };
            sent(sender.send_within(payload, tag, timeout))
        }))
    })
}

/// Ors bits into the port's pending signal. Lua gets one message whose value is the number of all bits set since the last
/// one. It needs no room in the port.
///
/// Thread: any, in a signal handler too (async-signal-safe). Blocks: never.
/// Returns: MOONPORT_OK, _CLOSED, _FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn moonport_signal(port: moonport_port, bits: u32) -> c_int {
    guard(MOONPORT_INVALID as c_int, || {
        number(sender(port).and_then(|sender| sender.signal(bits).map(|()| MOONPORT_OK).map_err(status_of)))
    })
}

/// The open port with this name (moonport.port{name = ...}), or {0}.
///
/// Thread: any. Blocks: only while a named port is made or closed.
///
/// # Safety
/// `name` is null or points to a string that ends with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moonport_find(name: *const c_char) -> moonport_port {
    const NONE: moonport_port = moonport_port { id: 0 };
    guard(NONE, || {
        if name.is_null() {
            return NONE;
        }
        // SAFETY: the caller's promise.
        let Ok(name) = unsafe { CStr::from_ptr(name) }.to_str() else { return NONE };
        registry::find_name(name).map_or(NONE, |sender| moonport_port { id: sender.key().handle() })
    })
}

/// Closes a port, as Port:close() does: what waits is discarded, and blocked senders return MOONPORT_CLOSED.
///
/// Thread: any. Blocks: only while another holds the queue.
/// Returns: MOONPORT_OK; _CLOSED if it was closed already; _FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn moonport_close(port: moonport_port) -> c_int {
    guard(MOONPORT_INVALID as c_int, || {
        number(sender(port).and_then(|sender| match sender.close() {
            Ok(true) => Ok(MOONPORT_OK),
            Ok(false) => Err(MOONPORT_CLOSED),
            Err(error) => Err(status_of(error)),
        }))
    })
}

/// Fills *out with the port's counts, as many as out->struct_size has room for.
///
/// Thread: any. Blocks: only while another holds the queue.
/// Returns: MOONPORT_OK; _CLOSED and _FORKED with *out untouched; _INVALID if out is null or struct_size too small.
///
/// # Safety
/// `out` is null or points to a structure as large as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moonport_port_stats_get(port: moonport_port, out: *mut moonport_port_stats) -> c_int {
    guard(MOONPORT_INVALID as c_int, || {
        if out.is_null() {
            return MOONPORT_INVALID as c_int;
        }
        // SAFETY: the caller's promise: at least the size, which is the first field, is there.
        let size = unsafe { out.cast::<usize>().read() };
        if size < size_of::<usize>() {
            return MOONPORT_INVALID as c_int;
        }
        number(sender(port).and_then(|sender| {
            if sender.is_forked() {
                return Err(MOONPORT_FORKED);
            }
            let stats = sender.stats().filter(|_| sender.is_open()).ok_or(MOONPORT_CLOSED)?;
            let stats = moonport_port_stats {
                struct_size: size,
                sent: stats.sent,
                delivered: stats.delivered,
                dropped: stats.dropped,
                refused: stats.refused,
                waiting: stats.waiting,
                waiting_bytes: stats.waiting_bytes,
                high_water: stats.high_water,
                after_close: stats.after_close,
            };
            let from = (&raw const stats).cast::<u8>();
            let length = size.min(size_of::<moonport_port_stats>());
            // SAFETY: the caller's structure has that many bytes, ours has at least as many, and they do not overlap.
            unsafe { out.cast::<u8>().copy_from_nonoverlapping(from, length) };
            Ok(MOONPORT_OK)
        }))
    })
}

/// "ok", "dropped", "full", "closed", ...: the names of the Lua contract; "unknown" for other numbers. Static: not to be
/// freed.
///
/// Thread: any, in a signal handler too.
#[unsafe(no_mangle)]
pub extern "C" fn moonport_status_name(status: c_int) -> *const c_char {
    let name = match status {
        0 => c"ok",
        1 => c"dropped",
        -1 => c"full",
        -2 => c"closed",
        -3 => c"timeout",
        -4 => c"would_deadlock",
        -5 => c"no_memory",
        -6 => c"invalid",
        -7 => c"too_big",
        -8 => c"forked",
        -9 => c"wrong_thread",
        -10 => c"not_found",
        -11 => c"handler",
        -12 => c"unsupported",
        _ => c"unknown",
    };
    name.as_ptr()
}
