// SPDX-License-Identifier: MIT OR Apache-2.0
//! A Lua state of our own with `require "moonport"` built in, for programs that run scripts.

use std::ffi::{CString, c_int};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mlua_sys as lua;
use mlua_sys::lua_State;
use moonport_core::Notifier;

use crate::call::NOBODY;
use crate::function::c_function;
use crate::owner::Owner;
use crate::report;
use crate::run;
use crate::stack::Stack;

/// Why a script ended badly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No memory or no descriptor for a state.
    #[error("cannot make a Lua state")]
    State,
    /// The file cannot be read or is not Lua.
    #[error("{0}")]
    Load(String),
    /// The script raised an error: the message and its traceback.
    #[error("{0}")]
    Script(String),
}

/// A Lua state with the standard libraries and Moonport. Closed when dropped, with every thread joined.
///
/// Thread: the one that made it.
#[derive(Debug)]
pub struct Interpreter {
    state: NonNull<lua_State>,
}

/// Asks an [`Interpreter`] to end. Any thread; never blocks.
#[derive(Clone, Debug)]
pub struct Interrupter {
    flag: Arc<AtomicBool>,
    waker: Notifier,
}

impl Interrupter {
    /// `moonport.run()` returns, and other waits raise "interrupted".
    pub fn interrupt(&self) {
        self.flag.store(true, Ordering::Relaxed);
        // An event, and not a bare wake-up: one between the owner's look at the flag and its sleep would be taken for old.
        self.waker.notify(NOBODY);
    }
}

impl Interpreter {
    /// An open state. The globals are those of `luajit`, `package.preload.moonport` is set, and modules are found where
    /// distributions put them.
    ///
    /// # Errors
    /// [`Error::State`].
    pub fn new() -> Result<Self, Error> {
        // SAFETY: takes nothing.
        let state = NonNull::new(unsafe { lua::luaL_newstate() }).ok_or(Error::State)?;
        let interpreter = Self { state };
        let stack = interpreter.stack();
        stack.push_closure(prepare, 0);
        if stack.call_protected(0, 0) != lua::LUA_OK {
            return Err(Error::State);
        }
        Ok(interpreter)
    }

    fn stack(&self) -> Stack {
        // SAFETY: the state lives as long as this value, which cannot leave its thread (it holds a pointer).
        unsafe { Stack::new(self.state.as_ptr()) }
    }

    fn owner(&self) -> Result<&Owner, Error> {
        let stack = self.stack();
        let owner = Owner::of(stack).map_err(|_| Error::State);
        stack.pop(c_int::from(owner.is_ok()));
        owner
    }

    /// What other threads need to end this.
    ///
    /// # Errors
    /// [`Error::State`].
    pub fn interrupter(&self) -> Result<Interrupter, Error> {
        let owner = self.owner()?;
        let waker = owner.mailbox(|mailbox| mailbox.notifier()).ok_or(Error::State)?;
        Ok(Interrupter { flag: owner.interrupted(), waker })
    }

    /// Runs a script to its end and then for as long as something is open, unless it ended a `moonport.run()` of its own
    /// by `moonport.stop()`. `arguments` are its `...` and `arg`.
    ///
    /// Blocks: until then.
    ///
    /// # Errors
    /// [`Error::Load`] or [`Error::Script`].
    pub fn run_file(&self, file: &Path, arguments: &[String]) -> Result<(), Error> {
        let owner = self.owner()?;
        let stack = self.stack();
        let name = file.to_string_lossy();
        let path = CString::new(name.as_bytes()).map_err(|_| Error::Load(format!("{name:?}: a NUL in the name")))?;
        stack.push_closure(traceback, 0);
        let handler = stack.top();
        set_arguments(stack, &name, arguments);
        // SAFETY: the path lives through the call.
        if unsafe { lua::luaL_loadfile(stack.state(), path.as_ptr()) } != lua::LUA_OK {
            return Err(Error::Load(report::describe(stack, -1)));
        }
        for argument in arguments {
            stack.check_room();
            stack.push_str(argument);
        }
        let count = c_int::try_from(arguments.len()).unwrap_or(c_int::MAX);
        call(stack, count, handler)?;
        if owner.stopped.get() {
            return Ok(());
        }
        owner.push_function(stack, c_function!(run::run));
        call(stack, 0, handler)
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        // SAFETY: nothing uses the state any more: its stacks are only lent from this value.
        unsafe { lua::lua_close(self.state.as_ptr()) };
    }
}

fn call(stack: Stack, arguments: c_int, handler: c_int) -> Result<(), Error> {
    // SAFETY: the function and its arguments are on top, and the handler stands where it says.
    if unsafe { lua::lua_pcall(stack.state(), arguments, 0, handler) } == lua::LUA_OK {
        return Ok(());
    }
    Err(Error::Script(report::describe(stack, -1)))
}

unsafe extern "C-unwind" fn prepare(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with its own state.
    unsafe { lua::luaL_openlibs(state) };
    // SAFETY: as above.
    let stack = unsafe { Stack::new(state) };
    stack.global(c"package");
    stack.field(-1, "preload");
    stack.push_closure(crate::luaopen_moonport, 0);
    stack.set_field(-2, "moonport");
    crate::built_in::add_to_preload(stack);
    #[cfg(feature = "luajit")]
    look_where_distributions_do(stack);
    0
}

/// The other Luas are not told where: a module for one version does not fit another.
#[cfg(feature = "luajit")]
fn look_where_distributions_do(stack: Stack) {
    let code = include_str!("paths.lua");
    // SAFETY: the code lives through the call.
    let status = unsafe {
        lua::luaL_loadbuffer(stack.state(), code.as_ptr().cast(), code.len(), c"=(moonport: paths)".as_ptr())
    };
    if status == lua::LUA_OK {
        stack.call(0, 0);
    }
}

/// Turns an error into its message with a traceback.
unsafe extern "C-unwind" fn traceback(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with its own state.
    let stack = unsafe { Stack::new(state) };
    let message = report::describe(stack, 1);
    let text = report::traceback(stack, stack, &report::first_line(&message));
    drop(message);
    stack.push_str(&text);
    1
}

/// The table `arg`, as `luajit` makes it.
fn set_arguments(stack: Stack, script: &str, arguments: &[String]) {
    stack.new_table(0, 1);
    stack.push_str(script);
    stack.raw_set_at(-2, 0);
    for (at, argument) in arguments.iter().enumerate() {
        stack.push_str(argument);
        stack.raw_set_at(-2, lua::lua_Integer::try_from(at + 1).unwrap_or(lua::lua_Integer::MAX));
    }
    // SAFETY: the table is on top; the globals table raises nothing here but for want of memory.
    unsafe { lua::lua_setglobal(stack.state(), c"arg".as_ptr()) };
}
