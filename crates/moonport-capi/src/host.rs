// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the C ABI needs of whoever runs Lua: the crate above registers it once.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;
use std::time::Instant;

use moonport_core::reply::{Answer, Answered, Waited};

use crate::types::moonport_status;

/// The owner's side. Functions marked OWNER are called on any thread and check that themselves.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// The handle of the Lua state's mailbox, 0 if it has none. OWNER.
    pub state_of: fn(lua_state: *mut c_void) -> u64,
    /// The descriptor to watch, -1 if there is none. OWNER where it is not made yet.
    pub descriptor: fn(state: u64) -> c_int,
    /// A turn of at most so many messages and seconds (0: the defaults): how many were delivered, or an error. OWNER.
    pub step: fn(state: u64, max_messages: u32, budget: f64) -> c_int,
    /// Waits for an answer on a thread that owns a state, and serves its callers meanwhile; `None` on a thread that owns
    /// none.
    pub wait: Wait,
    /// The calling thread holds the lock of the state whose context this is: a lua_State for it, or why it gets none.
    pub lend: fn(context: *mut c_void) -> Result<*mut c_void, moonport_status>,
    /// Ends the last [`Host::lend`]; `false` if there is none to end.
    pub take_back: fn(context: *mut c_void) -> bool,
}

/// See [`Host::wait`].
pub type Wait = fn(answer: &mut Answer<Answered>, deadline: Option<Instant>) -> Option<Waited>;

static HOST: OnceLock<Host> = OnceLock::new();

/// Registers the owner's side. The first time counts.
pub fn register(host: Host) {
    HOST.get_or_init(|| host);
}

pub(crate) fn get() -> Option<&'static Host> {
    HOST.get()
}

/// Waits for an answer on any thread; one that owns a Lua state serves its callers meanwhile.
///
/// Thread: any. Blocks: until `deadline`; `None`: for ever.
pub fn wait(answer: &mut Answer<Answered>, deadline: Option<Instant>) -> Waited {
    let served = get().and_then(|host| (host.wait)(answer, deadline));
    served.unwrap_or_else(|| answer.wait(deadline))
}
