// SPDX-License-Identifier: MIT OR Apache-2.0
//! All functions in one table, for code that does not link with us.

use std::ffi::{c_char, c_int, c_void};

use crate::types::{moonport_free_fn, moonport_port, moonport_port_stats, moonport_reply, moonport_state};

/// All functions in one table: moonport.api in Lua is a pointer to it, so that a C library needs this header alone. It is
/// static, and each field is the function moonport_<field>. Later versions only add fields at the end: struct_size tells
/// which.
#[repr(C)]
#[derive(Debug)]
#[allow(missing_docs, reason = "each field is the function moonport_<field>")]
pub struct moonport_api {
    /// sizeof(moonport_api) of the library.
    pub struct_size: usize,
    /// 1.
    pub version: u32,
    pub send:
        unsafe extern "C" fn(port: moonport_port, data: *const c_void, size: usize, codec: u32, tag: u32) -> c_int,
    pub send_owned: unsafe extern "C" fn(
        port: moonport_port,
        data: *mut c_void,
        size: usize,
        codec: u32,
        tag: u32,
        free_fn: moonport_free_fn,
        context: *mut c_void,
    ) -> c_int,
    pub send_within: unsafe extern "C" fn(
        port: moonport_port,
        data: *const c_void,
        size: usize,
        codec: u32,
        tag: u32,
        timeout: f64,
    ) -> c_int,
    pub call: unsafe extern "C" fn(
        port: moonport_port,
        data: *const c_void,
        size: usize,
        codec: u32,
        tag: u32,
        timeout: f64,
        reply: *mut moonport_reply,
    ) -> c_int,
    pub reply_free: unsafe extern "C" fn(reply: *mut moonport_reply),
    pub signal: extern "C" fn(port: moonport_port, bits: u32) -> c_int,
    pub find: unsafe extern "C" fn(name: *const c_char) -> moonport_port,
    pub close: extern "C" fn(port: moonport_port) -> c_int,
    pub port_stats_get: unsafe extern "C" fn(port: moonport_port, out: *mut moonport_port_stats) -> c_int,
    pub status_name: extern "C" fn(status: c_int) -> *const c_char,
    pub callback_close: extern "C" fn(callback: Option<unsafe extern "C" fn()>) -> c_int,
    pub callback_destroy: extern "C" fn(callback: *mut c_void),
    pub state_of: unsafe extern "C" fn(lua_state: *mut c_void) -> moonport_state,
    pub wake_descriptor: extern "C" fn(state: moonport_state) -> c_int,
    pub set_waker: unsafe extern "C" fn(
        state: moonport_state,
        wake: Option<unsafe extern "C" fn(context: *mut c_void)>,
        context: *mut c_void,
    ) -> c_int,
    pub step: extern "C" fn(state: moonport_state, max_messages: u32, budget: f64) -> c_int,
    pub lock: unsafe extern "C" fn(state: moonport_state, timeout: f64, lua_state: *mut *mut c_void) -> c_int,
    pub unlock: extern "C" fn(state: moonport_state) -> c_int,
}

static API: moonport_api = moonport_api {
    struct_size: size_of::<moonport_api>(),
    version: 1,
    send: crate::moonport_send,
    send_owned: crate::moonport_send_owned,
    send_within: crate::moonport_send_within,
    call: crate::moonport_call,
    reply_free: crate::moonport_reply_free,
    signal: crate::moonport_signal,
    find: crate::moonport_find,
    close: crate::moonport_close,
    port_stats_get: crate::moonport_port_stats_get,
    status_name: crate::moonport_status_name,
    callback_close: crate::moonport_callback_close,
    callback_destroy: crate::moonport_callback_destroy,
    state_of: crate::moonport_state_of,
    wake_descriptor: crate::moonport_wake_descriptor,
    set_waker: crate::moonport_set_waker,
    step: crate::moonport_step,
    lock: crate::moonport_lock,
    unlock: crate::moonport_unlock,
};

/// The table of all functions.
///
/// Thread: any. Blocks: never. Static: not to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn moonport_api_v1() -> *const moonport_api {
    &raw const API
}
