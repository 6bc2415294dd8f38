// SPDX-License-Identifier: MIT OR Apache-2.0
//! What values of every format have in common in Lua: null, marked sequences, how deep they nest, why one cannot leave.

use mlua_sys as lua;
use moonport_codec::{DEFAULT_DEPTH, json};

use crate::stack::Stack;

/// How deep values may nest, both ways.
pub(crate) const DEPTH: usize = DEFAULT_DEPTH;

/// Why a value cannot leave Lua, and where in it.
#[derive(Debug)]
pub(crate) struct Refused {
    path: String,
    reason: String,
}

impl Refused {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { path: String::new(), reason: reason.into() }
    }

    /// The same, seen from the table that holds it under the key at `index`.
    pub(crate) fn below(mut self, stack: Stack, index: i32) -> Self {
        let step = match stack.text(index) {
            Some(name) if is_name(name) => format!(".{name}"),
            Some(name) => format!("[{name:?}]"),
            None => match stack.number(index) {
                Some(number) => format!("[{}]", number_text(number)),
                None => format!("[a {}]", stack.type_name(index)),
            },
        };
        self.path.insert_str(0, &step);
        self
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "value{}: {}", self.path, self.reason)
    }
}

/// A number as text: core's own way would be 7 KB more in the module.
pub(crate) fn number_text(number: f64) -> String {
    let mut text = Vec::new();
    if json::write_number(&mut text, number) {
        return String::from_utf8_lossy(&text).into_owned();
    }
    let name = if number.is_nan() { "nan" } else { "inf" };
    if number < 0.0 { format!("-{name}") } else { name.to_owned() }
}

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// The class of tables that moonport.array marked.
static ARRAY: u8 = 0;

/// Pushes the metatable that marks a table as a sequence.
pub(crate) fn push_array_class(stack: Stack) {
    stack.push_pointer((&raw const ARRAY).cast_mut().cast());
    if stack.raw_get(lua::LUA_REGISTRYINDEX) == lua::LUA_TTABLE {
        return;
    }
    stack.pop(1);
    stack.new_table(0, 1);
    stack.push_str("moonport.array");
    stack.set_field(-2, "__name");
    stack.push_pointer((&raw const ARRAY).cast_mut().cast());
    stack.copy(-2);
    stack.raw_set(lua::LUA_REGISTRYINDEX);
}

/// Marks the table at `index` as a sequence.
pub(crate) fn mark_array(stack: Stack, index: i32) {
    let index = stack.absolute(index);
    push_array_class(stack);
    stack.set_metatable(index);
}

pub(crate) fn is_marked(stack: Stack, index: i32) -> bool {
    let index = stack.absolute(index);
    if !stack.metatable(index) {
        return false;
    }
    push_array_class(stack);
    let same = stack.raw_equal(-1, -2);
    stack.pop(2);
    same
}

pub(crate) fn push_null(stack: Stack) {
    stack.push_pointer(std::ptr::null_mut());
}

pub(crate) fn is_null(stack: Stack, index: i32) -> bool {
    stack.kind(index) == lua::LUA_TLIGHTUSERDATA && stack.userdata(index).is_null()
}
