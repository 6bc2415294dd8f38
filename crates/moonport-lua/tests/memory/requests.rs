// SPDX-License-Identifier: MIT OR Apache-2.0
//! HTTP requests while memory runs out: each one is answered.

use std::cell::RefCell;
use std::ffi::c_int;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use mlua_sys as lua;
use mlua_sys::lua_State;

use crate::at_every_allocation;

/// Clients that are sent off at once.
const AT_ONCE: usize = 3;

const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
    Content-Length: 14\r\n\r\n{\"a\":[1,\"\\n\"]}";

#[derive(Default)]
struct Clients {
    /// Those that wait, with what they have got so far.
    waiting: Vec<(TcpStream, Vec<u8>)>,
    asked: usize,
    answered: usize,
    failed: usize,
    /// Other answers.
    odd: String,
}

thread_local! {
    static CLIENTS: RefCell<Clients> = RefCell::default();
}

/// `ask(port)`: sends requests; needs no memory of Lua's.
unsafe extern "C-unwind" fn ask(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with its own state.
    let port = unsafe { lua::lua_tonumber(state, 1) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a port")]
    let port = port as u16;
    let mut all: Vec<_> =
        (0..AT_ONCE).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server listens")).collect();
    for client in &mut all {
        client.write_all(REQUEST).expect("the server reads");
        client.set_nonblocking(true).expect("a socket");
    }
    CLIENTS.with_borrow_mut(|clients| {
        clients.asked += all.len();
        clients.waiting.extend(all.into_iter().map(|client| (client, Vec::new())));
    });
    0
}

/// `answers()`: how many requests wait, how many were sent, how many answers came with 200 and with 500, and another answer.
unsafe extern "C-unwind" fn answers(state: *mut lua_State) -> c_int {
    let (counts, odd) = CLIENTS.with_borrow_mut(|clients| {
        let waiting = std::mem::take(&mut clients.waiting);
        for (mut client, mut got) in waiting {
            match client.read_to_end(&mut got) {
                Ok(_) if got.starts_with(b"HTTP/1.1 200 ") => clients.answered += 1,
                Ok(_) if got.starts_with(b"HTTP/1.1 500 ") => clients.failed += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => clients.waiting.push((client, got)),
                result => clients.odd = format!("{result:?}: {}", got.escape_ascii()),
            }
        }
        ([clients.waiting.len(), clients.asked, clients.answered, clients.failed], std::mem::take(&mut clients.odd))
    });
    for count in counts {
        let count = i32::try_from(count).expect("few");
        // SAFETY: Lua's own state, with room for twenty values.
        unsafe { lua::lua_pushnumber(state, count.into()) };
    }
    // SAFETY: as above; there is memory.
    unsafe { lua::lua_pushlstring(state, odd.as_ptr().cast(), odd.len()) };
    5
}

/// Makes both known to a state that has memory.
pub(crate) fn set_globals(state: *mut lua_State) {
    CLIENTS.take();
    for (name, function) in [(c"ask", ask as lua::lua_CFunction), (c"answers", answers)] {
        // SAFETY: the state is this thread's.
        unsafe { lua::lua_pushcfunction(state, function) };
        // SAFETY: as above; there is memory.
        unsafe { lua::lua_setglobal(state, name.as_ptr()) };
    }
}

#[test]
fn requests_are_answered() {
    at_every_allocation(
        "requests",
        "local server = moonport.http({ token = false })
        server:post('/', function(request) return { request.data, #request.body, request.headers.host } end)
        local port = tonumber(assert(server:start()):match('%d+$'))
        local function all_answered()
            for _ = 1, 100 do
                local waiting, asked, answered, failed, odd = answers()
                if waiting == 0 then
                    assert(answered + failed == asked and odd == '', odd)
                    return answered
                end
                moonport.step(0.1)
            end
            error('some are not answered')
        end
        local function work()
            ask(port)
            moonport.step(1)
            moonport.step(0)
        end
        return work, function()
            local before = all_answered()
            ask(port)
            assert(all_answered() == before + 3, 'with memory again')
            server:stop(0)
            afterwards(moonport, moonport.port())
        end",
    );
}
