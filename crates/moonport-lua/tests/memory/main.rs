// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory runs out at every single allocation of Lua's in turn: the result is a Lua error or success, and once there is
//! memory again every message arrives.
#![cfg(feature = "vendored")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod limited;
mod requests;

use limited::Limited;

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
