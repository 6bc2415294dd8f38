// SPDX-License-Identifier: MIT OR Apache-2.0
//! Copies the arguments of a native call into bytes of our own, and a handler's results into the native caller's memory.
//! Both happen on the caller's thread, while the call lasts: no pointer of the caller's is looked at later.

use std::ffi::c_char;

use moonport_core::BytesBuilder;

use crate::declaration::Definition;
use crate::layout::{Convention, Place, Scalar};
use crate::plan::{Kind, Length, Outcome, Ownership, Parameter, Plan};
use crate::ring;
use crate::stub::Call;

/// Stands for nil where a length would be.
const NIL: u64 = u64::MAX;

/// A plan with the places of its parameters.
#[derive(Debug)]
pub struct Marshal {
    plan: Plan,
    places: Vec<Place>,
    max_string: usize,
}

/// One argument as the owner reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Argument<'a> {
    /// A number: its bits, as [`Scalar::extend`] gives them.
    Number(Scalar, u64),
    /// A string, or NULL.
    Text(Option<&'a [u8]>),
    /// A copy of a struct, or NULL.
    Struct(Option<Struct<'a>>),
    /// A pointer.
    Pointer(usize),
}

/// A struct as the owner reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Struct<'a> {
    /// Its type.
    pub name: &'a str,
    /// Its bytes; the pointers in them are of no use.
    pub bytes: &'a [u8],
    /// Where it points to strings.
    pub strings: &'a [usize],
    rest: &'a [u8],
}

impl<'a> Struct<'a> {
    /// Each place where it points to a string, and that string, or NULL.
    pub fn strings(self) -> impl Iterator<Item = (usize, Option<&'a [u8]>)> {
        let mut reader = Reader { bytes: self.rest };
        self.strings.iter().map(move |offset| (*offset, reader.text()))
    }
}

/// One result as the owner gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// A number.
    Number(Scalar),
    /// A pointer.
    Pointer,
    /// A string, with or without NULL for nil.
    Text {
        /// May it be nil?
        optional: bool,
    },
}

impl Marshal {
    /// `max_string`: the longest string that is copied.
    #[must_use]
    pub fn new(plan: Plan, max_string: usize) -> Self {
        let scalars: Vec<_> = plan.parameters.iter().map(|parameter| parameter.scalar).collect();
        Self { places: Convention::NATIVE.places(&scalars), plan, max_string }
    }

