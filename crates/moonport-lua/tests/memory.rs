// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory runs out at every single allocation of Lua's in turn: the result is a Lua error or success, and once there is
//! memory again every message arrives.
#![cfg(feature = "vendored")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::ffi::{CString, c_char, c_int, c_void};

use mlua_sys as lua;
use mlua_sys::lua_State;

/// How many allocations may still succeed, and how many did not.
#[derive(Default)]
struct Budget {
    left: Cell<Option<u32>>,
    refused: Cell<u32>,
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
struct Limited {
    budget: Box<Budget>,
    state: *mut lua_State,
}

impl Limited {
    fn new() -> Self {
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
            unsafe { std::ffi::CStr::from_ptr(text) }.to_string_lossy().into_owned()
        };
        // SAFETY: as above.
        unsafe { lua::lua_pop(self.state, 1) };
        Err(text)
    }

    /// The opener of the module, which lies lowest.
    fn open(&self, left: Option<u32>) -> Result<(), String> {
        // SAFETY: it was pushed first.
        unsafe { lua::lua_pushvalue(self.state, 1) };
        self.budget.left.set(left);
        let opened = self.call(0, 1);
        self.budget.left.set(None);
        opened
    }

    /// Loads a chunk that is given the module, and leaves its two functions on the stack.
    fn load(&self, code: &str) {
        let code = CString::new(code).expect("no NUL");
        // SAFETY: the code lives through the call.
        let loaded = unsafe { lua::luaL_loadstring(self.state, code.as_ptr()) };
        assert_eq!(loaded, lua::LUA_OK, "the test's code");
        // SAFETY: the module is below the chunk.
        unsafe { lua::lua_pushvalue(self.state, -2) };
        self.call(1, 2).expect("the test's code runs");
    }

