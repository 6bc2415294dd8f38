// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes the module's table.

use std::ffi::c_int;
use std::time::Duration;

use mlua_sys as lua;
use mlua_sys::lua_State;

use crate::function::{Outcome, Result, c_function};
use crate::owner::Owner;
use crate::stack::Stack;
use crate::{attach, callback, codec, http, native, port, report, response, run, sender, task, timer, value};

const FUNCTIONS: &[(&str, lua::lua_CFunction)] = &[
    ("port", c_function!(port::port)),
    ("connect", c_function!(sender::connect)),
    ("callback", c_function!(callback::callback)),
    ("http", c_function!(http::http)),
    ("response", c_function!(response::response)),
    ("array", c_function!(codec::array)),
    ("run", c_function!(run::run)),
    ("stop", c_function!(run::stop)),
    ("step", c_function!(run::step)),
    ("descriptor", c_function!(run::descriptor)),
    ("timeout", c_function!(run::timeout)),
    ("is_owner", c_function!(run::is_owner)),
    ("after", c_function!(timer::after)),
    ("every", c_function!(timer::every)),
    ("spawn", c_function!(task::spawn)),
    ("sleep", c_function!(task::sleep)),
    ("on_error", c_function!(report::on_error)),
    ("report", c_function!(report::report)),
    ("shutdown", c_function!(shutdown)),
];

const CODECS: &[(&str, lua::lua_CFunction, lua::lua_CFunction)] = &[
    ("json", c_function!(codec::encode_json), c_function!(codec::decode_json)),
    ("msgpack", c_function!(codec::encode_msgpack), c_function!(codec::decode_msgpack)),
];

/// `require "moonport"`: pushes the module's table.
///
/// Thread: the one that owns the state, from then on too.
///
/// # Safety
/// Lua calls it, with its own state.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn luaopen_moonport(state: *mut lua_State) -> c_int {
    #[cfg(all(windows, feature = "module"))]
    crate::host_lua::note_caller();
    crate::pin::pin();
    // SAFETY: the caller's promise.
    let stack = unsafe { Stack::new(state) };
    let owner = match Owner::of(stack) {
        Ok(owner) => owner,
        Err(error) => {
            stack.push_str(&format!("moonport: no wake-up descriptor: {error}"));
            drop(error);
            // SAFETY: the message is on top of the stack, and this frame owns nothing any more.
            unsafe { lua::lua_error(state) }
        }
    };
    stack.new_table(0, 32);
    for (name, function) in FUNCTIONS {
        owner.push_function(stack, *function);
        stack.set_field(-2, name);
    }
    stack.push_pointer(std::ptr::from_ref(owner).cast_mut().cast());
    stack.copy(-2);
    stack.push_closure(c_function!(attach::attach), 2);
    stack.set_field(-2, "attach");
    native::push_call(stack);
    stack.set_field(-2, "call");
    native::push_blocking(owner, stack);
    stack.set_field(-2, "blocking");
    for (name, encode, decode) in CODECS {
        stack.new_table(0, 2);
        owner.push_function(stack, *encode);
        stack.set_field(-2, "encode");
        owner.push_function(stack, *decode);
        stack.set_field(-2, "decode");
        stack.set_field(-2, name);
    }
    stack.push_pointer(moonport_capi::moonport_api_v1().cast_mut().cast());
    stack.set_field(-2, "api");
    owner.push_unsigned(stack, owner.handle());
    stack.set_field(-2, "state");
    value::push_null(stack);
    stack.set_field(-2, "null");
    stack.push_str(concat!("Moonport ", env!("CARGO_PKG_VERSION")));
    stack.set_field(-2, "_VERSION");
    1
}

/// `moonport.shutdown(grace)`.
fn shutdown(owner: &Owner, stack: Stack) -> Result {
    if let Some(failed) = run::wrong_thread(owner, stack, "moonport.shutdown") {
        return Ok(failed);
    }
    let grace = if stack.kind(1) <= lua::LUA_TNIL {
        Duration::from_secs(2)
    } else {
        timer::seconds(stack, 1, "moonport.shutdown")?
    };
    http::stop_all(owner, stack, grace)?;
    owner.detach_all(stack);
    owner.close(stack);
    stack.push_boolean(true);
    Ok(Outcome::Values(1))
}
