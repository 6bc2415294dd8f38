// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.Events`: server-sent events as a Lua object. The log that pages read is moonport-http's.

use mlua_sys as lua;
use moonport_http::{EventError, Events};

use crate::function::{Failure, Outcome, Result, c_function, fail};
use crate::json;
use crate::object::{self, Class, Object};
use crate::owner::Owner;
use crate::stack::Stack;

/// `moonport.Events`.
pub(crate) struct Pages(pub(crate) Events);

static CLASS: Class = Class("moonport.Events");

impl Object for Pages {
    const CLASS: &'static Class = &CLASS;

    fn methods() -> &'static [(&'static str, lua::lua_CFunction)] {
        &[("send", c_function!(send)), ("count", c_function!(count))]
    }
}

/// `events:send(value, event)`.
fn send(owner: &Owner, stack: Stack) -> Result {
    const FUNCTION: &str = "events:send";
    let events = &object::check::<Pages>(stack, 1, FUNCTION)?.0;
    if stack.top() < 2 {
        return Err(format!("{FUNCTION}: expected a value").into());
    }
    let wanted = || format!("{FUNCTION}: event: expected a string, got {}", stack.type_name(3));
    let name = match stack.kind(3) {
        lua::LUA_TNONE | lua::LUA_TNIL => None,
        lua::LUA_TSTRING => Some(stack.text(3).ok_or_else(|| format!("{FUNCTION}: event: the name is not UTF-8"))?),
        _ => return Err(wanted().into()),
    };
    if stack.kind(2) == lua::LUA_TSTRING {
        let text = stack.text(2).ok_or_else(|| format!("{FUNCTION}: the string is not UTF-8"))?;
        return finish(stack, events.send(text, name));
    }
    let sent = owner.scratch.with_buffer(|out| {
        json::write(owner, stack, 2, out).map_err(|refused| Failure(format!("{FUNCTION}: {refused}")))?;
        let text = std::str::from_utf8(out).map_err(|_| Failure(format!("{FUNCTION}: a string is not UTF-8")))?;
        Ok::<_, Failure>(events.send(text, name))
    });
    finish(stack, sent?)
}

/// `events:count()`.
fn count(_: &Owner, stack: Stack) -> Result {
    let events = &object::check::<Pages>(stack, 1, "events:count")?.0;
    finish(stack, events.count())
}

fn finish(stack: Stack, counted: std::result::Result<usize, EventError>) -> Result {
    match counted {
        Ok(count) => stack.push_count(count as u64),
        Err(EventError::Forked) => return Ok(fail(stack, &EventError::Forked.to_string(), "forked")),
        Err(error) => return Err(format!("events:send: {error}").into()),
    }
    Ok(Outcome::Values(1))
}
