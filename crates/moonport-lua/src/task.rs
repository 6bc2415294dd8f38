// SPDX-License-Identifier: MIT OR Apache-2.0
//! Handlers as coroutines on private threads of the state: start, wait, go on, end; `moonport.spawn` and `moonport.sleep`.

use std::rc::Rc;
use std::time::Instant;

use mlua_sys as lua;
use moonport_core::reply::CallError;
use moonport_core::{Doing, PortKey};

use crate::call;
use crate::callback;
use crate::dispatch;
use crate::exchange::{self, Exchange};
use crate::fetch;
use crate::function::{Outcome, Result, fail};
use crate::owner::Owner;
use crate::port::Endpoint;
use crate::protect::Raised;
use crate::question::Question;
use crate::report;
use crate::run::wrong_thread;
use crate::stack::{Anchor, Stack};
#[cfg(feature = "luajit")]
use crate::stream;
use crate::timer::{self, Due};

/// On whose behalf a task runs, and who hears of its end.
#[derive(Default)]
pub(crate) enum Origin {
    /// A message of this port, and who waits for its answer.
    Port(Rc<Endpoint>, Option<Question>),
    /// A request; its answer is what the handler returns.
    Request(Rc<Exchange>),
    /// What happened to a WebSocket of this path.
    Socket(Rc<str>),
    /// A timer or `moonport.spawn`.
    #[default]
    Own,
}

/// A suspended handler.
pub(crate) struct Task {
    pub(crate) stack: Stack,
    pub(crate) anchor: Anchor,
    origin: Origin,
    timer: Option<u64>,
    receiving: Option<PortKey>,
    calling: Option<u64>,
}

impl Task {
    /// Does somebody wait for what this handler will answer?
    fn owes_answer(&self) -> bool {
        matches!(&self.origin, Origin::Port(_, Some(question)) if question.is_open())
    }
}

impl Owner {
    /// Is there a suspended handler for whose answer somebody waits? Then an owner that waits for something itself must let
    /// such handlers go on.
    pub(crate) fn owes_answer(&self) -> bool {
        self.tasks.borrow().values().any(Task::owes_answer)
    }

    /// Until when an owner may wait for something itself whose own time is over at `deadline`.
    pub(crate) fn wait_until(&self, deadline: Option<Instant>) -> Option<Instant> {
        let due = self.owes_answer().then(|| self.next_due()).flatten();
        match (deadline, due) {
            (Some(deadline), Some(due)) => Some(deadline.min(due)),
            (deadline, due) => deadline.or(due),
        }
    }
}

/// How a handler ended.
pub(crate) enum Ended<'a> {
    /// So many results are on top of this stack.
    Returned(Stack, i32),
    /// It raised an error: the message with its traceback.
    Failed(&'a str),
}

/// What a handler is about to wait for.
#[derive(Clone, Copy)]
pub(crate) enum Wait {
    /// A time; for ever if the clock cannot say it.
    Until(Option<Instant>),
    /// A message of this port, or a time.
    Message(PortKey, Option<Instant>),
    /// The answer to this question, or a time.
    Answer(u64, Option<Instant>),
}

/// A private thread: an idle one, or a new one.
pub(crate) fn thread(owner: &Owner, stack: Stack) -> (Stack, Anchor) {
    let idle = owner.idle.borrow_mut().pop();
    idle.unwrap_or_else(|| {
        // SAFETY: the new thread belongs to the same state, and its anchor keeps it alive.
        let thread = unsafe { Stack::new(stack.new_thread()) };
        let anchor = stack.anchor();
        thread.push_anchored(owner.starters.messages);
        thread.push_anchored(owner.starters.calls);
        thread.push_anchored(owner.starters.requests);
        (thread, anchor)
    })
}

/// Where each private thread has the functions that start handlers: of messages, of native calls, and of requests.
pub(crate) const STARTER: i32 = 1;
const CALL_STARTER: i32 = 2;
const REQUEST_STARTER: i32 = 3;
/// What lies below all else on a private thread.
pub(crate) const BASE: i32 = 3;

/// What a task goes on with when its handler has returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fetches {
    /// Nothing: it ends.
    #[default]
    Nothing,
    /// The next message of a port.
    Messages,
    /// The next native call of a callback.
    Calls,
    /// The next native call with so many parameters that nobody waits for.
    Void(usize),
    /// The next request to a server.
    Requests,
}

