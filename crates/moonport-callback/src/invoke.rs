// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls a C function whose signature is known at run time only.

use std::ffi::c_void;

use crate::layout::{Convention, Place, Scalar};
use crate::machine::{self, Registers};

/// What a C function takes and gives.
#[derive(Clone, Debug)]
pub struct Signature {
    places: Vec<Place>,
    parameters: Vec<Scalar>,
    result: Option<Scalar>,
}

/// Can functions be called on this processor?
pub const POSSIBLE: bool = machine::COUNT > 0;

impl Signature {
    /// Pointers are [`Scalar::U64`]; no result: `void`.
    #[must_use]
    pub fn new(parameters: Vec<Scalar>, result: Option<Scalar>) -> Self {
        Self { places: Convention::NATIVE.places(&parameters), parameters, result }
    }

    /// Calls `function`. Arguments and the result are bits as [`Scalar::extend`] gives them; missing arguments are 0. Gives
    /// 0 where there is no result.
    ///
    /// # Safety
    /// `function` has this signature, the arguments are good for it, and it does not unwind.
    #[must_use]
    pub unsafe fn call(&self, function: *const c_void, arguments: &[u64]) -> u64 {
        let mut registers = Registers::default();
        let mut stack = Vec::new();
        for (at, (place, scalar)) in self.places.iter().zip(&self.parameters).enumerate() {
            let bits = scalar.extend(arguments.get(at).copied().unwrap_or(0));
            match *place {
                Place::Integer(at) => put(&mut registers.integers, at, bits),
                Place::Float(at) => put(&mut registers.floats, at, bits),
                Place::Stack(offset) => put_on_stack(&mut stack, offset, &bits.to_le_bytes()[..scalar.size()]),
            }
        }
        stack.resize(stack.len().next_multiple_of(8), 0);
        let words: Vec<_> = stack.chunks_exact(8).map(word).collect();
        // SAFETY: the caller's promise; the registers and the words are where the calling convention wants them.
        unsafe { machine::invoke(function, &raw mut registers, words.as_ptr(), words.len()) };
        match self.result {
            Some(scalar) if scalar.is_float() => scalar.extend(registers.floats[0]),
            Some(scalar) => scalar.extend(registers.integers[0]),
            None => 0,
        }
    }
}

fn put(registers: &mut [u64], at: usize, bits: u64) {
    if let Some(register) = registers.get_mut(at) {
        *register = bits;
    }
}

fn put_on_stack(stack: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if stack.len() < end {
        stack.resize(end, 0);
    }
    if let Some(place) = stack.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}
