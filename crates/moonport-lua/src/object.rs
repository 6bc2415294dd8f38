// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rust values as Lua objects: a userdata that holds a `T`, a class with methods, and a checked way back.

use std::ffi::c_int;

use mlua_sys as lua;
use mlua_sys::lua_State;

use crate::function::{Failure, Result};
use crate::owner::Owner;
use crate::stack::Stack;

/// A class as Lua and error messages name it. Its address is the key of the class's table in the registry, and of `true` in
/// that table.
pub(crate) struct Class(pub(crate) &'static str);

/// A type that Lua sees as an object.
pub(crate) trait Object: 'static {
    /// A static of its own.
    const CLASS: &'static Class;
    /// Method names and their functions; an "__index" among them is asked for everything.
    fn methods() -> &'static [(&'static str, lua::lua_CFunction)];
}

/// Pushes the class of `T`, made at the first use in a state.
fn push_class<T: Object>(owner: &Owner, stack: Stack) {
    push_key::<T>(stack);
    if stack.raw_get(lua::LUA_REGISTRYINDEX) == lua::LUA_TTABLE {
        return;
    }
    stack.pop(1);
    stack.new_table(0, 5);
    stack.new_table(0, 8);
    for (name, function) in T::methods() {
        owner.push_function(stack, *function);
        stack.set_field(if name.starts_with("__") { -3 } else { -2 }, name);
    }
    if T::methods().iter().any(|(name, _)| *name == "__index") {
        stack.pop(1);
    } else {
        stack.set_field(-2, "__index");
    }
    stack.push_closure(collect::<T>, 0);
    stack.set_field(-2, "__gc");
    for field in ["__name", "__metatable"] {
        stack.push_str(T::CLASS.0);
        stack.set_field(-2, field);
    }
    push_key::<T>(stack);
    stack.push_boolean(true);
    stack.raw_set(-3);
    push_key::<T>(stack);
    stack.copy(-2);
    stack.raw_set(lua::LUA_REGISTRYINDEX);
}

fn push_key<T: Object>(stack: Stack) {
    stack.push_pointer(std::ptr::from_ref(T::CLASS).cast_mut().cast());
}

/// Room for a `T` on a stack, below its class: until it is filled, nothing is dropped.
#[derive(Clone, Copy)]
pub(crate) struct Place<T> {
    stack: Stack,
    index: c_int,
    at: *mut T,
}

/// Pushes room for an object. This may raise, so call it before there is a value.
pub(crate) fn reserve<T: Object>(owner: &Owner, stack: Stack) -> Place<T> {
    const { assert!(align_of::<T>() <= 8) };
    push_class::<T>(owner, stack);
    let at = stack.new_userdata(size_of::<T>()).cast();
    stack.insert(-2);
    Place { stack, index: stack.top() - 1, at }
}

impl<T: Object> Place<T> {
    /// Makes it an object, which is on top of the stack then; what was above it is gone. Raises nothing.
    pub(crate) fn fill(self, value: T) {
        // SAFETY: Lua aligns userdata for every fundamental type, and the place is as large as a T.
        unsafe { self.at.write(value) };
        self.stack.set_top(self.index + 1);
        self.stack.set_metatable(self.index);
    }
}

unsafe extern "C-unwind" fn collect<T: Object>(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with its own state.
    let stack = unsafe { Stack::new(state) };
    let place: *mut T = stack.userdata(1).cast();
    if place.is_null() {
        return 0;
    }
    // A second call by hand must not drop twice: without its class the userdata is no T any more.
    stack.push_nil();
    stack.set_metatable(1);
    // SAFETY: only `push` gives a userdata this class, after it wrote the T.
    unsafe { place.drop_in_place() };
    0
}

/// The object at `index`, if it is a `T`.
pub(crate) fn get<'a, T: Object>(stack: Stack, index: c_int) -> Option<&'a T> {
    if stack.kind(index) != lua::LUA_TUSERDATA || !stack.metatable(index) {
        return None;
    }
    push_key::<T>(stack);
    let is_of_class = stack.raw_get(-2) != lua::LUA_TNIL;
    stack.pop(2);
    let place: *const T = stack.userdata(index).cast_const().cast();
    // SAFETY: only `push` gives a userdata this class, and it lives while it is on the stack.
    is_of_class.then(|| unsafe { &*place })
}

/// The object at argument `index`.
///
/// # Errors
/// Says what `function` wanted and what came.
pub(crate) fn check<'a, T: Object>(stack: Stack, index: c_int, function: &str) -> Result<&'a T> {
    get(stack, index).ok_or_else(|| {
        Failure(format!("{function}: expected a {}, got {}; call it with a colon", T::CLASS.0, stack.type_name(index)))
    })
}
