// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.Request`: what a handler gets. Fields become Lua values when they are first asked for.

use std::cell::Cell;
use std::rc::Rc;

use mlua_sys as lua;
use moonport_core::reply::Reply;
use moonport_http::form::Part;
use moonport_http::{Content, Headers};

use crate::build;
use crate::exchange::Exchange;
use crate::function::{Failure, Outcome, Result, c_function, fail};
use crate::object::{self, Class, Object, Place};
use crate::owner::Owner;
use crate::stack::Stack;

/// `moonport.Request`.
pub(crate) struct Request {
    exchange: Rc<Exchange>,
    kept: Cell<Kept>,
}

/// What goes with the object of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Nothing,
    /// `request.data`, a table. Many handlers ask for that alone.
    Data,
    /// A table of the fields that were asked for, or are the program's own.
    Fields,
}

impl Request {
    /// Pushes the table of fields of the request at argument 1.
    fn push_fields(&self, stack: Stack) {
        let kept = self.kept.get();
        if kept == Kept::Fields {
            return stack.get_user_value(1);
        }
        stack.new_table(0, 2);
        if kept == Kept::Data {
            stack.get_user_value(1);
            stack.set_field(-2, "data");
        }
        stack.copy(-1);
        stack.set_user_value(1);
        self.kept.set(Kept::Fields);
    }

    /// Keeps the value at 3 as the field whose name is at 2.
    fn keep(&self, stack: Stack, name: &str) {
        if name == "data" && self.kept.get() == Kept::Nothing && stack.kind(3) == lua::LUA_TTABLE {
            stack.copy(3);
            stack.set_user_value(1);
            return self.kept.set(Kept::Data);
        }
        self.push_fields(stack);
        stack.copy(2);
        stack.copy(3);
        stack.raw_set(4);
        stack.set_top(3);
    }
}

static CLASS: Class = Class("moonport.Request");

impl Object for Request {
    const CLASS: &'static Class = &CLASS;

    fn methods() -> &'static [(&'static str, lua::lua_CFunction)] {
        &[("__index", c_function!(index)), ("__newindex", c_function!(new_index))]
    }
}

/// Bodies above this make the collector work at once: it does not see the memory that they hold.
const LARGE: usize = 16 << 10;

/// Makes the object of a request in its place, on top of the stack. May raise.
pub(crate) fn fill(stack: Stack, place: Place<Request>, exchange: Rc<Exchange>) {
    let size = exchange.sent.body().len();
    place.fill(Request { exchange, kept: Cell::new(Kept::Nothing) });
    if size > LARGE {
        stack.gc_step(i32::try_from(size >> 10).unwrap_or(i32::MAX));
    }
}

fn index(owner: &Owner, stack: Stack) -> Result {
    let request = object::check::<Request>(stack, 1, "request")?;
    stack.set_top(2);
    let name = stack.text(2);
    match request.kept.get() {
        Kept::Data if name == Some("data") => {
            stack.get_user_value(1);
            return Ok(Outcome::Values(1));
        }
        Kept::Fields => {
            stack.get_user_value(1);
            stack.copy(2);
            if stack.raw_get(3) != lua::LUA_TNIL {
                return Ok(Outcome::Values(1));
            }
            stack.set_top(2);
        }
        Kept::Nothing | Kept::Data => {}
    }
    let Some(name) = name else {
        stack.push_nil();
        return Ok(Outcome::Values(1));
    };
    push_field(owner, stack, &request.exchange, name)?;
    if stack.kind(3) != lua::LUA_TNIL {
        request.keep(stack, name);
    }
    Ok(Outcome::Values(1))
}

fn push_field(owner: &Owner, stack: Stack, exchange: &Exchange, name: &str) -> Result<()> {
    match name {
        "method" => stack.push_str(exchange.method.as_str()),
        "path" => stack.push_str(exchange.sent.path()),
        "peer" => stack.push_str(&exchange.peer),
        "body" => stack.push_bytes(exchange.sent.body()),
        "params" => push_texts(stack, &exchange.params),
        "query" => push_texts(stack, &exchange.query),
        "headers" => push_headers(owner, stack, exchange.sent.headers()),
        "data" if exchange.content == Some(Content::Json) => match &exchange.document {
            Some(document) => build::push_document(owner, stack, exchange.sent.body(), document),
            // The server's thread has checked these bytes.
            None => build::push_json(owner, stack, exchange.sent.body(), usize::MAX)
                .map_err(|error| Failure(format!("request.data: {error}")))?,
        },
        "data" if exchange.content == Some(Content::MessagePack) => {
            build::push_msgpack(owner, stack, exchange.sent.body(), usize::MAX)
                .map_err(|error| Failure(format!("request.data: {error}")))?;
        }
        "form" if exchange.content == Some(Content::Form) => {
            push_pairs(stack, exchange.form.iter().map(|part| (&*part.name, part)), |part| push_part(stack, part));
        }
        "defer" => owner.push_function(stack, c_function!(defer)),
        "aborted" => owner.push_function(stack, c_function!(aborted)),
        _ => stack.push_nil(),
    }
    Ok(())
}

