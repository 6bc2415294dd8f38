// SPDX-License-Identifier: MIT OR Apache-2.0
//! What handlers of callbacks return, as bytes for the native caller; nothing that does not fit is bent.

use std::ffi::c_int;

use mlua_sys as lua;
use moonport_callback::callback::Callback;
use moonport_callback::layout::Scalar;
use moonport_callback::marshal::{Expected, put_number, put_text};

use crate::int64::Int64;
use crate::owner::Owner;
use crate::stack::Stack;
use crate::value;

/// The results from 1 on, as bytes.
///
/// # Errors
/// The first that does not fit.
pub(crate) fn encode(owner: &Owner, stack: Stack, callback: &'static Callback) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for (at, expected) in (1..).zip(callback.marshal.expected()) {
        put_result(owner, stack, expected, at, &mut bytes).map_err(|message| format!("result {at}: {message}"))?;
    }
    Ok(bytes)
}

/// The value at `index` as bytes: nil and `moonport.null` are NULL.
///
/// # Errors
/// It does not fit.
pub(crate) fn put_result(
    owner: &Owner,
    stack: Stack,
    expected: Expected,
    index: c_int,
    bytes: &mut Vec<u8>,
) -> Result<(), String> {
    let kind = stack.kind(index);
    match expected {
        Expected::Number(scalar) => put_number(number(owner, stack, scalar, index)?, bytes),
        Expected::Text { optional } => match stack.bytes(index) {
            Some(text) => put_text(Some(text), bytes),
            None if optional && (kind <= lua::LUA_TNIL || value::is_null(stack, index)) => put_text(None, bytes),
            None => return Err(format!("expected a string, got {}", stack.type_name(index))),
        },
        Expected::Pointer if kind <= lua::LUA_TNIL => put_number(0, bytes),
        Expected::Pointer if kind == lua::LUA_TLIGHTUSERDATA => put_number(stack.userdata(index).addr() as u64, bytes),
        _ => match owner.ffi_address(stack, index) {
            Some(address) => put_number(address, bytes),
            None => return Err(format!("expected a pointer, got {}", stack.type_name(index))),
        },
    }
    Ok(())
}

/// The value at `index` as the bits of such a number, if it is one.
fn number(owner: &Owner, stack: Stack, scalar: Scalar, index: c_int) -> Result<u64, String> {
    let refuse = || {
        let got = stack.number(index).map_or_else(|| stack.type_name(index).to_owned(), |number| number.to_string());
        Err(format!("expected {}, got {got}", name_of(scalar)))
    };
    match scalar {
        Scalar::Bool if stack.kind(index) == lua::LUA_TBOOLEAN => return Ok(stack.truth(index).into()),
        #[expect(clippy::cast_possible_truncation, reason = "a float has fewer digits")]
        Scalar::F32 => return stack.number(index).map_or_else(refuse, |number| Ok((number as f32).to_bits().into())),
        Scalar::F64 => return stack.number(index).map_or_else(refuse, |number| Ok(number.to_bits())),
        _ => {}
    }
    let value = match (stack.integer(index), owner.int64(stack, index)) {
        (_, Some(Int64::Unsigned(value))) => i128::from(value),
        (_, Some(Int64::Signed(value))) | (Some(value), None) => i128::from(value),
        (None, None) => match stack.number(index) {
            // Beyond 2^53 a number is whole, and may still be what was meant.
            #[expect(clippy::cast_possible_truncation, reason = "whole, and in range")]
            Some(value) if value.fract() == 0.0 && value.abs() < 1.9e19 => value as i128,
            _ => return refuse(),
        },
    };
    let range = match scalar {
        Scalar::I8 => i8::MIN.into()..=i8::MAX.into(),
        Scalar::U8 => 0..=u8::MAX.into(),
        Scalar::I16 => i16::MIN.into()..=i16::MAX.into(),
        Scalar::U16 => 0..=u16::MAX.into(),
        Scalar::I32 => i32::MIN.into()..=i32::MAX.into(),
        Scalar::U32 => 0..=u32::MAX.into(),
        Scalar::I64 => i64::MIN.into()..=i64::MAX.into(),
        Scalar::U64 => 0..=i128::from(u64::MAX),
        _ => return refuse(),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range of the scalar")]
    if range.contains(&value) { Ok(scalar.extend(value as u64)) } else { refuse() }
}

fn name_of(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Bool => "a boolean",
        Scalar::I8 => "an integer that fits int8_t",
        Scalar::U8 => "an integer that fits uint8_t",
        Scalar::I16 => "an integer that fits int16_t",
        Scalar::U16 => "an integer that fits uint16_t",
        Scalar::I32 => "an integer that fits int32_t",
        Scalar::U32 => "an integer that fits uint32_t",
        Scalar::I64 => "an integer that fits int64_t",
        Scalar::U64 => "an integer that fits uint64_t",
        Scalar::F32 | Scalar::F64 => "a number",
    }
}
