// SPDX-License-Identifier: MIT OR Apache-2.0
//! The grammar without a visitor. It does not recurse: senders check their documents on stacks that may be small.

use super::error::{Error, ErrorKind, Expected};
use super::input::Input;
use crate::depth::MAX_DEPTH;

/// Checks that `bytes` is one whole JSON document, so that [`decode`] with the same depth accepts it.
///
/// `depth` is the greatest nesting of arrays and objects: at 1, `[]` passes and `[[]]` does not. At most
/// [`MAX_DEPTH`].
///
/// Thread: any. Blocks: never. Allocates nothing.
///
/// # Errors
/// The first fault in the document, with its byte offset; invalid UTF-8 anywhere comes before all others.
///
/// Source: RFC 8259.
///
/// ```
/// use moonport_codec::json::{self, DEFAULT_DEPTH};
///
/// assert!(json::check(br#"{"name": "Ada", "age": 36}"#, DEFAULT_DEPTH).is_ok());
///
/// let error = json::check(b"[1, 2", DEFAULT_DEPTH).unwrap_err();
/// assert_eq!(error.to_string(), "unexpected end of the text at byte 5");
/// ```
pub fn check(bytes: &[u8], depth: usize) -> Result<(), Error> {
    let mut nesting = Nesting { limit: depth.min(MAX_DEPTH), depth: 0, objects: [0; MAX_DEPTH / 64] };
    let mut input = Input::new(bytes)?;
    loop {
        if value(&mut input, &mut nesting)? {
            continue;
        }
        if !to_next_value(&mut input, &mut nesting)? {
            return match input.token() {
                None => Ok(()),
                Some(_) => Err(Error::new(input.position, ErrorKind::TrailingText)),
            };
        }
    }
}

/// The arrays and objects around the present place: a bit for each, set for objects.
struct Nesting {
    limit: usize,
    depth: usize,
    objects: [u64; MAX_DEPTH / 64],
}

impl Nesting {
    fn enter(&mut self, input: &Input<'_>, object: bool) -> Result<(), Error> {
        if self.depth >= self.limit {
            return Err(Error::new(input.position, ErrorKind::TooDeep { limit: self.limit }));
        }
        if let Some(word) = self.objects.get_mut(self.depth / 64) {
            let bit = self.depth % 64;
            *word = *word & !(1 << bit) | u64::from(object) << bit;
        }
        self.depth += 1;
        Ok(())
    }

    /// Is the innermost an object? `None` outside of all.
    fn in_object(&self) -> Option<bool> {
        let top = self.depth.checked_sub(1)?;
        self.objects.get(top / 64).map(|word| word >> (top % 64) & 1 == 1)
    }
}

/// Reads a value, or the beginning of an array or object up to its first value: then `true`.
fn value(input: &mut Input<'_>, nesting: &mut Nesting) -> Result<bool, Error> {
    match input.token() {
        Some(b'"') => string(input)?,
        Some(b'-' | b'0'..=b'9') => drop(input.number::<false>()?),
        Some(b'{') => {
            nesting.enter(input, true)?;
            input.position += 1;
            if input.token() != Some(b'}') {
                key(input, Expected::KeyOrBrace)?;
                return Ok(true);
            }
            input.position += 1;
            nesting.depth -= 1;
        }
        Some(b'[') => {
            nesting.enter(input, false)?;
            input.position += 1;
            if input.token() != Some(b']') {
                return Ok(true);
            }
            input.position += 1;
            nesting.depth -= 1;
        }
        Some(b'n') => input.literal(b"null", Expected::Null)?,
        Some(b't') => input.literal(b"true", Expected::True)?,
        Some(b'f') => input.literal(b"false", Expected::False)?,
        _ => return Err(input.unexpected(Expected::Value)),
    }
    Ok(false)
}

/// After a value: leaves what ends here. `false` if that was all.
fn to_next_value(input: &mut Input<'_>, nesting: &mut Nesting) -> Result<bool, Error> {
    while let Some(object) = nesting.in_object() {
        match (input.token(), object) {
            (Some(b','), true) => {
                input.position += 1;
                key(input, Expected::Key)?;
                return Ok(true);
            }
            (Some(b','), false) => {
                input.position += 1;
                return Ok(true);
            }
            (Some(b'}'), true) | (Some(b']'), false) => {
                input.position += 1;
                nesting.depth -= 1;
            }
            (_, true) => return Err(input.unexpected(Expected::CommaOrBrace)),
            (_, false) => return Err(input.unexpected(Expected::CommaOrBracket)),
        }
    }
    Ok(false)
}

fn key(input: &mut Input<'_>, expected: Expected) -> Result<(), Error> {
    if input.token() != Some(b'"') {
        return Err(input.unexpected(expected));
    }
    string(input)?;
    if input.token() != Some(b':') {
        return Err(input.unexpected(Expected::Colon));
    }
    input.position += 1;
    Ok(())
}

fn string(input: &mut Input<'_>) -> Result<(), Error> {
    // Stays empty: what is only checked is not decoded.
    input.string::<false>(&mut Vec::new()).map(|_| ())
}