/// A field of the program's own.
fn new_index(_: &Owner, stack: Stack) -> Result {
    let request = object::check::<Request>(stack, 1, "request")?;
    stack.set_top(3);
    if stack.kind(2) == lua::LUA_TNIL {
        return Err("request: a field's name cannot be nil".into());
    }
    request.push_fields(stack);
    stack.insert(2);
    stack.raw_set(2);
    Ok(Outcome::Values(0))
}

fn push_texts(stack: Stack, pairs: &[(String, String)]) {
    push_pairs(stack, pairs.iter().map(|(name, value)| (&**name, value)), |value| stack.push_str(value));
}

/// Names to values; a repeated name to a sequence of its values in order. `push` pushes one of them, which is no sequence.
fn push_pairs<'a, T>(stack: Stack, pairs: impl ExactSizeIterator<Item = (&'a str, T)>, push: impl Fn(T)) {
    stack.new_table(0, i32::try_from(pairs.len()).unwrap_or(0));
    for (name, value) in pairs {
        match stack.field(-1, name) {
            lua::LUA_TNIL => {
                stack.pop(1);
                push(value);
                stack.set_field(-2, name);
                continue;
            }
            lua::LUA_TTABLE if stack.raw_length(-1) > 0 => {}
            _ => {
                stack.new_table(2, 0);
                stack.insert(-2);
                stack.raw_set_at(-2, 1);
                stack.copy(-1);
                stack.set_field(-3, name);
            }
        }
        let next = lua::lua_Integer::try_from(stack.raw_length(-1)).unwrap_or(0) + 1;
        push(value);
        stack.raw_set_at(-2, next);
        stack.pop(1);
    }
}

/// A field as its text, a file as a table.
fn push_part(stack: Stack, part: &Part) {
    let Some(filename) = &part.filename else { return stack.push_bytes(&part.body) };
    stack.new_table(0, 3);
    stack.push_str(filename);
    stack.set_field(-2, "filename");
    if let Some(content_type) = &part.content_type {
        stack.push_str(content_type);
        stack.set_field(-2, "type");
    }
    stack.push_bytes(&part.body);
    stack.set_field(-2, "body");
}

/// Lower-case names to values; repeated ones joined with ", " (RFC 9110 section 5.3), cookies with "; " (RFC 6265).
fn push_headers(owner: &Owner, stack: Stack, headers: Headers<'_>) {
    stack.new_table(0, i32::try_from(headers.iter().count()).unwrap_or(0));
    let mut has_repeated = false;
    for (name, value) in headers {
        push_lower(owner, stack, name);
        stack.copy(-1);
        if stack.raw_get(-3) == lua::LUA_TNIL {
            stack.pop(1);
            stack.push_bytes(value);
        } else {
            // Until all of them are known.
            stack.pop(1);
            stack.push_boolean(false);
            has_repeated = true;
        }
        stack.raw_set(-3);
    }
    if has_repeated {
        join_repeated(owner, stack, headers);
    }
}

/// Replaces `false` in the table of headers on the top.
fn join_repeated(owner: &Owner, stack: Stack, headers: Headers<'_>) {
    for (name, _) in headers {
        push_lower(owner, stack, name);
        stack.copy(-1);
        if stack.raw_get(-3) != lua::LUA_TBOOLEAN {
            stack.pop(2);
            continue;
        }
        stack.pop(1);
        let separator: &[u8] = if name.eq_ignore_ascii_case(b"cookie") { b"; " } else { b", " };
        owner.scratch.with_buffer(|joined| {
            for (index, value) in headers.all(name).enumerate() {
                joined.extend_from_slice(if index > 0 { separator } else { b"" });
                joined.extend_from_slice(value);
            }
            stack.push_bytes(joined);
        });
        stack.raw_set(-3);
    }
}

fn push_lower(owner: &Owner, stack: Stack, name: &[u8]) {
    owner.scratch.with_buffer(|lower| {
        lower.extend_from_slice(name);
        lower.make_ascii_lowercase();
        stack.push_bytes(lower);
    });
}

/// `request:defer()`.
fn defer(_: &Owner, stack: Stack) -> Result {
    let exchange = &object::check::<Request>(stack, 1, "request:defer")?.exchange;
    exchange.deferred.set(true);
    stack.copy(lua::lua_upvalueindex(1));
    stack.copy(1);
    stack.push_closure(c_function!(answer), 2);
    Ok(Outcome::Values(1))
}

/// The function that `request:defer()` gives.
fn answer(owner: &Owner, stack: Stack) -> Result {
    let exchange = &object::check::<Request>(stack, lua::lua_upvalueindex(2), "answer")?.exchange;
    if exchange.reply.borrow().is_none() {
        return Ok(fail(stack, "the request has been answered already", "invalid"));
    }
    stack.set_top(1);
    let response = exchange.answer_of(owner, stack, 1).map_err(|refused| format!("answer: {refused}"))?;
    if exchange.send(response) {
        stack.push_boolean(true);
        return Ok(Outcome::Values(1));
    }
    Ok(fail(stack, "the client has gone, or the deadline is over", "closed"))
}

/// `request:aborted()`.
fn aborted(_: &Owner, stack: Stack) -> Result {
    let exchange = &object::check::<Request>(stack, 1, "request:aborted")?.exchange;
    let gone = exchange.reply.borrow().as_ref().is_some_and(Reply::is_cancelled);
    stack.push_boolean(gone);
    Ok(Outcome::Values(1))
}
