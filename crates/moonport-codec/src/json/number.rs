// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads one number: integers stay exact as far as 64 bits reach, all others are doubles.

use super::error::{Error, ErrorKind};
use super::input::Input;

#[derive(Clone, Copy)]
pub(super) enum Number {
    Integer(i64),
    Unsigned(u64),
    Double(f64),
}

/// So many decimal digits fit into a `u64`, whichever they are.
const EXACT_DIGITS: usize = 19;
/// So many digits before the point stay below the greatest double, 1.8e308.
const SAFE_DIGITS: usize = 308;

impl Input<'_> {
    /// Reads the number whose sign or first digit is at the present place. Unless `DECODE`, a number that cannot be
    /// out of range is not converted and comes out as 0.
    #[inline]
    pub(super) fn number<const DECODE: bool>(&mut self) -> Result<Number, Error> {
        let start = self.position;
        let negative = self.byte(start) == Some(b'-');
        let first = start + usize::from(negative);
        let (magnitude, point) = self.digits(first)?;
        if point > first + 1 && self.byte(first) == Some(b'0') {
            return Err(Error::new(first + 1, ErrorKind::BadNumber));
        }
        let fraction = self.fraction(point)?;
        let end = self.exponent(fraction)?;
        self.position = end;
        if !DECODE && end == fraction && point - first <= SAFE_DIGITS {
            return Ok(Number::Double(0.0));
        }
        if end == point {
            let magnitude =
                if point - first <= EXACT_DIGITS { Some(magnitude) } else { self.slice(first, point)?.parse().ok() };
            if let Some(integer) = magnitude.and_then(|magnitude| exact(negative, magnitude)) {
                return Ok(integer);
            }
        }
        self.double(start, end)
    }

    /// Reads at least one digit. Gives their value, which has wrapped if there are too many, and the offset after
    /// them.
    #[inline]
    fn digits(&self, first: usize) -> Result<(u64, usize), Error> {
        let mut value = 0u64;
        let mut at = first;
        while let Some(byte @ b'0'..=b'9') = self.byte(at) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            at += 1;
        }
        if at > first {
            return Ok((value, at));
        }
        match self.byte(at) {
            Some(_) => Err(Error::new(at, ErrorKind::BadNumber)),
            None => Err(self.end()),
        }
    }

    #[inline]
    fn fraction(&self, at: usize) -> Result<usize, Error> {
        match self.byte(at) {
            Some(b'.') => Ok(self.digits(at + 1)?.1),
            _ => Ok(at),
        }
    }

    #[inline]
    fn exponent(&self, at: usize) -> Result<usize, Error> {
        let Some(b'e' | b'E') = self.byte(at) else {
            return Ok(at);
        };
        let sign = matches!(self.byte(at + 1), Some(b'+' | b'-'));
        Ok(self.digits(at + 1 + usize::from(sign))?.1)
    }

    fn double(&self, start: usize, end: usize) -> Result<Number, Error> {
        match self.slice(start, end)?.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Number::Double(value)),
            Ok(_) => Err(Error::new(start, ErrorKind::NumberOutOfRange)),
            Err(_) => Err(Error::new(start, ErrorKind::BadNumber)),
        }
    }
}

/// The number that integer syntax stands for, unless only a double can hold it: `-0`, and all below `i64::MIN`.
#[inline]
fn exact(negative: bool, magnitude: u64) -> Option<Number> {
    if !negative {
        return Some(match i64::try_from(magnitude) {
            Ok(value) => Number::Integer(value),
            Err(_) => Number::Unsigned(magnitude),
        });
    }
    if magnitude == 0 {
        return None;
    }
    0i64.checked_sub_unsigned(magnitude).map(Number::Integer)
}
