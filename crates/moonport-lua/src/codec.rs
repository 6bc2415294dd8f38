// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.json`, `moonport.msgpack` and `moonport.array`.

use mlua_sys as lua;

use crate::build;
use crate::function::{Outcome, Result};
use crate::json;
use crate::msgpack;
use crate::owner::Owner;
use crate::stack::Stack;
use crate::value::{self, DEPTH, Refused};

/// `moonport.json.encode(value)`.
pub(crate) fn encode_json(owner: &Owner, stack: Stack) -> Result {
    encode(owner, stack, "moonport.json.encode", json::write)
}

/// `moonport.msgpack.encode(value)`.
pub(crate) fn encode_msgpack(owner: &Owner, stack: Stack) -> Result {
    encode(owner, stack, "moonport.msgpack.encode", msgpack::write)
}

/// `moonport.json.decode(text)`.
pub(crate) fn decode_json(owner: &Owner, stack: Stack) -> Result {
    let text = document(stack, "moonport.json.decode")?;
    let decoded = build::push_json(owner, stack, text, DEPTH);
    Ok(finish(decoded.map_err(|error| format!("malformed JSON: {error}"))))
}

/// `moonport.msgpack.decode(text)`.
pub(crate) fn decode_msgpack(owner: &Owner, stack: Stack) -> Result {
    let bytes = document(stack, "moonport.msgpack.decode")?;
    let decoded = build::push_msgpack(owner, stack, bytes, DEPTH);
    Ok(finish(decoded.map_err(|error| format!("malformed MessagePack: {error}"))))
}

type Write = fn(&Owner, Stack, i32, &mut Vec<u8>) -> std::result::Result<(), Refused>;

fn encode(owner: &Owner, stack: Stack, function: &str, write: Write) -> Result {
    if stack.top() == 0 {
        return Err(format!("{function}: expected a value").into());
    }
    let written = owner.scratch.with_buffer(|out| {
        write(owner, stack, 1, out)?;
        stack.push_bytes(out);
        Ok::<_, Refused>(())
    });
    Ok(finish(written.map_err(|refused| refused.to_string())))
}

fn document<'a>(stack: Stack, function: &str) -> Result<&'a [u8]> {
    let bytes = stack.bytes(1);
    bytes.ok_or_else(|| format!("{function}: expected a string, got {}", stack.type_name(1)).into())
}

/// The value on top, or nil and what is wrong.
fn finish(result: std::result::Result<(), String>) -> Outcome {
    match result {
        Ok(()) => Outcome::Values(1),
        Err(message) => Outcome::Failed(message, None),
    }
}

/// `moonport.array(t)`.
pub(crate) fn array(_: &Owner, stack: Stack) -> Result {
    if stack.kind(1) != lua::LUA_TTABLE {
        return Err(format!("moonport.array: expected a table, got {}", stack.type_name(1)).into());
    }
    value::mark_array(stack, 1);
    stack.set_top(1);
    Ok(Outcome::Values(1))
}
