// SPDX-License-Identifier: MIT OR Apache-2.0
//! How messages reach the task that handles them: from inside it, one after another, until the turn is over.

use std::io::ErrorKind;
use std::rc::Rc;

use mlua_sys as lua;
use moonport_callback::callback::Callback;
use moonport_core::{Message, Payload, Sleep};

use crate::callback;
use crate::dispatch::{self, Round};
use crate::function::{Outcome, Result, c_function};
use crate::owner::Owner;
use crate::port::Endpoint;
use crate::question::{self, Question};
use crate::stack::{Anchor, Stack};
use crate::task::{self, Ended, Fetches, Origin};

/// A message on its way from here to its task, which fetches it.
pub(crate) struct Incoming {
    pub(crate) handler: Option<Anchor>,
    /// Which one of the port's handlers that is.
    pub(crate) number: u32,
    pub(crate) shown: Shown,
    pub(crate) message: Box<Message>,
}

impl Incoming {
    pub(crate) fn new(endpoint: &Endpoint, shown: Shown, message: Box<Message>) -> Self {
        Self { handler: endpoint.handler.get(), number: endpoint.handlers.get(), shown, message }
    }
}

/// What the handler gets.
#[derive(Clone, Copy)]
pub(crate) enum Shown {
    Value,
    Message { asks: bool },
    Arguments(&'static Callback),
}

/// Makes this message the one that is fetched next.
pub(crate) fn expect(owner: &Owner, endpoint: Rc<Endpoint>, mut message: Box<Message>) -> Origin {
    if endpoint.serial {
        endpoint.busy.set(true);
        dispatch::listen_as_needed(owner, &endpoint);
    }
    let question = message.reply.take().map(Question::new);
    let shown = endpoint.shown(question.is_some());
    if matches!(shown, Shown::Message { asks: true }) {
        owner.asking.set(question.clone());
    }
    owner.incoming.set(Some(Incoming::new(&endpoint, shown, message)));
    Origin::Port(endpoint, question)
}

/// The next message that the running task can handle is expected, if the turn goes on and there is one.
fn expect_next(owner: &Owner, stack: Stack) {
    let fetches = owner.fetches.get();
    if fetches == Fetches::Nothing {
        return;
    }
    while goes_on(owner) {
        let mut found = None;
        let next = owner.mailbox(|mailbox| {
            mailbox.next_if(|key| {
                found = owner.endpoint(key).filter(|endpoint| endpoint.is_plain() && endpoint.fetches() == fetches);
                found.is_some()
            })
        });
        let (Some(endpoint), Some(message)) = (found, next.flatten()) else { return };
        dispatch::count(owner);
        if callback::is_good(owner, stack, &endpoint, &message) {
            let origin = expect(owner, endpoint, message);
            owner.mailbox(|mailbox| mailbox.note(origin.doing()));
            owner.origin.set(origin);
            return;
        }
    }
}

/// May the running task go on with another message? If none waits, the turn is over, and the clock need not be read.
pub(crate) fn goes_on(owner: &Owner) -> bool {
    if owner.mailbox(|mailbox| mailbox.is_empty()) == Some(true) {
        owner.round.borrow_mut().end();
        return false;
    }
    dispatch::goes_on(owner)
}

/// As [`expect_next`], where the next message goes to the handler that has just returned, and nobody waits for an answer to
/// the one or the other: then nothing else changes.
fn again(owner: &Owner, stack: Stack, origin: &Origin) -> Option<Incoming> {
    let Origin::Port(endpoint, None) = origin else { return None };
    if owner.mailbox(|mailbox| mailbox.is_drained()) != Some(false) && !sleep_in_task(owner, endpoint) {
        return None;
    }
    if !may_repeat(owner, endpoint) {
        return None;
    }
    let message = owner.mailbox(|mailbox| mailbox.next_of(endpoint.key, |_| true)).flatten()?;
    dispatch::count(owner);
    if !callback::is_good(owner, stack, endpoint, &message) {
        return None;
    }
    #[cfg(feature = "luajit")]
    endpoint.warm();
    Some(Incoming::new(endpoint, endpoint.shown(false), message))
}

/// In `moonport.run`, a task that has handled a single message of this port sleeps itself until something comes, where nothing
/// else is to do: ending the task and starting another would double the work. `true` if a message is there. What a signal wants
/// is left to `moonport.run`.
pub(crate) fn sleep_in_task(owner: &Owner, endpoint: &Endpoint) -> bool {
    #[cfg(feature = "luajit")]
    if endpoint.is_stream() && !owner.in_stream.get() {
        // A new task gets the loop for that.
        return false;
    }
    let is_in_run = owner.sleeps_in_tasks.get() && owner.depth.get() == 1 && owner.fetches.get() == endpoint.fetches();
    if !is_in_run || endpoint.serial || owner.round.borrow().delivered != 1 || !owner.waits_for_messages_alone() {
        return false;
    }
    let prepared = owner.mailbox(|mailbox| mailbox.is_drained().then(|| mailbox.prepare_sleep(None)));
    let Some(sleep) = prepared.flatten() else { return false };
    // A task that sleeps cannot let go of the lock: compiled code may be what has called. Asked when the wake-up has been lowered:
    // the first use from here on raises it again.
    if owner.lock().is_none_or(|lock| lock.is_used()) {
        return false;
    }
    let slept = Some(sleep.map_or(Ok(true), Sleep::begin));
    if is_signal(&slept) {
        owner.signalled.set(true);
        return false;
    }
    owner.round.replace(Round::after_sleep());
    owner.mailbox(|mailbox| mailbox.is_empty()) == Some(false)
}

/// Was a sleep ended by a signal?
pub(crate) fn is_signal(slept: &Option<std::io::Result<bool>>) -> bool {
    matches!(slept, Some(Err(error)) if error.kind() == ErrorKind::Interrupted)
}

/// May the running task handle another message of this port, if it is the next one?
pub(crate) fn may_repeat(owner: &Owner, endpoint: &Endpoint) -> bool {
    !endpoint.serial && endpoint.is_plain() && owner.fetches.get() == endpoint.fetches() && dispatch::goes_on(owner)
}

/// Pushes [`fetch`] for the owner at `owner`. May raise.
pub(crate) fn push_fetch(owner: *const Owner, stack: Stack) {
    push_with_anchors(owner, stack, c_function!(fetch));
}

/// Pushes a function of the owner's whose second upvalue is the table that handlers are anchored in. May raise.
pub(crate) fn push_with_anchors(owner: *const Owner, stack: Stack, function: lua::lua_CFunction) {
    stack.push_pointer(owner.cast_mut().cast());
    stack.anchors();
    stack.push_closure(function, 2);
}

/// What a task for messages calls again and again: gives the handler and its arguments, or nothing when it is to end. An
/// error in here, when memory runs out or the message cannot be shown, is one of the task's.
pub(crate) fn fetch(owner: &Owner, stack: Stack) -> Result {
    #[cfg(feature = "luajit")]
    owner.stream.release(owner);
    let incoming = owner.incoming.take().or_else(|| {
        // The handler before has returned, what it returned lies on the stack.
        let origin = owner.origin.take();
        if let Some(incoming) = again(owner, stack, &origin) {
            owner.origin.set(origin);
            return Some(incoming);
        }
        task::end(owner, stack, &origin, Ended::Returned(stack, stack.top()));
        expect_next(owner, stack);
        owner.incoming.take()
    });
    let Some(Incoming { handler: Some(handler), number, shown, message }) = incoming else {
        return Ok(Outcome::Values(0));
    };
    owner.handler.set(number);
    let (sequence, tag) = (message.sequence, message.tag);
    // The handler, and what it gets.
    let mut pushed = 2;
    let is_shown = owner.in_hand.with(|place| {
        *place = Some(message);
        stack.push_anchored_in(lua::lua_upvalueindex(2), handler);
        let malformed = place.as_ref().and_then(|message| match shown {
            Shown::Arguments(callback) => {
                let below = stack.top();
                let malformed = match &message.payload {
                    Payload::Bytes { bytes, .. } => callback::push_arguments(owner, stack, callback, bytes),
                    _ => Some("no native call".into()),
                };
                pushed = stack.top() - below + 1;
                malformed
            }
            _ => dispatch::push_content(owner, stack, &message.payload),
        });
        if let Some(mut message) = place.take() {
            // Here and not below, where the mailbox is borrowed: freeing may run code of the sender's.
            message.clear();
            owner.mailbox(|mailbox| mailbox.recycle(message));
        }
        let Some(malformed) = malformed else { return true };
        owner.push_text(stack, format!("a message is dropped: {malformed}"));
        false
    });
    if !is_shown {
        return Ok(Outcome::Raise);
    }
    if let Shown::Message { asks } = shown {
        push_message(owner, stack, sequence, tag, asks);
        pushed = 3;
    }
    Ok(Outcome::Values(pushed))
}

/// Pushes the table that a handler gets as its second argument.
fn push_message(owner: &Owner, stack: Stack, sequence: u64, tag: u32, asks: bool) {
    stack.new_table(0, 3);
    stack.push_count(sequence);
    stack.set_field(-2, "sequence");
    stack.push_integer(tag.into());
    stack.set_field(-2, "tag");
    if asks {
        question::push_reply(owner, stack);
        stack.set_field(-2, "reply");
    }
}
