// SPDX-License-Identifier: MIT OR Apache-2.0
//! `sender:call`, and waiting for an answer on the owner's thread: a handler is suspended meanwhile, other code serves
//! those who wait for this owner, so that two states that call each other finish.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use mlua_sys as lua;
use moonport_core::reply::{Answer, Answered, CallError, TimedOut, Waited};
use moonport_core::{Encoding, Notifier, Sender};

use crate::dispatch;
use crate::function::{Outcome, Result};
use crate::lanes;
use crate::object;
use crate::owner::{Owner, until};
use crate::sender;
use crate::stack::Stack;
use crate::task::{self, Wait};
use crate::timer;

/// A question of this state's on its way.
pub(crate) struct Calling {
    answer: Answer<Answered>,
    sender: Sender,
    waker: Waker,
    /// The task that waits, once it is suspended.
    pub(crate) task: Option<u64>,
}

/// Tells the owner that a question may have its answer.
struct Notify {
    notifier: Notifier,
    call: u64,
}

impl Wake for Notify {
    fn wake(self: Arc<Self>) {
        self.notifier.notify(self.call);
    }
}

/// Makes the owner look.
struct Knock(Notifier);

impl Wake for Knock {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }
}

/// `sender:call(value, timeout)`.
pub(crate) fn call(owner: &Owner, stack: Stack) -> Result {
    const FUNCTION: &str = "sender:call";
    let sender = *object::check::<Sender>(stack, 1, FUNCTION)?;
    let timeout =
        if stack.kind(3) <= lua::LUA_TNIL { Duration::from_secs(5) } else { timer::seconds(stack, 3, FUNCTION)? };
    if stack.top() < 2 {
        return Err(format!("{FUNCTION}: expected a value").into());
    }
    if owner.may_not_wait.get() {
        let message = format!("{FUNCTION}: {}", task::MAY_NOT_WAIT);
        return Ok(Outcome::Values(task::push_failure(stack, &message, "would_deadlock")));
    }
    let payload = sender::payload(owner, stack, 2, FUNCTION)?;
    let deadline = timer::after_now(timeout);
    let Some(notifier) = owner.mailbox(|mailbox| mailbox.notifier()) else {
        return Ok(Outcome::Values(task::push_failure(stack, "sender:call: this Lua state is closing", "closed")));
    };
    let mut answer = match sender.begin_call(payload, 0, Encoding::Value, timeout) {
        Ok(answer) => answer,
        Err(error) => return Ok(Outcome::Values(push_call_error(stack, &error))),
    };
    if !task::may_wait(owner, stack) {
        let waited = wait(owner, stack, &mut answer, deadline, Interrupted::Ends)?;
        return Ok(Outcome::Values(push_waited(owner, stack, sender, waited)));
    }
    let id = owner.count_object();
    let waker = Waker::from(Arc::new(Notify { notifier, call: id }));
    let mut calling = Calling { answer, sender, waker, task: None };
    match calling.poll() {
        Some(answer) => Ok(Outcome::Values(push_waited(owner, stack, sender, Ok(answer)))),
        None => {
            owner.calls.borrow_mut().insert(id, calling);
            owner.wait.set(Some(Wait::Answer(id, deadline)));
            Ok(Outcome::Yield)
        }
    }
}

impl Calling {
    fn poll(&mut self) -> Option<Option<Answered>> {
        poll(&mut self.answer, &self.waker)
    }
}

/// The answer, if it is there; the inner `None` if none will come.
fn poll<T>(answer: &mut Answer<T>, waker: &Waker) -> Option<Option<T>> {
    match Pin::new(answer).poll(&mut Context::from_waker(waker)) {
        Poll::Ready(answered) => Some(answered),
        Poll::Pending => None,
    }
}

/// The number of no call: such an event of the mailbox says no more than "look".
pub(crate) const NOBODY: u64 = 0;

/// A question may have its answer: then the task that asked goes on. `true` if one did.
pub(crate) fn notified(owner: &Owner, stack: Stack, call: u64) -> bool {
    let Some(mut calling) = owner.calls.borrow_mut().remove(&call) else { return false };
    let answer = calling.poll();
    let task = calling.task;
    let Some((answer, task)) = answer.zip(task) else {
        owner.calls.borrow_mut().insert(call, calling);
        return false;
    };
    let sender = calling.sender;
    drop(calling);
    let Some(task) = task::take(owner, task) else { return false };
    let mut answer = Some(answer);
    task::go_on(owner, stack, task, |stack| push_waited(owner, stack, sender, Ok(answer.take().flatten())));
    true
}

/// What a request to end the process, or an error of a debug hook that a signal has set off, does to a wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupted {
    /// Ends it.
    Ends,
    /// Is told when the answer is there: until then somebody uses memory of Lua's.
    IsTold,
}

/// Waits on the owner's thread, outside of any task, and serves meanwhile those who wait for this owner.
///
/// # Errors
/// It was interrupted.
pub(crate) fn wait<T>(
    owner: &Owner,
    stack: Stack,
    answer: &mut Answer<T>,
    deadline: Option<Instant>,
    interrupted: Interrupted,
) -> Result<std::result::Result<Option<T>, TimedOut>> {
    let Some(notifier) = owner.mailbox(|mailbox| mailbox.notifier()) else { return Ok(Ok(None)) };
    let waker = Waker::from(Arc::new(Knock(notifier)));
    let mut failure = None;
    owner.disarm();
    let waited = loop {
        // Lowered before the look: an answer that comes after it raises it again.
        owner.mailbox(|mailbox| mailbox.hush());
        if let Some(answer) = poll(answer, &waker) {
            break Ok(answer);
        }
        let is_left = dispatch::serve(owner, stack);
        lanes::pump_all(owner, stack);
        if owner.is_interrupted() {
            failure = failure.or_else(|| Some("interrupted".into()));
        }
        if failure.is_some() && interrupted == Interrupted::Ends {
            break Ok(None);
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            break Err(TimedOut);
        }
        let left = if is_left { Some(Duration::ZERO) } else { owner.wait_until(deadline).map(until) };
        let sleep = owner.mailbox(|mailbox| mailbox.prepare_wait(left));
        if sleep.is_some_and(|sleep| owner.asleep(sleep, dispatch::may_enter_from_c(owner, stack)).is_err()) {
            failure = dispatch::let_hooks_run(stack).err().or(failure);
        }
    };
    dispatch::rest(owner);
    failure.map_or(Ok(waited), Err)
}

/// Pushes the results of `sender:call`.
fn push_waited(owner: &Owner, stack: Stack, sender: Sender, waited: Waited) -> i32 {
    match sender.conclude_call(waited) {
        Ok(payload) => dispatch::push_answer(owner, stack, payload),
        Err(error) => push_call_error(stack, &error),
    }
}

pub(crate) fn push_call_error(stack: Stack, error: &CallError) -> i32 {
    let name = match error {
        CallError::Send(error) => sender::name_of(*error),
        CallError::Timeout => "timeout",
        _ => "handler",
    };
    task::push_failure(stack, &format!("sender:call: {error}"), name)
}
