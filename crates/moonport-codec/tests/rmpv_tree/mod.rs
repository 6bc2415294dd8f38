// SPDX-License-Identifier: MIT OR Apache-2.0
//! Documents read by us and by rmpv, and written by both. The fuzz target includes this file.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test fails by panicking")]

use moonport_codec::Visitor;
use moonport_codec::msgpack::{self, BadKey, DEFAULT_DEPTH, Error, ErrorKind};
use rmpv::Value;

/// Compares both readers and both writers on `bytes`; tells whether we accepted. The only differences allowed are what
/// rmpv takes and we refuse on purpose.
pub(crate) fn agree(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let theirs = rmpv::decode::read_value(&mut rest);
    let used = bytes.len() - rest.len();
    match (decode(bytes, DEFAULT_DEPTH), theirs) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(used, bytes.len());
            assert_same(&ours, &widened(theirs));
            rewrite(&ours);
            return true;
        }
        (Ok(ours), Err(error)) => unreachable!("we: {ours}, rmpv: {error}, on {bytes:02x?}"),
        (Err(error), Ok(theirs)) => assert!(is_on_purpose(error, &theirs, used, bytes), "{error} in {theirs}"),
        // We read a whole value before this kind, so rmpv has to as well.
        (Err(error), Err(_)) => assert!(error.kind != ErrorKind::TrailingBytes && error.offset <= bytes.len()),
    }
    false
}

/// Whether `error` names something that rmpv takes, and that `value`, which it has read, really has.
fn is_on_purpose(error: Error, value: &Value, used: usize, bytes: &[u8]) -> bool {
    match error.kind {
        ErrorKind::TrailingBytes => error.offset == used && used < bytes.len(),
        // To rmpv this is nil.
        ErrorKind::UnusedByte => bytes[error.offset] == 0xc1,
        ErrorKind::Extension { number } => {
            has(value, &|value| matches!(value, Value::Ext(other, _) if *other == number))
        }
        ErrorKind::InvalidUtf8 => has(value, &|value| matches!(value, Value::String(text) if text.is_err())),
        ErrorKind::BadKey(bad) => has(value, &|value| {
            let Value::Map(entries) = value else { return false };
            entries.iter().any(|(key, _)| match bad {
                BadKey::Nil => key.is_nil(),
                BadKey::Nan => key.as_f64().is_some_and(f64::is_nan),
                BadKey::Array => key.is_array(),
                BadKey::Map => key.is_map(),
                _ => false,
            })
        }),
        ErrorKind::TooDeep { limit } => limit == DEFAULT_DEPTH && depth(value) > limit,
        _ => false,
    }
}

fn has(value: &Value, wanted: &dyn Fn(&Value) -> bool) -> bool {
    wanted(value)
        || match value {
            Value::Array(items) => items.iter().any(|item| has(item, wanted)),
            Value::Map(entries) => entries.iter().any(|(key, value)| has(key, wanted) || has(value, wanted)),
            _ => false,
        }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|(key, value)| depth(key).max(depth(value))).max().unwrap_or(0),
        _ => 0,
    }
}

/// By Debug, because equality does not tell -0.0 from 0.0, and NaN equals nothing.
fn assert_same(one: &Value, other: &Value) {
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}

/// Writes `value` by us and by rmpv, and reads it back.
fn rewrite(value: &Value) {
    let wanted = as_written(value.clone());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    write(&mut ours, value);
    rmpv::encode::write_value(&mut theirs, &wanted).unwrap();
    assert_eq!(ours, theirs);
    assert_same(&decode(&ours, DEFAULT_DEPTH).unwrap(), &widened(wanted));
}

fn write(out: &mut Vec<u8>, value: &Value) {
    let length = |length| u32::try_from(length).unwrap();
    match value {
        Value::Nil => msgpack::write_nil(out),
        Value::Boolean(value) => msgpack::write_boolean(out, *value),
        Value::Integer(value) => match value.as_i64() {
            Some(value) => msgpack::write_integer(out, value),
            None => msgpack::write_unsigned(out, value.as_u64().unwrap()),
        },
        Value::F32(value) => msgpack::write_number(out, (*value).into()),
        Value::F64(value) => msgpack::write_number(out, *value),
        Value::String(value) => assert!(msgpack::write_string(out, value.as_bytes())),
        Value::Binary(value) => assert!(msgpack::write_bytes(out, value)),
        Value::Array(items) => {
            msgpack::write_array_header(out, length(items.len()));
            items.iter().for_each(|item| write(out, item));
        }
        Value::Map(entries) => {
            msgpack::write_map_header(out, length(entries.len()));
            for (key, value) in entries {
                write(out, key);
                write(out, value);
            }
        }
        Value::Ext(..) => unreachable!("an extension was read"),
    }
}

