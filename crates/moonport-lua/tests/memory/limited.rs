// SPDX-License-Identifier: MIT OR Apache-2.0
//! A Lua state with as much memory as a test wants it to have.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};

use mlua_sys as lua;
use mlua_sys::lua_State;

/// How many allocations may still succeed, and how many did not.
#[derive(Default)]
pub(crate) struct Budget {
    left: Cell<Option<u32>>,
    pub(crate) refused: Cell<u32>,
}

unsafe extern "C" fn allocate(budget: *mut c_void, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    // SAFETY: the budget outlives the state.
    let budget = unsafe { &*budget.cast::<Budget>() };
    if new == 0 {
        // SAFETY: Lua frees what it got here, or null.
        unsafe { libc::free(block) };
        return std::ptr::null_mut();
    }
    // Lua relies on blocks that shrink; for a new block the old size is a kind.
    if block.is_null() || new > old {
        match budget.left.get() {
            Some(0) => {
                budget.refused.set(budget.refused.get() + 1);
                return std::ptr::null_mut();
            }
            left => budget.left.set(left.map(|left| left - 1)),
        }
    }
    // SAFETY: as above.
    unsafe { libc::realloc(block, new) }
}

/// `call_back(pointer)`: what a callback of the type below gives for "abc" and 4.
unsafe extern "C-unwind" fn call_back(state: *mut lua_State) -> c_int {
    type Callback = unsafe extern "C" fn(*const c_char, c_int) -> c_int;
    // SAFETY: Lua calls this with its own state.
    let mut pointer = unsafe { lua::lua_touserdata(state, 1) };
    if pointer.is_null() {
        // SAFETY: else it is the FFI library's pointer.
        let holder: *const *mut c_void = unsafe { lua::lua_topointer(state, 1) }.cast();
        // SAFETY: which holds the address.
        pointer = unsafe { *holder };
    }
    // SAFETY: the test passes the pointer of such a callback.
    let callback = unsafe { std::mem::transmute::<*mut c_void, Callback>(pointer) };
    // SAFETY: the text ends with a NUL.
    let answer = unsafe { callback(c"abc".as_ptr(), 4) };
    // SAFETY: there is room for a result.
    unsafe { lua::lua_pushnumber(state, answer.into()) };
    1
}

/// Where on_error's handler finds no memory either, stderr gets the report: thousands of lines here. Panics of tests are
/// not written there.
fn close_stderr() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let null = std::fs::File::options().write(true).open("/dev/null").expect("opens");
        // SAFETY: both descriptors are open.
        assert_eq!(unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&null), 2) }, 2);
    });
}

/// A state whose memory the budget limits. No error leaves a call but as its text.
pub(crate) struct Limited {
    pub(crate) budget: Box<Budget>,
    state: *mut lua_State,
}

impl Limited {
    pub(crate) fn new() -> Self {
        close_stderr();
        let budget = Box::<Budget>::default();
        let place = (&raw const *budget).cast_mut().cast();
        #[cfg(not(feature = "lua55"))]
        // SAFETY: the allocator keeps the rules of lua_Alloc, and the budget outlives the state.
        let state = unsafe { lua::lua_newstate(allocate, place) };
        #[cfg(feature = "lua55")]
        // SAFETY: as above.
        let state = unsafe { lua::lua_newstate(allocate, place, 7) };
        assert!(!state.is_null(), "this Lua takes no allocator");
        let limited = Self { budget, state };
        unsafe extern "C-unwind" fn libraries(state: *mut lua_State) -> c_int {
            // SAFETY: Lua calls this with its own state.
            unsafe { lua::luaL_openlibs(state) };
            0
        }
        // SAFETY: the state is this thread's, as everywhere below.
        unsafe { lua::lua_pushcfunction(state, libraries) };
        limited.call(0, 0).expect("libraries");
        // SAFETY: as above.
        unsafe { lua::lua_pushcfunction(state, call_back) };
        // SAFETY: as above; there is memory.
        unsafe { lua::lua_setglobal(state, c"call_back".as_ptr()) };
        crate::requests::set_globals(state);
        // SAFETY: as above. Kept on the stack: with memory gone, not even a function could be pushed in every Lua.
        unsafe { lua::lua_pushcfunction(state, moonport_lua::luaopen_moonport) };
        limited
    }

    fn call(&self, arguments: c_int, results: c_int) -> Result<(), String> {
        // SAFETY: the function and its arguments are on top.
        if unsafe { lua::lua_pcall(self.state, arguments, results, 0) } == lua::LUA_OK {
            return Ok(());
        }
        self.budget.left.set(None);
        // SAFETY: the error is on top.
        let text = unsafe { lua::lua_tostring(self.state, -1) };
        let text = if text.is_null() {
            "an error that is no string".to_owned()
        } else {
            // SAFETY: Lua's string lives while it is on the stack.
            unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
        };
        // SAFETY: as above.
        unsafe { lua::lua_pop(self.state, 1) };
        Err(text)
    }

    /// The opener of the module, which lies lowest.
    pub(crate) fn open(&self, left: Option<u32>) -> Result<(), String> {
        // SAFETY: it was pushed first.
        unsafe { lua::lua_pushvalue(self.state, 1) };
        self.budget.left.set(left);
        let opened = self.call(0, 1);
        self.budget.left.set(None);
        opened
    }

    /// Loads a chunk that is given the module, and leaves its two functions on the stack.
    pub(crate) fn load(&self, code: &str) {
        let code = CString::new(code).expect("no NUL");
        // SAFETY: the code lives through the call.
        let loaded = unsafe { lua::luaL_loadstring(self.state, code.as_ptr()) };
        assert_eq!(loaded, lua::LUA_OK, "the test's code");
        // SAFETY: the module is below the chunk.
        unsafe { lua::lua_pushvalue(self.state, -2) };
        self.call(1, 2).expect("the test's code runs");
    }

    /// Calls one of the two functions that `load` left at the top.
    pub(crate) fn run(&self, at: c_int, left: Option<u32>) -> Result<(), String> {
        // SAFETY: it is there.
        unsafe { lua::lua_pushvalue(self.state, at) };
        self.budget.left.set(left);
        let result = self.call(0, 0);
        self.budget.left.set(None);
        result
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // With its assertions on, LuaJIT counts what it had begun to allocate when memory ran out as a leak, and aborts.
        if cfg!(all(feature = "luajit", debug_assertions)) && self.budget.refused.get() > 0 {
            let _lives_on = Box::into_raw(std::mem::take(&mut self.budget));
            return;
        }
        // SAFETY: nothing uses the state any more.
        unsafe { lua::lua_close(self.state) };
    }
}
