// SPDX-License-Identifier: MIT OR Apache-2.0
//! Does compiled code of LuaJIT run now? Lua must not be entered from C that such code has called. LuaJIT does not say it,
//! but one word of its global state is 0 in the interpreter and never in a compiled loop; where that word is depends on
//! the build, so it is looked for once, with a small loop that is run both ways.

use std::cell::RefCell;
use std::ffi::c_int;

use mlua_sys as lua;

use crate::executable;
use crate::stack::Stack;

/// Words of the global state that are looked at; it is several times as long.
const WORDS: usize = 128;

/// The global state lies right behind the main thread, in one block of memory.
const NEAR: usize = 4096;

/// Where a state's word is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceWord(*const usize);

impl TraceWord {
    /// Does compiled code run?
    pub(crate) fn is_set(self) -> bool {
        // SAFETY: the word lies in the global state, which lives as long as the Lua state; only its thread asks.
        unsafe { self.0.read_volatile() != 0 }
    }
}

/// LuaJIT must not go on recording a loop while what that loop's C function has called runs Lua: it would take that for
/// part of the loop. To set the hook that is set already ends a recording; nothing else does that raises no error.
pub(crate) fn end_recording(stack: Stack) {
    // SAFETY: the state is this thread's; nothing changes but the recording, and the count until the next count hook.
    let hook = unsafe { lua::lua_gethook(stack.state()) };
    // SAFETY: as above.
    let mask = unsafe { lua::lua_gethookmask(stack.state()) };
    // SAFETY: as above.
    let count = unsafe { lua::lua_gethookcount(stack.state()) };
    // SAFETY: as above.
    unsafe { lua::lua_sethook(stack.state(), hook, mask, count) };
}

struct Calibration {
    global: *const usize,
    /// Words that were not 0 in the interpreter.
    interpreted: [bool; WORDS],
    /// How often each word was not 0 while the loop that gets compiled ran.
    compiled: [u32; WORDS],
}

thread_local! {
    static CALIBRATION: RefCell<Option<Calibration>> = const { RefCell::new(None) };
}

/// The compiler is turned on where it was off, if the system allows that: the program may do so later.
const CODE: &[u8] = b"local ffi, jit, address, allowed = require 'ffi', require 'jit', ...
local probe = ffi.cast('int (*)(int)', address)
local function interpreted() for i = 1, 100 do probe(0) end end
jit.off(interpreted)
local was_on = jit.status()
if not was_on and not allowed then return end
jit.on()
for round = 1, 8 do
  interpreted()
  for i = 1, 400 do probe(1) end
  interpreted()
end
if not was_on then jit.off() end";

/// Called by the loops above: 0 by the one that is never compiled, 1 by the other.
extern "C" fn probe(compiled: c_int) -> c_int {
    CALIBRATION.with_borrow_mut(|calibration| {
        let Some(calibration) = calibration else { return };
        for at in 0..WORDS {
            // SAFETY: `find` has checked that the global state is there, which is longer.
            let is_set = unsafe { calibration.global.wrapping_add(at).read_volatile() } != 0;
            if compiled == 0 {
                calibration.interpreted[at] |= is_set;
            } else {
                calibration.compiled[at] += u32::from(is_set);
            }
        }
    });
    compiled
}

/// Looks for the word, with loops run on `stack`; `None` where there is no FFI library, nothing can be compiled, or several
/// words would do. `other` is a second thread, for where the main one was not met yet.
pub(crate) fn find(main: Option<Stack>, other: Stack, stack: Stack) -> Option<TraceWord> {
    let global = match main {
        Some(main) => global_behind(main)?,
        None => global_of_both(stack, other)?,
    };
    CALIBRATION.set(Some(Calibration { global, interpreted: [false; WORDS], compiled: [0; WORDS] }));
    // SAFETY: the code lives through the call.
    let loaded =
        unsafe { lua::luaL_loadbuffer(stack.state(), CODE.as_ptr().cast(), CODE.len(), c"=(moonport)".as_ptr()) };
    let status = if loaded == lua::LUA_OK {
        #[expect(clippy::fn_to_numeric_cast_any, reason = "the FFI library is given the address")]
        stack.push_pointer(probe as *mut std::ffi::c_void);
        stack.push_boolean(executable::may_be_made());
        stack.call_protected(2, 0)
    } else {
        loaded
    };
    let calibration = CALIBRATION.take()?;
    if status != lua::LUA_OK {
        stack.pop(1);
        return None;
    }
    clearest(&calibration).map(|word| TraceWord(global.wrapping_add(word)))
}

/// The word that was set in most of the calls from compiled code. Others that are 0 in the interpreter by chance are set in few.
fn clearest(calibration: &Calibration) -> Option<usize> {
    let count = |at: usize| if calibration.interpreted[at] { 0 } else { calibration.compiled[at] };
    let word = (0..WORDS).max_by_key(|at| count(*at)).filter(|at| count(*at) > 0)?;
    let next = (0..WORDS).filter(|at| *at != word).map(count).max().unwrap_or(0);
    (next < count(word) / 2).then_some(word)
}

/// What a thread has behind its header: in builds with 64-bit references, the address of the global state.
fn third_word(stack: Stack) -> *const usize {
    let thread: *const *const usize = stack.state().cast_const().cast();
    // SAFETY: a thread of LuaJIT is longer than this.
    unsafe { thread.wrapping_add(2).read() }
}

/// The global state, if the main thread says that it lies right behind it.
fn global_behind(main: Stack) -> Option<*const usize> {
    let global = third_word(main);
    let distance = global.addr().checked_sub(main.state().addr());
    distance.filter(|distance| (1..NEAR).contains(distance) && distance % 8 == 0).map(|_| global)
}

/// The global state, if LuaJIT says that it has 64-bit references, and two threads name the same one.
fn global_of_both(stack: Stack, other: Stack) -> Option<*const usize> {
    let code = c"return require('ffi').abi('gc64')";
    // SAFETY: the code ends with a NUL and lives through the call.
    let loaded = unsafe { lua::luaL_loadstring(stack.state(), code.as_ptr()) };
    let wide = loaded == lua::LUA_OK && stack.call_protected(0, 1) == lua::LUA_OK && stack.truth(-1);
    stack.pop(1);
    let global = third_word(stack);
    (wide && stack != other && global == third_word(other)).then_some(global)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibrated(words: &[(usize, u32, bool)]) -> Option<usize> {
        let mut calibration =
            Calibration { global: std::ptr::null(), interpreted: [false; WORDS], compiled: [0; WORDS] };
        for (at, compiled, interpreted) in words {
            calibration.compiled[*at] = *compiled;
            calibration.interpreted[*at] = *interpreted;
        }
        clearest(&calibration)
    }

    #[test]
    fn the_word_that_tells_most_often_is_taken_if_it_stands_out() {
        assert_eq!(calibrated(&[]), None);
        assert_eq!(calibrated(&[(7, 3000, true)]), None, "set in the interpreter too");
        assert_eq!(calibrated(&[(47, 1143, false)]), Some(47));
        assert_eq!(calibrated(&[(47, 1143, false), (102, 343, false), (119, 344, false), (7, 3000, true)]), Some(47));
        assert_eq!(calibrated(&[(47, 1143, false), (48, 1143, false)]), None, "two say the same");
        assert_eq!(calibrated(&[(47, 1143, false), (48, 600, false)]), None, "which one is not clear");
    }
}
