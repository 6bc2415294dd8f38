// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lua values as MessagePack: a walk over tables drives the codec's writers. The way back is in [`crate::value`].

use std::ffi::c_void;

use mlua_sys as lua;
use moonport_codec::msgpack;

use crate::int64::Int64;
use crate::owner::Owner;
use crate::stack::Stack;
use crate::value::{self, DEPTH, Refused};

/// Appends the value at `index`.
///
/// # Errors
/// What cannot be MessagePack, with its path; `out` then holds a part.
pub(crate) fn write(owner: &Owner, stack: Stack, index: i32, out: &mut Vec<u8>) -> Result<(), Refused> {
    Writer { owner, stack, open: [std::ptr::null(); DEPTH] }.value(stack.absolute(index), 0, out)
}

struct Writer<'a> {
    owner: &'a Owner,
    stack: Stack,
    /// The tables around the current value.
    open: [*const c_void; DEPTH],
}

/// What a table is written as.
enum Shape {
    Sequence(u32),
    Map(u32),
}

impl Writer<'_> {
    fn value(&mut self, index: i32, depth: usize, out: &mut Vec<u8>) -> Result<(), Refused> {
        match self.stack.kind(index) {
            lua::LUA_TTABLE => return self.table(index, depth, out),
            lua::LUA_TNIL => msgpack::write_nil(out),
            lua::LUA_TLIGHTUSERDATA if value::is_null(self.stack, index) => msgpack::write_nil(out),
            _ => return self.scalar(index, out),
        }
        Ok(())
    }

    fn scalar(&self, index: i32, out: &mut Vec<u8>) -> Result<(), Refused> {
        let stack = self.stack;
        match stack.kind(index) {
            lua::LUA_TBOOLEAN => msgpack::write_boolean(out, stack.truth(index)),
            lua::LUA_TSTRING => {
                if !msgpack::write_string(out, stack.bytes(index).unwrap_or_default()) {
                    return Err(Refused::new("a string of 4 GiB or more cannot be MessagePack"));
                }
            }
            _ => match (self.owner.int64(stack, index), stack.number(index)) {
                (Some(Int64::Signed(value)), _) => msgpack::write_integer(out, value),
                (Some(Int64::Unsigned(value)), _) => msgpack::write_unsigned(out, value),
                (None, Some(number)) => msgpack::write_number(out, number),
                (None, None) => {
                    return Err(Refused::new(format!("a {} cannot be MessagePack", stack.type_name(index))));
                }
            },
        }
        Ok(())
    }

    fn table(&mut self, index: i32, depth: usize, out: &mut Vec<u8>) -> Result<(), Refused> {
        let table = self.stack.pointer(index);
        if self.open[..depth].contains(&table) {
            return Err(Refused::new("a table that contains itself cannot be MessagePack"));
        }
        let Some(place) = self.open.get_mut(depth) else {
            return Err(Refused::new(format!("nested deeper than {DEPTH}")));
        };
        *place = table;
        self.stack.check_room();
        match self.shape(index)? {
            Shape::Sequence(length) => self.sequence(index, length, depth, out),
            Shape::Map(length) => self.map(index, length, depth, out),
        }
    }

    /// A table whose keys are exactly 1..n is a sequence; an empty one only if it is marked.
    fn shape(&self, index: i32) -> Result<Shape, Refused> {
        let stack = self.stack;
        let (mut count, mut greatest, mut whole) = (0_u32, 0_i64, true);
        stack.push_nil();
        while stack.next(index) {
            stack.pop(1);
            count =
                count.checked_add(1).ok_or_else(|| Refused::new("a table of 2^32 entries cannot be MessagePack"))?;
            // Reading the key as an integer never converts it in place, which would confuse the walk.
            match stack.integer(-1).filter(|key| stack.kind(-1) == lua::LUA_TNUMBER && *key > 0) {
                Some(key) => greatest = greatest.max(key),
                None => whole = false,
            }
        }
        let is_sequence = whole && greatest == i64::from(count) && (count > 0 || value::is_marked(stack, index));
        Ok(if is_sequence { Shape::Sequence(count) } else { Shape::Map(count) })
    }

    fn sequence(&mut self, index: i32, length: u32, depth: usize, out: &mut Vec<u8>) -> Result<(), Refused> {
        let stack = self.stack;
        msgpack::write_array_header(out, length);
        for at in 1..=length {
            stack.push_integer(at.into());
            stack.copy(-1);
            stack.raw_get(index);
            let top = stack.top();
            self.value(top, depth + 1, out).map_err(|refused| refused.below(stack, top - 1))?;
            stack.pop(2);
        }
        Ok(())
    }

    fn map(&mut self, index: i32, length: u32, depth: usize, out: &mut Vec<u8>) -> Result<(), Refused> {
        let stack = self.stack;
        msgpack::write_map_header(out, length);
        let key = stack.top() + 1;
        stack.push_nil();
        while stack.next(index) {
            if !matches!(stack.kind(key), lua::LUA_TSTRING | lua::LUA_TNUMBER | lua::LUA_TBOOLEAN) {
                return Err(Refused::new(format!("a {} as a key cannot be MessagePack", stack.type_name(key))));
            }
            self.scalar(key, out)?;
            self.value(key + 1, depth + 1, out).map_err(|refused| refused.below(stack, key))?;
            stack.pop(1);
        }
        Ok(())
    }
}