    /// What it moves.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn argument(&self, call: &Call, at: usize) -> u64 {
        match (self.places.get(at), self.plan.parameters.get(at)) {
            (Some(place), Some(parameter)) => call.argument(*place, parameter.scalar),
            _ => 0,
        }
    }

    /// Copies the arguments behind what is in `bytes`.
    ///
    /// # Errors
    /// An argument that cannot be, such as NULL with a length; the call is refused.
    pub fn read(&self, call: &Call, bytes: &mut BytesBuilder) -> Result<(), String> {
        for (at, parameter) in self.plan.parameters.iter().enumerate() {
            let value = self.argument(call, at);
            self.read_one(call, parameter, value, bytes)
                .map_err(|message| format!("{}: {message}", parameter.label))?;
        }
        Ok(())
    }

    fn read_one(&self, call: &Call, parameter: &Parameter, value: u64, bytes: &mut BytesBuilder) -> Result<(), String> {
        match &parameter.kind {
            Kind::Number | Kind::Opaque => bytes.put(&value.to_le_bytes()),
            Kind::Text => self.put_string(value, bytes)?,
            Kind::Bytes { length, element } => {
                let count = match length {
                    Length::Fixed(count) => *count,
                    Length::Parameter(at) => self.count(call, *at)?,
                };
                let size = count.checked_mul(*element).ok_or_else(|| format!("a length of {count}"))?;
                match (value, size) {
                    (0, 0) => put(std::ptr::dangling(), 0, bytes),
                    (0, _) => return Err(format!("NULL with a length of {count}")),
                    _ => put(pointer(value), self.checked(size)?, bytes),
                }
            }
            Kind::Struct { .. } | Kind::InOut(_) if value == 0 => bytes.put(&NIL.to_le_bytes()),
            Kind::Struct { definition, .. } => self.put_struct(pointer(value), definition, bytes)?,
            Kind::InOut(scalar) => put(pointer(value), scalar.size(), bytes),
            Kind::Out(_) | Kind::OutBuffer { .. } => {}
        }
        Ok(())
    }

    /// The string at an address, up to its NUL.
    fn put_string(&self, address: u64, bytes: &mut BytesBuilder) -> Result<(), String> {
        if address == 0 {
            bytes.put(&NIL.to_le_bytes());
            return Ok(());
        }
        let start = pointer(address);
        // SAFETY: the caller has passed a string with a NUL, by the declaration; strnlen stops there.
        let length = unsafe { libc::strnlen(start.cast::<c_char>(), self.max_string.saturating_add(1)) };
        put(start, self.checked(length)?, bytes);
        Ok(())
    }

    fn put_struct(&self, start: *const u8, definition: &Definition, bytes: &mut BytesBuilder) -> Result<(), String> {
        put(start, definition.size, bytes);
        for offset in &definition.strings {
            let member: *const u64 = start.wrapping_add(*offset).cast();
            // SAFETY: the struct has a pointer there, by its definition; packed ones are not aligned.
            let address = unsafe { member.read_unaligned() };
            self.put_string(address, bytes).map_err(|message| format!("the string at offset {offset}: {message}"))?;
        }
        Ok(())
    }

    fn checked(&self, length: usize) -> Result<usize, String> {
        if length <= self.max_string { Ok(length) } else { Err(format!("longer than {} bytes", self.max_string)) }
    }

    /// The length that a parameter holds.
    fn count(&self, call: &Call, at: usize) -> Result<usize, String> {
        let value = self.argument(call, at);
        let signed = matches!(
            self.plan.parameters.get(at).map(|parameter| parameter.scalar),
            Some(Scalar::I8 | Scalar::I16 | Scalar::I32 | Scalar::I64)
        );
        if signed && value.cast_signed() < 0 {
            return Err(format!("a length of {}", value.cast_signed()));
        }
        usize::try_from(value).map_err(|_| format!("a length of {value}"))
    }

    /// The arguments in `bytes`, in the order of the handler's parameters.
    pub fn arguments<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Argument<'a>> {
        let mut reader = Reader { bytes };
        self.plan.parameters.iter().filter_map(move |parameter| match &parameter.kind {
            Kind::Number => Some(Argument::Number(parameter.scalar, reader.number())),
            Kind::Opaque => Some(Argument::Pointer(usize::try_from(reader.number()).unwrap_or(0))),
            Kind::Text | Kind::Bytes { .. } => Some(Argument::Text(reader.text())),
            Kind::Struct { name, definition } => Some(Argument::Struct(reader.text().map(|bytes| {
                let rest = reader.bytes;
                for _ in &definition.strings {
                    reader.text();
                }
                Struct { name, bytes, strings: &definition.strings, rest }
            }))),
            Kind::InOut(scalar) => Some(match reader.text() {
                Some(bytes) => Argument::Number(*scalar, scalar.extend(little(bytes))),
                None => Argument::Text(None),
            }),
            Kind::Out(_) | Kind::OutBuffer { .. } => None,
        })
    }

    /// What a handler is to return, in order: the result, then what is written back.
    pub fn expected(&self) -> impl Iterator<Item = Expected> {
        let result = match self.plan.result {
            Outcome::Nothing => None,
            Outcome::Number(scalar) => Some(Expected::Number(scalar)),
            Outcome::Pointer => Some(Expected::Pointer),
            Outcome::Text(_) => Some(Expected::Text { optional: true }),
        };
        let written = self.plan.parameters.iter().filter_map(|parameter| match parameter.kind {
            Kind::Out(scalar) | Kind::InOut(scalar) => Some(Expected::Number(scalar)),
            Kind::OutBuffer { .. } => Some(Expected::Text { optional: false }),
            _ => None,
        });
        result.into_iter().chain(written)
    }

    /// Gives the results in `bytes`, made by [`put_number`] and [`put_text`], to the native caller.
    pub fn write(&self, call: &mut Call, bytes: &[u8]) {
        let mut reader = Reader { bytes };
        let result = match self.plan.result {
            Outcome::Nothing => None,
            Outcome::Number(scalar) => Some((scalar, reader.number())),
            Outcome::Pointer => Some((Scalar::U64, reader.number())),
            Outcome::Text(ownership) => {
                let address = reader.text().map_or(std::ptr::null(), |text| keep(text, ownership));
                Some((Scalar::U64, address.addr() as u64))
            }
        };
        for (at, parameter) in self.plan.parameters.iter().enumerate() {
            let target: *mut u8 = pointer(self.argument(call, at)).cast_mut();
            let (source, room) = match parameter.kind {
                Kind::Out(scalar) | Kind::InOut(scalar) => (reader.take(8), scalar.size()),
                Kind::OutBuffer { capacity } => {
                    (reader.text().unwrap_or_default(), self.count(call, capacity).unwrap_or(0))
                }
                _ => continue,
            };
            if !target.is_null() {
                // SAFETY: by the declaration the caller has so much room there, and waits until this has returned.
                unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), target, source.len().min(room)) };
            }
        }
        // Last: it takes the place of the first argument.
        if let Some((scalar, bits)) = result {
            call.set_result(scalar, bits);
        }
    }
}

