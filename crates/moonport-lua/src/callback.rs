// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.callback`: a C function pointer that any thread may call; its handler runs here.

use std::cell::Cell;
use std::ffi::c_int;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mlua_sys as lua;
use moonport_callback::callback::{BadArgument, Callback, UnsafeCall};
use moonport_callback::declaration::{self, Named, NoNames, Resolver, Type};
use moonport_callback::layout::Scalar;
use moonport_callback::marshal::{Argument, Expected, Marshal, put_number, put_text};
use moonport_callback::plan::{self, Outcome as Result_, Plan};
use moonport_callback::stub::{self, Stub};
use moonport_core::reply::{self, ReplyTo};
use moonport_core::{Bytes, Encoding, Message, Overflow, Payload, PortOptions};

use crate::capi;
use crate::dispatch;
use crate::function::{Failure, Outcome, Result, c_function};
use crate::int64::Int64;
use crate::object::{self, Object};
use crate::options::{self, Value};
use crate::owner::Owner;
use crate::port::{self, Endpoint, Made};
use crate::protect::Raised;
use crate::question::Question;
use crate::report::{self, Kind};
use crate::stack::{Anchor, Stack};
use crate::task::{self, Fetches};

const FUNCTION: &str = "moonport.callback";
const MAX_STRING: usize = 64 << 20;
const TIMEOUT: Duration = Duration::from_secs(5);

/// `moonport.Callback`.
struct Bridge {
    endpoint: Rc<Endpoint>,
    callback: &'static Callback,
    pointer: Anchor,
    destroyer: Cell<Option<Anchor>>,
}

impl Object for Bridge {
    const NAME: &'static str = "moonport.Callback";

    fn methods() -> &'static [(&'static str, lua::lua_CFunction)] {
        &[("__index", c_function!(index))]
    }
}

const METHODS: &[(&str, lua::lua_CFunction)] = &[
    ("set", c_function!(set)),
    ("stats", c_function!(stats)),
    ("ref", c_function!(reference)),
    ("unref", c_function!(unreference)),
    ("close", c_function!(close)),
];

fn index(owner: &Owner, stack: Stack) -> Result {
    let bridge = object::check::<Bridge>(stack, 1, "callback")?;
    match stack.text(2) {
        Some("pointer") => stack.push_anchored(bridge.pointer),
        Some("destroyer") => match bridge.destroyer.get() {
            Some(anchor) => stack.push_anchored(anchor),
            None => {
                let stub = bridge.callback.destroyer().ok_or_else(|| used_up(owner, "callback.destroyer"))?;
                owner.push_pointer_to(stack, "void (*)(void *)", stub);
                stack.copy(-1);
                bridge.destroyer.set(Some(stack.anchor()));
            }
        },
        Some(name) => match METHODS.iter().find(|(method, _)| *method == name) {
            Some((_, function)) => owner.push_function(stack, *function),
            None => stack.push_nil(),
        },
        None => stack.push_nil(),
    }
    Ok(Outcome::Values(1))
}

/// What a program asked for beside the port's own options.
struct Settings {
    wait: bool,
    timeout: Option<Duration>,
    max_string: usize,
    referenced: bool,
}

