// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON and Lua values, straight from one to the other: the codec drives a builder on the stack, which serves
//! MessagePack too, and a walk over Lua's tables drives the codec's writers.

use mlua_sys as lua;
use moonport_codec::{DEFAULT_DEPTH, Visitor, json, msgpack};

use crate::int64::Int64;
use crate::owner::Owner;
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
                Some(number) => format!("[{number}]"),
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

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// The class of tables that moonport.array marked.
static ARRAY: u8 = 0;

/// Pushes the metatable that marks a table as a sequence.
fn push_array_class(stack: Stack) {
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

/// Pushes the value of a JSON document. On an error the stack is as before.
///
/// # Errors
/// The codec's, with the offset.
pub(crate) fn push_json(owner: &Owner, stack: Stack, text: &[u8], depth: usize) -> Result<(), json::Error> {
    let top = stack.top();
    stack.check_room();
    let result = owner.scratch.with_buffer(|scratch| json::decode(text, depth, scratch, &mut Builder { owner, stack }));
    if result.is_err() {
        stack.set_top(top);
    }
    result
}

/// Pushes the value of a MessagePack document. On an error the stack is as before.
///
/// # Errors
/// The codec's, with the offset.
pub(crate) fn push_msgpack(owner: &Owner, stack: Stack, bytes: &[u8], depth: usize) -> Result<(), msgpack::Error> {
    let top = stack.top();
    stack.check_room();
    let result = msgpack::decode(bytes, depth, &mut Builder { owner, stack });
    if result.is_err() {
        stack.set_top(top);
    }
    result
}

struct Builder<'a> {
    owner: &'a Owner,
    stack: Stack,
}

impl Visitor for Builder<'_> {
    fn null(&mut self) {
        push_null(self.stack);
    }

    fn boolean(&mut self, value: bool) {
        self.stack.push_boolean(value);
    }

    fn integer(&mut self, value: i64) {
        self.owner.push_signed(self.stack, value);
    }

    fn unsigned(&mut self, value: u64) {
        self.owner.push_unsigned_exact(self.stack, value);
    }

    fn number(&mut self, value: f64) {
        self.stack.push_number(value);
    }

    fn string(&mut self, value: &str) {
        self.stack.push_str(value);
    }

    fn bytes(&mut self, value: &[u8]) {
        self.stack.push_bytes(value);
    }

    fn array_begin(&mut self, hint: usize) {
        self.stack.check_room();
        self.stack.new_table(room(hint), 0);
    }

    fn array_item(&mut self, index: usize) {
        self.stack.raw_set_at(-2, lua::lua_Integer::try_from(index).unwrap_or(lua::lua_Integer::MAX));
    }

    fn array_end(&mut self, length: usize) {
        if length == 0 {
            mark_array(self.stack, -1);
        }
    }

    fn object_begin(&mut self, hint: usize) {
        self.stack.check_room();
        self.stack.new_table(0, room(hint));
    }

    fn object_key(&mut self) {}

    fn object_entry(&mut self) {
        self.stack.raw_set(-3);
    }

    fn object_end(&mut self, _length: usize) {}
}

/// Room made in a new table for what a document says is in it.
fn room(hint: usize) -> i32 {
    i32::try_from(hint).unwrap_or(i32::MAX).min(1 << 16)
}

/// Appends the value at `index` as JSON.
///
/// # Errors
/// What cannot be JSON, with its path; `out` then holds a part.
pub(crate) fn write_json(owner: &Owner, stack: Stack, index: i32, out: &mut Vec<u8>) -> Result<(), Refused> {
    Writer { owner, stack, open: [std::ptr::null(); DEPTH] }.value(stack.absolute(index), 0, out)
}

struct Writer<'a> {
    owner: &'a Owner,
    stack: Stack,
    /// The tables around the current value.
    open: [*const std::ffi::c_void; DEPTH],
}

