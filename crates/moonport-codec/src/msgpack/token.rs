// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads one scalar, or what stands before an array's items or a map's entries.

use rmp::Marker;

use super::error::{Error, ErrorKind};
use super::input::Input;

#[derive(Clone, Copy)]
pub(super) enum Token<'a> {
    Scalar(Scalar<'a>),
    /// So many items follow, says the document.
    Array(u32),
    /// So many entries follow, says the document.
    Map(u32),
}

#[derive(Clone, Copy)]
pub(super) enum Scalar<'a> {
    Nil,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Number(f64),
    String(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> Input<'a> {
    #[inline]
    pub(super) fn token(&mut self) -> Result<Token<'a>, Error> {
        let start = self.position();
        let [first] = self.take()?;
        let marker = Marker::from_u8(first);
        match marker {
            Marker::FixArray(length) => Ok(Token::Array(length.into())),
            Marker::Array16 => Ok(Token::Array(self.length16()?)),
            Marker::Array32 => Ok(Token::Array(self.length32()?)),
            Marker::FixMap(length) => Ok(Token::Map(length.into())),
            Marker::Map16 => Ok(Token::Map(self.length16()?)),
            Marker::Map32 => Ok(Token::Map(self.length32()?)),
            _ => Ok(Token::Scalar(self.scalar(start, marker)?)),
        }
    }

    #[inline]
    fn scalar(&mut self, start: usize, marker: Marker) -> Result<Scalar<'a>, Error> {
        Ok(match marker {
            Marker::FixPos(value) => Scalar::Integer(value.into()),
            Marker::FixNeg(value) => Scalar::Integer(value.into()),
            Marker::U8 => Scalar::Integer(u8::from_be_bytes(self.take()?).into()),
            Marker::U16 => Scalar::Integer(u16::from_be_bytes(self.take()?).into()),
            Marker::U32 => Scalar::Integer(u32::from_be_bytes(self.take()?).into()),
            Marker::U64 => unsigned(u64::from_be_bytes(self.take()?)),
            Marker::I8 => Scalar::Integer(i8::from_be_bytes(self.take()?).into()),
            Marker::I16 => Scalar::Integer(i16::from_be_bytes(self.take()?).into()),
            Marker::I32 => Scalar::Integer(i32::from_be_bytes(self.take()?).into()),
            Marker::I64 => Scalar::Integer(i64::from_be_bytes(self.take()?)),
            Marker::F32 => Scalar::Number(f32::from_be_bytes(self.take()?).into()),
            Marker::F64 => Scalar::Number(f64::from_be_bytes(self.take()?)),
            Marker::False => Scalar::Boolean(false),
            Marker::True => Scalar::Boolean(true),
            Marker::Null => Scalar::Nil,
            Marker::FixStr(length) => self.string(start, length.into())?,
            Marker::Str8 => self.length8().and_then(|length| self.string(start, length))?,
            Marker::Str16 => self.length16().and_then(|length| self.string(start, length))?,
            Marker::Str32 => self.length32().and_then(|length| self.string(start, length))?,
            Marker::Bin8 => self.length8().and_then(|length| self.bytes(start, length))?,
            Marker::Bin16 => self.length16().and_then(|length| self.bytes(start, length))?,
            Marker::Bin32 => self.length32().and_then(|length| self.bytes(start, length))?,
            _ => return Err(self.unsupported(start, marker)),
        })
    }

    #[inline]
    fn string(&mut self, start: usize, length: u32) -> Result<Scalar<'a>, Error> {
        let bytes = self.take_string(start, length)?;
        match str::from_utf8(bytes) {
            Ok(text) => Ok(Scalar::String(text)),
            Err(error) => {
                let begin = self.position() - bytes.len();
                Err(Error::new(begin + error.valid_up_to(), ErrorKind::InvalidUtf8))
            }
        }
    }

    fn bytes(&mut self, start: usize, length: u32) -> Result<Scalar<'a>, Error> {
        self.take_string(start, length).map(Scalar::Bytes)
    }

    fn length8(&mut self) -> Result<u32, Error> {
        self.take().map(|bytes| u8::from_be_bytes(bytes).into())
    }

    fn length16(&mut self) -> Result<u32, Error> {
        self.take().map(|bytes| u16::from_be_bytes(bytes).into())
    }

    fn length32(&mut self) -> Result<u32, Error> {
        self.take().map(u32::from_be_bytes)
    }

    /// The error for an extension, which is named by its number, and for the one byte that means nothing.
    #[cold]
    fn unsupported(&mut self, start: usize, marker: Marker) -> Error {
        let number = match marker {
            Marker::Ext8 => self.take().map(|[_, number]| number),
            Marker::Ext16 => self.take().map(|[_, _, number]| number),
            Marker::Ext32 => self.take().map(|[_, _, _, _, number]| number),
            Marker::Reserved => return Error::new(start, ErrorKind::UnusedByte),
            _ => self.take().map(|[number]| number),
        };
        match number {
            Ok(number) => Error::new(start, ErrorKind::Extension { number: number.cast_signed() }),
            Err(error) => error,
        }
    }
}

/// An integer, if it is one that `i64` holds: so each value comes out alike, whatever format it arrived in.
#[inline]
fn unsigned<'a>(value: u64) -> Scalar<'a> {
    match i64::try_from(value) {
        Ok(value) => Scalar::Integer(value),
        Err(_) => Scalar::Unsigned(value),
    }
}
