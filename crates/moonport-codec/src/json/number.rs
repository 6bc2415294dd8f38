// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads one number: integers stay exact as far as 64 bits reach, all others are doubles.

use super::error::{Error, ErrorKind};
use super::grammar::Sink;
use super::input::Input;
use super::tape::Token;

/// So many decimal digits fit into a `u64`, whichever they are.
const EXACT_DIGITS: usize = 19;
/// So many digits before the point stay below the greatest double, 1.8e308.
const SAFE_DIGITS: usize = 308;

/// The powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

impl Input<'_> {
    /// Reads the number whose sign or first digit is at the present place. Unless the sink decodes, a number that cannot
    /// be out of range is not converted and comes out as 0.
    #[inline]
    pub(super) fn number<S: Sink>(&mut self) -> Result<Token, Error> {
        let start = self.position;
        let negative = self.byte(start) == Some(b'-');
        let first = start + usize::from(negative);
        let (whole, point) = self.digits(first, 0)?;
        if point > first + 1 && self.byte(first) == Some(b'0') {
            return Err(Error::new(first + 1, ErrorKind::BadNumber));
        }
        let (all, fraction) = match self.byte(point) {
            Some(b'.') => self.digits(point + 1, whole)?,
            _ => (whole, point),
        };
        let end = self.exponent(fraction)?;
        self.position = end;
        if !S::DECODE && end == fraction && point - first <= SAFE_DIGITS {
            return Ok(Token::number(0.0));
        }
        if end == point {
            let magnitude =
                if point - first <= EXACT_DIGITS { Some(whole) } else { self.slice(first, point)?.parse().ok() };
            if let Some(integer) = magnitude.and_then(|magnitude| exact(negative, magnitude)) {
                return Ok(integer);
            }
        } else if end == fraction
            && fraction - first <= EXACT_DIGITS
            && let Some(value) = quotient(all, fraction - point - 1)
        {
            return Ok(Token::number(if negative { -value } else { value }));
        }
        self.double(start, end)
    }

    /// Reads at least one digit, which follow those of `value`. Gives the value of all, which has wrapped if there are
    /// too many, and the offset after them.
    #[inline]
    fn digits(&self, first: usize, mut value: u64) -> Result<(u64, usize), Error> {
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
    fn exponent(&self, at: usize) -> Result<usize, Error> {
        let Some(b'e' | b'E') = self.byte(at) else {
            return Ok(at);
        };
        let sign = matches!(self.byte(at + 1), Some(b'+' | b'-'));
        Ok(self.digits(at + 1 + usize::from(sign), 0)?.1)
    }

    fn double(&self, start: usize, end: usize) -> Result<Token, Error> {
        match self.slice(start, end)?.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Token::number(value)),
            Ok(_) => Err(Error::new(start, ErrorKind::NumberOutOfRange)),
            Err(_) => Err(Error::new(start, ErrorKind::BadNumber)),
        }
    }
}

/// The number that integer syntax stands for, unless only a double can hold it: `-0`, and all below `i64::MIN`.
#[inline]
fn exact(negative: bool, magnitude: u64) -> Option<Token> {
    if !negative {
        return Some(match i64::try_from(magnitude) {
            Ok(value) => Token::integer(value),
            Err(_) => Token::unsigned(magnitude),
        });
    }
    if magnitude == 0 {
        return None;
    }
    0i64.checked_sub_unsigned(magnitude).map(Token::integer)
}

/// `digits` divided by ten to the `places`, if that takes one rounding only: both are exact doubles (Clinger, "How to
/// read floating point numbers accurately", 1990).
#[inline]
fn quotient(digits: u64, places: usize) -> Option<f64> {
    const EXACT: u64 = 1 << 53;
    let power = POWERS.get(places)?;
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    (digits <= EXACT).then(|| digits as f64 / power)
}
