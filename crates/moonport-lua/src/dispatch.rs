// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one place where messages enter Lua: a turn of the owner's loop, behind its guard, on private threads, in protected
//! calls, within a budget.

use std::time::{Duration, Instant};

use mlua_sys as lua;
use moonport_core::reply::CallError;
use moonport_core::{Encoding, Message, Payload, PortKey};

use crate::build;
use crate::callback;
use crate::crossing;
use crate::events;
use crate::fetch;
use crate::function::Result;
use crate::guard;
use crate::lanes;
use crate::owner::{Owner, Receiver};
use crate::port::Endpoint;
use crate::report;
use crate::stack::{Anchor, Stack};
use crate::task::{self, Origin};
use crate::timer::Due;
use crate::value;

/// How deep handlers may open loops inside each other.
pub(crate) const DEEPEST: u32 = 16;

/// The limits of one turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Messages, timers and tasks.
    pub(crate) messages: u32,
    pub(crate) time: Duration,
    /// The attachment whose turn it is: when that is detached, the turn ends. 0: none.
    pub(crate) attachment: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { messages: 256, time: Duration::from_millis(4), attachment: 0 }
    }
}

impl Budget {
    /// So many thirds of it.
    fn thirds(self, count: u32) -> Self {
        Self {
            messages: self.messages.div_ceil(3).saturating_mul(count).min(self.messages),
            time: self.time / 3 * count,
            ..self
        }
    }
}

/// What one turn may still deliver. The clock is read after every message at first, and less often while messages are
/// handled fast.
pub(crate) struct Round {
    pub(crate) delivered: u32,
    limit: u32,
    /// `None`: the first look at the clock.
    begun: Option<Instant>,
    time: Duration,
    read_at: u32,
    attachment: u64,
}

impl Round {
    fn begin(begun: Instant, budget: Budget, delivered: u32) -> Self {
        let Budget { messages: limit, time, attachment } = budget;
        Self { delivered, limit, begun: Some(begun), time, read_at: delivered + 1, attachment }
    }

    /// One that begins when its first message has been handled: most often there is no second one.
    pub(crate) fn after_sleep() -> Self {
        let Budget { messages: limit, time, attachment } = Budget::default();
        Self { delivered: 0, limit, begun: None, time, read_at: 1, attachment }
    }

    /// One that delivers nothing.
    pub(crate) fn over() -> Self {
        Self { delivered: 0, limit: 0, begun: None, time: Duration::ZERO, read_at: 0, attachment: 0 }
    }

    /// Nothing waits any more: what comes from now on is for the next turn.
    pub(crate) fn end(&mut self) {
        self.limit = self.delivered;
    }

    /// After an attachment was detached: no message more in a turn of its.
    pub(crate) fn end_if_detached(&mut self, owner: &Owner) {
        if owner.is_detached(self.attachment) {
            self.end();
        }
    }

    /// May one more be delivered?
    fn goes_on(&mut self) -> bool {
        if self.delivered >= self.read_at && self.delivered < self.limit {
            self.read_clock();
        }
        self.delivered < self.limit
    }

    fn read_clock(&mut self) {
        let elapsed = self.begun.get_or_insert_with(Instant::now).elapsed();
        // At this pace, an eighth of the budget until the next look, and at most 32 messages.
        let pace = elapsed.as_nanos() / u128::from(self.delivered) + 1;
        let stride = (self.time.as_nanos() / 8 / pace).clamp(1, 32);
        self.read_at = self.delivered + u32::try_from(stride).unwrap_or(1);
        if elapsed >= self.time {
            self.end();
        }
    }
}

/// Delivers what waits and is due, at most one budget; gives how many handlers were started or went on. Leaves the
/// descriptor readable exactly if another turn would run something.
pub(crate) fn turn(owner: &Owner, stack: Stack) -> u32 {
    turn_within(owner, stack, Budget::default())
}

/// As [`turn`], with limits of the caller's.
pub(crate) fn turn_within(owner: &Owner, stack: Stack, budget: Budget) -> u32 {
    let waker = owner.waker.borrow().clone();
    if let Some(waker) = waker {
        waker.turn_begins(owner);
    }
    let delivered = work_within(owner, stack, budget);
    rest(owner);
    owner.give_way();
    let waker = owner.waker.borrow().clone();
    if let Some(waker) = waker {
        waker.turn_ends(owner);
    }
    delivered
}

