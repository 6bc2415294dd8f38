// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rust threads send into a Lua handler: nothing is lost or doubled, and each thread's order is kept.
#![cfg(feature = "vendored")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;
use std::thread::Builder;
use std::time::{Duration, Instant};

use moonport_core::{Payload, SendError, Sender, registry};
use moonport_lua::embed::{Error, Interpreter};

const THREADS: u32 = 4;
const EACH: u32 = 25_000;

fn find(name: &str) -> Sender {
    let begun = Instant::now();
    loop {
        if let Some(sender) = registry::find_name(name) {
            return sender;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "no port named {name}");
        std::thread::yield_now();
    }
}

/// Sends 1..=EACH with the thread's number as tag; a full port is tried again.
fn send_all(sender: &Sender, thread: u32) {
    for i in 1..=EACH {
        loop {
            match sender.send(Payload::raw(i.to_string().as_bytes()), thread) {
                Ok(_) => break,
                Err(SendError::Full) => std::thread::yield_now(),
                Err(error) => panic!("thread {thread}, message {i}: {error}"),
            }
        }
    }
}

fn script(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".lua").tempfile().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn hundred_thousand(name: &'static str, collector: &str) {
    let workers: Vec<_> = (1..=THREADS)
        .map(|thread| {
            let run = move || send_all(&find(name), thread);
            Builder::new().name(format!("sender {thread}")).spawn(run).expect("a thread")
        })
        .collect();
    let file = script(&format!(
        "local moonport = require 'moonport'
        local port = moonport.port {{ name = '{name}', capacity = 1000 }}
        local count, last, sequence = 0, {{}}, 0
        moonport.on_error(function(message) print(message) os.exit(3) end)
        port:on(function(value, message)
          {collector}
          assert(tonumber(value) == (last[message.tag] or 0) + 1, 'order')
          last[message.tag] = tonumber(value)
          assert(message.sequence > sequence, 'sequence')
          sequence = message.sequence
          count = count + 1
          if count == {total} then moonport.stop() end
        end)
        moonport.run()
        for i = 1, 20 do assert(moonport.step() == 0, 'more than were sent') end
        assert(port:stats().sent == {total} and port:stats().delivered == {total})
        for thread = 1, {THREADS} do assert(last[thread] == {EACH}) end
        port:close()",
        total = THREADS * EACH,
    ));
    let interpreter = Interpreter::new().expect("a state");
    interpreter.run_file(file.path(), &[]).expect("the script");
    for worker in workers {
        worker.join().expect("a sender");
    }
}

#[test]
fn a_hundred_thousand_messages_from_four_threads_arrive_in_order() {
    hundred_thousand("threads", "");
}

#[test]
fn a_hundred_thousand_messages_arrive_under_a_collection_in_every_handler() {
    hundred_thousand("threads, hostile", "collectgarbage()");
}

#[test]
fn a_state_closed_while_others_send_ends_them_with_closed() {
    for round in 0..50 {
        let name = format!("closing {round}");
        let file = script(&format!(
            "local moonport = require 'moonport'
            local port, count = moonport.port {{ name = '{name}' }}, 0
            port:on(function() count = count + 1 if count == 100 then moonport.stop() end end)
            moonport.run()
            port:unref()
            moonport.stop()"
        ));
        let worker = Builder::new().name("sender".into()).spawn(move || {
            let sender = find(&name);
            while sender.send(Payload::raw(b"x"), 0) != Err(SendError::Closed) {}
        });
        let interpreter = Interpreter::new().expect("a state");
        interpreter.run_file(file.path(), &[]).expect("the script");
        drop(interpreter);
        worker.expect("a thread").join().expect("ended by the close");
    }
}

#[test]
fn an_interrupted_script_ends_its_waits() {
    let interpreter = Interpreter::new().expect("a state");
    let interrupter = interpreter.interrupter().expect("open");
    let file = script(
        "local moonport = require 'moonport'
        moonport.port { name = 'interrupted' }
        moonport.run()
        local ok, message = pcall(moonport.step, 10)
        error(tostring(message), 0)",
    );
    let worker = Builder::new().name("interrupter".into()).spawn(move || {
        find("interrupted");
        interrupter.interrupt();
    });
    let result = interpreter.run_file(file.path(), &[]);
    assert!(matches!(&result, Err(Error::Script(text)) if text.contains("interrupted")), "{result:?}");
    worker.expect("a thread").join().expect("the interrupter");
}

#[test]
fn an_unreadable_script_and_a_failing_one_say_what_and_where() {
    let interpreter = Interpreter::new().expect("a state");
    let missing = interpreter.run_file("/nonexistent/script.lua".as_ref(), &[]);
    assert!(matches!(&missing, Err(Error::Load(text)) if text.contains("/nonexistent/script.lua")), "{missing:?}");
    let broken = script("local x = = 1");
    let broken = interpreter.run_file(broken.path(), &[]);
    assert!(matches!(&broken, Err(Error::Load(text)) if text.contains(":1:")), "{broken:?}");
    let failing = script("local function inner() error('deep') end\ninner()");
    let failing = interpreter.run_file(failing.path(), &["argument".into()]);
    let text = failing.expect_err("it raises").to_string();
    assert!(text.contains(":1: deep") && text.contains("traceback") && text.contains("inner"), "{text}");
}
