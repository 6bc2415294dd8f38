// SPDX-License-Identifier: MIT OR Apache-2.0
//! States are closed a thousand times while threads call their callbacks, and go on calling those of closed ones: each call
//! gets what the handler returned, or the default. `MOONPORT_TEST_ROUNDS` changes how often.
#![cfg(all(feature = "vendored", feature = "luajit"))]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::ffi::{CStr, c_char, c_int};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use moonport_lua::embed::Interpreter;

const THREADS: usize = 4;

type Tell = unsafe extern "C" fn(c_int, *const c_char);
type Ask = unsafe extern "C" fn(c_int) -> c_int;

/// The callbacks of the newest state, which may be closed meanwhile.
static TELL: AtomicUsize = AtomicUsize::new(0);
static ASK: AtomicUsize = AtomicUsize::new(0);
static OVER: AtomicBool = AtomicBool::new(false);
static ANSWERS: AtomicUsize = AtomicUsize::new(0);
static DEFAULTS: AtomicUsize = AtomicUsize::new(0);

/// Called by the script.
extern "C" fn publish(tell: usize, ask: usize) {
    TELL.store(tell, Ordering::Release);
    ASK.store(ask, Ordering::Release);
}

const SCRIPT: &str = "local moonport, ffi = require 'moonport', require 'ffi'
    local publish = ffi.cast('void (*)(uintptr_t, uintptr_t)', ffi.cast('uintptr_t', tonumber((...))))
    moonport.on_error(function(message, details) assert(details.kind == 'overflow', message) end)
    local told = moonport.callback('void (*)(int, const char *)', function(number, text)
      assert(tonumber(text) == number)
    end, { ref = false, capacity = 64 })
    local asked = moonport.callback('int (*)(int)', function(number)
      return 2 * number
    end, { ref = false, default = -1 })
    publish(ffi.cast('uintptr_t', told.pointer), ffi.cast('uintptr_t', asked.pointer))
    local before = asked:stats().delivered
    while asked:stats().delivered < before + 3 do
      moonport.step(0.01)
    end";

fn call_on() {
    let mut number: c_int = 0;
    while !OVER.load(Ordering::Relaxed) {
        let (tell, ask) = (TELL.load(Ordering::Acquire), ASK.load(Ordering::Acquire));
        if tell == 0 || ask == 0 {
            thread::yield_now();
            continue;
        }
        number = (number + 1) % 1_000_000;
        let mut text = format!("{number}\0").into_bytes();
        // SAFETY: a callback's pointer can be called as long as the process lives, by its declaration.
        let tell = unsafe { std::mem::transmute::<usize, Tell>(tell) };
        let pointer = CStr::from_bytes_with_nul(&text).expect("one NUL").as_ptr();
        // SAFETY: the text lives through the call.
        unsafe { tell(number, pointer) };
        text.fill(b'x');
        // SAFETY: as above.
        let ask = unsafe { std::mem::transmute::<usize, Ask>(ask) };
        // SAFETY: the declaration takes an int.
        let answer = unsafe { ask(number) };
        assert!(answer == 2 * number || answer == -1, "{number}: {answer}");
        let count = if answer == -1 { &DEFAULTS } else { &ANSWERS };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn states_are_closed_while_threads_call() {
    let mut file = tempfile::Builder::new().suffix(".lua").tempfile().expect("a file");
    file.write_all(SCRIPT.as_bytes()).expect("written");
    let spawn = |number| thread::Builder::new().name(format!("caller {number}")).spawn(call_on).expect("a thread");
    let callers: Vec<_> = (0..THREADS).map(spawn).collect();
    #[expect(clippy::fn_to_numeric_cast_any, reason = "the FFI library is given the address")]
    let arguments = [(publish as *const () as usize).to_string()];
    let rounds = std::env::var("MOONPORT_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1000);
    for round in 0..rounds {
        let interpreter = Interpreter::new().expect("a state");
        let ran = interpreter.run_file(file.path(), &arguments);
        assert!(ran.is_ok(), "round {round}: {}", ran.err().map(|error| error.to_string()).unwrap_or_default());
    }
    OVER.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.join().expect("a caller");
    }
    assert!(ANSWERS.load(Ordering::Relaxed) >= 3 * rounds, "each round waits for three answers");
    assert!(DEFAULTS.load(Ordering::Relaxed) > 0, "callers met closed states");
}
