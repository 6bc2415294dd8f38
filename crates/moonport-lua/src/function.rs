// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a Rust function becomes a Lua function: it gets the state's [`Owner`], returns values, a yield or a failure, and
//! only this frame, which owns nothing, raises or yields.

use std::ffi::c_int;

use mlua_sys as lua;
use mlua_sys::lua_State;

use crate::owner::Owner;
use crate::stack::Stack;

/// What a function of ours leaves on the stack.
pub(crate) enum Outcome {
    /// So many results on top.
    Values(c_int),
    /// Suspend the coroutine; the results come when it is resumed.
    Yield,
    /// A failure of the world: nil, the message, and its name if it has one.
    Failed(String, Option<&'static str>),
    /// The error value is on top.
    Raise,
}

/// The caller's mistake, raised with the caller's line: `error(message, 2)`.
pub(crate) struct Failure(pub(crate) String);

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self(message.to_owned())
    }
}

pub(crate) type Result<T = Outcome> = std::result::Result<T, Failure>;

pub(crate) type Function = fn(&Owner, Stack) -> Result;

/// Wraps a [`Function`] as a C function whose first upvalue is the owner.
macro_rules! c_function {
    ($function:path) => {{
        unsafe extern "C-unwind" fn call(state: *mut mlua_sys::lua_State) -> std::ffi::c_int {
            // SAFETY: Lua calls this with its own state, and it is only pushed with the owner as its upvalue.
            unsafe { $crate::function::enter(state, $function) }
        }
        call as mlua_sys::lua_CFunction
    }};
}
pub(crate) use c_function;

/// # Safety
/// `state` is the running state of a C function whose first upvalue is a pointer to the state's owner.
pub(crate) unsafe fn enter(state: *mut lua_State, function: Function) -> c_int {
    // SAFETY: the caller's promise.
    let stack = unsafe { Stack::new(state) };
    let owner: *const Owner = stack.userdata(lua::lua_upvalueindex(1)).cast_const().cast();
    // SAFETY: the owner lives in a userdata that the registry holds until the state's memory is freed.
    let owner = unsafe { &*owner };
    match function(owner, stack) {
        Ok(Outcome::Values(count)) => return count,
        // SAFETY: `yields` was checked by the function: this coroutine is one of ours, and nothing is on this frame.
        Ok(Outcome::Yield) => return unsafe { lua::lua_yield(state, 0) },
        Ok(Outcome::Failed(message, name)) => return push_failed(owner, stack, message, name),
        Ok(Outcome::Raise) => {}
        Err(Failure(message)) => push_error(owner, stack, message),
    }
    // SAFETY: the error value is on top, and this frame owns nothing any more.
    unsafe { lua::lua_error(state) }
}

fn push_failed(owner: &Owner, stack: Stack, message: String, name: Option<&'static str>) -> c_int {
    stack.push_nil();
    owner.push_text(stack, message);
    let Some(name) = name else { return 2 };
    stack.push_str(name);
    3
}

fn push_error(owner: &Owner, stack: Stack, message: String) {
    owner.texts.with(|place| {
        *place = message;
        stack.where_called();
        stack.push_str(place);
    });
    // SAFETY: the two strings are on the stack.
    unsafe { lua::lua_concat(stack.state(), 2) };
}

/// The three results of a failure of the world.
pub(crate) fn fail(_: Stack, message: &str, name: &'static str) -> Outcome {
    Outcome::Failed(message.to_owned(), Some(name))
}