/// The value as our reader gives it: all floats have 64 bits.
fn widened(value: Value) -> Value {
    map(value, &|value| match value {
        Value::F32(value) => Value::F64(value.into()),
        other => other,
    })
}

/// The value as our writer means it: integers for doubles that are integral, 32 bits for those that fit.
fn as_written(value: Value) -> Value {
    const EXACT: f64 = (1u64 << 53) as f64;
    map(value, &|value| match value {
        Value::F64(number) if number == 0.0 && number.is_sign_negative() => Value::F32(-0.0),
        Value::F64(number) if number == number.trunc() && number.abs() < EXACT => Value::from(number as i64),
        Value::F64(number) if number == f64::from(number as f32) => Value::F32(number as f32),
        other => other,
    })
}

fn map(value: Value, change: &dyn Fn(Value) -> Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(|item| map(item, change)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.into_iter().map(|(key, value)| (map(key, change), map(value, change))).collect())
        }
        other => change(other),
    }
}

/// Decodes `bytes` into a tree. Fails if `check` and `decode` disagree.
fn decode(bytes: &[u8], depth: usize) -> Result<Value, Error> {
    let mut tree = Tree { limit: bytes.len(), ..Tree::default() };
    let result = msgpack::decode(bytes, depth, &mut tree);
    assert_eq!(msgpack::check(bytes, depth), result, "check and decode differ on {bytes:02x?}");
    result.map(|()| tree.finish())
}

/// Builds a value, and checks the order of the calls and the hints.
#[derive(Debug, Default)]
struct Tree {
    /// Open arrays and maps, and above them what is complete but not yet put into one.
    stack: Vec<Value>,
    /// The length foretold, and how many items or entries there have been, for each open array or map.
    counts: Vec<(usize, usize)>,
    /// The bytes of the document, which hints must not exceed.
    limit: usize,
    /// What the open arrays and maps foretold, in bytes at least.
    hinted: usize,
}

impl Tree {
    fn finish(mut self) -> Value {
        assert!(self.counts.is_empty() && self.stack.len() == 1 && self.hinted == 0, "{self:?}");
        self.pop()
    }

    fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or_else(|| unreachable!("nothing is complete"))
    }

    fn begin(&mut self, empty: Value, hint: usize, bytes: usize) {
        self.hinted += bytes;
        assert!(self.hinted <= self.limit, "hints beyond the document");
        self.stack.push(empty);
        self.counts.push((hint, 0));
    }

    fn count(&mut self) -> usize {
        let (_, count) = self.counts.last_mut().unwrap_or_else(|| unreachable!("nothing is open"));
        *count += 1;
        *count
    }

    fn end(&mut self, length: usize, bytes: usize) {
        self.hinted -= bytes;
        assert_eq!(self.counts.pop(), Some((length, length)));
    }
}

impl Visitor for Tree {
    fn null(&mut self) {
        self.stack.push(Value::Nil);
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
        self.stack.push(value.into());
    }

    fn string(&mut self, value: &[u8]) {
        self.stack.push(str::from_utf8(value).unwrap_or_else(|error| unreachable!("no text: {error}")).into());
    }

    fn bytes(&mut self, value: &[u8]) {
        self.stack.push(value.into());
    }

    fn array_begin(&mut self, hint: usize) {
        self.begin(Value::Array(Vec::new()), hint, hint);
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
        self.end(length, length);
        assert!(self.stack.last().is_some_and(Value::is_array));
    }

    fn object_begin(&mut self, hint: usize) {
        self.begin(Value::Map(Vec::new()), hint, 2 * hint);
    }

    fn object_key(&mut self) {
        let key = self.pop();
        assert!(!matches!(key, Value::Nil | Value::Array(_) | Value::Map(_)), "{key} is a key");
        assert!(!key.as_f64().is_some_and(f64::is_nan), "{key} is a key");
        match self.stack.last_mut() {
            Some(Value::Map(entries)) => entries.push((key, Value::Nil)),
            other => unreachable!("a key in {other:?}"),
        }
    }

    fn object_entry(&mut self) {
        self.count();
        let value = self.pop();
        match self.stack.last_mut() {
            Some(Value::Map(entries)) => entries.last_mut().unwrap().1 = value,
            other => unreachable!("an entry in {other:?}"),
        }
    }

    fn object_end(&mut self, length: usize) {
        self.end(length, 2 * length);
        assert!(self.stack.last().is_some_and(Value::is_map));
    }
}
