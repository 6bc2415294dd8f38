// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.port`: a port of the state's mailbox as a Lua object.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mlua_sys as lua;
use moonport_core::{Bytes, Encoding, OpenError, Payload, PortKey, PortOptions, PortStats, SendError, Sender};

use crate::crossing;
use crate::dispatch;
use crate::function::{Failure, Outcome, Result, c_function, fail};
use crate::object::{self, Object};
use crate::options;
use crate::owner::{Owner, Receiver, until};
use crate::stack::{Anchor, Stack};
use crate::task::{self, Wait};
use crate::timer;

/// An open port, as dispatch sees it.
pub(crate) struct Endpoint {
    pub(crate) key: PortKey,
    pub(crate) name: Option<String>,
    pub(crate) serial: bool,
    pub(crate) created: String,
    pub(crate) serial_number: u64,
    pub(crate) referenced: Cell<bool>,
    pub(crate) handler: Cell<Option<Anchor>>,
    /// A serial port's handler has not ended yet.
    pub(crate) busy: Cell<bool>,
    /// Tasks that wait for a message.
    pub(crate) receivers: RefCell<VecDeque<u64>>,
}

impl Endpoint {
    /// Lets go of the handler.
    pub(crate) fn forget(&self, stack: Stack) {
        if let Some(handler) = self.handler.take() {
            stack.release(handler);
        }
    }
}

/// `moonport.Port`. What it refers to may be closed; the sender still tells the counts then.
pub(crate) struct Port {
    key: PortKey,
    sender: Sender,
}

impl Object for Port {
    const NAME: &'static str = "moonport.Port";

    fn methods() -> &'static [(&'static str, lua::lua_CFunction)] {
        &[
            ("on", c_function!(on)),
            ("receive", c_function!(receive)),
            ("send", c_function!(send)),
            ("handle", c_function!(handle)),
            ("stats", c_function!(stats)),
            ("ref", c_function!(reference)),
            ("unref", c_function!(unreference)),
            ("close", c_function!(close)),
        ]
    }
}

