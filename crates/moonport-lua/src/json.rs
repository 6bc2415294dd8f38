// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lua values as JSON: a walk over tables drives the codec's writers. The way back is in [`crate::build`].
//!
//! The walk is made twice where something is wrong. The first one looks for nothing that shows itself anyway: a table that
//! contains itself is nested too deep in the end, and strings that are no text are found in what was written, all at once.
//! The second one looks at each value, and says where it stopped.

use std::ffi::c_void;
use std::marker::PhantomData;

use mlua_sys as lua;
use moonport_codec::json;

use crate::int64::Int64;
use crate::owner::Owner;
use crate::stack::Stack;
use crate::value::{self, DEPTH, Refused};

/// Appends the value at `index`.
///
/// # Errors
/// What cannot be JSON, with its path; `out` then holds a part.
pub(crate) fn write(owner: &Owner, stack: Stack, index: i32, out: &mut Vec<u8>) -> Result<(), Refused> {
    let (index, top, begin) = (stack.absolute(index), stack.top(), out.len());
    let written = Writer { owner, stack, open: &mut [], stop: PhantomData::<Somewhere> }.value(index, 0, out);
    if written.is_ok() && json::is_text(out.get(begin..).unwrap_or_default()) {
        return Ok(());
    }
    stack.set_top(top);
    out.truncate(begin);
    let open = &mut [std::ptr::null(); DEPTH];
    Writer { owner, stack, open, stop: PhantomData::<Refused> }.value(index, 0, out)
}

/// Why a walk stopped.
trait Stop: Sized {
    /// Is this the second walk?
    const CAREFUL: bool;
    fn because(reason: impl FnOnce() -> String) -> Self;
    /// Seen from the table that holds the value under the key at `index`.
    fn below(self, stack: Stack, index: i32) -> Self;
}

/// The first walk need not know where.
struct Somewhere;

impl Stop for Somewhere {
    const CAREFUL: bool = false;

    fn because(_: impl FnOnce() -> String) -> Self {
        Self
    }

    fn below(self, _: Stack, _: i32) -> Self {
        self
    }
}

impl Stop for Refused {
    const CAREFUL: bool = true;

    fn because(reason: impl FnOnce() -> String) -> Self {
        Self::new(reason())
    }

    fn below(self, stack: Stack, index: i32) -> Self {
        self.below(stack, index)
    }
}

struct Writer<'a, S> {
    owner: &'a Owner,
    stack: Stack,
    /// The tables around the current value, in the second walk.
    open: &'a mut [*const c_void],
    stop: PhantomData<S>,
}

