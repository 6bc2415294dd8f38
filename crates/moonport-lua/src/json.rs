// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.json` and `moonport.array`.

use mlua_sys as lua;

use crate::function::{Outcome, Result};
use crate::owner::Owner;
use crate::stack::Stack;
use crate::value::{self, DEPTH};

/// `moonport.json.encode(value)`.
pub(crate) fn encode(owner: &Owner, stack: Stack) -> Result {
    if stack.top() == 0 {
        return Err("moonport.json.encode: expected a value".into());
    }
    let refused = owner.scratch.with_buffer(|out| match value::write_json(owner, stack, 1, out) {
        Ok(()) => {
            stack.push_bytes(out);
            None
        }
        Err(refused) => Some(refused),
    });
    Ok(refused.map_or(Outcome::Values(1), |refused| Outcome::Failed(refused.to_string(), None)))
}

/// `moonport.json.decode(text)`.
pub(crate) fn decode(owner: &Owner, stack: Stack) -> Result {
    let Some(text) = stack.bytes(1) else {
        return Err(format!("moonport.json.decode: expected a string, got {}", stack.type_name(1)).into());
    };
    Ok(match value::push_json(owner, stack, text, DEPTH) {
        Ok(()) => Outcome::Values(1),
        Err(error) => Outcome::Failed(format!("malformed JSON: {error}"), None),
    })
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