/// `moonport.callback(declaration, handler, options)`.
pub(crate) fn callback(owner: &Owner, stack: Stack) -> Result {
    stack.set_top(3);
    owner.watch_traces(stack);
    let place = object::reserve::<Bridge>(owner, stack);
    let Some(text) = stack.text(1) else {
        return Err(format!("{FUNCTION}: expected a declaration in C, got {}", stack.type_name(1)).into());
    };
    if stack.kind(2) != lua::LUA_TFUNCTION {
        return Err(format!("{FUNCTION}: expected a function, got {}", stack.type_name(2)).into());
    }
    let plan = declaration::parse(text, &mut Names { owner, stack })
        .and_then(|declaration| plan::plan(&declaration))
        .map_err(|error| Failure(format!("{FUNCTION}: {error}")))?;
    let mut ports = PortOptions { overflow: Overflow::DropNew, ..PortOptions::default() };
    let mut settings = Settings { wait: false, timeout: Some(TIMEOUT), max_string: MAX_STRING, referenced: true };
    let mut has_default = false;
    options::read(stack, 3, FUNCTION, |key, value| {
        has_default |= key == "default";
        read_option(key, value, &mut ports, &mut settings)
    })?;
    let waits = settings.wait || plan.needs_wait();
    if waits && ports.overflow == Overflow::DropNew {
        ports.overflow = Overflow::Error;
    }
    let default = read_default(owner, stack, &plan, settings.timeout.is_some(), has_default)?;
    let created = stack.caller();
    let made = Made { created: created.clone(), serial: false, referenced: settings.referenced };
    let endpoint = match port::open(owner, FUNCTION, ports, made)? {
        Ok(endpoint) => endpoint,
        Err(failed) => return Ok(failed),
    };
    let declared = plan.text.clone();
    let callback = Callback {
        marshal: Marshal::new(plan, settings.max_string),
        sender: endpoint.sender,
        waits,
        timeout: settings.timeout,
        default,
        direct,
        calls: AtomicU64::new(0),
        after_close: AtomicU64::new(0),
        timeouts: AtomicU64::new(0),
        told_unsafe: AtomicBool::new(false),
    };
    let Some((callback, stub)) = callback.bind() else {
        port::close_endpoint(owner, stack, &endpoint, false);
        return Err(used_up(owner, FUNCTION));
    };
    *owner.stubs.borrow_mut().entry(created).or_default() += 1;
    owner.push_pointer_to(stack, &declared, stub);
    let pointer = stack.anchor();
    stack.copy(2);
    endpoint.handler.set(Some(stack.anchor()));
    endpoint.callback.set(Some(callback));
    dispatch::listen_as_needed(owner, &endpoint);
    place.fill(Bridge { endpoint, callback, pointer, destroyer: Cell::new(None) });
    Ok(Outcome::Values(1))
}

fn read_option(key: &str, value: Value<'_>, ports: &mut PortOptions, settings: &mut Settings) -> Result<bool> {
    match key {
        "name" => ports.name = Some(value.text()?.to_owned()),
        "capacity" => ports.capacity = value.count()?,
        "capacity_bytes" => ports.capacity_bytes = value.count()?,
        "overflow" => ports.overflow = port::overflow(value)?,
        "wait" => settings.wait = value.boolean()?,
        "timeout" if value.stack.kind(-1) == lua::LUA_TBOOLEAN && !value.stack.truth(-1) => settings.timeout = None,
        "timeout" => settings.timeout = Some(value.seconds()?),
        "max_string" => settings.max_string = value.count()?,
        "ref" => settings.referenced = value.boolean()?,
        "mode" => match value.text()? {
            "queued" => {}
            "locked" => return Err(format!("{FUNCTION}: mode: \"locked\" is not built yet").into()),
            _ => return Err(value.wrong("\"queued\" or \"locked\"")),
        },
        "default" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

/// The encoded result for calls that get none of the handler's.
fn read_default(owner: &Owner, stack: Stack, plan: &Plan, may_fail: bool, is_given: bool) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let expected = match plan.result {
        Result_::Nothing => return Ok(bytes),
        Result_::Number(scalar) => Expected::Number(scalar),
        Result_::Pointer => Expected::Pointer,
        _ => Expected::Text { optional: true },
    };
    if !is_given {
        if may_fail {
            return Err(format!("{FUNCTION}: default: needed where a result is returned, unless timeout=false").into());
        }
        match expected {
            Expected::Text { .. } => put_text(None, &mut bytes),
            _ => put_number(0, &mut bytes),
        }
        return Ok(bytes);
    }
    stack.field(3, "default");
    let put = put_result(owner, stack, expected, -1, &mut bytes);
    stack.pop(1);
    put.map_err(|message| Failure(format!("{FUNCTION}: default: {message}")))?;
    Ok(bytes)
}

fn used_up(owner: &Owner, function: &str) -> Failure {
    let stubs = owner.stubs.borrow();
    let mut users: Vec<_> = stubs.iter().collect();
    users.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
    let users: Vec<_> = users.iter().take(3).map(|(created, count)| format!("{count} at {created}")).collect();
    Failure(format!("{function}: all {} function pointers of the process are used; {}", stub::COUNT, users.join(", ")))
}

/// Says what names stand for, as far as LuaJIT's FFI library knows.
struct Names<'a> {
    owner: &'a Owner,
    stack: Stack,
}