/// So many parameters a call may have for which [`Fetches::Void`] has a loop.
pub(crate) const MOST: usize = 4;

/// Functions that start handlers.
#[derive(Clone, Copy)]
pub(crate) struct Starters {
    messages: Anchor,
    calls: Anchor,
    requests: Anchor,
    /// By the number of parameters.
    void: [Anchor; MOST + 1],
}

impl Starters {
    pub(crate) fn release(self, stack: Stack) {
        [self.messages, self.calls, self.requests]
            .into_iter()
            .chain(self.void)
            .for_each(|anchor| stack.release(anchor));
    }
}

/// Calls what [`fetch::fetch`] gives, inside the task, so that nothing has to be pushed onto a thread that does not run:
/// an error there would have nobody to catch it. One task handles message after message, until a handler waits or fails.
/// What the handler of a native call returns goes to the next fetch, unless nobody waits for it: then LuaJIT can compile the
/// loop. What the handler of a request returns goes to [`exchange::fetch`].
const STARTER_CODE: &[u8] = b"local fetch, fetch_request = ...
local function call(handler, ...)
  if handler then
    return call(fetch(handler(...)))
  end
end
return function()
  local handler, value, message = fetch()
  while handler do
    handler(value, message)
    handler, value, message = fetch()
  end
end, function()
  return call(fetch())
end, function()
  local handler, request = fetch_request()
  while handler do
    handler, request = fetch_request(handler(request))
  end
end, function()
  local handler = fetch()
  while handler do
    handler()
    handler = fetch()
  end
end, function()
  local handler, a = fetch()
  while handler do
    handler(a)
    handler, a = fetch()
  end
end, function()
  local handler, a, b = fetch()
  while handler do
    handler(a, b)
    handler, a, b = fetch()
  end
end, function()
  local handler, a, b, c = fetch()
  while handler do
    handler(a, b, c)
    handler, a, b, c = fetch()
  end
end, function()
  local handler, a, b, c, d = fetch()
  while handler do
    handler(a, b, c, d)
    handler, a, b, c, d = fetch()
  end
end";

/// Makes those functions, for the owner at `owner`.
pub(crate) fn anchor_starters(stack: Stack, owner: *mut Owner) -> Starters {
    // SAFETY: the code lives through the call.
    let loaded = unsafe {
        lua::luaL_loadbuffer(stack.state(), STARTER_CODE.as_ptr().cast(), STARTER_CODE.len(), c"=(moonport)".as_ptr())
    };
    if loaded != lua::LUA_OK {
        // SAFETY: the error value is on top, and this frame owns nothing.
        unsafe { lua::lua_error(stack.state()) }
    }
    fetch::push_fetch(owner, stack);
    exchange::push_fetch(owner, stack);
    stack.call(2, 3 + lua_count(MOST + 1));
    let mut void = [(); MOST + 1].map(|()| stack.anchor());
    void.reverse();
    let requests = stack.anchor();
    let calls = stack.anchor();
    Starters { messages: stack.anchor(), calls, requests, void }
}

fn lua_count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Runs the function below `arguments` values on `thread` until it ends or waits.
pub(crate) fn start(owner: &Owner, stack: Stack, thread: (Stack, Anchor), arguments: i32, origin: Origin) {
    let task = Task { stack: thread.0, anchor: thread.1, origin, timer: None, receiving: None, calling: None };
    run(owner, stack, task, arguments, Fetches::Nothing);
}

/// Runs a starter on `thread`, which fetches `owner.incoming` and then what else the turn may deliver.
pub(crate) fn start_fetching(owner: &Owner, stack: Stack, thread: (Stack, Anchor), origin: Origin, fetches: Fetches) {
    #[cfg(feature = "luajit")]
    let is_pushed = stream::push_loop(owner, stack, thread.0, &origin, fetches);
    #[cfg(not(feature = "luajit"))]
    let is_pushed = false;
    match fetches {
        _ if is_pushed => {}
        Fetches::Messages => thread.0.copy(STARTER),
        Fetches::Void(count) => thread.0.push_anchored(owner.starters.void[count.min(MOST)]),
        Fetches::Requests => thread.0.copy(REQUEST_STARTER),
        Fetches::Calls | Fetches::Nothing => thread.0.copy(CALL_STARTER),
    }
    let task = Task { stack: thread.0, anchor: thread.1, origin, timer: None, receiving: None, calling: None };
    let outer = owner.in_stream.replace(is_pushed);
    run(owner, stack, task, 0, fetches);
    owner.in_stream.set(outer);
}

