// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads run the handlers of locked callbacks themselves, while the owner serves messages: what Lua counts without any care of
//! its own is exact. `MOONPORT_TEST_ROUNDS` says how many calls there are in thousands.
#![cfg(feature = "vendored")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::ffi::c_int;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use moonport_core::{Payload, SendError, Sender, registry};
use moonport_lua::embed::Interpreter;

const THREADS: usize = 4;
/// After so many calls a thread sends a message.
const BETWEEN: usize = 10;

type Ask = unsafe extern "C" fn(c_int) -> c_int;

const SCRIPT: &str = "local moonport = require 'moonport'
    local place, name, each = ...
    moonport.on_error(function(message) io.stderr:write(message, '\\n') os.exit(3) end)
    local called, told, nested, ended = 0, 0, 0, 0
    local lists = setmetatable({}, { __mode = 'k' })
    local function fibonacci(n) return n < 2 and n or fibonacci(n - 1) + fibonacci(n - 2) end
    local port = moonport.port { name = name }
    local asked = moonport.callback('int (*)(int)', function(number)
      called = called + 1
      local list = { number, tostring(number) }
      lists[list] = true
      if number % 100 == 0 then
        assert(not moonport.is_owner() and port:send('nested'))
        assert(fibonacci(10) == 55)
      elseif number % 1000 == 1 then
        assert(not pcall(error, 'caught'))
        setmetatable({}, { __gc = function() end })
        collectgarbage()
        moonport.after(0, function() nested = nested + 1 end)
      end
      return 2 * list[1]
    end, { mode = 'locked', default = -1, timeout = 60 })
    port:on(function(value)
      assert(moonport.is_owner())
      if value == 'nested' then nested = nested + 1 elseif value == 'end' then ended = ended + 1 else told = told + 1 end
      if ended == 4 then moonport.stop() end
    end)
    local file = assert(io.open(place .. '.new', 'w'))
    file:write((tostring(asked.pointer):match('0x(%x+)')))
    file:close()
    assert(os.rename(place .. '.new', place))
    moonport.run()
    for i = 1, 100 do moonport.step() end
    each = tonumber(each)
    assert(called == 4 * each, called)
    assert(told == 4 * each / 10, told)
    assert(nested == 4 * (each / 100 + each / 1000), nested)
    local stats = asked:stats()
    assert(stats.calls == called and stats.delivered == called and stats.errors + stats.timeouts + stats.dropped == 0)";

fn wait_for<T>(what: &str, find: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "no {what}");
        thread::yield_now();
    }
}

fn send(sender: Sender, text: &[u8]) {
    while sender.send(Payload::raw(text), 0).is_err_and(|error| error == SendError::Full) {
        thread::yield_now();
    }
}

fn call_on(place: &Path, name: &str, each: usize) {
    let address = wait_for("pointer", || std::fs::read_to_string(place).ok());
    let address = usize::from_str_radix(&address, 16).expect("an address");
    // SAFETY: a callback's pointer can be called as long as the process lives, by its declaration.
    let ask = unsafe { std::mem::transmute::<usize, Ask>(address) };
    let sender = wait_for("port", || registry::find_name(name));
    for round in 0..each {
        let number = c_int::try_from(round).expect("a small number");
        // SAFETY: the declaration takes an int.
        let answer = unsafe { ask(number) };
        assert_eq!(answer, 2 * number);
        if round.is_multiple_of(BETWEEN) {
            send(sender, b"message");
        }
    }
    send(sender, b"end");
}

#[test]
fn four_threads_call_while_the_owner_serves() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("locked.lua");
    std::fs::File::create(&script).and_then(|mut file| file.write_all(SCRIPT.as_bytes())).expect("written");
    let thousands = std::env::var("MOONPORT_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(100);
    let each = usize::max(thousands * 1000 / THREADS / 1000, 1) * 1000;
    let place: PathBuf = folder.path().join("pointer");
    let callers: Vec<_> = (0..THREADS)
        .map(|number| {
            let place = place.clone();
            Builder::new()
                .name(format!("caller {number}"))
                .spawn(move || call_on(&place, "locked-test", each))
                .expect("a thread")
        })
        .collect();
    let arguments = [place.to_string_lossy().into_owned(), "locked-test".to_owned(), each.to_string()];
    let interpreter = Interpreter::new().expect("a state");
    let ran = interpreter.run_file(&script, &arguments);
    assert!(ran.is_ok(), "{}", ran.err().map(|error| error.to_string()).unwrap_or_default());
    for caller in callers {
        caller.join().expect("a caller");
    }
}
