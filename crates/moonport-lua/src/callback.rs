// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.callback`: a C function pointer that any thread may call; its handler runs here.

use std::cell::Cell;
use std::ffi::c_int;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mlua_sys as lua;
use moonport_callback::callback::{BadArgument, Callback, Host, Options, Refusal, Watch, count};
use moonport_callback::declaration;
use moonport_callback::layout::Scalar;
use moonport_callback::marshal::{Argument, Expected, Marshal, put_number, put_text};
use moonport_callback::plan::{self, Outcome as Result_, Plan};
use moonport_callback::stub;
use moonport_core::reply::{self, ReplyTo};
use moonport_core::{Bytes, Encoding, Message, Overflow, Payload, PortOptions};

use crate::attach;
use crate::capi;
use crate::dispatch;
use crate::fetch;
use crate::ffi::Names;
use crate::function::{Failure, Outcome, Result, c_function, fail};
use crate::locked;
use crate::object::{self, Class, Object};
use crate::options::{self, Value};
use crate::owner::Owner;
use crate::port::{self, Endpoint, Made};
use crate::protect::Raised;
use crate::question::Question;
use crate::report::{self, Kind};
use crate::results::{encode, put_result};
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

static CLASS: Class = Class("moonport.Callback");

impl Object for Bridge {
    const CLASS: &'static Class = &CLASS;

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
    locked: bool,
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
    let mut settings =
        Settings { wait: false, timeout: Some(TIMEOUT), max_string: MAX_STRING, referenced: true, locked: false };
    let mut has_default = false;
    options::read(stack, 3, FUNCTION, |key, value| {
        has_default |= key == "default";
        read_option(key, value, &mut ports, &mut settings)
    })?;
    if settings.locked && !owner.lends_in_loop() {
        return Ok(fail(stack, &format!("{FUNCTION}: mode=\"locked\": {}", attach::CANNOT_LEND), "unsupported"));
    }
    let waits = settings.wait || settings.locked || plan.needs_wait();
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
    let made = Options {
        marshal: Marshal::new(plan, settings.max_string),
        sender: endpoint.sender,
        waits,
        locked: settings.locked,
        timeout: settings.timeout,
        default,
        host: Host { direct, wait: moonport_capi::host::wait, locked: locked::run },
        name: endpoint.name.clone(),
        created: created.clone(),
    };
    let Some((callback, stub)) = Callback::bind(made) else {
        port::close_endpoint(owner, stack, &endpoint, false);
        return Err(used_up(owner, FUNCTION));
    };
    *owner.stubs.borrow_mut().entry(created).or_default() += 1;
    owner.push_pointer_to(stack, &declared, stub);
    let pointer = stack.anchor();
    stack.copy(2);
    endpoint.handler.set(Some(stack.anchor()));
    endpoint.callback.set(Some(callback));
    if settings.locked {
        owner.begin_locked();
    }
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
            "queued" => settings.locked = false,
            "locked" => settings.locked = true,
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

/// May this message be shown to the handler? What may not is told or forgotten.
pub(crate) fn is_good(owner: &Owner, stack: Stack, endpoint: &Endpoint, message: &Message) -> bool {
    let Some(callback) = endpoint.callback.get() else { return true };
    if let Payload::Object { value, .. } = &message.payload {
        let name = endpoint.name.as_deref();
        if let Some(BadArgument(what)) = value.downcast_ref() {
            let what = endpoint.describe(&format!("a call is refused: {what}"));
            report::tell(owner, stack, Kind::Argument, name, &what, None);
        } else if let Some(Watch(line)) = value.downcast_ref() {
            report::tell(owner, stack, Kind::Watch, name, line, None);
        } else if let Some(locked::Told { kind, message, traceback }) = value.downcast_ref() {
            report::tell(owner, stack, *kind, name, message, traceback.as_deref());
        } else if let Some(why) = value.downcast_ref::<Refusal>() {
            let what = endpoint.describe(match why {
                Refusal::Locked => {
                    "called by the thread that holds the lock of this Lua state (would_deadlock): its owner could not run the \
                     handler; it got its default. Use mode=\"locked\""
                }
                Refusal::TooDeep => "called on Lua's own thread inside handlers 16 deep; it got its default",
                _ => {
                    "called on Lua's own thread from compiled code, where Lua cannot be entered; it got its default. \
                     Wrap the function that calls back in moonport.call"
                }
            });
            report::tell(owner, stack, Kind::Unsafe, name, &what, None);
        }
        count(&callback.counts.told);
        return false;
    }
    // A caller whose time is over has its default.
    let given_up = message.reply.as_ref().is_some_and(|reply| reply.is_cancelled());
    if given_up {
        count(&callback.counts.given_up);
    }
    !given_up
}

/// Pushes the arguments of a native call.
pub(crate) fn push_arguments(owner: &Owner, stack: Stack, callback: &'static Callback, bytes: &[u8]) -> Option<String> {
    let count = c_int::try_from(callback.marshal.plan().parameters.len()).unwrap_or(c_int::MAX);
    if !stack.reserve(count.saturating_add(8)) {
        return Some("too many arguments".into());
    }
    for argument in callback.marshal.arguments(bytes) {
        match argument {
            Argument::Number(scalar, bits) => push_number(owner, stack, scalar, bits),
            Argument::Text(Some(text)) => stack.push_bytes(text),
            Argument::Pointer(address) => stack.push_pointer(std::ptr::with_exposed_provenance_mut(address)),
            Argument::Struct(Some(copied)) => owner.push_struct(stack, copied),
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

/// A native call on the owner's thread whose caller waits: runs the handler at once, if Lua may be entered.
fn direct(callback: &'static Callback, arguments: &[u8]) -> Option<Vec<u8>> {
    let key = callback.sender.key();
    let owner = capi::find(|owner| owner.endpoint(key).is_some())?;
    let endpoint = owner.endpoint(key)?;
    let stack = owner.base();
    if owner.depth.get() >= dispatch::DEEPEST {
        callback.refuse(Refusal::TooDeep);
        return None;
    }
    if !dispatch::may_enter_from_c(owner, stack) || !stack.reserve(16) {
        callback.refuse(Refusal::Compiled);
        return None;
    }
    count(&callback.counts.direct);
    let (reply, mut answer) = reply::channel();
    let payload = Payload::Bytes { encoding: Encoding::Value, bytes: Bytes::copy(arguments) };
    let reply = Some(Box::new(ReplyTo::caller(reply, Encoding::Value)));
    let mut message = Some(Box::new(Message { port: key, sequence: 0, tag: 0, payload, reply }));
    let ran = owner.protect(stack, 0, &mut |stack| {
        let thread = task::thread(owner, stack);
        if let Some(message) = message.take() {
            let origin = fetch::expect(owner, Rc::clone(&endpoint), message);
            task::start_fetching(owner, stack, thread, origin, Fetches::Nothing);
        }
        0
    });
    if let Err(Raised) = ran {
        stack.pop(1);
    }
    match answer.wait(Some(Instant::now())) {
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
    let counts = &bridge.callback.counts;
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let delivered = port.delivered.saturating_sub(read(&counts.told) + read(&counts.given_up)) + read(&counts.direct);
    let dropped = (port.dropped + port.refused).saturating_sub(read(&counts.without_room)) + read(&counts.refused);
    stack.new_table(0, 6);
    for (name, count) in [
        ("calls", read(&counts.calls)),
        ("delivered", delivered),
        ("dropped", dropped),
        ("errors", bridge.endpoint.errors.get()),
        ("timeouts", read(&counts.timeouts)),
        ("after_close", read(&counts.after_close)),
    ] {
        stack.push_count(count);
        stack.set_field(-2, name);
    }
    Ok(Outcome::Values(1))
}

fn reference(owner: &Owner, stack: Stack) -> Result {
    owner.disturb();
    object::check::<Bridge>(stack, 1, "callback:ref")?.endpoint.referenced.set(true);
    Ok(Outcome::Values(0))
}

fn unreference(owner: &Owner, stack: Stack) -> Result {
    owner.disturb();
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
    if let Some(failed) = port::cannot_drain(owner, stack, drain, "callback:close") {
        return Ok(failed);
    }
    port::close_endpoint(owner, stack, &Rc::clone(&bridge.endpoint), drain);
    Ok(Outcome::Values(0))
}
