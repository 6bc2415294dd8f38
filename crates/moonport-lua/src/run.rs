// SPDX-License-Identifier: MIT OR Apache-2.0
//! The owner's own loop: `moonport.run`, `stop`, `step`, `descriptor` and `timeout`.

use std::time::{Duration, Instant};

use mlua_sys as lua;

use crate::dispatch;
use crate::function::{Failure, Outcome, Result, fail};
use crate::owner::{Owner, until};
use crate::report;
use crate::stack::Stack;
use crate::timer;

/// `moonport.run()`.
pub(crate) fn run(owner: &Owner, stack: Stack) -> Result {
    if let Some(failed) = wrong_thread(owner, stack, "moonport.run") {
        return Ok(failed);
    }
    owner.renew_if_forked();
    if owner.depth.get() >= dispatch::DEEPEST {
        return Err("moonport.run: loops are nested more than 16 deep".into());
    }
    let was_interrupted = owner.is_interrupted();
    let outer = owner.sleeps_in_tasks.replace(owner.depth.get() == 0);
    let ended = deliver_until_stopped(owner, stack);
    owner.sleeps_in_tasks.set(outer);
    ended.map_err(|Failure(message)| Failure(format!("{message}\n{}", report::kept_by(owner))))?;
    if owner.is_interrupted() && !was_interrupted {
        report::print(None, &format!("interrupted; {}", report::kept_by(owner)));
    }
    dispatch::rest(owner);
    owner.stopped.set(owner.stopping.replace(false));
    Ok(Outcome::Values(0))
}

/// # Errors
/// What Lua's handler of a signal raised.
fn deliver_until_stopped(owner: &Owner, stack: Stack) -> Result<()> {
    while !owner.stopping.get() && !owner.is_interrupted() {
        let delivered = dispatch::work(owner, stack);
        owner.give_way();
        if owner.signalled.take() {
            dispatch::let_hooks_run(stack)?;
        }
        // A single message tells of no stream: back to sleep, after one look.
        if delivered > 1 {
            let_senders_go_on(delivered);
            continue;
        }
        // Again: a task may have slept, and taken the wake-up of who interrupts.
        if owner.stopping.get() || owner.is_interrupted() || !owner.is_alive() {
            break;
        }
        dispatch::sleep(owner, stack, None)?;
    }
    Ok(())
}

/// How long an owner that has caught up with a stream of messages leaves the queue alone.
const PAUSE: Duration = Duration::from_micros(2);

/// Who sent is likely to send again: lets it, before the way to sleep and back is gone. An owner that takes a stream's
/// messages one by one contends for the queue with every send; after a pause it takes many at once.
fn let_senders_go_on(delivered: u32) {
    if delivered >= BATCH {
        return;
    }
    std::thread::yield_now();
    let begun = Instant::now();
    while begun.elapsed() < PAUSE {
        std::hint::spin_loop();
    }
}

/// A turn that delivered so many found more than it needs to be cheap.
const BATCH: u32 = 64;

/// `moonport.stop()`.
pub(crate) fn stop(owner: &Owner, _: Stack) -> Result {
    owner.stopping.set(true);
    owner.disturb();
    Ok(Outcome::Values(0))
}

/// `moonport.step(timeout)`.
pub(crate) fn step(owner: &Owner, stack: Stack) -> Result {
    if let Some(failed) = wrong_thread(owner, stack, "moonport.step") {
        return Ok(failed);
    }
    owner.renew_if_forked();
    let wait = if stack.kind(1) <= lua::LUA_TNIL { Duration::ZERO } else { timer::seconds(stack, 1, "moonport.step")? };
    let deadline = Instant::now().checked_add(wait);
    // A stop() is for a run() around this; a step on its own still delivers.
    let stopping = owner.stopping.replace(false);
    let mut delivered = dispatch::turn(owner, stack);
    while delivered == 0 && !wait.is_zero() {
        let left = deadline.map(until);
        if left.is_some_and(|left| left.is_zero()) {
            break;
        }
        dispatch::sleep(owner, stack, left)?;
        if owner.is_interrupted() {
            return Err("interrupted".into());
        }
        delivered = dispatch::turn(owner, stack);
    }
    owner.stopping.set(stopping || owner.stopping.get());
    stack.push_integer(delivered.into());
    Ok(Outcome::Values(1))
}

/// `moonport.descriptor()`.
pub(crate) fn descriptor(owner: &Owner, stack: Stack) -> Result {
    if let Some(failed) = wrong_thread(owner, stack, "moonport.descriptor") {
        return Ok(failed);
    }
    owner.watch_traces(stack);
    owner.renew_if_forked();
    match owner.descriptor() {
        Ok(descriptor) => {
            stack.push_integer(descriptor.into());
            Ok(Outcome::Values(1))
        }
        Err(error) => Ok(fail(stack, &format!("moonport.descriptor: {error}"), "unsupported")),
    }
}

/// `moonport.timeout()`.
pub(crate) fn timeout(owner: &Owner, stack: Stack) -> Result {
    match owner.next_due() {
        Some(due) => stack.push_number(until(due).as_secs_f64()),
        None => stack.push_nil(),
    }
    Ok(Outcome::Values(1))
}

/// `moonport.is_owner()`.
pub(crate) fn is_owner(owner: &Owner, stack: Stack) -> Result {
    stack.push_boolean(owner.is_owner());
    Ok(Outcome::Values(1))
}

/// A failure, unless this is the owner's thread: code that runs under the lock may be on another one.
pub(crate) fn wrong_thread(owner: &Owner, stack: Stack, function: &str) -> Option<Outcome> {
    if owner.is_owner() {
        return None;
    }
    let message = format!("{function}: called on a thread that does not own this Lua state");
    Some(fail(stack, &message, "wrong_thread"))
}