impl<S: Stop> Writer<'_, S> {
    #[inline(always)]
    fn value(&mut self, index: i32, depth: usize, out: &mut Vec<u8>) -> Result<(), S> {
        match self.stack.kind(index) {
            lua::LUA_TSTRING => self.string(index, out),
            lua::LUA_TTABLE => self.table(index, depth, out),
            lua::LUA_TNUMBER => self.number(index, out),
            kind => self.rare(kind, index, out),
        }
    }

    fn rare(&self, kind: i32, index: i32, out: &mut Vec<u8>) -> Result<(), S> {
        let stack = self.stack;
        match kind {
            lua::LUA_TBOOLEAN if stack.truth(index) => out.extend_from_slice(b"true"),
            lua::LUA_TBOOLEAN => out.extend_from_slice(b"false"),
            lua::LUA_TNIL => out.extend_from_slice(b"null"),
            lua::LUA_TLIGHTUSERDATA if value::is_null(stack, index) => out.extend_from_slice(b"null"),
            _ => match self.owner.int64(stack, index) {
                Some(value) => write_int64(value, out),
                None => return Err(S::because(|| format!("a {} cannot be JSON", stack.name_of_kind(kind)))),
            },
        }
        Ok(())
    }

    #[inline]
    fn string(&self, index: i32, out: &mut Vec<u8>) -> Result<(), S> {
        let bytes = self.stack.bytes_of_string(index);
        if !S::CAREFUL {
            json::write_unchecked(out, bytes);
            return Ok(());
        }
        json::write_string(out, bytes)
            .map_err(|at| S::because(|| format!("a string that is not UTF-8 (byte {at}) cannot be JSON")))
    }

    #[inline]
    fn number(&self, index: i32, out: &mut Vec<u8>) -> Result<(), S> {
        // Lua has integers beside the numbers from 5.3 on.
        if cfg!(any(feature = "lua53", feature = "lua54", feature = "lua55"))
            && let Some(value) = self.owner.int64(self.stack, index)
        {
            write_int64(value, out);
            return Ok(());
        }
        let number = self.stack.known_number(index);
        if json::write_number(out, number) {
            return Ok(());
        }
        let what = if number.is_nan() { "NaN" } else { "an infinite number" };
        Err(S::because(|| format!("{what} cannot be JSON")))
    }

    #[inline(never)]
    fn table(&mut self, index: i32, depth: usize, out: &mut Vec<u8>) -> Result<(), S> {
        let stack = self.stack;
        if S::CAREFUL {
            self.enter(index, depth)?;
        } else if depth >= DEPTH {
            return Err(S::because(String::new));
        }
        // Each table takes two slots, for a key and its value.
        if depth.is_multiple_of(4) {
            stack.check_room();
        }
        let key = stack.top() + 1;
        stack.push_nil();
        if !stack.next(index) {
            out.extend_from_slice(if value::is_marked(stack, index) { b"[]" } else { b"{}" });
            return Ok(());
        }
        let kind = stack.kind(key);
        if kind != lua::LUA_TNUMBER {
            return self.object(index, key, kind, depth, out);
        }
        let begin = out.len();
        let Some(stopped_by) = self.sequence(index, key, depth, out)? else { return Ok(()) };
        out.truncate(begin);
        // Numbers that do not come in order: either keys beside 1..n, or a sequence that Lua keeps in another order.
        if stopped_by == lua::LUA_TNUMBER
            && let Some(length) = self.length_of_sequence(index)
        {
            return self.sequence_by_index(index, length, depth, out);
        }
        stack.push_nil();
        stack.next(index);
        self.object(index, key, stack.kind(key), depth, out)
    }

    #[cold]
    fn enter(&mut self, index: i32, depth: usize) -> Result<(), S> {
        let table = self.stack.pointer(index);
        if self.open.iter().take(depth).any(|open| *open == table) {
            return Err(S::because(|| "a table that contains itself cannot be JSON".to_owned()));
        }
        match self.open.get_mut(depth) {
            Some(place) => *place = table,
            None => return Err(S::because(|| format!("nested deeper than {DEPTH}"))),
        }
        Ok(())
    }

    /// Writes the table, whose first key (at `key`) and value are on top, as an array as long as its keys come as 1, 2, 3 …;
    /// gives the kind of another key that came. Pops both.
    fn sequence(&mut self, index: i32, key: i32, depth: usize, out: &mut Vec<u8>) -> Result<Option<i32>, S> {
        let stack = self.stack;
        let mut length = 0;
        loop {
            length += 1;
            if !stack.is_key(key, length) {
                let kind = stack.kind(key);
                stack.set_top(key - 1);
                return Ok(Some(kind));
            }
            out.push(if length == 1 { b'[' } else { b',' });
            self.value(key + 1, depth + 1, out).map_err(|stop| stop.below(stack, key))?;
            stack.pop(1);
            if !stack.next(index) {
                out.push(b']');
                return Ok(None);
            }
        }
    }

    /// The length of a table whose keys are exactly 1..n.
    #[cold]
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

    #[cold]
    fn sequence_by_index(&mut self, index: i32, length: i64, depth: usize, out: &mut Vec<u8>) -> Result<(), S> {
        let stack = self.stack;
        for at in 1..=length {
            out.push(if at == 1 { b'[' } else { b',' });
            stack.push_integer(at);
            stack.copy(-1);
            stack.raw_get(index);
            let top = stack.top();
            self.value(top, depth + 1, out).map_err(|stop| stop.below(stack, top - 1))?;
            stack.pop(2);
        }
        out.push(b']');
        Ok(())
    }

    /// Writes the table, whose first key (at `key`, of this kind) and value are on top, as an object. Pops both.
    fn object(&mut self, index: i32, key: i32, kind: i32, depth: usize, out: &mut Vec<u8>) -> Result<(), S> {
        let stack = self.stack;
        let (mut separator, mut kind) = (b'{', kind);
        loop {
            if kind == lua::LUA_TSTRING {
                self.name(key, separator, out)?;
            } else {
                self.integer_name(key, separator, out)?;
            }
            self.value(key + 1, depth + 1, out).map_err(|stop| stop.below(stack, key))?;
            stack.pop(1);
            if !stack.next(index) {
                out.push(b'}');
                return Ok(());
            }
            separator = b',';
            kind = stack.kind(key);
        }
    }

    #[inline]
    fn name(&self, index: i32, separator: u8, out: &mut Vec<u8>) -> Result<(), S> {
        let bytes = self.stack.bytes_of_string(index);
        if S::CAREFUL && !json::is_text(bytes) {
            return Err(S::because(|| "a key that is not UTF-8 cannot be JSON".to_owned()));
        }
        json::write_key(out, separator, bytes);
        Ok(())
    }

    fn integer_name(&self, index: i32, separator: u8, out: &mut Vec<u8>) -> Result<(), S> {
        let Some(number) = self.stack.integer(index) else {
            let reason = || "only strings and integers can be keys in JSON".to_owned();
            return Err(S::because(reason).below(self.stack, index));
        };
        out.extend_from_slice(&[separator, b'"']);
        json::write_integer(out, number);
        out.extend_from_slice(b"\":");
        Ok(())
    }
}

fn write_int64(value: Int64, out: &mut Vec<u8>) {
    match value {
        Int64::Signed(value) => json::write_integer(out, value),
        Int64::Unsigned(value) => json::write_unsigned(out, value),
    }
}
