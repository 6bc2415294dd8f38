// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a document is decoded into: a caller's own values, built call by call.

/// Receives a document's values in document order from [`json::decode`](crate::json::decode) or
/// [`msgpack::decode`](crate::msgpack::decode).
///
/// An array is `array_begin`, then for each item its value and `array_item`, then `array_end`. An object (a map, in
/// MessagePack) is `object_begin`, then for each entry its key, `object_key`, its value and `object_entry`, then
/// `object_end`. A document is one value.
///
/// A key is visited by the method of its type: always `key` in JSON; in MessagePack any of `boolean`, `integer`,
/// `unsigned`, `number` (never with NaN), `key` and `bytes`.
///
/// Thread: the one that called `decode`. A method may unwind or longjmp out through `decode`. Strings and bytes are
/// lent for the call only.
///
/// ```
/// use moonport_codec::{DEFAULT_DEPTH, Visitor, json, msgpack};
///
/// /// Adds up all integers, wherever they stand.
/// struct Sum(i64);
///
/// impl Visitor for Sum {
///     fn integer(&mut self, value: i64) {
///         self.0 += value;
///     }
///     fn null(&mut self) {}
///     fn boolean(&mut self, _: bool) {}
///     fn unsigned(&mut self, _: u64) {}
///     fn number(&mut self, _: f64) {}
///     fn string(&mut self, _: &[u8]) {}
///     fn bytes(&mut self, _: &[u8]) {}
///     fn array_begin(&mut self, _: usize) {}
///     fn array_item(&mut self, _: usize) {}
///     fn array_end(&mut self, _: usize) {}
///     fn object_begin(&mut self, _: usize) {}
///     fn object_key(&mut self) {}
///     fn object_entry(&mut self) {}
///     fn object_end(&mut self, _: usize) {}
/// }
///
/// let mut sum = Sum(0);
/// json::decode(br#"[1, {"a": 2}, "3", 4]"#, DEFAULT_DEPTH, &mut json::Tape::default(), &mut sum)?;
/// assert_eq!(sum.0, 7);
///
/// msgpack::decode(b"\x92\x0a\x81\xa1a\x14", DEFAULT_DEPTH, &mut sum)?;
/// assert_eq!(sum.0, 37);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Visitor {
    /// `null`, or MessagePack's nil.
    fn null(&mut self);
    /// `true` or `false`.
    fn boolean(&mut self, value: bool);
    /// An integer within `i64`. In JSON: integer syntax, except `-0`.
    fn integer(&mut self, value: i64);
    /// An integer above `i64::MAX`, within `u64`.
    fn unsigned(&mut self, value: u64);
    /// Every other number. In JSON always finite: with a fraction or an exponent, `-0`, or integer syntax beyond 64
    /// bits. In MessagePack every float, whatever its value; one of 32 bits is widened.
    fn number(&mut self, value: f64);
    /// A string, with its escapes decoded: UTF-8, always.
    fn string(&mut self, value: &[u8]);
    /// A key that is a string; the same as `string`, unless keys are treated otherwise.
    fn key(&mut self, value: &[u8]) {
        self.string(value);
    }
    /// MessagePack's bin, which is not said to be text. JSON has none.
    fn bytes(&mut self, value: &[u8]);
    /// An array begins. `hint` is for making room: the number of items.
    ///
    /// In JSON there are as many. In MessagePack the document says so, and may end too soon; but the hints of all arrays,
    /// and twice those of all objects, add up to no more than the document's bytes as long as they are open inside each
    /// other.
    fn array_begin(&mut self, hint: usize);
    /// The item just visited is complete; the first has the index 1.
    fn array_item(&mut self, index: usize);
    /// The array ends with so many items.
    fn array_end(&mut self, length: usize);
    /// An object begins. `hint` is as in [`array_begin`](Self::array_begin), for entries.
    fn object_begin(&mut self, hint: usize);
    /// What was just visited is a key; its value follows. A key that the object already has is passed on as well.
    fn object_key(&mut self);
    /// The value just visited is complete and belongs to the last key of its object.
    fn object_entry(&mut self);
    /// The object ends with so many entries, duplicate keys counted each time.
    fn object_end(&mut self, length: usize);
}

/// Ignores everything.
pub(crate) struct Nothing;

impl Visitor for Nothing {
    fn null(&mut self) {}
    fn boolean(&mut self, _: bool) {}
    fn integer(&mut self, _: i64) {}
    fn unsigned(&mut self, _: u64) {}
    fn number(&mut self, _: f64) {}
    fn string(&mut self, _: &[u8]) {}
    fn bytes(&mut self, _: &[u8]) {}
    fn array_begin(&mut self, _: usize) {}
    fn array_item(&mut self, _: usize) {}
    fn array_end(&mut self, _: usize) {}
    fn object_begin(&mut self, _: usize) {}
    fn object_key(&mut self) {}
    fn object_entry(&mut self) {}
    fn object_end(&mut self, _: usize) {}
}
