// SPDX-License-Identifier: MIT OR Apache-2.0
//! `message.reply`: how a handler answers whoever waits.

use std::cell::Cell;
use std::rc::Rc;

use mlua_sys as lua;
use moonport_core::reply::{CallError, ReplyError, ReplyTo};
use moonport_core::{Bytes, Encoding, Payload};

use crate::function::{Failure, Outcome, Result, c_function, fail};
use crate::json;
use crate::msgpack;
use crate::object::{self, Class, Object};
use crate::owner::Owner;
use crate::sender;
use crate::stack::Stack;
use crate::value;

/// What is to be answered, once. The function in the message holds it, and the task whose handler may fail.
#[derive(Clone)]
pub(crate) struct Question(Rc<Cell<Option<Box<ReplyTo>>>>);

static CLASS: Class = Class("moonport.Question");

impl Object for Question {
    const CLASS: &'static Class = &CLASS;

    fn methods() -> &'static [(&'static str, lua::lua_CFunction)] {
        &[]
    }
}

impl Question {
    pub(crate) fn new(reply: Box<ReplyTo>) -> Self {
        Self(Rc::new(Cell::new(Some(reply))))
    }

    /// The handler has failed.
    pub(crate) fn fail(&self, message: &str) {
        if let Some(reply) = self.0.take() {
            reply.refuse(CallError::Handler(message.to_owned()));
        }
    }

    /// The answer is here.
    pub(crate) fn answer(&self, payload: Payload) {
        if let Some(reply) = self.0.take() {
            // A caller that has gone does not want to know.
            reply.answer(payload).unwrap_or(());
        }
    }

    /// Does somebody still wait for the answer?
    pub(crate) fn is_open(&self) -> bool {
        let reply = self.0.take();
        let is_open = reply.as_ref().is_some_and(|reply| !reply.is_cancelled());
        self.0.set(reply);
        is_open
    }

    fn encoding(&self) -> Option<Encoding> {
        let reply = self.0.take()?;
        let encoding = reply.encoding();
        self.0.set(Some(reply));
        Some(encoding)
    }
}

/// Pushes the function `reply(value)` for the question that was asked last.
pub(crate) fn push_reply(owner: &Owner, stack: Stack) {
    stack.push_pointer(std::ptr::from_ref(owner).cast_mut().cast());
    let place = object::reserve(owner, stack);
    // Taken when nothing can raise any more.
    match owner.asking.take() {
        Some(question) => place.fill(question),
        None => stack.push_nil(),
    }
    stack.push_closure(c_function!(reply), 2);
}

fn reply(owner: &Owner, stack: Stack) -> Result {
    const FUNCTION: &str = "message.reply";
    let Some(question) = object::get::<Question>(stack, lua::lua_upvalueindex(2)) else {
        return Ok(fail(stack, "message.reply: this Lua state is closing", "closed"));
    };
    let Some(encoding) = question.encoding() else {
        return Ok(fail(stack, "message.reply: this message was answered before", "invalid"));
    };
    if stack.top() == 0 {
        stack.push_nil();
    }
    let payload = encode(owner, stack, encoding)?;
    let Some(reply) = question.0.take() else {
        return Ok(fail(stack, "message.reply: this message was answered before", "invalid"));
    };
    match reply.answer(payload) {
        Ok(()) => {
            stack.push_boolean(true);
            Ok(Outcome::Values(1))
        }
        Err(error) => Ok(fail(stack, &format!("{FUNCTION}: {error}"), name_of(error))),
    }
}

/// The value at 1 as whoever waits wants it.
fn encode(owner: &Owner, stack: Stack, encoding: Encoding) -> Result<Payload> {
    const FUNCTION: &str = "message.reply";
    let refused = |error: value::Refused| Failure(format!("{FUNCTION}: {error}"));
    match encoding {
        Encoding::Json => owner.scratch.with_buffer(|buffer| {
            json::write(owner, stack, 1, buffer).map_err(refused)?;
            Ok(Payload::Bytes { encoding, bytes: Bytes::copy(buffer) })
        }),
        Encoding::MessagePack => owner.scratch.with_buffer(|buffer| {
            msgpack::write(owner, stack, 1, buffer).map_err(refused)?;
            Ok(Payload::Bytes { encoding, bytes: Bytes::copy(buffer) })
        }),
        Encoding::Raw => stack.bytes(1).map(Payload::raw).ok_or_else(|| {
            Failure(format!(
                "{FUNCTION}: expected a string, since raw bytes were asked for, got {}",
                stack.type_name(1)
            ))
        }),
        _ => sender::payload(owner, stack, 1, FUNCTION),
    }
}

fn name_of(error: ReplyError) -> &'static str {
    match error {
        ReplyError::Full => "full",
        ReplyError::TooBig => "too_big",
        _ => "closed",
    }
}
