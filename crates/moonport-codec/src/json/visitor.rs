// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a document is decoded into: a caller's own values, built call by call.

/// Receives a document's values in document order from [`decode`](super::decode).
///
/// An array is `array_begin`, then for each item its value and `array_item`, then `array_end`. An object is
/// `object_begin`, then for each entry `key`, its value and `object_entry`, then `object_end`. A document is one
/// value.
///
/// Thread: the one that called `decode`. A method may unwind or longjmp out through `decode`. Strings are lent for
/// the call only.
///
/// ```
/// use moonport_codec::json::{self, Visitor};
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
///     fn string(&mut self, _: &str) {}
///     fn array_begin(&mut self) {}
///     fn array_item(&mut self, _: usize) {}
///     fn array_end(&mut self, _: usize) {}
///     fn object_begin(&mut self) {}
///     fn key(&mut self, _: &str) {}
///     fn object_entry(&mut self) {}
///     fn object_end(&mut self, _: usize) {}
/// }
///
/// let mut sum = Sum(0);
/// json::decode(br#"[1, {"a": 2}, "3", 4]"#, json::DEFAULT_DEPTH, &mut Vec::new(), &mut sum)?;
/// assert_eq!(sum.0, 7);
/// # Ok::<(), json::Error>(())
/// ```
pub trait Visitor {
    /// `null`.
    fn null(&mut self);
    /// `true` or `false`.
    fn boolean(&mut self, value: bool);
    /// Integer syntax within `i64`, except `-0`.
    fn integer(&mut self, value: i64);
    /// Integer syntax above `i64::MAX`, within `u64`.
    fn unsigned(&mut self, value: u64);
    /// Every other number, always finite: with a fraction or an exponent, `-0`, or integer syntax beyond 64 bits.
    fn number(&mut self, value: f64);
    /// A string that is a value, with its escapes decoded.
    fn string(&mut self, value: &str);
    /// An array begins.
    fn array_begin(&mut self);
    /// The item just visited is complete; the first has the index 1.
    fn array_item(&mut self, index: usize);
    /// The array ends with so many items.
    fn array_end(&mut self, length: usize);
    /// An object begins.
    fn object_begin(&mut self);
    /// A key, with its escapes decoded; its value follows. A key that the object already has is passed on as well.
    fn key(&mut self, key: &str);
    /// The value just visited is complete and belongs to the last key.
    fn object_entry(&mut self);
    /// The object ends with so many entries, duplicate keys counted each time.
    fn object_end(&mut self, length: usize);
}

/// Ignores everything.
pub(super) struct Nothing;

impl Visitor for Nothing {
    fn null(&mut self) {}
    fn boolean(&mut self, _: bool) {}
    fn integer(&mut self, _: i64) {}
    fn unsigned(&mut self, _: u64) {}
    fn number(&mut self, _: f64) {}
    fn string(&mut self, _: &str) {}
    fn array_begin(&mut self) {}
    fn array_item(&mut self, _: usize) {}
    fn array_end(&mut self, _: usize) {}
    fn object_begin(&mut self) {}
    fn key(&mut self, _: &str) {}
    fn object_entry(&mut self) {}
    fn object_end(&mut self, _: usize) {}
}
