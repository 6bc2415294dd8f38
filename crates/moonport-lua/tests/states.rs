// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lua states on threads of their own that reach each other through `moonport.connect`.
#![cfg(feature = "vendored")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::thread::{Builder, JoinHandle};

use moonport_lua::embed::{Error, Interpreter};

/// Runs a script in a state and thread of its own.
fn state(name: &str, text: &str) -> JoinHandle<Result<(), Error>> {
    let mut file = tempfile::Builder::new().suffix(".lua").tempfile().expect("a file");
    let begin = "local moonport = require 'moonport'
        local function connect(name)
          for _ = 1, 10000 do
            local sender = moonport.connect(name)
            if sender then return sender end
            moonport.step(0.001)
          end
          error('no port named ' .. name)
        end\n";
    file.write_all(begin.as_bytes()).expect("written");
    file.write_all(text.as_bytes()).expect("written");
    let run = move || Interpreter::new().expect("a state").run_file(file.path(), &[]);
    Builder::new().name(name.into()).spawn(run).expect("a thread")
}

fn join(states: impl IntoIterator<Item = JoinHandle<Result<(), Error>>>) {
    for state in states {
        let name = state.thread().name().unwrap_or_default().to_owned();
        let result = state.join().expect("no panic");
        assert!(result.is_ok(), "{name}: {}", result.err().map(|error| error.to_string()).unwrap_or_default());
    }
}

#[test]
fn values_cross_between_states_and_answers_come_back() {
    let server = state(
        "server",
        "local port = moonport.port { name = 'states: server' }
        local count = 0
        port:on(function(value, message)
          if value == 'stop' then assert(message.reply == nil) port:close() return end
          count = count + 1
          assert(message.reply({ count = count, got = value }) == true)
          local ok, _, name = message.reply('again')
          assert(ok == nil and name == 'invalid')
        end)
        moonport.run()
        assert(count == 104, count)",
    );
    let client = state(
        "client",
        "local server = connect('states: server')
        -- Outside of a handler: the thread waits.
        for i = 1, 4 do
          local ok, value = server:call({ i, 'x', moonport.null }, 30)
          assert(ok == true and value.count == i and value.got[1] == i and value.got[3] == moonport.null)
        end
        -- In tasks: each is suspended alone.
        local done = 0
        for i = 1, 100 do
          moonport.spawn(function()
            local ok, value = server:call(i, 30)
            assert(ok == true and value.got == i, tostring(value))
            done = done + 1
          end)
        end
        moonport.run()
        assert(done == 100)
        assert(server:send('stop') == true)",
    );
    join([server, client]);
}

#[test]
fn two_states_that_call_each_other_finish() {
    let script = |own: &str, other: &str| {
        format!(
            "local port = moonport.port {{ name = '{own}' }}
            local answered, asked = 0, 0
            port:on(function(value, message)
              if value == 'bye' then port:unref() return end
              answered = answered + 1
              message.reply(value * 2)
            end)
            local other = connect('{other}')
            for i = 1, 500 do
              local ok, value = other:call(i, 60)
              assert(ok == true and value == i * 2, tostring(value))
              asked = asked + 1
            end
            other:send('bye')
            moonport.run()
            assert(asked == 500 and answered == 500, answered)"
        )
    };
    join([state("one", &script("states: one", "states: two")), state("two", &script("states: two", "states: one"))]);
}

#[test]
fn a_call_ends_with_the_reason_why_there_is_no_answer() {
    let server = state(
        "server",
        "local errors = 0
        moonport.on_error(function() errors = errors + 1 end)
        local port = moonport.port { name = 'states: silent' }
        local kept = {}
        port:on(function(value, message)
          if value == 'fail' then error('on purpose') end
          if value == 'keep' then kept[#kept + 1] = message.reply end
          if value == 'refuse' then message.reply(print) end
          if value == 'close' then port:close() end
        end)
        moonport.run()
        assert(errors == 3, errors)",
    );
    let client = state(
        "client",
        "local server = connect('states: silent')
        local function call(value, timeout)
          local ok, message, name = server:call(value, timeout)
          assert(ok == false)
          return name .. ': ' .. message
        end
        local failed = call('fail', 30)
        assert(failed:find('^handler: ') and failed:find('on purpose'), failed)
        assert(call('keep', 0.02):find('^timeout: '))
        local refused = call('refuse', 30)
        assert(refused:find('a function cannot cross threads'), refused)
        local names = {}
        moonport.spawn(function() names[1] = call('keep', 0.02) end)
        moonport.spawn(function() names[2] = call('fail', 30) end)
        moonport.run()
        assert(names[1]:find('^timeout') and names[2]:find('^handler'))
        local closed = call('close', 30)
        assert(closed:find('^closed: '), closed)
        assert(select(3, server:send('late')) == 'closed')
        assert(call('late', 1):find('^closed: '))",
    );
    join([server, client]);
}

#[test]
fn a_state_that_blocks_its_senders_slows_the_other_and_loses_nothing() {
    let slow = state(
        "slow",
        "local port = moonport.port { name = 'states: narrow', capacity = 1, overflow = 'block' }
        local count = 0
        port:on(function(value)
          count = count + 1
          assert(value == count)
          if count == 2000 then port:close() end
        end)
        moonport.run()
        assert(count == 2000)
        assert(port:stats().refused == 0 and port:stats().dropped == 0 and port:stats().high_water == 1)",
    );
    let fast = state(
        "fast",
        "local narrow = connect('states: narrow')
        for i = 1, 2000 do
          local ok, message = narrow:send(i, { timeout = 60 })
          assert(ok, message)
        end",
    );
    join([slow, fast]);
}
