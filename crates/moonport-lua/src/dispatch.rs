// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one place where messages enter Lua: a turn of the owner's loop, behind its guard, on private threads, in protected
//! calls, within a budget.

use std::time::{Duration, Instant};

use mlua_sys as lua;
use moonport_core::{Encoding, Message, Payload, PortKey};

use crate::crossing;
use crate::guard;
use crate::owner::{Owner, Receiver};
use crate::port::Endpoint;
use crate::report;
use crate::request;
use crate::stack::Stack;
use crate::task::{self, Origin};
use crate::timer::Due;

/// Messages and timers of one turn, unless the caller asks for fewer.
pub(crate) const MESSAGES: u32 = 256;
/// Time of one turn.
pub(crate) const BUDGET: Duration = Duration::from_millis(4);
/// How deep handlers may open loops inside each other.
pub(crate) const DEEPEST: u32 = 16;

/// Delivers what waits and is due, at most one budget; gives how many handlers were started or went on. Leaves the
/// descriptor readable exactly if another turn would run something.
pub(crate) fn turn(owner: &Owner, stack: Stack) -> u32 {
    let delivered = work(owner, stack);
    rest(owner);
    delivered
}

/// Before the owner sleeps or its host does.
pub(crate) fn rest(owner: &Owner) {
    owner.mailbox(|mailbox| mailbox.rest());
    owner.rearm();
}

/// A turn that leaves the wake-up standing: while the owner's own loop works, senders need no system call.
pub(crate) fn work(owner: &Owner, stack: Stack) -> u32 {
    if owner.depth.get() >= DEEPEST || !guard::may_enter(stack) {
        return 0;
    }
    let begun = Instant::now();
    let mut delivered = run_due(owner, stack, begun);
    delivered += run_ready(owner, stack);
    while delivered < MESSAGES && !owner.stopping.get() {
        let thread = task::thread(owner, stack);
        let Some(message) = owner.mailbox(|mailbox| mailbox.next()).flatten() else {
            owner.idle.borrow_mut().push(thread);
            break;
        };
        deliver(owner, stack, thread, message);
        delivered += 1;
        if begun.elapsed() >= BUDGET {
            break;
        }
    }
    owner.settle_sites(stack);
    delivered
}

/// Timers that were due when the turn began.
fn run_due(owner: &Owner, stack: Stack, now: Instant) -> u32 {
    let mut count = 0;
    while count < MESSAGES && !owner.stopping.get() {
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
        count += 1;
    }
    count
}

/// Handlers that had let others go first when the turn began.
fn run_ready(owner: &Owner, stack: Stack) -> u32 {
    let mut count = 0;
    let waiting = owner.ready.borrow().len();
    for _ in 0..waiting {
        let Some(id) = owner.ready.borrow_mut().pop_front() else { break };
        if let Some(task) = task::take(owner, id) {
            task::go_on(owner, stack, task, |_| 0);
            count += 1;
        }
    }
    count
}

fn deliver(owner: &Owner, stack: Stack, thread: (Stack, crate::stack::Anchor), message: Message) {
    let Some(receiver) = owner.receiver(message.port) else {
        owner.idle.borrow_mut().push(thread);
        return;
    };
    let endpoint = match receiver {
        Receiver::Port(endpoint) => endpoint,
        Receiver::Site(site) => return request::deliver(owner, stack, thread, &site, message.payload),
    };
    let Message { sequence, tag, payload, .. } = message;
    let mut payload = Some(payload);
    let receiver = endpoint.receivers.borrow_mut().pop_front();
    if let Some(task) = receiver.and_then(|id| task::take(owner, id)) {
        owner.idle.borrow_mut().push(thread);
        listen_as_needed(owner, &endpoint);
        task::go_on(owner, stack, task, |stack| {
            stack.push_boolean(true);
            push_payload(owner, stack, payload.take());
            2
        });
        return;
    }
    let Some(handler) = endpoint.handler.get() else {
        owner.idle.borrow_mut().push(thread);
        return;
    };
    if endpoint.serial {
        endpoint.busy.set(true);
        listen_as_needed(owner, &endpoint);
    }
    let pushed = owner.protect(stack, 0, &mut |stack| {
        stack.push_anchored(handler);
        push_payload(owner, stack, payload.take());
        stack.new_table(0, 2);
        stack.push_count(sequence);
        stack.set_field(-2, "sequence");
        stack.push_integer(tag.into());
        stack.set_field(-2, "tag");
        3
    });
    if pushed.is_err() {
        owner.idle.borrow_mut().push(thread);
        report::not_delivered(owner, stack, endpoint.name.as_deref());
        return handler_ended(owner, &endpoint);
    }
    stack.move_to(thread.0, 3);
    task::start(owner, stack, thread, 2, Origin::Port(endpoint));
}

/// Pushes the value that the payload carries.
pub(crate) fn push_payload(owner: &Owner, stack: Stack, payload: Option<Payload>) {
    owner.in_hand.with(|place| {
        *place = payload;
        match place {
            Some(Payload::Bytes { encoding: Encoding::Raw, bytes }) => stack.push_bytes(bytes),
            Some(Payload::Bytes { bytes, .. }) => crossing::read(owner, stack, bytes),
            _ => stack.push_nil(),
        }
        *place = None;
    });
}

/// Is this port one whose messages can be delivered now?
pub(crate) fn listen_as_needed(owner: &Owner, endpoint: &Endpoint) {
    let handler = endpoint.handler.get().is_some() && !endpoint.busy.get();
    let listening = handler || !endpoint.receivers.borrow().is_empty();
    owner.mailbox(|mailbox| mailbox.listen(endpoint.key, listening));
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

/// Sleeps until something may be delivered or `timeout` is over. After a signal, Lua's own handler of it gets its turn,
/// and may raise.
pub(crate) fn sleep(owner: &Owner, stack: Stack, timeout: Option<Duration>) {
    let due = owner.next_due().map(crate::owner::until);
    let limit = match (timeout, due) {
        (Some(timeout), Some(due)) => Some(timeout.min(due)),
        (timeout, due) => timeout.or(due),
    };
    let interrupted = owner
        .mailbox(|mailbox| mailbox.wait(limit))
        .is_some_and(|woken| woken.is_err_and(|error| error.kind() == std::io::ErrorKind::Interrupted));
    if interrupted {
        let_hooks_run(stack);
    }
}

/// Interpreters handle Ctrl-C by a debug hook, which sees Lua code only: run some.
pub(crate) fn let_hooks_run(stack: Stack) {
    let code = b"local i = 0 repeat i = i + 1 until i > 2";
    // SAFETY: the code lives through the call.
    let status = unsafe {
        lua::luaL_loadbuffer(stack.state(), code.as_ptr().cast(), code.len(), c"=(moonport: interrupted)".as_ptr())
    };
    if status == lua::LUA_OK {
        stack.call(0, 0);
    } else {
        stack.pop(1);
    }
}