impl Writer<'_> {
    fn value(&mut self, index: i32, depth: usize, out: &mut Vec<u8>) -> Result<(), Refused> {
        let stack = self.stack;
        match stack.kind(index) {
            lua::LUA_TSTRING => write_string(stack, index, out),
            lua::LUA_TTABLE => self.table(index, depth, out),
            lua::LUA_TBOOLEAN => {
                out.extend_from_slice(if stack.truth(index) { b"true" } else { b"false" });
                Ok(())
            }
            lua::LUA_TNIL => {
                out.extend_from_slice(b"null");
                Ok(())
            }
            lua::LUA_TLIGHTUSERDATA if is_null(stack, index) => {
                out.extend_from_slice(b"null");
                Ok(())
            }
            _ => self.number(index, out),
        }
    }

    fn number(&self, index: i32, out: &mut Vec<u8>) -> Result<(), Refused> {
        match self.owner.int64(self.stack, index) {
            Some(Int64::Signed(value)) => json::write_integer(out, value),
            Some(Int64::Unsigned(value)) => json::write_unsigned(out, value),
            None => match self.stack.number(index) {
                Some(number) if json::write_number(out, number) => {}
                Some(number) if number.is_nan() => return Err(Refused::new("NaN cannot be JSON")),
                Some(_) => return Err(Refused::new("an infinite number cannot be JSON")),
                None => return Err(Refused::new(format!("a {} cannot be JSON", self.stack.type_name(index)))),
            },
        }
        Ok(())
    }

    fn table(&mut self, index: i32, depth: usize, out: &mut Vec<u8>) -> Result<(), Refused> {
        let table = self.stack.pointer(index);
        if self.open[..depth].contains(&table) {
            return Err(Refused::new("a table that contains itself cannot be JSON"));
        }
        let Some(place) = self.open.get_mut(depth) else {
            return Err(Refused::new(format!("nested deeper than {DEPTH}")));
        };
        *place = table;
        self.stack.check_room();
        let begin = out.len();
        let stopped_by = self.sequence(index, depth, out)?;
        if stopped_by == lua::LUA_TNIL {
            return Ok(());
        }
        out.truncate(begin);
        // Numbers that do not come in order: either keys beside 1..n, or a sequence that Lua keeps in another order.
        if stopped_by == lua::LUA_TNUMBER
            && let Some(length) = self.length_of_sequence(index)
        {
            return self.sequence_by_index(index, length, depth, out);
        }
        self.object(index, depth, out)
    }

    /// Writes the table as an array as long as its keys come as 1, 2, 3 …; gives the kind of another key that came, or nil.
    fn sequence(&mut self, index: i32, depth: usize, out: &mut Vec<u8>) -> Result<i32, Refused> {
        let stack = self.stack;
        let top = stack.top();
        let mut length = 0;
        stack.push_nil();
        while stack.next(index) {
            length += 1;
            let kind = stack.kind(-2);
            if kind != lua::LUA_TNUMBER || stack.integer(-2) != Some(length) {
                stack.set_top(top);
                return Ok(kind);
            }
            out.push(if length == 1 { b'[' } else { b',' });
            self.value(stack.top(), depth + 1, out).map_err(|refused| refused.below(stack, top + 1))?;
            stack.pop(1);
        }
        match length {
            0 if is_marked(stack, index) => out.extend_from_slice(b"[]"),
            0 => out.extend_from_slice(b"{}"),
            _ => out.push(b']'),
        }
        Ok(lua::LUA_TNIL)
    }

    /// The length of a table whose keys are exactly 1..n.
    fn length_of_sequence(&self, index: i32) -> Option<i64> {
        let stack = self.stack;
        let (mut count, mut greatest) = (0, 0);
        let top = stack.top();
        stack.push_nil();
        while stack.next(index) {
            stack.pop(1);
            match stack.integer(-1).filter(|_| stack.kind(-1) == lua::LUA_TNUMBER) {
                Some(key) if key > 0 => greatest = greatest.max(key),
                _ => {
                    stack.set_top(top);
                    return None;
                }
            }
            count += 1;
        }
        (count == greatest).then_some(count)
    }

    fn sequence_by_index(&mut self, index: i32, length: i64, depth: usize, out: &mut Vec<u8>) -> Result<(), Refused> {
        let stack = self.stack;
        for at in 1..=length {
            out.push(if at == 1 { b'[' } else { b',' });
            stack.push_integer(at);
            stack.copy(-1);
            stack.raw_get(index);
            let top = stack.top();
            self.value(top, depth + 1, out).map_err(|refused| refused.below(stack, top - 1))?;
            stack.pop(2);
        }
        out.push(b']');
        Ok(())
    }

    fn object(&mut self, index: i32, depth: usize, out: &mut Vec<u8>) -> Result<(), Refused> {
        let stack = self.stack;
        let key = stack.top() + 1;
        let mut separator = b'{';
        stack.push_nil();
        while stack.next(index) {
            out.push(separator);
            separator = b',';
            match (stack.kind(key), stack.integer(key)) {
                (lua::LUA_TSTRING, _) => {
                    write_string(stack, key, out)
                        .map_err(|_| Refused::new("a key that is not UTF-8 cannot be JSON"))?;
                }
                (lua::LUA_TNUMBER, Some(number)) => {
                    out.push(b'"');
                    json::write_integer(out, number);
                    out.push(b'"');
                }
                _ => return Err(Refused::new("only strings and integers can be keys in JSON").below(stack, key)),
            }
            out.push(b':');
            self.value(key + 1, depth + 1, out).map_err(|refused| refused.below(stack, key))?;
            stack.pop(1);
        }
        out.push(b'}');
        Ok(())
    }
}

fn write_string(stack: Stack, index: i32, out: &mut Vec<u8>) -> Result<(), Refused> {
    let bytes = stack.bytes(index).unwrap_or_default();
    json::write_string(out, bytes)
        .map_err(|at| Refused::new(format!("a string that is not UTF-8 (byte {at}) cannot be JSON")))
}