fn run(owner: &Owner, stack: Stack, mut task: Task, arguments: i32, fetches: Fetches) {
    let outer = owner.running.replace(Some(task.stack));
    let wait_before = owner.wait.take();
    let may_not_wait = owner.may_not_wait.replace(false);
    let fetches_before = owner.fetches.replace(fetches);
    let handler_before = owner.handler.get();
    let doing_before = owner.mailbox(|mailbox| mailbox.note(task.origin.doing()));
    let origin_before = owner.origin.replace(std::mem::take(&mut task.origin));
    owner.depth.set(owner.depth.get() + 1);
    let lent = owner.lent();
    let status = task.stack.resume(stack, arguments);
    owner.take_back(lent);
    owner.depth.set(owner.depth.get() - 1);
    owner.mailbox(|mailbox| doing_before.map(|before| mailbox.note(before)));
    owner.running.set(outer);
    owner.may_not_wait.set(may_not_wait);
    owner.fetches.set(fetches_before);
    owner.handler.set(handler_before);
    #[cfg(feature = "luajit")]
    owner.stream.release(owner);
    let wait = owner.wait.replace(wait_before);
    // It may have gone on to other messages.
    task.origin = owner.origin.replace(origin_before);
    match status {
        lua::LUA_OK => {
            // All that lies above the starters: not every Lua counts just the results.
            let results = task.stack.top() - BASE;
            end(owner, stack, &task.origin, Ended::Returned(task.stack, results));
            recycle(owner, stack, &task);
        }
        lua::LUA_YIELD => suspend(owner, task, wait),
        _ => {
            let traceback = report::handler_failed(owner, stack, task.stack, task.origin.name());
            end(owner, stack, &task.origin, Ended::Failed(&traceback));
            // A thread that raised is dead.
            stack.release(task.anchor);
        }
    }
}

/// Threads that are kept for the next handlers.
const IDLE: usize = 64;

fn recycle(owner: &Owner, stack: Stack, task: &Task) {
    give_back(owner, stack, (task.stack, task.anchor));
}

/// A private thread whose function has returned.
pub(crate) fn give_back(owner: &Owner, stack: Stack, thread: (Stack, Anchor)) {
    thread.0.set_top(BASE);
    let mut idle = owner.idle.borrow_mut();
    if idle.len() < IDLE {
        idle.push(thread);
    } else {
        drop(idle);
        stack.release(thread.1);
    }
}

fn suspend(owner: &Owner, mut task: Task, wait: Option<Wait>) {
    task.stack.set_top(0);
    let id = owner.last_task.get() + 1;
    owner.last_task.set(id);
    let deadline = match wait {
        Some(Wait::Until(deadline)) => deadline,
        Some(Wait::Message(key, deadline)) => {
            task.receiving = Some(key);
            dispatch::add_receiver(owner, key, id);
            deadline
        }
        Some(Wait::Answer(call, deadline)) => {
            task.calling = Some(call);
            if let Some(calling) = owner.calls.borrow_mut().get_mut(&call) {
                calling.task = Some(id);
            }
            deadline
        }
        None => {
            owner.ready.borrow_mut().push_back(id);
            None
        }
    };
    if let Some(deadline) = deadline {
        task.timer = Some(owner.timers.borrow_mut().add(deadline, Due::Resume { task: id }));
    }
    owner.tasks.borrow_mut().insert(id, task);
}

/// Takes a suspended task, which then waits for nothing any more. `None` if it has gone on already.
pub(crate) fn take(owner: &Owner, id: u64) -> Option<Task> {
    let mut task = owner.tasks.borrow_mut().remove(&id)?;
    if let Some(timer) = task.timer.take() {
        drop(owner.timers.borrow_mut().remove(timer));
    }
    if let Some(key) = task.receiving.take() {
        dispatch::remove_receiver(owner, key, id);
    }
    if let Some(call) = task.calling.take() {
        drop(owner.calls.borrow_mut().remove(&call));
    }
    Some(task)
}

