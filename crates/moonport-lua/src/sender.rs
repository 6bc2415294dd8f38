// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.connect` and `moonport.Sender`: the sending end of a port of any Lua state in the process.

use std::time::Duration;

use mlua_sys as lua;
use moonport_core::{BLOCK_TIME, Bytes, Encoding, Overflow, Payload, SendError, Sender, Sent, registry};

use crate::call;
use crate::crossing;
use crate::function::{Failure, Outcome, Result, c_function, fail};
use crate::object::{self, Class, Object};
use crate::options;
use crate::owner::Owner;
use crate::stack::Stack;
use crate::timer;

static CLASS: Class = Class("moonport.Sender");

impl Object for Sender {
    const CLASS: &'static Class = &CLASS;

    fn methods() -> &'static [(&'static str, lua::lua_CFunction)] {
        &[("send", c_function!(send)), ("call", c_function!(call::call)), ("close", c_function!(close))]
    }
}

/// `moonport.connect(name)`.
pub(crate) fn connect(owner: &Owner, stack: Stack) -> Result {
    stack.set_top(1);
    let place = object::reserve(owner, stack);
    let Some(name) = stack.text(1) else {
        return Err(format!("moonport.connect: expected a name, got {}", stack.type_name(1)).into());
    };
    let Some(sender) = registry::find_name(name) else {
        return Ok(fail(stack, &format!("moonport.connect: no open port is named {name:?}"), "not_found"));
    };
    place.fill(sender);
    Ok(Outcome::Values(1))
}

fn send(owner: &Owner, stack: Stack) -> Result {
    let sender = *object::check::<Sender>(stack, 1, "sender:send")?;
    send_value(owner, stack, sender, "sender:send")
}

fn close(_: &Owner, stack: Stack) -> Result {
    let sender = object::check::<Sender>(stack, 1, "sender:close")?;
    match sender.close() {
        Ok(_) => Ok(Outcome::Values(0)),
        Err(error) => Ok(failed(stack, error, "sender:close")),
    }
}

/// Sends the value at 2 with the options at 3.
pub(crate) fn send_value(owner: &Owner, stack: Stack, sender: Sender, function: &str) -> Result {
    let (mut tag, mut timeout) = (0, None);
    options::read(stack, 3, function, |key, value| {
        match key {
            "timeout" => timeout = Some(timer::seconds(stack, -1, &format!("{function}: timeout"))?),
            "tag" => {
                let number = stack.integer(-1).and_then(|number| u32::try_from(number).ok());
                tag = number.ok_or_else(|| value.wrong("an integer from 0 to 4294967295"))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if stack.top() < 2 {
        return Err(format!("{function}: expected a value").into());
    }
    let payload = payload(owner, stack, 2, function)?;
    match post(sender, payload, tag, timeout) {
        Ok(_) => {
            stack.push_boolean(true);
            Ok(Outcome::Values(1))
        }
        Err(error) => Ok(failed(stack, error, function)),
    }
}

/// A port that blocks its senders blocks those of other states too, though they own one; its own it never does.
fn post(sender: Sender, payload: Payload, tag: u32, timeout: Option<Duration>) -> std::result::Result<Sent, SendError> {
    match timeout {
        Some(timeout) => sender.send_within(payload, tag, timeout),
        None if sender.overflow() == Overflow::Block => sender.send_within(payload, tag, BLOCK_TIME),
        None => sender.send(payload, tag),
    }
}

/// What the value at `index` crosses threads as: a string as it is, others as this module's own bytes.
pub(crate) fn payload(owner: &Owner, stack: Stack, index: i32, function: &str) -> Result<Payload> {
    if let Some(bytes) = stack.bytes(index) {
        return Ok(Payload::raw(bytes));
    }
    owner.scratch.with_buffer(|buffer| {
        crossing::write(owner, stack, index, buffer).map_err(|error| Failure(format!("{function}: {error}")))?;
        Ok(Payload::Bytes { encoding: Encoding::Value, bytes: Bytes::copy(buffer) })
    })
}

pub(crate) fn failed(stack: Stack, error: SendError, function: &str) -> Outcome {
    fail(stack, &format!("{function}: {error}"), name_of(error))
}

/// The name of a failure in the Lua contract.
pub(crate) fn name_of(error: SendError) -> &'static str {
    match error {
        SendError::Full => "full",
        SendError::Timeout => "timeout",
        SendError::WouldDeadlock => "would_deadlock",
        SendError::NoMemory => "no_memory",
        SendError::TooBig => "too_big",
        SendError::Forked => "forked",
        _ => "closed",
    }
}
