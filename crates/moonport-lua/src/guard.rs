// SPDX-License-Identifier: MIT OR Apache-2.0
//! May Lua be entered now? Below a C function it may; below compiled code of LuaJIT it crashes, even on the right
//! thread. A host that calls us through the FFI from a hot loop stands just there.

use mlua_sys as lua;

use crate::stack::Stack;

/// `true` if no Lua function is running on this stack, or the running function is a C function.
pub(crate) fn may_enter(stack: Stack) -> bool {
    let mut activation = std::mem::MaybeUninit::<lua::lua_Debug>::zeroed();
    // SAFETY: the record is only filled, and only used by Lua.
    if unsafe { lua::lua_getstack(stack.state(), 0, activation.as_mut_ptr()) } == 0 {
        return true;
    }
    // SAFETY: the record was just filled for level 0, which still runs.
    if unsafe { lua::lua_getinfo(stack.state(), c"S".as_ptr(), activation.as_mut_ptr()) } == 0 {
        return false;
    }
    // SAFETY: an all-zero record is valid, and Lua filled what "S" asks for.
    let what = unsafe { activation.assume_init() }.what;
    // SAFETY: Lua points it to one of its constant strings.
    !what.is_null() && unsafe { std::ffi::CStr::from_ptr(what) } == c"C"
}

#[cfg(all(test, feature = "luajit", feature = "vendored"))]
mod tests {
    use super::*;

    use std::cell::Cell;

    use mlua_sys::lua_State;

    thread_local! {
        static ENTERED: Cell<u32> = const { Cell::new(0) };
        static REFUSED: Cell<u32> = const { Cell::new(0) };
    }

    unsafe extern "C-unwind" fn probe(state: *mut lua_State) -> i32 {
        // SAFETY: the test passes its own state, on its thread.
        let stack = unsafe { Stack::new(state) };
        let count = if may_enter(stack) { &ENTERED } else { &REFUSED };
        count.set(count.get() + 1);
        0
    }

    /// A call from a compiled loop stands right below Lua code; those of the interpreter, some tens until the loop is
    /// hot, have a frame of their own, as every lua_CFunction has.
    #[test]
    fn a_call_from_a_compiled_loop_is_refused_and_others_are_not() {
        // SAFETY: takes nothing.
        let state = unsafe { lua::luaL_newstate() };
        // SAFETY: the state is new, and this thread's.
        let stack = unsafe { Stack::new(state) };
        assert!(may_enter(stack), "nothing runs yet");
        // SAFETY: as above.
        unsafe { lua::luaL_openlibs(state) };
        let code = c"local ffi, state, address, direct = require 'ffi', ...
            local probe, argument = ffi.cast('int (*)(void *)', address), ffi.cast('void *', state)
            for i = 1, 1000 do probe(argument) end
            for i = 1, 10 do direct() end";
        // SAFETY: the code ends with a NUL and lives through the call.
        assert_eq!(unsafe { lua::luaL_loadstring(state, code.as_ptr()) }, lua::LUA_OK);
        stack.push_pointer(state.cast());
        #[expect(clippy::fn_to_numeric_cast_any, reason = "the FFI is given the address")]
        stack.push_pointer(probe as *mut std::ffi::c_void);
        stack.push_closure(probe, 0);
        assert_eq!(stack.call_protected(3, 0), lua::LUA_OK);
        assert_eq!(ENTERED.get() + REFUSED.get(), 1010);
        assert!((10..200).contains(&ENTERED.get()), "{} of 1010 entered", ENTERED.get());
        // SAFETY: nothing uses the state any more.
        unsafe { lua::lua_close(state) };
    }
}
