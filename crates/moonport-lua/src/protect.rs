// SPDX-License-Identifier: MIT OR Apache-2.0
//! Protected calls around what may raise, for frames that own Rust values. Any call that allocates may raise: memory runs
//! out, or, in Lua up to 5.3, a finaliser of the program's fails. On a thread that does not run, that would end the process.

use std::ffi::{c_int, c_void};

use mlua_sys as lua;
use mlua_sys::lua_State;

use crate::owner::Owner;
use crate::stack::{Anchor, Stack};

/// An error was raised; its value is on top of the stack.
#[derive(Debug)]
pub(crate) struct Raised;

/// What [`Owner::protect`] calls; it must own nothing itself when it enters Lua.
type Push<'a> = &'a mut dyn FnMut(Stack) -> c_int;

impl Owner {
    /// Runs `push` in protected mode, with a stack of its own that holds so many `arguments` from the top of `stack`. Its
    /// results come to the top of `stack`, and their number is given.
    pub(crate) fn protect(&self, stack: Stack, arguments: c_int, mut push: Push<'_>) -> Result<c_int, Raised> {
        let before = stack.top() - arguments;
        let lent = self.lent();
        let outer = self.protected.replace((&raw mut push).cast());
        stack.push_anchored(self.runner);
        stack.insert(before + 1);
        let status = stack.call_protected(arguments, lua::LUA_MULTRET);
        self.protected.set(outer);
        if status == lua::LUA_OK {
            return Ok(stack.top() - before);
        }
        self.take_back(lent);
        Err(Raised)
    }

    /// How many values of each kind are lent to Lua now.
    pub(crate) fn lent(&self) -> [usize; 5] {
        [self.scratch.lent(), self.in_hand.lent(), self.answers.lent(), self.texts.lent(), self.tapes.lent()]
    }

    /// After an error: what was lent since `before` is free again.
    pub(crate) fn take_back(&self, before: [usize; 5]) {
        self.scratch.take_back(before[0]);
        self.in_hand.take_back(before[1]);
        self.answers.take_back(before[2]);
        self.texts.take_back(before[3]);
        self.tapes.take_back(before[4]);
    }

    /// Pushes a text that nobody else holds.
    pub(crate) fn push_text(&self, stack: Stack, text: String) {
        self.texts.with(|place| {
            *place = text;
            stack.push_str(place);
        });
    }
}

/// Makes the function that runs what [`Owner::protect`] was given, for the owner at `owner`.
pub(crate) fn anchor_runner(stack: Stack, owner: *mut Owner) -> Anchor {
    stack.push_pointer(owner.cast());
    stack.push_closure(run, 1);
    stack.anchor()
}

unsafe extern "C-unwind" fn run(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with its own state.
    let stack = unsafe { Stack::new(state) };
    let owner: *const Owner = stack.userdata(lua::lua_upvalueindex(1)).cast_const().cast();
    // SAFETY: only `protect` calls this function, which only the registry holds, and it has the owner.
    let owner = unsafe { &*owner };
    let push: *mut Push<'_> = owner.protected.replace(std::ptr::null_mut::<c_void>()).cast();
    // SAFETY: `protect` has just set it, and waits for this call's end.
    unsafe { (*push)(stack) }
}
