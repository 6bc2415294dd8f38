// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls into native code that may call back: `moonport.call` on this thread, and `moonport.blocking` on a helper's.

use std::ffi::{c_int, c_void};

use mlua_sys as lua;
use moonport_callback::invoke::{self, Signature};
use moonport_callback::layout::Scalar;
use moonport_core::{errno, reply};

use crate::call::{self, Interrupted};
use crate::function::{Outcome, Result, c_function};
use crate::owner::Owner;
use crate::pin;
use crate::stack::Stack;
use crate::task;

/// Pushes `moonport.call`.
pub(crate) fn push_call(stack: Stack) {
    load(stack, include_str!("call.lua"), c"=moonport.call", 0);
}

/// Pushes `moonport.blocking`.
pub(crate) fn push_blocking(owner: &Owner, stack: Stack) {
    owner.push_function(stack, c_function!(invoke));
    load(stack, include_str!("blocking.lua"), c"=moonport.blocking", 1);
}

/// Calls a chunk with so many values from the stack's top, and leaves its result there. May raise.
fn load(stack: Stack, code: &str, name: &std::ffi::CStr, arguments: c_int) {
    // SAFETY: the code and its name live through the call.
    let loaded = unsafe { lua::luaL_loadbuffer(stack.state(), code.as_ptr().cast(), code.len(), name.as_ptr()) };
    if loaded != lua::LUA_OK {
        // SAFETY: the error value is on top, and this frame owns nothing.
        unsafe { lua::lua_error(stack.state()) }
    }
    stack.insert(-arguments - 1);
    stack.call(arguments, 1);
}

/// A C function with its arguments, on its way to the thread that calls it.
struct Native {
    signature: Signature,
    function: *const c_void,
    arguments: Vec<u64>,
}

// SAFETY: the owner's thread waits for the end of the call, and keeps everything that the arguments point to.
unsafe impl Send for Native {}

impl Native {
    /// Calls it: its result, and the error number that it left.
    fn run(self) -> (u64, errno::Number) {
        // SAFETY: the FFI library knows the function by this signature, and has converted the arguments.
        let result = unsafe { self.signature.call(self.function, &self.arguments) };
        (result, errno::Number::here())
    }
}

/// `invoke(types, words)`: types are two letters each, of the result first; words hold the function's address and its arguments.
/// The result comes back in the first word; gives errno.
fn invoke(owner: &Owner, stack: Stack) -> Result {
    if !owner.is_owner() || owner.may_not_wait.get() {
        return Err(format!("moonport.blocking: {}", task::MAY_NOT_WAIT).into());
    }
    if !invoke::POSSIBLE {
        return Err("moonport.blocking: not supported on this processor".into());
    }
    let types = stack.bytes(1).unwrap_or_default();
    let mut scalars = types.chunks_exact(2).map(scalar);
    let result = scalars.next().flatten();
    let parameters: Vec<_> = scalars.map(|scalar| scalar.unwrap_or(Scalar::U64)).collect();
    let words: *mut u64 = stack.pointer(2).cast_mut().cast();
    // SAFETY: `blocking.lua` passes an array of one word more than the function has parameters.
    let given = unsafe { std::slice::from_raw_parts(words, parameters.len() + 1) };
    let (function, arguments) = given.split_first().map_or((0, [].as_slice()), |(first, rest)| (*first, rest));
    let function = std::ptr::with_exposed_provenance(usize::try_from(function).unwrap_or(0));
    let native = Native { signature: Signature::new(parameters, result), function, arguments: arguments.to_vec() };

    // A handler that is served meanwhile may end the process, which unmaps what the FFI library has loaded.
    pin::pin_image_of(function);
    let (reply, mut answer) = reply::channel();
    let helper = std::thread::Builder::new().name("moonport-call".into()).spawn(move || {
        // The owner waits until the end.
        reply.send(native.run()).unwrap_or(());
    });
    let helper = helper.map_err(|error| format!("moonport.blocking: no thread to call on: {error}"))?;
    let waited = call::wait(owner, stack, &mut answer, None, Interrupted::IsTold);
    let ended = helper.join();
    let (Ok(Some((result, number))), Ok(())) = (waited?.map_err(drop), ended) else {
        return Err("moonport.blocking: the call was lost".into());
    };
    // SAFETY: as above.
    unsafe { words.write(result) };
    stack.push_integer(number.errno().into());
    number.set();
    Ok(Outcome::Values(1))
}

fn scalar(code: &[u8]) -> Option<Scalar> {
    Some(match code {
        b"b1" => Scalar::Bool,
        b"i1" => Scalar::I8,
        b"u1" => Scalar::U8,
        b"i2" => Scalar::I16,
        b"u2" => Scalar::U16,
        b"i4" => Scalar::I32,
        b"u4" => Scalar::U32,
        b"i8" => Scalar::I64,
        b"u8" => Scalar::U64,
        b"f4" => Scalar::F32,
        b"f8" => Scalar::F64,
        _ => return None,
    })
}
