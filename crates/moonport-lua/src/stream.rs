// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams, under LuaJIT: a task's loop asks for the next message by a call of the FFI library, which is compiled together
//! with the loop and the handler. A C function of Lua's would end the compiled code at each message. What the loop cannot
//! take this way it fetches as every task does.

use std::cell::{Cell, UnsafeCell};
use std::ffi::{c_int, c_void};
use std::fmt::Write;

use mlua_sys as lua;
use moonport_callback::layout::Scalar;
use moonport_callback::marshal::Argument;
use moonport_core::{Encoding, Message, Payload};

use crate::dispatch;
use crate::fetch::{self, Incoming, Shown};
use crate::int64::EXACT;
use crate::owner::Owner;
use crate::port::Endpoint;
use crate::stack::{Anchor, Stack};
use crate::task::{Fetches, MOST, Origin};

/// An argument of the next handler's.
#[repr(C)]
#[derive(Clone, Copy)]
struct Slot {
    number: f64,
    text: *const u8,
    /// Of the text; -1: it is the number.
    length: i32,
}

const EMPTY: Slot = Slot { number: 0.0, text: std::ptr::null(), length: -1 };

/// What an owner knows of streams.
pub(crate) struct Stream {
    slots: UnsafeCell<[Slot; MOST]>,
    /// What the slots point into.
    message: Cell<Option<Box<Message>>>,
    loops: Cell<Loops>,
}

impl Default for Stream {
    fn default() -> Self {
        Self { slots: UnsafeCell::new([EMPTY; MOST]), message: Cell::default(), loops: Cell::default() }
    }
}

/// The functions that start handlers of streams.
#[derive(Clone, Copy, Default)]
enum Loops {
    /// No stream was seen yet.
    #[default]
    Unmade,
    /// This LuaJIT compiles nothing, or has no FFI library.
    Impossible,
    /// Of messages, and of calls by the number of their parameters.
    Made(Anchor, [Anchor; MOST + 1]),
}

/// A port's stream begins when so many messages were handled by tasks that had handled one before.
const WARM: u32 = 256;

/// It is none if so many in a row found the loop interpreted: then a call through the FFI library costs more than it saves.
const INTERPRETED: u32 = 2000;

impl Endpoint {
    /// One message more was handled by the task that had handled the last one.
    pub(crate) fn warm(&self) {
        let pace = self.pace.get();
        if pace < WARM {
            self.pace.set(pace + 1);
        }
    }

    /// Do its messages come in a stream?
    pub(crate) fn is_stream(&self) -> bool {
        (WARM..WARM + INTERPRETED).contains(&self.pace.get())
    }

    fn note_whether(&self, compiled: bool) {
        self.pace.set(if compiled { WARM } else { self.pace.get() + 1 });
    }
}

/// Pushes the function that starts handlers of this port, if its messages are a stream.
pub(crate) fn push_loop(owner: &Owner, stack: Stack, thread: Stack, origin: &Origin, fetches: Fetches) -> bool {
    let Origin::Port(endpoint, None) = origin else { return false };
    if !endpoint.is_stream() || endpoint.serial {
        return false;
    }
    if let Loops::Unmade = owner.stream.loops.get() {
        owner.stream.loops.set(make(owner, stack).unwrap_or(Loops::Impossible));
    }
    let Loops::Made(messages, calls) = owner.stream.loops.get() else { return false };
    match fetches {
        Fetches::Messages => thread.push_anchored(messages),
        Fetches::Void(count @ ..=MOST) => thread.push_anchored(calls[count]),
        _ => return false,
    }
    true
}

/// Makes the loops. What they run must be able to tell whether it is compiled.
fn make(owner: &Owner, stack: Stack) -> Option<Loops> {
    owner.watch_traces(stack);
    owner.trace_word.get()?;
    let code = code();
    let mut loops = [None; MOST + 2];
    let made = owner.protect(stack, 0, &mut |stack| {
        // SAFETY: the code lives through the call.
        let loaded = unsafe {
            lua::luaL_loadbuffer(stack.state(), code.as_ptr().cast(), code.len(), c"=(moonport: stream)".as_ptr())
        };
        if loaded != lua::LUA_OK {
            return 0;
        }
        fetch::push_fetch(owner, stack);
        #[expect(clippy::fn_to_numeric_cast_any, reason = "the FFI library is given the address")]
        stack.push_pointer(next as *mut c_void);
        stack.push_pointer(std::ptr::from_ref(owner).cast_mut().cast());
        stack.push_pointer(owner.stream.slots.get().cast());
        stack.call(4, c_int::try_from(loops.len()).unwrap_or(0));
        for place in loops.iter_mut().rev() {
            *place = Some(stack.anchor());
        }
        0
    });
    stack.pop(c_int::from(made.is_err()));
    let [messages, calls @ ..] = loops;
    let mut all = [messages?; MOST + 1];
    for (place, anchor) in all.iter_mut().zip(calls) {
        *place = anchor?;
    }
    Some(Loops::Made(messages?, all))
}

