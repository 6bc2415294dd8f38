// SPDX-License-Identifier: MIT OR Apache-2.0
//! How Lua values cross threads: as bytes that only this module writes and reads. Types stay what they were.

use mlua_sys as lua;

use moonport_core::{Sender, registry};

use crate::int64::Int64;
use crate::object;
use crate::owner::Owner;
use crate::port::Port;
use crate::stack::Stack;
use crate::value::{self, DEPTH, Refused};

const NIL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const NUMBER: u8 = 3;
const SIGNED: u8 = 4;
const UNSIGNED: u8 = 5;
const STRING: u8 = 6;
const NULL: u8 = 7;
/// Then keys and values in turn, up to a NIL.
const TABLE: u8 = 8;
const MARKED_TABLE: u8 = 9;
/// The handle of a port; it arrives as a sender.
const SENDER: u8 = 10;

/// Appends the value at `index`.
///
/// # Errors
/// What cannot cross, with its path; `out` then holds a part.
pub(crate) fn write(owner: &Owner, stack: Stack, index: i32, out: &mut Vec<u8>) -> Result<(), Refused> {
    write_value(owner, stack, stack.absolute(index), &mut [std::ptr::null(); DEPTH], 0, out)
}

fn write_value(
    owner: &Owner,
    stack: Stack,
    index: i32,
    open: &mut [*const std::ffi::c_void; DEPTH],
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Refused> {
    match stack.kind(index) {
        lua::LUA_TNIL => out.push(NIL),
        lua::LUA_TBOOLEAN => out.push(if stack.truth(index) { TRUE } else { FALSE }),
        lua::LUA_TSTRING => {
            let bytes = stack.bytes(index).unwrap_or_default();
            out.push(STRING);
            out.extend_from_slice(&bytes.len().to_le_bytes());
            out.extend_from_slice(bytes);
        }
        lua::LUA_TTABLE => {
            let table = stack.pointer(index);
            if open[..depth].contains(&table) {
                return Err(Refused::new("a table that contains itself cannot cross threads"));
            }
            let Some(place) = open.get_mut(depth) else {
                return Err(Refused::new(format!("nested deeper than {DEPTH}")));
            };
            *place = table;
            stack.check_room();
            out.push(if value::is_marked(stack, index) { MARKED_TABLE } else { TABLE });
            let key = stack.top() + 1;
            stack.push_nil();
            while stack.next(index) {
                for part in [key, key + 1] {
                    write_value(owner, stack, part, open, depth + 1, out)
                        .map_err(|refused| refused.below(stack, key))?;
                }
                stack.pop(1);
            }
            out.push(NIL);
        }
        _ if value::is_null(stack, index) => out.push(NULL),
        lua::LUA_TUSERDATA if sender_at(stack, index).is_some() => {
            let handle = sender_at(stack, index).map_or(0, |sender| sender.key().handle());
            out.push(SENDER);
            out.extend_from_slice(&handle.to_le_bytes());
        }
        _ => match (owner.int64(stack, index), stack.number(index)) {
            (Some(Int64::Signed(value)), _) => {
                out.push(SIGNED);
                out.extend_from_slice(&value.to_le_bytes());
            }
            (Some(Int64::Unsigned(value)), _) => {
                out.push(UNSIGNED);
                out.extend_from_slice(&value.to_le_bytes());
            }
            (None, Some(number)) => {
                out.push(NUMBER);
                out.extend_from_slice(&number.to_le_bytes());
            }
            (None, None) => return Err(Refused::new(format!("a {} cannot cross threads", stack.type_name(index)))),
        },
    }
    Ok(())
}

fn sender_at(stack: Stack, index: i32) -> Option<Sender> {
    object::get::<Sender>(stack, index)
        .copied()
        .or_else(|| object::get::<Port>(stack, index).map(|port| port.endpoint.sender))
}

/// Pushes the one value that [`write`] made these bytes of.
pub(crate) fn read(owner: &Owner, stack: Stack, bytes: &[u8]) {
    let mut rest = bytes;
    stack.check_room();
    read_value(owner, stack, &mut rest);
}

/// Pushes the next value; `false` at a NIL, which is pushed too.
fn read_value(owner: &Owner, stack: Stack, rest: &mut &[u8]) -> bool {
    match byte(rest) {
        FALSE => stack.push_boolean(false),
        TRUE => stack.push_boolean(true),
        NUMBER => stack.push_number(f64::from_le_bytes(eight(rest))),
        SIGNED => owner.push_same(stack, Int64::Signed(i64::from_le_bytes(eight(rest)))),
        UNSIGNED => owner.push_unsigned(stack, u64::from_le_bytes(eight(rest))),
        STRING => {
            let length = usize::from_le_bytes(eight(rest));
            let (text, after) = rest.split_at_checked(length).unwrap_or_default();
            *rest = after;
            stack.push_bytes(text);
        }
        NULL => value::push_null(stack),
        SENDER => match registry::find(u64::from_le_bytes(eight(rest))) {
            Some(sender) => object::reserve(owner, stack).fill(sender),
            // Its port was closed and forgotten on the way.
            None => stack.push_nil(),
        },
        tag @ (TABLE | MARKED_TABLE) => {
            stack.check_room();
            stack.new_table(0, 0);
            if tag == MARKED_TABLE {
                value::mark_array(stack, -1);
            }
            while read_value(owner, stack, rest) {
                read_value(owner, stack, rest);
                stack.raw_set(-3);
            }
            stack.pop(1);
        }
        _ => {
            stack.push_nil();
            return false;
        }
    }
    true
}

fn byte(rest: &mut &[u8]) -> u8 {
    let Some((first, after)) = rest.split_first() else { return NIL };
    *rest = after;
    *first
}

fn eight<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let Some((first, after)) = rest.split_first_chunk() else { return [0; N] };
    *rest = after;
    *first
}
