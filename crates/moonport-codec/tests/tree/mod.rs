// SPDX-License-Identifier: MIT OR Apache-2.0
//! A visitor that builds a `serde_json::Value` and checks the order of the calls. The fuzz target includes this file.

use moonport_codec::Visitor;
use moonport_codec::json::{self, Error};
use serde_json::{Map, Value};

/// Decodes `bytes` into a tree. Fails if `check`, `decode` and `read` disagree.
pub(crate) fn decode(bytes: &[u8], depth: usize) -> Result<Value, Error> {
    let mut tree = Tree::default();
    let result = json::decode(bytes, depth, &mut json::Tape::default(), &mut tree);
    assert_eq!(json::check(bytes, depth), result, "check and decode differ on {:?}", String::from_utf8_lossy(bytes));
    let tree = result.map(|()| tree.finish());
    let read = json::read(bytes, depth, &mut json::Tape::default()).map(|document| {
        let mut tree = Tree::default();
        document.visit(bytes, &mut tree);
        tree.finish()
    });
    // As text, because equality does not tell -0.0 from 0.0.
    assert_eq!(
        format!("{read:?}"),
        format!("{tree:?}"),
        "read and decode differ on {:?}",
        String::from_utf8_lossy(bytes)
    );
    tree
}

#[derive(Debug, Default)]
struct Tree {
    /// Open arrays and objects, and above them the value that is complete but not yet put into one.
    stack: Vec<Value>,
    /// One key per open entry.
    keys: Vec<String>,
    /// How many items or entries each open array or object has had.
    counts: Vec<usize>,
    /// How many were announced.
    hints: Vec<usize>,
}

impl Tree {
    fn finish(mut self) -> Value {
        assert!(self.keys.is_empty() && self.counts.is_empty() && self.stack.len() == 1, "{self:?}");
        self.pop()
    }

    fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or_else(|| unreachable!("nothing is complete"))
    }

    fn count(&mut self) -> usize {
        let count = self.counts.last_mut().unwrap_or_else(|| unreachable!("nothing is open"));
        *count += 1;
        *count
    }
}

impl Visitor for Tree {
    fn null(&mut self) {
        self.stack.push(Value::Null);
    }

    fn boolean(&mut self, value: bool) {
        self.stack.push(value.into());
    }

    fn integer(&mut self, value: i64) {
        self.stack.push(value.into());
    }

    fn unsigned(&mut self, value: u64) {
        assert!(value > i64::MAX.unsigned_abs());
        self.stack.push(value.into());
    }

    fn number(&mut self, value: f64) {
        assert!(value.is_finite());
        self.stack.push(value.into());
    }

    fn string(&mut self, value: &[u8]) {
        self.stack.push(str::from_utf8(value).unwrap_or_else(|error| unreachable!("no text: {error}")).into());
    }

    fn bytes(&mut self, value: &[u8]) {
        unreachable!("JSON has no bytes, but these came: {value:?}");
    }

    fn array_begin(&mut self, hint: usize) {
        self.hints.push(hint);
        self.stack.push(Value::Array(Vec::new()));
        self.counts.push(0);
    }

    fn array_item(&mut self, index: usize) {
        assert_eq!(self.count(), index);
        let item = self.pop();
        match self.stack.last_mut() {
            Some(Value::Array(items)) => items.push(item),
            other => unreachable!("an item in {other:?}"),
        }
    }

    fn array_end(&mut self, length: usize) {
        assert_eq!(self.counts.pop(), Some(length));
        assert_eq!(self.hints.pop(), Some(length));
        assert!(self.stack.last().is_some_and(Value::is_array));
    }

    fn object_begin(&mut self, hint: usize) {
        self.hints.push(hint);
        self.stack.push(Value::Object(Map::new()));
        self.counts.push(0);
    }

    fn object_key(&mut self) {
        match self.pop() {
            Value::String(key) => self.keys.push(key),
            other => unreachable!("{other} is a key"),
        }
    }

    fn object_entry(&mut self) {
        self.count();
        let value = self.pop();
        match (self.stack.last_mut(), self.keys.pop()) {
            (Some(Value::Object(entries)), Some(key)) => entries.insert(key, value),
            other => unreachable!("an entry in {other:?}"),
        };
    }

    fn object_end(&mut self, length: usize) {
        assert_eq!(self.counts.pop(), Some(length));
        assert_eq!(self.hints.pop(), Some(length));
        assert!(self.stack.last().is_some_and(Value::is_object));
    }
}