/// The loops in Lua: of messages, and of calls with 0 to [`MOST`] parameters.
fn code() -> String {
    let mut code = String::from(
        "local fetch, next, owner, slots = ...
local ffi = require('ffi')
local string = ffi.string
next = ffi.cast('int (*)(void *)', next)
owner = ffi.cast('void *', owner)
slots = ffi.cast('struct { double number; const char *text; int32_t length; } *', slots)
local function argument(at)
  local slot = slots[at]
  local length = slot.length
  if length < 0 then
    return slot.number
  end
  return string(slot.text, length)
end
return ",
    );
    push_loop_code(&mut code, &["value", "message"], 1);
    for count in 0..=MOST {
        code.push_str(", ");
        push_loop_code(&mut code, &["a", "b", "c", "d"][..count], count);
    }
    code
}

/// A loop whose handler has these parameters, of which a stream brings the first ones.
fn push_loop_code(code: &mut String, parameters: &[&str], streamed: usize) {
    let handled = parameters.join(", ");
    let fetched = ["handler"].iter().chain(parameters).copied().collect::<Vec<_>>().join(", ");
    let arguments: Vec<_> = (0..streamed).map(|at| format!("argument({at})")).collect();
    let taken = parameters[..streamed].join(", ");
    let assignment = if streamed == 0 { String::new() } else { format!("{taken} = {}", arguments.join(", ")) };
    let written = write!(
        code,
        "function()
  local {fetched} = fetch()
  while handler do
    handler({handled})
    if next(owner) ~= 0 then
      {assignment}
    else
      {fetched} = fetch()
    end
  end
end"
    );
    debug_assert!(written.is_ok(), "a String takes all");
}

/// What the loops call: 1 if the slots hold the arguments of the next call of the same handler, 0 if they are to be fetched.
/// Enters no Lua and runs no code of a sender's: below compiled code both would be wrong.
///
/// # Safety
/// Called by the loops of this owner's state, while a task of it runs.
unsafe extern "C" fn next(owner: *const Owner) -> c_int {
    // SAFETY: the caller's promise.
    let owner = unsafe { &*owner };
    let origin = owner.origin.take();
    let found = take(owner, &origin).is_some();
    owner.origin.set(origin);
    found.into()
}

fn take(owner: &Owner, origin: &Origin) -> Option<()> {
    let Origin::Port(endpoint, None) = origin else { return None };
    endpoint.note_whether(owner.trace_word.get().is_some_and(|word| word.is_set()));
    if !endpoint.is_stream() || owner.handler.get() != endpoint.handlers.get() {
        return None;
    }
    let callback = match endpoint.shown(false) {
        Shown::Value => None,
        Shown::Arguments(callback) => Some(callback),
        Shown::Message { .. } => return None,
    };
    let before = owner.stream.message.take();
    let is_drained = owner.mailbox(|mailbox| {
        if let Some(before) = before {
            mailbox.recycle(before);
        }
        mailbox.is_drained()
    });
    if is_drained != Some(false) && !fetch::sleep_in_task(owner, endpoint) {
        return None;
    }
    if !fetch::may_repeat(owner, endpoint) {
        return None;
    }
    let message = owner.mailbox(|mailbox| mailbox.next_of(endpoint.key, |message| message.payload.is_copied()));
    let message = message.flatten()?;
    dispatch::count(owner);
    // SAFETY: nobody else looks at the slots until the loop does.
    let slots = unsafe { &mut *owner.stream.slots.get() };
    let filled = match (&message.payload, callback) {
        (Payload::Bytes { bytes, .. }, Some(callback)) => fill(slots, callback.marshal.arguments(bytes)),
        (Payload::Bytes { bytes, encoding: Encoding::Raw }, None) => fill(slots, [Argument::Text(Some(bytes))]),
        _ => None,
    };
    if filled.is_none() {
        let shown = endpoint.shown(false);
        owner.incoming.set(Some(Incoming::new(endpoint, shown, message)));
        return None;
    }
    owner.stream.message.set(Some(message));
    Some(())
}

/// Puts arguments into the slots, if compiled code can make Lua values of them.
fn fill<'a>(slots: &mut [Slot], arguments: impl IntoIterator<Item = Argument<'a>>) -> Option<()> {
    let mut slots = slots.iter_mut();
    // Twice as fast as a loop.
    arguments.into_iter().try_for_each(|argument| {
        let slot = slots.next()?;
        match argument {
            Argument::Text(Some(text)) => {
                slot.text = text.as_ptr();
                slot.length = i32::try_from(text.len()).ok()?;
            }
            Argument::Number(scalar, bits) => {
                slot.number = number(scalar, bits)?;
                slot.length = -1;
            }
            _ => return None,
        }
        Some(())
    })
}

#[expect(clippy::cast_possible_truncation, reason = "the bits of a smaller number")]
#[expect(clippy::cast_precision_loss, reason = "not within these limits")]
fn number(scalar: Scalar, bits: u64) -> Option<f64> {
    match scalar {
        Scalar::Bool => None,
        Scalar::F32 => Some(f32::from_bits(bits as u32).into()),
        Scalar::F64 => Some(f64::from_bits(bits)),
        Scalar::U64 => (bits <= EXACT).then_some(bits as f64),
        _ => (bits.cast_signed().unsigned_abs() <= EXACT).then_some(bits.cast_signed() as f64),
    }
}

impl Stream {
    /// The message that the loop was given is done with.
    pub(crate) fn release(&self, owner: &Owner) {
        if let Some(message) = self.message.take() {
            owner.mailbox(|mailbox| mailbox.recycle(message));
        }
    }
}