/// `moonport.port(options)`.
pub(crate) fn port(owner: &Owner, stack: Stack) -> Result {
    stack.set_top(1);
    let place = object::reserve(owner, stack);
    let created = stack.caller();
    let mut settings = PortOptions::default();
    let (mut serial, mut referenced) = (false, true);
    options::read(stack, 1, "moonport.port", |key, value| {
        match key {
            "name" => settings.name = Some(value.text()?.to_owned()),
            "capacity" => settings.capacity = value.count()?,
            "capacity_bytes" => settings.capacity_bytes = value.count()?,
            "overflow" if value.text()? != "error" => {
                return Err(value.wrong("\"error\" (the other policies are not built yet)"));
            }
            "codec" if value.text()? != "raw" => {
                return Err(value.wrong("\"raw\" (the other codecs are not built yet)"));
            }
            "overflow" | "codec" => {}
            "serial" => serial = value.boolean()?,
            "ref" => referenced = value.boolean()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let name = settings.name.clone();
    let opened = owner.mailbox(|mailbox| mailbox.open(settings).map(|key| Some(key).zip(mailbox.sender(key))));
    let (key, sender) = match opened {
        Some(Ok(Some(opened))) => opened,
        Some(Err(error @ OpenError::Exists(_))) => {
            return Ok(fail(stack, &format!("moonport.port: {error}"), "exists"));
        }
        Some(Err(error)) => return Ok(fail(stack, &format!("moonport.port: {error}"), "no_memory")),
        _ => return Ok(fail(stack, "moonport.port: this Lua state is closing", "closed")),
    };
    let endpoint = Endpoint {
        key,
        name,
        serial,
        created,
        serial_number: owner.count_object(),
        referenced: Cell::new(referenced),
        handler: Cell::new(None),
        busy: Cell::new(false),
        receivers: RefCell::default(),
    };
    owner.set_receiver(key, Some(Receiver::Port(endpoint.into())));
    place.fill(Port { key, sender });
    Ok(Outcome::Values(1))
}

const CLOSED: &str = "the port is closed";

fn on(owner: &Owner, stack: Stack) -> Result {
    let port = object::check::<Port>(stack, 1, "port:on")?;
    if stack.kind(2) != lua::LUA_TFUNCTION && stack.kind(2) != lua::LUA_TNIL {
        return Err(format!("port:on: expected a function or nil, got {}", stack.type_name(2)).into());
    }
    // Before anything changes: this may raise.
    let handler = (stack.kind(2) == lua::LUA_TFUNCTION).then(|| {
        stack.copy(2);
        stack.anchor()
    });
    let Some(endpoint) = owner.endpoint(port.key) else {
        if let Some(handler) = handler {
            stack.release(handler);
        }
        return Err(format!("port:on: {CLOSED}").into());
    };
    endpoint.forget(stack);
    endpoint.handler.set(handler);
    dispatch::listen_as_needed(owner, &endpoint);
    stack.set_top(1);
    Ok(Outcome::Values(1))
}

fn receive(owner: &Owner, stack: Stack) -> Result {
    let port = object::check::<Port>(stack, 1, "port:receive")?;
    let wait = if stack.kind(2) <= lua::LUA_TNIL { Duration::ZERO } else { timer::seconds(stack, 2, "port:receive")? };
    if owner.endpoint(port.key).is_none() {
        return Ok(Outcome::Values(task::push_failure(stack, CLOSED, "closed")));
    }
    if let Some(message) = owner.mailbox(|mailbox| mailbox.take(port.key)).flatten() {
        return Ok(received(owner, stack, message.payload));
    }
    if wait.is_zero() {
        return Ok(Outcome::Values(task::push_failure(stack, "no message waits", "timeout")));
    }
    let deadline = timer::after_now(wait);
    if task::may_wait(owner, stack) {
        owner.wait.set(Some(Wait::Message(port.key, deadline)));
        return Ok(Outcome::Yield);
    }
    loop {
        let left = deadline.map(until);
        match owner.mailbox(|mailbox| mailbox.take_within(port.key, left)) {
            Some(Ok(Some(message))) => return Ok(received(owner, stack, message.payload)),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => dispatch::let_hooks_run(stack),
            _ => {}
        }
        if owner.is_interrupted() {
            return Err("interrupted".into());
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(Outcome::Values(task::push_failure(stack, "no message came in time", "timeout")));
        }
    }
}

fn received(owner: &Owner, stack: Stack, payload: Payload) -> Outcome {
    stack.push_boolean(true);
    dispatch::push_payload(owner, stack, Some(payload));
    Outcome::Values(2)
}

fn send(owner: &Owner, stack: Stack) -> Result {
    let port = object::check::<Port>(stack, 1, "port:send")?;
    let mut tag = 0;
    options::read(stack, 3, "port:send", |key, value| {
        match key {
            "timeout" => drop(value.seconds()?),
            "tag" => {
                let number = stack.integer(-1).and_then(|number| u32::try_from(number).ok());
                tag = number.ok_or_else(|| value.wrong("an integer from 0 to 4294967295"))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if stack.top() < 2 {
        return Err("port:send: expected a value".into());
    }
    let payload = match stack.bytes(2) {
        Some(bytes) => Payload::raw(bytes),
        None => owner.scratch.with_buffer(|buffer| {
            crossing::write(owner, stack, 2, buffer).map_err(|error| Failure(format!("port:send: {error}")))?;
            Ok::<_, Failure>(Payload::Bytes { encoding: Encoding::Value, bytes: Bytes::copy(buffer) })
        })?,
    };
    match port.sender.send(payload, tag) {
        Ok(_) => {
            stack.push_boolean(true);
            Ok(Outcome::Values(1))
        }
        Err(error) => Ok(fail(stack, &format!("port:send: {error}"), name_of(error))),
    }
}

fn name_of(error: SendError) -> &'static str {
    match error {
        SendError::Full => "full",
        SendError::TooBig => "too_big",
        SendError::Forked => "forked",
        _ => "closed",
    }
}

fn handle(owner: &Owner, stack: Stack) -> Result {
    let handle = object::check::<Port>(stack, 1, "port:handle")?.key.handle();
    owner.push_unsigned(stack, handle);
    Ok(Outcome::Values(1))
}

fn stats(_: &Owner, stack: Stack) -> Result {
    let port = object::check::<Port>(stack, 1, "port:stats")?;
    push_stats(stack, &port.sender.stats().unwrap_or_default());
    Ok(Outcome::Values(1))
}

/// Pushes the table of a port's counts.
pub(crate) fn push_stats(stack: Stack, stats: &PortStats) {
    stack.new_table(0, 8);
    for (name, count) in [
        ("sent", stats.sent),
        ("delivered", stats.delivered),
        ("dropped", stats.dropped),
        ("refused", stats.refused),
        ("waiting", stats.waiting),
        ("waiting_bytes", stats.waiting_bytes),
        ("high_water", stats.high_water),
        ("after_close", stats.after_close),
    ] {
        stack.push_count(count);
        stack.set_field(-2, name);
    }
}

fn reference(owner: &Owner, stack: Stack) -> Result {
    set_referenced(owner, stack, "port:ref", true)
}

fn unreference(owner: &Owner, stack: Stack) -> Result {
    set_referenced(owner, stack, "port:unref", false)
}

fn set_referenced(owner: &Owner, stack: Stack, function: &str, referenced: bool) -> Result {
    let port = object::check::<Port>(stack, 1, function)?;
    if let Some(endpoint) = owner.endpoint(port.key) {
        endpoint.referenced.set(referenced);
    }
    stack.set_top(1);
    Ok(Outcome::Values(1))
}

fn close(owner: &Owner, stack: Stack) -> Result {
    let port = object::check::<Port>(stack, 1, "port:close")?;
    let mut drain = false;
    options::read(stack, 2, "port:close", |key, value| {
        if key == "drain" {
            drain = value.boolean()?;
        }
        Ok(key == "drain")
    })?;
    let Some(endpoint) = owner.endpoint(port.key) else { return Ok(Outcome::Values(0)) };
    if drain {
        owner.mailbox(|mailbox| mailbox.shut(port.key));
        while endpoint.handler.get().is_some()
            && port.sender.stats().is_some_and(|stats| stats.waiting > 0)
            && !endpoint.busy.get()
        {
            if dispatch::turn(owner, stack) == 0 {
                break;
            }
        }
    }
    owner.set_receiver(port.key, None);
    endpoint.forget(stack);
    owner.mailbox(|mailbox| mailbox.close(port.key));
    let waiting = endpoint.receivers.take();
    for id in waiting {
        if let Some(task) = task::take(owner, id) {
            task::go_on(owner, stack, task, |stack| task::push_failure(stack, CLOSED, "closed"));
        }
    }
    Ok(Outcome::Values(0))
}