/// A turn for another loop than ours.
pub(crate) fn turn_for_host(owner: &Owner, stack: Stack, budget: Budget) -> u32 {
    // A stop() is for a run() around this.
    let stopping = owner.stopping.replace(false);
    let delivered = turn_within(owner, stack, budget);
    owner.stopping.set(stopping || owner.stopping.get());
    delivered
}

/// Before the owner sleeps or its host does.
pub(crate) fn rest(owner: &Owner) {
    owner.disturb();
    owner.watch_lanes();
    owner.mailbox(|mailbox| mailbox.rest());
    owner.rearm();
}

/// A turn that leaves the wake-up standing: while the owner's own loop works, senders need no system call. Called below a C
/// function of Lua's, or where [`may_enter_from_c`] was asked.
pub(crate) fn work(owner: &Owner, stack: Stack) -> u32 {
    work_within(owner, stack, Budget::default())
}

/// As [`may_enter`], where C code calls that Lua code may have called through the FFI library.
pub(crate) fn may_enter_from_c(owner: &Owner, stack: Stack) -> bool {
    let may_enter = may_enter(owner, stack);
    #[cfg(feature = "luajit")]
    if may_enter {
        crate::trace::end_recording(stack);
    }
    may_enter
}

/// May Lua be entered now?
pub(crate) fn may_enter(owner: &Owner, stack: Stack) -> bool {
    if owner.depth.get() >= DEEPEST {
        return false;
    }
    #[cfg(feature = "luajit")]
    if let Some(word) = owner.trace_word.get() {
        return !word.is_set();
    }
    guard::may_enter(stack)
}

fn work_within(owner: &Owner, stack: Stack, budget: Budget) -> u32 {
    if owner.depth.get() >= DEEPEST {
        return 0;
    }
    let begun = Instant::now();
    lanes::pump_all(owner, stack);
    // What is always due leaves room for the rest: timers may take a third of the turn, and with handlers that are ready two.
    let mut delivered = run_due(owner, stack, begun, budget);
    delivered = run_ready(owner, stack, Round::begin(begun, budget.thirds(2), delivered));
    delivered += events::handle_all(owner, stack);
    delivered = deliver_all(owner, stack, Round::begin(begun, budget, delivered));
    delivered += events::handle_all(owner, stack);
    owner.settle_sites(stack);
    delivered
}

/// Delivers until the round is over or nothing waits; gives how many were delivered by then.
fn deliver_all(owner: &Owner, stack: Stack, mut round: Round) -> u32 {
    round.end_if_detached(owner);
    let outer = owner.round.replace(round);
    while goes_on(owner) && deliver_next(owner, stack) {}
    go_back_to(owner, outer).delivered
}

/// The turn around this one goes on, unless it was ended meanwhile; gives the one that is over.
fn go_back_to(owner: &Owner, mut outer: Round) -> Round {
    outer.end_if_detached(owner);
    owner.round.replace(outer)
}

pub(crate) fn goes_on(owner: &Owner) -> bool {
    !owner.stopping.get() && owner.round.borrow_mut().goes_on()
}

pub(crate) fn count(owner: &Owner) {
    owner.round.borrow_mut().delivered += 1;
}

/// Delivers the mailbox's next message, if there is one.
fn deliver_next(owner: &Owner, stack: Stack) -> bool {
    let thread = task::thread(owner, stack);
    let Some(message) = owner.mailbox(|mailbox| mailbox.next()).flatten() else {
        owner.idle.borrow_mut().push(thread);
        return false;
    };
    count(owner);
    deliver(owner, stack, thread, message);
    true
}

/// While this owner waits for something itself: lets those who wait for it have their answers. What was sent before them
/// is delivered before them; where a handler waits that owes an answer, everything goes on. `true` if a turn was not enough:
/// then the owner looks after its own affair and comes back at once.
pub(crate) fn serve(owner: &Owner, stack: Stack) -> bool {
    // A stop() is for a run() around this.
    let stopping = owner.stopping.replace(false);
    let went_on = owner.owes_answer() && may_enter(owner, stack) && work(owner, stack) > 0;
    let mut is_left = went_on && owner.owes_answer() && owner.mailbox(|mailbox| mailbox.is_drained()) == Some(false);
    let outer = owner.round.replace(Round::over());
    let mut left = Budget::default().messages;
    while may_enter(owner, stack) && owner.mailbox(|mailbox| mailbox.has_caller()) == Some(true) {
        if left == 0 {
            is_left = true;
            break;
        }
        if !deliver_next(owner, stack) {
            break;
        }
        left -= 1;
    }
    go_back_to(owner, outer);
    events::handle_all(owner, stack);
    owner.stopping.set(stopping || owner.stopping.get());
    is_left
}

