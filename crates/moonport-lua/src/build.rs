// SPDX-License-Identifier: MIT OR Apache-2.0
//! From documents to Lua values, with no tree in between: the codecs drive a builder on the stack.

use mlua_sys as lua;
use moonport_codec::{Visitor, json, msgpack};

use crate::keys::Keys;
use crate::owner::Owner;
use crate::stack::Stack;
use crate::value;

/// Pushes the value of a JSON document. On an error the stack is as before.
///
/// # Errors
/// The codec's, with the offset.
pub(crate) fn push_json(owner: &Owner, stack: Stack, text: &[u8], depth: usize) -> Result<(), json::Error> {
    let top = stack.top();
    stack.check_room();
    let mut builder = Builder::new(owner, stack);
    let result = owner.tapes.with_tape(|tape| json::decode(text, depth, tape, &mut builder));
    match result {
        Ok(()) => builder.finish(),
        Err(_) => stack.set_top(top),
    }
    result
}

/// Pushes the value of a JSON document that was read.
pub(crate) fn push_document(owner: &Owner, stack: Stack, text: &[u8], document: &json::Document) {
    stack.check_room();
    let mut builder = Builder::new(owner, stack);
    document.visit(text, &mut builder);
    builder.finish();
}

/// Pushes the value of a MessagePack document. On an error the stack is as before.
///
/// # Errors
/// The codec's, with the offset.
pub(crate) fn push_msgpack(owner: &Owner, stack: Stack, bytes: &[u8], depth: usize) -> Result<(), msgpack::Error> {
    let top = stack.top();
    stack.check_room();
    let mut builder = Builder::new(owner, stack);
    let result = msgpack::decode(bytes, depth, &mut builder);
    match result {
        Ok(()) => builder.finish(),
        Err(_) => stack.set_top(top),
    }
    result
}

struct Builder<'a> {
    owner: &'a Owner,
    stack: Stack,
    /// Tables around the present value.
    depth: u32,
    /// Where the value will be.
    base: i32,
    keys_seen: u32,
    /// Where the table of [`Keys`] is, once it is needed: below all that is built.
    table: Option<i32>,
}

/// With fewer keys than this it is quicker not to fetch the table of those that are known.
const FEW_KEYS: u32 = 16;

impl<'a> Builder<'a> {
    fn new(owner: &'a Owner, stack: Stack) -> Self {
        Self { owner, stack, depth: 0, base: stack.top() + 1, keys_seen: 0, table: None }
    }

    #[inline]
    fn table(&mut self) -> i32 {
        match self.table {
            Some(table) => table,
            None => self.push_table(),
        }
    }

    #[cold]
    fn push_table(&mut self) -> i32 {
        self.owner.keys.push_table(self.stack);
        self.stack.insert(self.base);
        *self.table.insert(self.base)
    }

    /// Leaves nothing but the value.
    fn finish(&self) {
        if let Some(table) = self.table {
            self.stack.remove(table);
        }
    }

    /// Each table takes a slot, and its key another; there is room for some beyond these.
    #[inline]
    fn enter(&mut self) {
        self.depth += 1;
        if self.depth.is_multiple_of(4) {
            self.stack.check_room();
        }
    }
}

impl Visitor for Builder<'_> {
    fn null(&mut self) {
        value::push_null(self.stack);
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

    fn string(&mut self, value: &[u8]) {
        self.stack.push_bytes(value);
    }

    fn key(&mut self, value: &[u8]) {
        if self.keys_seen < FEW_KEYS {
            self.keys_seen += 1;
            return self.stack.push_bytes(value);
        }
        let table = self.table();
        self.owner.keys.push(self.stack, table, value);
    }

    fn bytes(&mut self, value: &[u8]) {
        self.stack.push_bytes(value);
    }

    fn array_begin(&mut self, hint: usize) {
        self.enter();
        self.stack.new_table(room(hint), 0);
    }

    fn array_item(&mut self, index: usize) {
        self.stack.raw_set_at(-2, lua::lua_Integer::try_from(index).unwrap_or(lua::lua_Integer::MAX));
    }

    fn array_end(&mut self, length: usize) {
        self.depth -= 1;
        if length == 0 {
            let table = self.table();
            Keys::mark_array(self.stack, table);
        }
    }

    fn object_begin(&mut self, hint: usize) {
        self.enter();
        self.stack.new_table(0, room(hint));
    }

    fn object_key(&mut self) {}

    fn object_entry(&mut self) {
        self.stack.raw_set(-3);
    }

    fn object_end(&mut self, _length: usize) {
        self.depth -= 1;
    }
}

/// Room made in a new table for what a document says is in it.
fn room(hint: usize) -> i32 {
    i32::try_from(hint).unwrap_or(i32::MAX).min(1 << 16)
}