/// Adds a number, as [`Scalar::extend`] gives it, or a pointer to results.
pub fn put_number(bits: u64, bytes: &mut Vec<u8>) {
    bytes.extend(bits.to_le_bytes());
}

/// Adds a string, or NULL, to results.
pub fn put_text(text: Option<&[u8]>, bytes: &mut Vec<u8>) {
    bytes.extend(text.map_or(NIL, |text| text.len() as u64).to_le_bytes());
    bytes.extend(text.unwrap_or_default());
}

fn pointer(value: u64) -> *const u8 {
    std::ptr::with_exposed_provenance(usize::try_from(value).unwrap_or(0))
}

/// Copies so many bytes from the caller's memory, with their number before them.
fn put(start: *const u8, length: usize, bytes: &mut BytesBuilder) {
    bytes.put(&(length as u64).to_le_bytes());
    // SAFETY: by the declaration the caller has so many bytes there, which stay until the call has returned.
    bytes.put(unsafe { std::slice::from_raw_parts(start, length) });
}

/// Memory for a result, by the rules of its owner.
fn keep(text: &[u8], ownership: Ownership) -> *const u8 {
    let ends_at = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let text = text.get(..ends_at).unwrap_or_default();
    match ownership {
        Ownership::Ring => ring::keep(text),
        Ownership::Static => Box::leak([text, b"\0"].concat().into_boxed_slice()).as_ptr(),
        Ownership::Malloc => {
            // SAFETY: takes a size alone.
            let copy: *mut u8 = unsafe { libc::malloc(text.len() + 1) }.cast();
            if !copy.is_null() {
                // SAFETY: it has room for the text and its NUL.
                unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), copy, text.len()) };
                // SAFETY: as above.
                unsafe { copy.wrapping_add(text.len()).write(0) };
            }
            copy
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }

    fn number(&mut self) -> u64 {
        let Some((number, rest)) = self.bytes.split_first_chunk() else { return little(self.take(8)) };
        self.bytes = rest;
        u64::from_le_bytes(*number)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.number();
        (length != NIL).then(|| self.take(usize::try_from(length).unwrap_or(usize::MAX)))
    }
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
