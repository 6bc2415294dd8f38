// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Lua API as thin methods on one stack. All of it may raise a Lua error where memory runs out, so no Rust value
//! with a destructor may be alive across a call; `lua_error` is only reached through [`crate::function`].

use std::ffi::{CStr, c_int, c_void};

use mlua_sys as lua;
use mlua_sys::lua_State;

/// The slot of a Lua value that Rust holds on to, in a table of ours: up to Lua 5.3, and in LuaJIT, the registry may lose
/// numbered slots if memory runs out while it grows. A table that only has such slots does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor(c_int);

/// Its address is the key of the table of anchors in the registry.
static ANCHORS: u8 = 0;

/// One Lua stack: that of a running C function or of a private thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stack(*mut lua_State);

macro_rules! api {
    ($(#[$doc:meta])* $name:ident($self:ident $(, $arg:ident: $type:ty)*) $(-> $result:ty)? = $call:expr) => {
        $(#[$doc])*
        pub(crate) fn $name($self $(, $arg: $type)*) $(-> $result)? {
            // SAFETY: `Stack::new`'s caller vouches for the state and its thread; indices are those of this crate's
            // own pushes, or are checked by kind before.
            unsafe { $call }
        }
    };
}

impl Stack {
    /// # Safety
    /// `state` is a live Lua state or coroutine, the calling thread owns it, and neither changes while the value is used.
    pub(crate) unsafe fn new(state: *mut lua_State) -> Self {
        Self(state)
    }

    pub(crate) fn state(self) -> *mut lua_State {
        self.0
    }

    api!(top(self) -> c_int = lua::lua_gettop(self.0));
    api!(set_top(self, top: c_int) = lua::lua_settop(self.0, top));
    api!(pop(self, count: c_int) = lua::lua_pop(self.0, count));
    api!(copy(self, index: c_int) = lua::lua_pushvalue(self.0, index));
    api!(insert(self, index: c_int) = lua::lua_insert(self.0, index));
    api!(remove(self, index: c_int) = lua::lua_remove(self.0, index));
    api!(absolute(self, index: c_int) -> c_int = lua::lua_absindex(self.0, index));
    api!(kind(self, index: c_int) -> c_int = lua::lua_type(self.0, index));
    api!(truth(self, index: c_int) -> bool = lua::lua_toboolean(self.0, index) != 0);
    api!(is_integer(self, index: c_int) -> bool = lua::lua_isinteger(self.0, index) != 0);
    api!(pointer(self, index: c_int) -> *const c_void = lua::lua_topointer(self.0, index));
    api!(userdata(self, index: c_int) -> *mut c_void = lua::lua_touserdata(self.0, index));
    api!(
        /// What is known to be a number.
        known_number(self, index: c_int) -> f64 = lua::lua_tonumber(self.0, index)
    );
    api!(raw_length(self, index: c_int) -> usize = as_length(lua::lua_rawlen(self.0, index)));
    api!(push_nil(self) = lua::lua_pushnil(self.0));
    api!(push_boolean(self, value: bool) = lua::lua_pushboolean(self.0, value.into()));
    api!(push_number(self, value: f64) = lua::lua_pushnumber(self.0, value));
    api!(push_pointer(self, pointer: *mut c_void) = lua::lua_pushlightuserdata(self.0, pointer));
    api!(push_closure(self, function: lua::lua_CFunction, upvalues: c_int) = lua::lua_pushcclosure(self.0, function, upvalues));
    api!(new_table(self, sequence: c_int, fields: c_int) = lua::lua_createtable(self.0, sequence, fields));
    api!(new_userdata(self, size: usize) -> *mut c_void = lua::lua_newuserdata(self.0, size));
    api!(new_thread(self) -> *mut lua_State = lua::lua_newthread(self.0));
    api!(raw_get(self, index: c_int) -> c_int = lua::lua_rawget(self.0, index));
    api!(raw_set(self, index: c_int) = lua::lua_rawset(self.0, index));
    api!(raw_get_at(self, index: c_int, at: lua::lua_Integer) -> c_int = lua::lua_rawgeti(self.0, index, at as _));
    api!(raw_set_at(self, index: c_int, at: lua::lua_Integer) = lua::lua_rawseti(self.0, index, at as _));
    api!(next(self, index: c_int) -> bool = lua::lua_next(self.0, index) != 0);
    api!(set_metatable(self, index: c_int) = { lua::lua_setmetatable(self.0, index); });
    api!(metatable(self, index: c_int) -> bool = lua::lua_getmetatable(self.0, index) != 0);
    api!(raw_equal(self, one: c_int, other: c_int) -> bool = lua::lua_rawequal(self.0, one, other) != 0);
    api!(get_user_value(self, index: c_int) = { lua::lua_getuservalue(self.0, index); });
    api!(set_user_value(self, index: c_int) = { lua::lua_setuservalue(self.0, index); });
    #[cfg(feature = "embed")]
    api!(global(self, name: &CStr) = { lua::lua_getglobal(self.0, name.as_ptr()); });
    api!(where_called(self) = lua::luaL_where(self.0, 1));
    api!(
        /// Moves the topmost values to another stack of the same Lua state.
        move_to(self, other: Self, count: c_int) = lua::lua_xmove(self.0, other.0, count)
    );
    api!(
        /// Calls in protected mode, with no message handler.
        call_protected(self, arguments: c_int, results: c_int) -> c_int = lua::lua_pcall(self.0, arguments, results, 0)
    );
    api!(
        /// Room for twenty values more; raises a Lua error if the stack cannot grow.
        check_room(self) = lua::luaL_checkstack(self.0, 20, c"too deeply nested".as_ptr())
    );
    api!(call(self, arguments: c_int, results: c_int) = lua::lua_call(self.0, arguments, results));
    api!(gc_step(self, kilobytes: c_int) = { lua::lua_gc(self.0, lua::LUA_GCSTEP, kilobytes); });
    api!(
        /// Starts or resumes the coroutine whose stack this is; the results are on top of it.
        resume(self, from: Self, arguments: c_int) -> c_int = {
            let mut results = 0;
            lua::lua_resume(self.0, from.0, arguments, &raw mut results)
        }
    );
    api!(
        /// Pushes a traceback of `of`, after the message.
        push_traceback(self, of: Self, message: &CStr) = lua::luaL_traceback(self.0, of.0, message.as_ptr(), 0)
    );

    /// Room for `count` more values; `false` if the stack cannot grow so far. Raises nothing.
    pub(crate) fn reserve(self, count: c_int) -> bool {
        // Lua 5.1 raises if memory runs out; once the stack has grown, it does not.
        #[cfg(feature = "lua51")]
        if !self.grow(count) {
            return false;
        }
        // SAFETY: as for the functions above.
        unsafe { lua::lua_checkstack(self.0, count) != 0 }
    }

    #[cfg(feature = "lua51")]
    fn grow(self, mut count: c_int) -> bool {
        unsafe extern "C-unwind" fn grow(state: *mut lua_State) -> c_int {
            // SAFETY: the only argument is the pointer that was given.
            let count: *const c_int = unsafe { lua::lua_touserdata(state, 1) }.cast_const().cast();
            // SAFETY: the count lives through the call.
            let count = unsafe { *count };
            // SAFETY: the state is the running one.
            unsafe { lua::lua_checkstack(state, count) }
        }
        // SAFETY: a protected call on this stack; the count lives through it.
        let status = unsafe { lua::lua_cpcall(self.0, grow, (&raw mut count).cast()) };
        if status != lua::LUA_OK {
            self.pop(1);
        }
        status == lua::LUA_OK
    }

    /// Makes the table of anchors. After this, a release raises nothing.
    pub(crate) fn prepare_anchors(self) {
        self.push_pointer((&raw const ANCHORS).cast_mut().cast());
        self.new_table(64, 1);
        self.raw_set(lua::LUA_REGISTRYINDEX);
        self.push_boolean(true);
        let anchor = self.anchor();
        self.release(anchor);
    }

    /// Pushes the table of anchors.
    pub(crate) fn anchors(self) {
        self.push_pointer((&raw const ANCHORS).cast_mut().cast());
        self.raw_get(lua::LUA_REGISTRYINDEX);
    }

    /// Pops a value and holds on to it.
    pub(crate) fn anchor(self) -> Anchor {
        self.anchors();
        self.insert(-2);
        // SAFETY: the table lies below the value, which is popped.
        let anchor = Anchor(unsafe { lua::luaL_ref(self.0, -2) });
        self.pop(1);
        anchor
    }

    /// Raises nothing.
    pub(crate) fn push_anchored(self, anchor: Anchor) {
        self.anchors();
        self.push_anchored_in(-1, anchor);
        // SAFETY: the value takes the table's place.
        unsafe { lua::lua_replace(self.0, -2) };
    }

    /// As [`Stack::push_anchored`], where the table of anchors is at hand. Raises nothing.
    pub(crate) fn push_anchored_in(self, table: c_int, anchor: Anchor) {
        self.push_item(table, anchor.0);
    }

    /// Pushes `t[at]` of the table at `index`, for a small number.
    pub(crate) fn push_item(self, index: c_int, at: c_int) {
        #[cfg(any(feature = "lua51", feature = "luajit"))]
        // SAFETY: the caller says where the table is.
        unsafe {
            lua::lua_rawgeti_(self.0, index, at);
        }
        #[cfg(not(any(feature = "lua51", feature = "luajit")))]
        // SAFETY: as above.
        unsafe {
            lua::lua_rawgeti(self.0, index, at.into());
        }
    }

    /// Raises nothing.
    pub(crate) fn release(self, anchor: Anchor) {
        self.anchors();
        // SAFETY: the table is on top.
        unsafe { lua::luaL_unref(self.0, -1, anchor.0) };
        self.pop(1);
    }

    pub(crate) fn push_bytes(self, bytes: &[u8]) {
        // The bindings' own function of this name looks at the new string again, as later Luas do.
        #[cfg(any(feature = "lua51", feature = "luajit"))]
        // SAFETY: the bytes live through the call; Lua copies them.
        unsafe {
            lua::lua_pushlstring_(self.0, bytes.as_ptr().cast(), bytes.len());
        }
        #[cfg(not(any(feature = "lua51", feature = "luajit")))]
        // SAFETY: as above.
        unsafe {
            lua::lua_pushlstring(self.0, bytes.as_ptr().cast(), bytes.len());
        }
    }

    pub(crate) fn push_str(self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    /// The bytes of a string (only of a string: numbers are not converted). They live while the string is on the stack
    /// or otherwise held by Lua, which the caller sees to.
    pub(crate) fn bytes<'a>(self, index: c_int) -> Option<&'a [u8]> {
        (self.kind(index) == lua::LUA_TSTRING).then(|| self.bytes_of_string(index))
    }

    /// As [`Stack::bytes`], of what is known to be a string; a number would become one.
    pub(crate) fn bytes_of_string<'a>(self, index: c_int) -> &'a [u8] {
        let mut length = 0;
        // SAFETY: the index is one of this crate's own pushes or arguments.
        let start = unsafe { lua::lua_tolstring(self.0, index, &raw mut length) };
        if start.is_null() {
            return &[];
        }
        // SAFETY: Lua gives as many bytes as it says; the caller keeps the string alive.
        unsafe { std::slice::from_raw_parts(start.cast(), length) }
    }

    pub(crate) fn text<'a>(self, index: c_int) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(index)?).ok()
    }

    pub(crate) fn number(self, index: c_int) -> Option<f64> {
        (self.kind(index) == lua::LUA_TNUMBER).then(|| self.known_number(index))
    }

    /// Is the key of a table at `index` the number `wanted`? Nothing is converted.
    pub(crate) fn is_key(self, index: c_int, wanted: i64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "no table has so many items")]
        // SAFETY: a number is only read.
        (self.kind(index) == lua::LUA_TNUMBER && unsafe { lua::lua_tonumber(self.0, index) } == wanted as f64)
    }

    /// A number with no fraction that fits.
    pub(crate) fn integer(self, index: c_int) -> Option<i64> {
        if self.is_integer(index) {
            // SAFETY: it is an integer, and is only read.
            let integer = unsafe { lua::lua_tointeger(self.0, index) };
            #[allow(
                clippy::useless_conversion,
                reason = "lua_Integer has the width of a pointer under LuaJIT and 5.1"
            )]
            return i64::try_from(integer).ok();
        }
        let number = self.number(index)?;
        let whole = number.fract() == 0.0 && number.abs() < 9.007_199_254_740_992e15;
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
        whole.then_some(number as i64)
    }

    pub(crate) fn type_name<'a>(self, index: c_int) -> &'a str {
        self.name_of_kind(self.kind(index))
    }

    pub(crate) fn name_of_kind<'a>(self, kind: c_int) -> &'a str {
        // SAFETY: any kind of value has a name.
        let name = unsafe { lua::lua_typename(self.0, kind) };
        // SAFETY: the names are constants of the Lua library.
        let name = unsafe { CStr::from_ptr(name) };
        name.to_str().unwrap_or("?")
    }

    /// An integer where Lua has them or a number holds it exactly, else the nearest number.
    pub(crate) fn push_integer(self, value: i64) {
        #[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
        // SAFETY: one slot is free.
        unsafe {
            lua::lua_pushinteger(self.0, value);
        }
        #[cfg(not(any(feature = "lua53", feature = "lua54", feature = "lua55")))]
        #[expect(clippy::cast_precision_loss, reason = "the nearest number is what was asked for")]
        self.push_number(value as f64);
    }

    /// A count: as [`Stack::push_integer`].
    pub(crate) fn push_count(self, value: u64) {
        self.push_integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// `t[name] = top` for the table at `index`; pops the value.
    pub(crate) fn set_field(self, index: c_int, name: &str) {
        let index = self.absolute(index);
        self.push_str(name);
        self.insert(-2);
        self.raw_set(index);
    }

    /// Pushes `t[name]` of the table at `index`.
    pub(crate) fn field(self, index: c_int, name: &str) -> c_int {
        let index = self.absolute(index);
        self.push_str(name);
        self.raw_get(index)
    }

    /// Is this the main thread of its state, not a coroutine?
    pub(crate) fn is_main(self) -> bool {
        // SAFETY: pushes one value, for which there is room.
        let main = unsafe { lua::lua_pushthread(self.0) } == 1;
        self.pop(1);
        main
    }

    /// May the function at `index` look at a second argument? `true` where that cannot be told.
    pub(crate) fn takes_two(self, index: c_int) -> bool {
        let top = self.top();
        self.copy(index);
        let takes = self.parameters().is_none_or(|count| count >= 2);
        self.set_top(top);
        takes
    }

    /// How many parameters the function on top has; `None` if that is not fixed or cannot be told. Pops it.
    #[cfg(not(any(feature = "lua51", feature = "luajit")))]
    fn parameters(self) -> Option<i64> {
        let mut activation = std::mem::MaybeUninit::<lua::lua_Debug>::zeroed();
        // SAFETY: the function is on top, and the record is only filled.
        unsafe { lua::lua_getinfo(self.0, c">u".as_ptr(), activation.as_mut_ptr()) };
        // SAFETY: an all-zero record is valid, and Lua filled what "u" asks for.
        let activation = unsafe { activation.assume_init() };
        (activation.isvararg == 0).then_some(activation.nparams.into())
    }

    /// LuaJIT tells it only to Lua.
    #[cfg(feature = "luajit")]
    fn parameters(self) -> Option<i64> {
        let function = self.top();
        self.field(lua::LUA_REGISTRYINDEX, "_LOADED");
        for name in ["debug", "getinfo"] {
            if self.kind(-1) != lua::LUA_TTABLE {
                return None;
            }
            self.field(-1, name);
        }
        self.copy(function);
        self.push_str("u");
        if self.kind(-3) != lua::LUA_TFUNCTION
            || self.call_protected(2, 1) != lua::LUA_OK
            || self.kind(-1) != lua::LUA_TTABLE
        {
            return None;
        }
        self.field(-1, "isvararg");
        self.field(-2, "nparams");
        let count = self.integer(-1);
        if self.kind(-2) == lua::LUA_TBOOLEAN && !self.truth(-2) { count } else { None }
    }

    /// 5.1 does not tell.
    #[cfg(feature = "lua51")]
    fn parameters(self) -> Option<i64> {
        None
    }

    /// `file:line` of the Lua code that called, or "?". Raises nothing.
    pub(crate) fn caller(self) -> String {
        let mut activation = std::mem::MaybeUninit::<lua::lua_Debug>::zeroed();
        // SAFETY: the record is only filled, and only used by Lua.
        if unsafe { lua::lua_getstack(self.0, 1, activation.as_mut_ptr()) } == 0 {
            return "?".to_owned();
        }
        // SAFETY: the record was just filled for level 1, which still runs.
        unsafe { lua::lua_getinfo(self.0, c"Sl".as_ptr(), activation.as_mut_ptr()) };
        // SAFETY: an all-zero record is valid, and Lua filled what "Sl" asks for.
        let activation = unsafe { activation.assume_init() };
        if activation.currentline <= 0 {
            return "?".to_owned();
        }
        // SAFETY: Lua ends the source's name with a NUL.
        let source = unsafe { CStr::from_ptr(activation.short_src.as_ptr()) };
        format!("{}:{}", source.to_string_lossy(), activation.currentline)
    }
}

#[cfg(any(feature = "lua51", feature = "luajit", feature = "lua52", feature = "lua53"))]
fn as_length(length: usize) -> usize {
    length
}

#[cfg(not(any(feature = "lua51", feature = "luajit", feature = "lua52", feature = "lua53")))]
fn as_length(length: impl TryInto<usize>) -> usize {
    length.try_into().unwrap_or(usize::MAX)
}
