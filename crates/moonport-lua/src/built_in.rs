// SPDX-License-Identifier: MIT OR Apache-2.0
//! The modules of `lua/moonport`, built into executables: `require` finds them without a path.

use std::ffi::{CStr, c_int};

use mlua_sys as lua;
use mlua_sys::lua_State;

use crate::stack::Stack;

/// Each with the name of its chunk, `=moonport.…`, and its code.
const MODULES: &[(&CStr, &[u8])] = include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// Adds them to `package.preload`, which is on top of the stack.
pub(crate) fn add_to_preload(stack: Stack) {
    for (at, (chunk, _)) in MODULES.iter().enumerate() {
        stack.push_count(at as u64);
        stack.push_closure(load, 1);
        stack.set_field(-2, chunk.to_str().unwrap_or_default().trim_start_matches('='));
    }
}

/// Runs the module whose number is the upvalue, with its name.
unsafe extern "C-unwind" fn load(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with its own state.
    let stack = unsafe { Stack::new(state) };
    let at = stack.integer(lua::lua_upvalueindex(1)).and_then(|at| usize::try_from(at).ok());
    let Some((chunk, code)) = at.and_then(|at| MODULES.get(at)) else { return 0 };
    stack.set_top(1);
    // SAFETY: the code and its name live through the call.
    if unsafe { lua::luaL_loadbuffer(state, code.as_ptr().cast(), code.len(), chunk.as_ptr()) } != lua::LUA_OK {
        // SAFETY: the error value is on top, and this frame owns nothing.
        unsafe { lua::lua_error(state) }
    }
    stack.insert(1);
    stack.call(1, 1);
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_is_there_by_its_name_and_compiles() {
        // SAFETY: takes nothing.
        let state = unsafe { lua::luaL_newstate() };
        for (chunk, code) in MODULES {
            assert!(chunk.to_bytes().starts_with(b"=moonport."), "{chunk:?}");
            // SAFETY: the code and its name live through the call, and the state is this test's.
            let loaded = unsafe { lua::luaL_loadbuffer(state, code.as_ptr().cast(), code.len(), chunk.as_ptr()) };
            assert_eq!(loaded, lua::LUA_OK, "{chunk:?}");
        }
        // SAFETY: nothing uses the state any more.
        unsafe { lua::lua_close(state) };
    }
}