/// Timers that were due when the turn began.
fn run_due(owner: &Owner, stack: Stack, now: Instant, budget: Budget) -> u32 {
    let mut round = Round::begin(now, budget.thirds(1), 0);
    while round.goes_on() && !owner.stopping.get() && !owner.is_detached(budget.attachment) {
        if owner.timers.borrow_mut().next_due().is_none_or(|at| at > now) {
            break;
        }
        // Before the timer is taken: if there is no memory for a thread, it stays due.
        let thread = task::thread(owner, stack);
        let due = owner.timers.borrow_mut().take_due(now);
        if !matches!(due, Some(Due::Call { .. })) {
            owner.idle.borrow_mut().push(thread);
        }
        match due {
            Some(Due::Resume { task }) => task::time_is_over(owner, stack, task),
            Some(Due::Call { function, interval, .. }) => {
                thread.0.push_anchored(function);
                if interval.is_none() {
                    stack.release(function);
                }
                task::start(owner, stack, thread, 0, Origin::Own);
            }
            Some(Due::Nothing) => {}
            None => break,
        }
        round.delivered += 1;
    }
    round.delivered
}

/// Handlers that had let others go first when the turn began; gives how many were delivered by then.
fn run_ready(owner: &Owner, stack: Stack, mut round: Round) -> u32 {
    let waiting = owner.ready.borrow().len();
    for _ in 0..waiting {
        if !round.goes_on() || owner.stopping.get() || owner.is_detached(round.attachment) {
            break;
        }
        let Some(id) = owner.ready.borrow_mut().pop_front() else { break };
        if let Some(task) = task::take(owner, id) {
            task::go_on(owner, stack, task, |_| 0);
            round.delivered += 1;
        }
    }
    round.delivered
}

fn deliver(owner: &Owner, stack: Stack, thread: (Stack, Anchor), mut message: Box<Message>) {
    let Some(receiver) = owner.receiver(message.port) else {
        owner.idle.borrow_mut().push(thread);
        return;
    };
    let endpoint = match receiver {
        Receiver::Port(endpoint) => endpoint,
        Receiver::Site(site) => {
            let payload = std::mem::replace(&mut message.payload, Payload::Signal(0));
            owner.mailbox(|mailbox| mailbox.recycle(message));
            return site.deliver(owner, stack, thread, payload);
        }
    };
    let receiver = endpoint.receivers.borrow_mut().pop_front();
    if let Some(task) = receiver.and_then(|id| task::take(owner, id)) {
        owner.idle.borrow_mut().push(thread);
        listen_as_needed(owner, &endpoint);
        let mut message = Some(message);
        task::go_on(owner, stack, task, |stack| push_received(owner, stack, message.take()));
        return;
    }
    if endpoint.handler.get().is_none() || !callback::is_good(owner, stack, &endpoint, &message) {
        owner.idle.borrow_mut().push(thread);
        return;
    }
    let fetches = endpoint.fetches();
    let origin = fetch::expect(owner, endpoint, message);
    task::start_fetching(owner, stack, thread, origin, fetches);
}

/// Pushes the results of a `port:receive` that got this message. Who waits for an answer to it gets none: there is
/// nobody to give it.
pub(crate) fn push_received(owner: &Owner, stack: Stack, mut message: Option<Box<Message>>) -> i32 {
    if let Some(reply) = message.as_mut().and_then(|message| message.reply.take()) {
        reply.refuse(CallError::Unanswered);
    }
    stack.push_boolean(true);
    match push_value(owner, stack, message) {
        None => 2,
        Some(malformed) => push_malformed(owner, stack, malformed),
    }
}

/// Pushes the value that a message carries; gives what is wrong with it if it cannot be shown, with nil in its place.
fn push_value(owner: &Owner, stack: Stack, message: Option<Box<Message>>) -> Option<String> {
    owner.in_hand.with(|place| {
        *place = message;
        let malformed = place.as_ref().and_then(|message| push_content(owner, stack, &message.payload));
        *place = None;
        malformed
    })
}

/// Pushes true and the value of an answer, or what is wrong with it.
pub(crate) fn push_answer(owner: &Owner, stack: Stack, payload: Payload) -> i32 {
    stack.push_boolean(true);
    let malformed = owner.answers.with(|place| {
        *place = Some(payload);
        let malformed = place.as_ref().and_then(|payload| push_content(owner, stack, payload));
        *place = None;
        malformed
    });
    malformed.map_or(2, |malformed| push_malformed(owner, stack, malformed))
}

