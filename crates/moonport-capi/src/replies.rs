// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending and waiting for the answer.

use std::ffi::{c_int, c_void};
use std::time::Instant;

use moonport_core::Payload;

use crate::convert::*;
use crate::guard::guard;
use crate::host;
use crate::ports::copy;
use crate::types::{moonport_port, moonport_reply, moonport_status};

/// Sends as moonport_send does and waits up to timeout seconds for message.reply(value). On MOONPORT_OK *reply holds the
/// value in the codec that reply->codec asked for (0: the port's); give it to moonport_reply_free.
///
/// Thread: any. Blocks: up to timeout. On an owner's thread: to a port of its own state it returns _WOULD_DEADLOCK; to
/// another state's it waits, and serves meanwhile those who wait for this owner.
/// Returns: MOONPORT_OK, _FULL, _CLOSED, _TIMEOUT, _WOULD_DEADLOCK, _NO_MEMORY, _INVALID, _TOO_BIG, _FORKED, _HANDLER.
///
/// # Safety
/// `data` points to `size` readable bytes, and `reply` is null or points to a structure to be filled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moonport_call(
    port: moonport_port,
    data: *const c_void,
    size: usize,
    codec: u32,
    tag: u32,
    timeout: f64,
    reply: *mut moonport_reply,
) -> c_int {
    guard(MOONPORT_INVALID as c_int, || {
        if reply.is_null() {
            return MOONPORT_INVALID as c_int;
        }
        // SAFETY: the caller's promise.
        let reply = unsafe { &mut *reply };
        reply.data = std::ptr::null_mut();
        reply.size = 0;
        number(sender(port).and_then(|sender| {
            let timeout = seconds(timeout)?;
            let wanted = encoding(reply.codec, sender.key())?;
            let deadline = Instant::now().checked_add(timeout);
            // SAFETY: the caller's promise.
            let payload = unsafe { copy(sender, data, size, codec)? };
            let mut answer =
                sender.begin_call(payload, tag, wanted, timeout).map_err(|error| status_of_call(&error))?;
            let answered = sender.conclude_call(host::wait(&mut answer, deadline));
            fill(reply, answered.map_err(|error| status_of_call(&error))?)
        }))
    })
}

/// Moves the answer into memory of its own, with a NUL behind it.
fn fill(reply: &mut moonport_reply, payload: Payload) -> Result<moonport_status, moonport_status> {
    let Payload::Bytes { encoding, bytes } = payload else { return Err(MOONPORT_HANDLER) };
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len() + 1).map_err(|_| MOONPORT_NO_MEMORY)?;
    copy.extend_from_slice(&bytes);
    copy.push(0);
    reply.size = bytes.len();
    reply.codec = codec(encoding);
    reply.data = Box::into_raw(copy.into_boxed_slice()).cast();
    Ok(MOONPORT_OK)
}

/// Frees the bytes of an answer and makes it empty. Nothing happens for null, and for one that is empty already.
///
/// Thread: any. Blocks: never.
///
/// # Safety
/// `reply` is null or was filled by moonport_call, and no copy of it was freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moonport_reply_free(reply: *mut moonport_reply) {
    guard((), || {
        // SAFETY: the caller's promise.
        let Some(reply) = (unsafe { reply.as_mut() }) else { return };
        let data: *mut u8 = std::mem::replace(&mut reply.data, std::ptr::null_mut()).cast();
        let size = std::mem::take(&mut reply.size);
        if !data.is_null() {
            let bytes = std::ptr::slice_from_raw_parts_mut(data, size + 1);
            // SAFETY: moonport_call made it of a box of this length, and gives it back once.
            drop(unsafe { Box::from_raw(bytes) });
        }
    });
}