/// Goes on with a task; `push` pushes the results of its wait and says how many. If that fails, the results are false
/// and the error: a task never stays behind.
pub(crate) fn go_on(owner: &Owner, stack: Stack, task: Task, mut push: impl FnMut(Stack) -> i32) {
    let arguments = owner.protect(stack, 0, &mut push).unwrap_or_else(|Raised| {
        stack.push_boolean(false);
        stack.insert(-2);
        2
    });
    stack.move_to(task.stack, arguments);
    run(owner, stack, task, arguments, Fetches::Nothing);
}

/// Goes on with a task whose time has come: a sleep ends with nothing, other waits with their timeout.
pub(crate) fn time_is_over(owner: &Owner, stack: Stack, id: u64) {
    let waits = |task: &Task| (task.receiving.is_some(), task.calling.is_some());
    let waits = owner.tasks.borrow().get(&id).map(waits);
    let Some(task) = take(owner, id) else { return };
    go_on(owner, stack, task, |stack| match waits {
        Some((true, _)) => push_failure(stack, "no message came in time", "timeout"),
        Some((_, true)) => call::push_call_error(stack, &CallError::Timeout),
        _ => 0,
    });
}

/// `false, message, name`.
pub(crate) fn push_failure(stack: Stack, message: &str, name: &str) -> i32 {
    stack.push_boolean(false);
    stack.push_str(message);
    stack.push_str(name);
    3
}

impl Origin {
    /// For threads that wait and would like to know.
    pub(crate) fn doing(&self) -> Doing {
        match self {
            Self::Port(endpoint, _) => Doing::Handling(endpoint.key.handle()),
            _ => Doing::Task,
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Port(endpoint, _) => endpoint.name.as_deref(),
            Self::Request(exchange) => Some(&exchange.name),
            Self::Socket(name) => Some(name),
            Self::Own => None,
        }
    }
}

/// A handler has returned (its results are on top of its stack) or failed.
pub(crate) fn end(owner: &Owner, stack: Stack, origin: &Origin, ended: Ended<'_>) {
    match origin {
        Origin::Port(endpoint, question) => {
            match (ended, endpoint.callback.get()) {
                (Ended::Failed(message), _) => {
                    endpoint.errors.set(endpoint.errors.get() + 1);
                    if let Some(question) = question {
                        question.fail(message);
                    }
                }
                (Ended::Returned(from, count), Some(callback)) => {
                    if let Some(question) = question {
                        callback::answer(owner, stack, endpoint, callback, question, (from, count));
                    }
                }
                _ => {}
            }
            dispatch::handler_ended(owner, endpoint);
        }
        Origin::Request(exchange) => exchange.task_ended(owner, stack, &ended),
        Origin::Socket(_) | Origin::Own => {}
    }
}

/// Why code that runs under the lock is told not to wait.
pub(crate) const MAY_NOT_WAIT: &str = "what runs under the state's lock may not wait";

/// Is this code a handler or a spawned function, which alone may be suspended?
pub(crate) fn may_wait(owner: &Owner, stack: Stack) -> bool {
    owner.running.get() == Some(stack)
}

/// `moonport.spawn(fn, ...)`.
pub(crate) fn spawn(owner: &Owner, stack: Stack) -> Result {
    if stack.kind(1) != lua::LUA_TFUNCTION {
        return Err(format!("moonport.spawn: expected a function, got {}", stack.type_name(1)).into());
    }
    if let Some(failed) = wrong_thread(owner, stack, "moonport.spawn") {
        return Ok(failed);
    }
    if owner.depth.get() >= dispatch::DEEPEST {
        return Err("moonport.spawn: nested more than 16 deep".into());
    }
    let thread = thread(owner, stack);
    let values = stack.top();
    if !thread.0.reserve(values) {
        return Err("moonport.spawn: too many arguments".into());
    }
    stack.move_to(thread.0, values);
    start(owner, stack, thread, values - 1, Origin::Own);
    owner.rearm();
    Ok(Outcome::Values(0))
}

/// `moonport.sleep(seconds)`.
pub(crate) fn sleep(owner: &Owner, stack: Stack) -> Result {
    let wait = timer::seconds(stack, 1, "moonport.sleep")?;
    if owner.may_not_wait.get() {
        return Ok(fail(stack, &format!("moonport.sleep: {MAY_NOT_WAIT}"), "would_deadlock"));
    }
    if !may_wait(owner, stack) {
        return Err("moonport.sleep: only a handler or a function started by moonport.spawn can sleep".into());
    }
    owner.wait.set(Some(Wait::Until(timer::after_now(wait))));
    Ok(Outcome::Yield)
}