impl Resolver for Names<'_> {
    fn resolve(&mut self, name: &str) -> Option<Named> {
        let (spelling, size) = self.owner.ffi_type(self.stack, name)?;
        if spelling.ends_with('*') || spelling.contains("(*)") || spelling.ends_with('&') {
            return Some(Named::Pointer);
        }
        if spelling.starts_with("struct ") || spelling.starts_with("union ") {
            return Some(size.map_or(Named::Incomplete, Named::Struct));
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

/// May this message be shown to the handler? What may not is told or forgotten.
pub(crate) fn is_good(owner: &Owner, stack: Stack, endpoint: &Endpoint, message: &Message) -> bool {
    if endpoint.callback.get().is_none() {
        return true;
    }
    if let Payload::Object { value, .. } = &message.payload {
        let name = endpoint.name.as_deref();
        if let Some(BadArgument(what)) = value.downcast_ref() {
            let what = endpoint.describe(&format!("a call is refused: {what}"));
            report::tell(owner, stack, Kind::Argument, name, &what, None);
        } else if value.downcast_ref::<UnsafeCall>().is_some() {
            let what = endpoint.describe(
                "called on Lua's own thread from compiled code, where Lua cannot be entered; it got its default. \
                 Wrap the function that calls back in moonport.call",
            );
            report::tell(owner, stack, Kind::Unsafe, name, &what, None);
        }
        return false;
    }
    // A caller whose time is over has its default.
    !message.reply.as_ref().is_some_and(|reply| reply.is_cancelled())
}

/// Pushes the arguments of a native call.
pub(crate) fn push_arguments(
    owner: &Owner,
    stack: Stack,
    callback: &'static Callback,
    payload: &Payload,
) -> Option<String> {
    let Payload::Bytes { bytes, .. } = payload else { return Some("no native call".into()) };
    let count = c_int::try_from(callback.marshal.plan().parameters.len()).unwrap_or(c_int::MAX);
    if !stack.reserve(count.saturating_add(8)) {
        return Some("too many arguments".into());
    }
    for argument in callback.marshal.arguments(bytes) {
        match argument {
            Argument::Number(scalar, bits) => push_number(owner, stack, scalar, bits),
            Argument::Text(Some(text)) => stack.push_bytes(text),
            Argument::Pointer(address) => stack.push_pointer(std::ptr::with_exposed_provenance_mut(address)),
            Argument::Struct(name, Some(bytes)) => owner.push_struct(stack, name, bytes),
            _ => stack.push_nil(),
        }
    }
    None
}

#[expect(clippy::cast_possible_truncation, reason = "the bits of a smaller number")]
fn push_number(owner: &Owner, stack: Stack, scalar: Scalar, bits: u64) {
    match scalar {
        Scalar::Bool => stack.push_boolean(bits != 0),
        Scalar::F32 => stack.push_number(f32::from_bits(bits as u32).into()),
        Scalar::F64 => stack.push_number(f64::from_bits(bits)),
        Scalar::I64 => owner.push_signed(stack, bits.cast_signed()),
        Scalar::U64 => owner.push_unsigned_exact(stack, bits),
        _ => stack.push_integer(bits.cast_signed()),
    }
}

/// The handler has returned `results` (so many values on top of that stack): gives them to whoever waits.
pub(crate) fn answer(
    owner: &Owner,
    stack: Stack,
    endpoint: &Endpoint,
    callback: &'static Callback,
    question: &Question,
    results: (Stack, c_int),
) {
    let (from, count) = results;
    let wanted = c_int::try_from(callback.marshal.expected().count()).unwrap_or(0);
    let mut encoded = Err("out of memory".to_owned());
    if stack.reserve(wanted + 8) && from.reserve(1) {
        let first = from.top() - count;
        for at in 1..=wanted {
            if at > count {
                stack.push_nil();
                continue;
            }
            from.copy(first + at);
            if from != stack {
                from.move_to(stack, 1);
            }
        }
        let pushed = owner.protect(stack, wanted, &mut |stack| {
            encoded = encode(owner, stack, callback);
            0
        });
        stack.pop(c_int::from(pushed.is_err()));
    }
    match encoded {
        Ok(bytes) => question.answer(Payload::Bytes { encoding: Encoding::Value, bytes: Bytes::from(bytes) }),
        Err(message) => {
            endpoint.errors.set(endpoint.errors.get() + 1);
            let message = endpoint.describe(&message);
            report::tell(owner, stack, Kind::Result, endpoint.name.as_deref(), &message, None);
            question.fail(&message);
        }
    }
}

/// The results from 1 on, as bytes.
fn encode(owner: &Owner, stack: Stack, callback: &'static Callback) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for (at, expected) in (1..).zip(callback.marshal.expected()) {
        put_result(owner, stack, expected, at, &mut bytes).map_err(|message| format!("result {at}: {message}"))?;
    }
    Ok(bytes)
}

fn put_result(
    owner: &Owner,
    stack: Stack,
    expected: Expected,
    index: c_int,
    bytes: &mut Vec<u8>,
) -> std::result::Result<(), String> {
    let kind = stack.kind(index);
    match expected {
        Expected::Number(scalar) => put_number(number(owner, stack, scalar, index)?, bytes),
        Expected::Text { optional } => match stack.bytes(index) {
            Some(text) => put_text(Some(text), bytes),
            None if optional && kind <= lua::LUA_TNIL => put_text(None, bytes),
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
fn number(owner: &Owner, stack: Stack, scalar: Scalar, index: c_int) -> std::result::Result<u64, String> {
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

/// A native call on the owner's thread whose caller waits: runs the handler at once, if Lua may be entered.
fn direct(callback: &'static Callback, arguments: &[u8]) -> Option<Vec<u8>> {
    let key = callback.sender.key();
    let owner = capi::find(|owner| owner.endpoint(key).is_some())?;
    let endpoint = owner.endpoint(key)?;
    let stack = owner.base();
    if !dispatch::may_enter_from_c(owner, stack) || !stack.reserve(16) {
        callback.tell_unsafe();
        return None;
    }
    let (reply, answer) = reply::channel();
    let payload = Payload::Bytes { encoding: Encoding::Value, bytes: Bytes::copy(arguments) };
    let reply = Some(Box::new(ReplyTo::caller(reply, Encoding::Value)));
    let mut message = Some(Box::new(Message { port: key, sequence: 0, tag: 0, payload, reply }));
    let ran = owner.protect(stack, 0, &mut |stack| {
        let thread = task::thread(owner, stack);
        if let Some(message) = message.take() {
            let origin = dispatch::expect(owner, Rc::clone(&endpoint), message);
            task::start_fetching(owner, stack, thread, origin, Fetches::Nothing);
        }
        0
    });
    if let Err(Raised) = ran {
        stack.pop(1);
    }
    match answer.wait(Duration::ZERO) {
        Ok(Some(Ok(Payload::Bytes { bytes, .. }))) => Some(bytes.to_vec()),
        _ => None,
    }
}

fn set(_: &Owner, stack: Stack) -> Result {
    let bridge = object::check::<Bridge>(stack, 1, "callback:set")?;
    if stack.kind(2) != lua::LUA_TFUNCTION {
        return Err(format!("callback:set: expected a function, got {}", stack.type_name(2)).into());
    }
    if !bridge.callback.sender.is_open() {
        return Err("callback:set: the callback is closed".into());
    }
    stack.copy(2);
    let handler = stack.anchor();
    bridge.endpoint.forget(stack);
    bridge.endpoint.handler.set(Some(handler));
    Ok(Outcome::Values(0))
}

fn stats(_: &Owner, stack: Stack) -> Result {
    let bridge = object::check::<Bridge>(stack, 1, "callback:stats")?;
    let port = bridge.callback.sender.stats().unwrap_or_default();
    stack.new_table(0, 6);
    for (name, count) in [
        ("calls", bridge.callback.calls.load(Ordering::Relaxed)),
        ("delivered", port.delivered),
        ("dropped", port.dropped + port.refused),
        ("errors", bridge.endpoint.errors.get()),
        ("timeouts", bridge.callback.timeouts.load(Ordering::Relaxed)),
        ("after_close", bridge.callback.after_close.load(Ordering::Relaxed)),
    ] {
        stack.push_count(count);
        stack.set_field(-2, name);
    }
    Ok(Outcome::Values(1))
}

fn reference(_: &Owner, stack: Stack) -> Result {
    object::check::<Bridge>(stack, 1, "callback:ref")?.endpoint.referenced.set(true);
    Ok(Outcome::Values(0))
}

fn unreference(_: &Owner, stack: Stack) -> Result {
    object::check::<Bridge>(stack, 1, "callback:unref")?.endpoint.referenced.set(false);
    Ok(Outcome::Values(0))
}

fn close(owner: &Owner, stack: Stack) -> Result {
    let bridge = object::check::<Bridge>(stack, 1, "callback:close")?;
    let mut drain = false;
    options::read(stack, 2, "callback:close", |key, value| {
        if key == "drain" {
            drain = value.boolean()?;
        }
        Ok(key == "drain")
    })?;
    port::close_endpoint(owner, stack, &Rc::clone(&bridge.endpoint), drain);
    Ok(Outcome::Values(0))
}

/// Runs a function with nothing compiled, so that native code inside it may call back. While one runs, LuaJIT's compiler is
/// off, and what it has compiled before is forgotten.
#[cfg(feature = "luajit")]
const CALL: &[u8] = b"local jit, depth = require 'jit', 0
local error, pcall, type = error, pcall, type
local function finish(was_on, fine, ...)
  depth = depth - 1
  if depth == 0 and was_on then
    jit.on()
  end
  if fine then
    return ...
  end
  error((...), 0)
end
local function call(fn, ...)
  if type(fn) ~= 'function' then
    error('moonport.call: expected a function, got ' .. type(fn), 2)
  end
  local was_on = depth == 0 and jit.status()
  if was_on then
    jit.off()
    jit.flush()
  end
  depth = depth + 1
  return finish(was_on, pcall(fn, ...))
end
jit.off(call)
jit.off(finish)
return call";
#[cfg(not(feature = "luajit"))]
const CALL: &[u8] = b"local error, type = error, type
return function(fn, ...)
  if type(fn) ~= 'function' then
    error('moonport.call: expected a function, got ' .. type(fn), 2)
  end
  return fn(...)
end";

/// Pushes `moonport.call`.
pub(crate) fn push_call(stack: Stack) {
    // SAFETY: the code lives through the call.
    let loaded =
        unsafe { lua::luaL_loadbuffer(stack.state(), CALL.as_ptr().cast(), CALL.len(), c"=moonport.call".as_ptr()) };
    if loaded != lua::LUA_OK {
        // SAFETY: the error value is on top, and this frame owns nothing.
        unsafe { lua::lua_error(stack.state()) }
    }
    stack.call(0, 1);
}

/// Functions of the FFI library's, once they were needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Helpers {
    cast: Anchor,
    kind: Anchor,
    make: Anchor,
    address: Anchor,
}

const HELPERS: &[u8] = b"local ffi = require 'ffi'
local tonumber, tostring, pcall = tonumber, tostring, pcall
return function(text, address)
  return ffi.cast(text, address)
end, function(name)
  local known, kind = pcall(ffi.typeof, name)
  if known then
    return tostring(kind):match('^ctype<(.*)>$'), ffi.sizeof(kind)
  end
end, function(name)
  return ffi.new(name)
end, function(value)
  local is_pointer, pointer = pcall(ffi.cast, 'void *', value)
  return is_pointer and tonumber(ffi.cast('uintptr_t', pointer)) or nil
end";

const TCDATA: c_int = 10;

impl Owner {
    /// Loaded at the first use; `None` without an FFI library.
    fn callback_helpers(&self, stack: Stack) -> Option<Helpers> {
        if !cfg!(feature = "luajit") {
            return None;
        }
        if let Some(helpers) = self.callback_helpers.get() {
            return Some(helpers);
        }
        // SAFETY: the code lives through the call.
        let loaded = unsafe {
            lua::luaL_loadbuffer(stack.state(), HELPERS.as_ptr().cast(), HELPERS.len(), c"=(moonport)".as_ptr())
        };
        if loaded != lua::LUA_OK || stack.call_protected(0, 4) != lua::LUA_OK {
            stack.pop(1);
            return None;
        }
        let (address, make, kind, cast) = (stack.anchor(), stack.anchor(), stack.anchor(), stack.anchor());
        self.callback_helpers.set(Some(Helpers { cast, kind, make, address }));
        self.callback_helpers.get()
    }

    /// Pushes a function pointer: cdata of this type under LuaJIT, else light userdata.
    fn push_pointer_to(&self, stack: Stack, declared: &str, stub: Stub) {
        stack.check_room();
        let address = stub.address().cast_mut();
        if let Some(helpers) = self.callback_helpers(stack) {
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

    /// How the FFI library spells a type, and its size if it is complete.
    fn ffi_type(&self, stack: Stack, name: &str) -> Option<(String, Option<usize>)> {
        let mut found = None;
        let pushed = self.protect(stack, 0, &mut |stack| {
            let Some(helpers) = self.callback_helpers(stack) else { return 0 };
            stack.push_anchored(helpers.kind);
            stack.push_str(name);
            stack.call(1, 2);
            let size = stack.integer(-1).and_then(|size| usize::try_from(size).ok());
            found = stack.text(-2).map(|spelling| (spelling.to_owned(), size));
            0
        });
        stack.pop(c_int::from(pushed.is_err()));
        found
    }

    /// The address that a cdata pointer at `index` holds.
    fn ffi_address(&self, stack: Stack, index: c_int) -> Option<u64> {
        if stack.kind(index) != TCDATA {
            return None;
        }
        let index = stack.absolute(index);
        let helpers = self.callback_helpers(stack)?;
        stack.check_room();
        stack.push_anchored(helpers.address);
        stack.copy(index);
        stack.call(1, 1);
        let address = stack.integer(-1).and_then(|address| u64::try_from(address).ok());
        stack.pop(1);
        address
    }

    /// Pushes a struct of this type that holds `bytes`.
    fn push_struct(&self, stack: Stack, name: &str, bytes: &[u8]) {
        let Some(helpers) = self.callback_helpers(stack) else { return stack.push_nil() };
        stack.push_anchored(helpers.make);
        stack.push_str(name);
        stack.call(1, 1);
        let place: *mut u8 = stack.pointer(-1).cast_mut().cast();
        // SAFETY: the cdata is of the type whose size the plan has taken from the FFI library, as many as the bytes are.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
    }
}
