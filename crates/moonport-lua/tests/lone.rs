// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages that come one by one to an owner that sleeps in `moonport.run`: the task that handled the last one sleeps, and takes
//! the next one. Whatever else may wake the owner must still be seen.
#![cfg(feature = "vendored")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;
use std::thread::Builder;
use std::time::{Duration, Instant};

use moonport_core::{Doing, Payload, Sender, registry};
use moonport_lua::embed::Interpreter;

/// Beyond the number from which LuaJIT gets a loop of its own for the port.
const COUNT: u32 = 700;

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::yield_now();
    }
}

fn find(name: &str) -> Sender {
    until("a port of that name", || registry::find_name(name).is_some());
    registry::find_name(name).expect("it was there")
}

/// Waits until the owner of these ports has taken all that was sent, and sleeps.
fn until_asleep(ports: &[Sender]) {
    let is_taken = |port: &Sender| port.stats().is_some_and(|stats| stats.waiting == 0);
    until("asleep", || ports.iter().all(is_taken) && ports.iter().all(|port| port.owner_is() == Doing::Asleep));
}

fn send_alone(sender: Sender, text: &str, ports: &[Sender]) {
    until_asleep(ports);
    sender.send(Payload::raw(text.as_bytes()), 0).expect("sent");
}

/// Runs a script beside a thread that sends.
fn beside(send: impl FnOnce() + Send + 'static, code: &str) {
    let mut file = tempfile::Builder::new().suffix(".lua").tempfile().expect("a file");
    let errors = "local moonport = require 'moonport'
        moonport.on_error(function(message) io.stderr:write(message, '\\n') os.exit(3) end)\n";
    file.write_all(errors.as_bytes()).expect("written");
    file.write_all(code.as_bytes()).expect("written");
    let thread = Builder::new().name("sender".into()).spawn(send).expect("a thread");
    let interpreter = Interpreter::new().expect("a state");
    interpreter.run_file(file.path(), &[]).expect("the script");
    drop(interpreter);
    thread.join().expect("the sender");
}

#[test]
fn they_arrive_in_order_and_a_close_by_another_thread_ends_the_run() {
    let send = || {
        let sender = find("lone");
        for i in 1..=COUNT {
            send_alone(sender, &i.to_string(), &[sender]);
        }
        until_asleep(&[sender]);
        assert_eq!(sender.close(), Ok(true));
    };
    beside(
        send,
        "local count = 0
        local port = moonport.port { name = 'lone' }
        port:on(function(text) count = count + 1 assert(tonumber(text) == count, 'order') end)
        moonport.run()
        assert(count == 700, count)",
    );
}

#[test]
fn those_of_several_ports_take_turns() {
    let send = || {
        let senders = ["lone one", "lone two", "lone three"].map(find);
        for i in 1..=COUNT {
            let which = (i * i / 7) as usize % 3;
            send_alone(senders[which], &i.to_string(), &senders);
        }
        send_alone(senders[0], "stop", &senders);
    };
    beside(
        send,
        "local count = 0
        local function handle(text)
          if text == 'stop' then return moonport.stop() end
          count = count + 1
          assert(tonumber(text) == count, 'order')
        end
        moonport.port { name = 'lone one' }:on(handle)
        moonport.port { name = 'lone two' }:on(handle)
        moonport.port { name = 'lone three' }:on(function(text, message) handle(text) assert(message.tag == 0) end)
        moonport.run()
        assert(count == 700, count)",
    );
}

#[test]
fn handlers_may_start_timers_wait_and_change_places() {
    let send = || {
        let sender = find("lone busy");
        for i in 1..=COUNT {
            send_alone(sender, &i.to_string(), &[sender]);
        }
    };
    beside(
        send,
        "local got, fired, waited = 0, 0, 0
        local port = moonport.port { name = 'lone busy' }
        local function finish()
          if got == 700 and fired == 70 and waited == 70 then port:close() end
        end
        local handle
        local function other(text) port:on(handle) return handle(text) end
        function handle(text)
          local number = tonumber(text)
          got = got + 1
          assert(number == got, 'order')
          if number % 10 == 3 then
            moonport.after(0.0001, function() fired = fired + 1 finish() end)
          elseif number % 10 == 5 then
            moonport.sleep(0.0001)
            waited = waited + 1
          elseif number % 10 == 7 then
            port:on(other)
          end
          finish()
        end
        port:on(handle)
        moonport.run()
        assert(got == 700 and fired == 70 and waited == 70)",
    );
}

#[test]
fn an_interrupt_ends_the_run() {
    let mut file = tempfile::Builder::new().suffix(".lua").tempfile().expect("a file");
    let code = "local moonport = require 'moonport'
        moonport.port { name = 'lone interrupted' }:on(function(text) end)
        moonport.run()";
    file.write_all(code.as_bytes()).expect("written");
    let interpreter = Interpreter::new().expect("a state");
    let interrupter = interpreter.interrupter().expect("an interrupter");
    let interrupt = move || {
        let sender = find("lone interrupted");
        send_alone(sender, "text", &[sender]);
        until_asleep(&[sender]);
        interrupter.interrupt();
    };
    let thread = Builder::new().name("interrupter".into()).spawn(interrupt).expect("a thread");
    interpreter.run_file(file.path(), &[]).expect("the script");
    thread.join().expect("the interrupter");
}