/// Turns true and nil on top into a failure's three results.
fn push_malformed(owner: &Owner, stack: Stack, malformed: String) -> i32 {
    stack.pop(2);
    stack.push_boolean(false);
    owner.push_text(stack, malformed);
    stack.push_str("invalid");
    3
}

/// What came from C or a lane was checked before; what Rust code sends may be malformed.
pub(crate) fn push_content(owner: &Owner, stack: Stack, payload: &Payload) -> Option<String> {
    let malformed = match payload {
        Payload::Bytes { encoding: Encoding::Raw, bytes } => {
            stack.push_bytes(bytes);
            None
        }
        Payload::Bytes { encoding: Encoding::Json, bytes } => {
            let pushed = build::push_json(owner, stack, bytes, value::DEPTH);
            pushed.err().map(|error| format!("malformed JSON: {error}"))
        }
        Payload::Bytes { encoding: Encoding::MessagePack, bytes } => {
            let pushed = build::push_msgpack(owner, stack, bytes, value::DEPTH);
            pushed.err().map(|error| format!("malformed MessagePack: {error}"))
        }
        Payload::Bytes { bytes, .. } => {
            crossing::read(owner, stack, bytes);
            None
        }
        Payload::Signal(bits) => {
            stack.push_integer((*bits).into());
            None
        }
        _ => Some("a value that only Rust code can read".to_owned()),
    };
    if malformed.is_some() {
        stack.push_nil();
    }
    malformed
}

/// Is this port one whose messages can be delivered now?
pub(crate) fn listen_as_needed(owner: &Owner, endpoint: &Endpoint) {
    let handler = endpoint.handler.get().is_some() && !endpoint.busy.get();
    let listening = handler || !endpoint.receivers.borrow().is_empty();
    owner.mailbox(|mailbox| mailbox.listen(endpoint.key, listening));
    owner.watch_lanes();
    owner.disturb();
}

/// A handler of this port has ended: a serial port may start the next.
pub(crate) fn handler_ended(owner: &Owner, endpoint: &Endpoint) {
    if endpoint.busy.replace(false) {
        listen_as_needed(owner, endpoint);
    }
}

/// A task waits for a message of this port.
pub(crate) fn add_receiver(owner: &Owner, key: PortKey, task: u64) {
    if let Some(endpoint) = owner.endpoint(key) {
        endpoint.receivers.borrow_mut().push_back(task);
        listen_as_needed(owner, &endpoint);
    }
}

/// A task waits no more.
pub(crate) fn remove_receiver(owner: &Owner, key: PortKey, task: u64) {
    if let Some(endpoint) = owner.endpoint(key) {
        endpoint.receivers.borrow_mut().retain(|waiting| *waiting != task);
        listen_as_needed(owner, &endpoint);
    }
}

/// Sleeps until something may be delivered or `timeout` is over. After a signal, Lua's own handler of it gets its turn.
///
/// # Errors
/// What that handler raised.
pub(crate) fn sleep(owner: &Owner, stack: Stack, timeout: Option<Duration>) -> Result<()> {
    let due = owner.next_due().map(crate::owner::until);
    let limit = match (timeout, due) {
        (Some(timeout), Some(due)) => Some(timeout.min(due)),
        (timeout, due) => timeout.or(due),
    };
    owner.watch_lanes();
    owner.rearm();
    let sleep = owner.mailbox(|mailbox| mailbox.prepare_sleep(limit)).flatten();
    let woken = sleep.map(|sleep| owner.asleep(sleep, true));
    if fetch::is_signal(&woken) { let_hooks_run(stack) } else { Ok(()) }
}

/// Interpreters handle Ctrl-C by a debug hook, which sees Lua code only: run some.
///
/// # Errors
/// What the hook raised.
pub(crate) fn let_hooks_run(stack: Stack) -> Result<()> {
    let code = b"local i = 0 repeat i = i + 1 until i > 2";
    // SAFETY: the code lives through the call.
    let status = unsafe {
        lua::luaL_loadbuffer(stack.state(), code.as_ptr().cast(), code.len(), c"=(moonport: interrupted)".as_ptr())
    };
    if status == lua::LUA_OK && stack.call_protected(0, 0) == lua::LUA_OK {
        return Ok(());
    }
    let message = report::describe(stack, -1);
    stack.pop(1);
    Err(message.into())
}
