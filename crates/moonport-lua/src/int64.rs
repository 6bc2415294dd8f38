// SPDX-License-Identifier: MIT OR Apache-2.0
//! 64-bit integers of each Lua: cdata under LuaJIT, integers from 5.3 on, the nearest number elsewhere.

use crate::owner::Owner;
use crate::stack::Stack;

/// Numbers up to this are exact as doubles.
pub(crate) const EXACT: u64 = 1 << 53;

/// An integer that is more than a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Int64 {
    Signed(i64),
    Unsigned(u64),
}

impl Owner {
    /// A number where that is exact, else what this Lua has for 64-bit integers.
    pub(crate) fn push_signed(&self, stack: Stack, value: i64) {
        if cfg!(feature = "luajit") && value.unsigned_abs() > EXACT {
            self.push_int64(stack, Int64::Signed(value));
        } else {
            stack.push_integer(value);
        }
    }

    /// As [`Owner::push_signed`].
    pub(crate) fn push_unsigned_exact(&self, stack: Stack, value: u64) {
        match i64::try_from(value) {
            Ok(value) if value.unsigned_abs() <= EXACT || !cfg!(feature = "luajit") => stack.push_integer(value),
            _ if cfg!(feature = "luajit") => self.push_int64(stack, Int64::Unsigned(value)),
            #[expect(clippy::cast_precision_loss, reason = "the nearest number is what was asked for")]
            _ => stack.push_number(value as f64),
        }
    }

    /// A handle: uint64_t cdata under LuaJIT, else an integer or number.
    pub(crate) fn push_unsigned(&self, stack: Stack, value: u64) {
        if cfg!(feature = "luajit") {
            self.push_int64(stack, Int64::Unsigned(value));
        } else {
            stack.push_integer(value.cast_signed());
        }
    }
}

#[cfg(not(feature = "luajit"))]
impl Owner {
    fn push_int64(&self, stack: Stack, value: Int64) {
        match value {
            Int64::Signed(value) => stack.push_integer(value),
            Int64::Unsigned(value) => stack.push_integer(value.cast_signed()),
        }
    }

    /// Pushes the value as it was written by [`Owner::int64`].
    pub(crate) fn push_same(&self, stack: Stack, value: Int64) {
        self.push_int64(stack, value);
    }

    /// The value at `index` if it is an integer beside the numbers.
    pub(crate) fn int64(&self, stack: Stack, index: i32) -> Option<Int64> {
        if cfg!(any(feature = "lua53", feature = "lua54", feature = "lua55")) && stack.is_integer(index) {
            return stack.integer(index).map(Int64::Signed);
        }
        None
    }
}

#[cfg(feature = "luajit")]
pub(crate) use with_ffi::Helpers;

#[cfg(feature = "luajit")]
mod with_ffi {
    use mlua_sys as lua;

    use super::{Int64, Owner, Stack};
    use crate::stack::Anchor;

    /// Functions of the FFI library that make and tell the two cdata types.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Helpers {
        kind: Anchor,
        signed: Anchor,
        unsigned: Anchor,
    }

    const TCDATA: i32 = 10;

    const CODE: &[u8] = b"local ffi = require 'ffi'
local signed, unsigned = ffi.typeof 'int64_t', ffi.typeof 'uint64_t'
local function kind(value)
  return ffi.istype(signed, value) and 1 or ffi.istype(unsigned, value) and 2 or 0
end
return kind, function() return signed() end, function() return unsigned() end";

    impl Owner {
        /// Loaded at the first use, since a program may do without the FFI library.
        fn helpers(&self, stack: Stack) -> Option<Helpers> {
            if let Some(helpers) = self.int64.get() {
                return Some(helpers);
            }
            // SAFETY: the code lives through the call.
            let loaded = unsafe {
                lua::luaL_loadbuffer(stack.state(), CODE.as_ptr().cast(), CODE.len(), c"=moonport int64".as_ptr())
            };
            if loaded != lua::LUA_OK || stack.call_protected(0, 3) != lua::LUA_OK {
                stack.pop(1);
                return None;
            }
            let (unsigned, signed, kind) = (stack.anchor(), stack.anchor(), stack.anchor());
            self.int64.set(Some(Helpers { kind, signed, unsigned }));
            self.int64.get()
        }

        pub(super) fn push_int64(&self, stack: Stack, value: Int64) {
            let Some(helpers) = self.helpers(stack) else {
                #[expect(clippy::cast_precision_loss, reason = "without the FFI library the nearest number must do")]
                return stack.push_number(match value {
                    Int64::Signed(value) => value as f64,
                    Int64::Unsigned(value) => value as f64,
                });
            };
            stack.check_room();
            stack.push_anchored(if matches!(value, Int64::Signed(_)) { helpers.signed } else { helpers.unsigned });
            stack.call(0, 1);
            let bits = match value {
                Int64::Signed(value) => value.cast_unsigned(),
                Int64::Unsigned(value) => value,
            };
            let place: *mut u64 = stack.pointer(-1).cast_mut().cast();
            // SAFETY: the helper made a cdata of eight bytes, whose address lua_topointer gives.
            unsafe { place.write_unaligned(bits) };
        }

        /// Pushes the value as it was written by [`Owner::int64`].
        pub(crate) fn push_same(&self, stack: Stack, value: Int64) {
            self.push_int64(stack, value);
        }

        /// The value at `index` if it is an int64_t or uint64_t cdata.
        pub(crate) fn int64(&self, stack: Stack, index: i32) -> Option<Int64> {
            if stack.kind(index) != TCDATA {
                return None;
            }
            let index = stack.absolute(index);
            let helpers = self.helpers(stack)?;
            stack.check_room();
            stack.push_anchored(helpers.kind);
            stack.copy(index);
            stack.call(1, 1);
            let kind = stack.integer(-1);
            stack.pop(1);
            let place: *const u64 = stack.pointer(index).cast();
            // SAFETY: read only where the helper says that the cdata is a 64-bit integer.
            let bits = || unsafe { place.read_unaligned() };
            match kind {
                Some(1) => Some(Int64::Signed(bits().cast_signed())),
                Some(2) => Some(Int64::Unsigned(bits())),
                _ => None,
            }
        }
    }
}
