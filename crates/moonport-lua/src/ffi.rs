// SPDX-License-Identifier: MIT OR Apache-2.0
//! What LuaJIT's FFI library knows of C types and makes for us; other Luas have none.

use std::ffi::c_int;

use mlua_sys as lua;
use moonport_callback::declaration::{self, Definition, Named, NoNames, Resolver, Type};
use moonport_callback::layout::Scalar;
use moonport_callback::marshal::Struct;
use moonport_callback::stub::Stub;

use crate::owner::Owner;
use crate::stack::{Anchor, Stack};

/// Functions of `ffi.lua`, once they were needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Helpers {
    cast: Anchor,
    describe: Anchor,
    make: Anchor,
    attach: Anchor,
    address: Anchor,
}

const CODE: &str = include_str!("ffi.lua");
const TCDATA: c_int = 10;

/// Says what names stand for, as far as the FFI library knows.
pub(crate) struct Names<'a> {
    pub(crate) owner: &'a Owner,
    pub(crate) stack: Stack,
}

impl Resolver for Names<'_> {
    fn resolve(&mut self, name: &str) -> Option<Named> {
        let Described { spelling, size, strings } = self.owner.ffi_type(self.stack, name)?;
        if spelling.ends_with('*') || spelling.contains("(*)") || spelling.ends_with('&') {
            return Some(Named::Pointer);
        }
        if spelling.starts_with("struct ") || spelling.starts_with("union ") {
            return Some(size.map_or(Named::Incomplete, |size| Named::Struct(Definition { size, strings })));
        }
        if spelling.starts_with("enum ") {
            return Some(Named::Scalar(Scalar::I32));
        }
        let whole = declaration::parse(&format!("void (*)({spelling})"), &mut NoNames).ok()?;
        match whole.parameters.first().map(|parameter| &parameter.kind) {
            Some(Type::Scalar(scalar, _)) => Some(Named::Scalar(*scalar)),
            _ => None,
        }
    }
}

/// A type as the FFI library knows it.
struct Described {
    spelling: String,
    /// If it is complete.
    size: Option<usize>,
    /// Where a struct has members of type `const char *`.
    strings: Vec<usize>,
}

impl Owner {
    /// Loaded at the first use; `None` without an FFI library.
    fn ffi_helpers(&self, stack: Stack) -> Option<Helpers> {
        if !cfg!(feature = "luajit") {
            return None;
        }
        if let Some(helpers) = self.ffi_helpers.get() {
            return Some(helpers);
        }
        // SAFETY: the code lives through the call.
        let loaded =
            unsafe { lua::luaL_loadbuffer(stack.state(), CODE.as_ptr().cast(), CODE.len(), c"=(moonport)".as_ptr()) };
        if loaded != lua::LUA_OK || stack.call_protected(0, 5) != lua::LUA_OK {
            stack.pop(1);
            return None;
        }
        let (address, attach, make) = (stack.anchor(), stack.anchor(), stack.anchor());
        let (describe, cast) = (stack.anchor(), stack.anchor());
        self.ffi_helpers.set(Some(Helpers { cast, describe, make, attach, address }));
        self.ffi_helpers.get()
    }

    /// Pushes a function pointer: cdata of this type under LuaJIT, else light userdata.
    pub(crate) fn push_pointer_to(&self, stack: Stack, declared: &str, stub: Stub) {
        stack.check_room();
        let address = stub.address().cast_mut();
        if let Some(helpers) = self.ffi_helpers(stack) {
            stack.push_anchored(helpers.cast);
            stack.push_str(declared);
            stack.push_pointer(address);
            if stack.call_protected(2, 1) == lua::LUA_OK {
                return;
            }
            stack.pop(1);
        }
        stack.push_pointer(address);
    }

    fn ffi_type(&self, stack: Stack, name: &str) -> Option<Described> {
        let mut found = None;
        let pushed = self.protect(stack, 0, &mut |stack| {
            let Some(helpers) = self.ffi_helpers(stack) else { return 0 };
            stack.push_anchored(helpers.describe);
            stack.push_str(name);
            stack.call(1, 3);
            let size = stack.integer(-2).and_then(|size| usize::try_from(size).ok());
            let strings = stack.text(-1).unwrap_or_default().split(' ').filter_map(|offset| offset.parse().ok());
            let strings = strings.collect();
            found = stack.text(-3).map(|spelling| Described { spelling: spelling.to_owned(), size, strings });
            0
        });
        stack.pop(c_int::from(pushed.is_err()));
        found
    }

    /// The address that a cdata pointer at `index` holds.
    pub(crate) fn ffi_address(&self, stack: Stack, index: c_int) -> Option<u64> {
        if stack.kind(index) != TCDATA {
            return None;
        }
        let index = stack.absolute(index);
        let helpers = self.ffi_helpers(stack)?;
        stack.check_room();
        stack.push_anchored(helpers.address);
        stack.copy(index);
        stack.call(1, 1);
        let address = stack.integer(-1).and_then(|address| u64::try_from(address).ok());
        stack.pop(1);
        address
    }

    /// Pushes a copy of a struct, which holds the strings that it points to.
    pub(crate) fn push_struct(&self, stack: Stack, copied: Struct<'_>) {
        let Some(helpers) = self.ffi_helpers(stack) else { return stack.push_nil() };
        stack.push_anchored(helpers.make);
        stack.push_str(copied.name);
        stack.call(1, 1);
        let place: *mut u8 = stack.pointer(-1).cast_mut().cast();
        let bytes = copied.bytes;
        // SAFETY: the cdata is of the type whose size the plan has taken from the FFI library, as many as the bytes are.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        let count = c_int::try_from(copied.strings.len()).unwrap_or(0);
        if count == 0 || !stack.reserve(2 * count + 4) {
            return;
        }
        stack.push_anchored(helpers.attach);
        stack.copy(-2);
        for (offset, text) in copied.strings() {
            stack.push_count(offset as u64);
            match text {
                Some(text) => stack.push_bytes(text),
                None => stack.push_nil(),
            }
        }
        stack.call(1 + 2 * count, 0);
    }
}