    /// Calls one of the two functions that `load` left at the top.
    fn run(&self, at: c_int, left: Option<u32>) -> Result<(), String> {
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

/// A port that must take its messages afterwards, whatever happened.
const AFTERWARDS: &str = "
    local function afterwards(moonport, port)
        moonport.on_error(nil)
        while moonport.step() > 0 do end
        local count = 0
        port:on(function(value) count = count + value.one end)
        for i = 1, 3 do assert(port:send({ one = 1 })) end
        local tries = 0
        while count < 3 and tries < 100 do moonport.step(0.1) tries = tries + 1 end
        assert(count == 3, 'later messages: ' .. count)
        port:close()
        local other = moonport.port()
        assert(other:send('x') and other:receive())
        other:close()
    end
";

/// Runs `work` (its code ends with `return work, check`) with 0, 1, 2 … allocations until all of them succeed, in a new
/// state each time; `check` must then succeed with memory.
fn at_every_allocation(name: &str, code: &str) {
    let code = format!("{AFTERWARDS} local moonport = ... {code}");
    for left in 0..20_000 {
        let limited = Limited::new();
        limited.open(None).expect("opens");
        limited.load(&code);
        // A few in one state as well: what one failure left must not harm the next.
        for more in 0..3 {
            drop(limited.run(-2, Some(left + more)));
        }
        let refused = limited.budget.refused.get();
        if let Err(error) = limited.run(-1, None) {
            panic!("{name}, after {left} allocations: {error}");
        }
        if refused == 0 {
            assert!(left > 5, "{name}: only {left} allocations");
            return;
        }
    }
    panic!("{name}: never enough memory");
}

#[test]
fn opening() {
    for left in 0..2000 {
        let limited = Limited::new();
        let opened = limited.open(Some(left));
        let refused = limited.budget.refused.get();
        if let Err(error) = opened {
            assert!(error.contains("not enough memory"), "after {left} allocations: {error}");
            limited.open(None).expect("opens with memory");
        }
        limited.load(&format!(
            "{AFTERWARDS} local moonport = ...
            return nil, function() afterwards(moonport, moonport.port()) end"
        ));
        limited.run(-1, None).expect("works");
        if refused == 0 {
            return;
        }
    }
    panic!("never opened");
}

#[test]
fn values_cross_to_a_handler() {
    at_every_allocation(
        "values",
        "local port = moonport.port()
        local function work()
            port:on(function(value, message) return value, message.tag end)
            port:send({ list = { 1, 2.5, 'text' .. tostring(port), { deep = { true } } }, null = moonport.null })
            port:send('bytes', { tag = 7 })
            moonport.step()
        end
        return work, function() afterwards(moonport, port) end",
    );
}

#[test]
fn serial_handlers_and_tasks_that_wait() {
    at_every_allocation(
        "tasks",
        "local port, inbox = moonport.port({ serial = true }), moonport.port()
        local function work()
            port:on(function(value)
                local ok, got = inbox:receive(math.huge)
                moonport.sleep(0)
                coroutine.yield()
            end)
            for i = 1, 3 do port:send({ i }) inbox:send({ 'for ' .. i }) end
            moonport.spawn(function(...) inbox:receive(0.001) return select('#', ...) end, 1, 2, 3, 4, 5, 6, 7, 8, 9,
                10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34)
            for _ = 1, 12 do moonport.step() end
        end
        return work, function()
            -- Handlers that still wait get what they wait for, or the end of their port.
            inbox:close()
            afterwards(moonport, port)
        end",
    );
}

#[test]
fn json_both_ways() {
    at_every_allocation(
        "JSON",
        "local port = moonport.port()
        local function work()
            local text = moonport.json.encode({ a = { 1, 2, { b = 'x' } }, empty = moonport.array({}), big = 2 ^ 60 })
            local value = moonport.json.decode(text)
            moonport.json.decode('{\"id\": 9007199254740993, \"list\": [[], [1, 2, 3], \"\\\\u00e9\"]}')
            moonport.json.encode(moonport.json.decode('[9223372036854775807, 18446744073709551615]'))
            local many = {}
            for at = 1, 20 do
                many[at] = '\"key ' .. at .. '\": ' .. at
            end
            moonport.json.decode('{' .. table.concat(many, ',') .. '}')
            moonport.json.decode('[1, 2')
            moonport.json.encode(print)
        end
        return work, function()
            assert(moonport.json.encode({ 1, 'x' }) == '[1,\"x\"]')
            afterwards(moonport, port)
        end",
    );
}

#[test]
fn locked_callbacks_give_the_result_or_the_default() {
    at_every_allocation(
        "locked callbacks",
        "local port = moonport.port()
        local nested
        local callback = moonport.callback('int (*)(const char *text, int number)', function(text, number)
            local list = { text .. tostring(port), number }
            if not nested then
                nested = true
                call_back(moonport.pointer)
                nested = false
            end
            return #text + list[2]
        end, { mode = 'locked', default = -1 })
        moonport.pointer = callback.pointer
        local function check(answer) if answer ~= 7 and answer ~= -1 then os.exit(4) end end
        local function work()
            nested = false
            check(call_back(moonport.pointer))
            moonport.step()
        end
        return work, function()
            nested = false
            moonport.on_error(nil)
            while moonport.step() > 0 do end
            assert(call_back(moonport.pointer) == 7, 'with memory')
            callback:close()
            afterwards(moonport, port)
        end",
    );
}

#[test]
fn errors_and_their_reports() {
    at_every_allocation(
        "errors",
        "local port, other = moonport.port({ name = 'errors' }), moonport.port()
        local function deep(n) if n == 0 then error('deep') end return deep(n - 1) + 1 end
        local function work()
            moonport.on_error(function(message, info) return message .. info.traceback end)
            port:on(function(value) if value == 1 then error({}) elseif value == 2 then deep(30) end end)
            port:send(1)
            port:send(2)
            moonport.step()
            pcall(port.send, port, print)
            pcall(port.send, port, { deeply = { { inside = print } } })
            moonport.port({ name = 'errors' })
            moonport.report()
            port:stats()
        end
        return work, function() other:close() afterwards(moonport, port) end",
    );
}

#[test]
fn timers_and_ports_come_and_go() {
    at_every_allocation(
        "timers",
        "local port = moonport.port()
        local function work()
            local fired = 0
            local timer = moonport.every(0.0001, function() fired = fired + 1 end)
            moonport.after(0, function() moonport.sleep(0) fired = fired + 1 end)
            local fresh = moonport.port()
            if not fresh then error('no port') end
            fresh:send('x')
            fresh:on(function() end)
            for _ = 1, 3 do moonport.step() end
            fresh:close({ drain = true })
            timer:cancel()
        end
        return work, function()
            moonport.shutdown(0)
            moonport.step()
            afterwards(moonport, moonport.port())
        end",
    );
}

#[test]
fn loops_of_others_come_and_go() {
    at_every_allocation(
        "attach",
        "local port, steps, detached = moonport.port(), {}, 0
        package.preload['moonport.host.luv'] = function()
            return function(_, _, step)
                steps[#steps + 1] = step
                return function() detached = detached + 1 end
            end
        end
        local function work()
            port:on(function() end)
            local attachment = moonport.attach({ new_poll = print, run = print, now = print }, { max_messages = 2 })
            for i = 1, 3 do port:send(i) end
            steps[#steps]()
            attachment:detach()
            moonport.attach('glib')
            moonport.attach('auto')
        end
        return work, function()
            moonport.shutdown(0)
            for _, step in ipairs(steps) do assert(step() == 0, 'attached still') end
            afterwards(moonport, moonport.port())
        end",
    );
}

#[test]
fn servers_come_and_go() {
    at_every_allocation(
        "servers",
        "local port = moonport.port()
        local function work()
            local tls = { certificate = 'a.pem', key = 'b.pem' }
            local server = moonport.http({ token = false, tls = tls, limits = { depth = 3 } })
            local events = server:events('/events', { history = 3, token = false })
            events:send({ 1, 'two' }, 'tick')
            events:send('text')
            events:count()
            pcall(events.send, events, print)
            server:get('/items/{id}', function() return moonport.response({ json = { 1 }, headers = { a = 'b' } }) end)
            moonport.response({ body = 'text' })
            pcall(moonport.response, { json = print })
            server:stats()
            server:stop(0)
        end
        return work, function() afterwards(moonport, port) end",
    );
}
