// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.port`: a port of the state's mailbox as a Lua object.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua_sys as lua;
use moonport_callback::callback::Callback;
use moonport_core::{Encoding, Look, OpenError, Overflow, PortKey, PortOptions, PortStats, Sender};

use crate::dispatch;
use crate::fetch::{self, Shown};
use crate::function::{Outcome, Result, c_function};
use crate::lanes::{self, Opened};
use crate::object::{self, Class, Object};
use crate::options::{self, Value};
use crate::owner::{Owner, Receiver, Returned, until};
use crate::run;
use crate::sender;
use crate::stack::{Anchor, Stack};
use crate::task::{self, Fetches, Wait};
use crate::timer;

/// A port, as dispatch sees it. Its Lua object keeps it too, for the counts and the descriptor, which outlive the close.
pub(crate) struct Endpoint {
    pub(crate) key: PortKey,
    pub(crate) sender: Sender,
    pub(crate) name: Option<String>,
    pub(crate) serial: bool,
    pub(crate) created: String,
    pub(crate) serial_number: u64,
    pub(crate) referenced: Cell<bool>,
    pub(crate) handler: Cell<Option<Anchor>>,
    /// How often that has changed.
    pub(crate) handlers: Cell<u32>,
    /// How steadily its messages come, and whether they are handled by compiled code.
    #[cfg(feature = "luajit")]
    pub(crate) pace: Cell<u32>,
    /// Does the handler look at its second argument?
    pub(crate) wants_message: Cell<bool>,
    /// A serial port's handler has not ended yet.
    pub(crate) busy: Cell<bool>,
    /// Tasks that wait for a message.
    pub(crate) receivers: RefCell<VecDeque<u64>>,
    pub(crate) lane: RefCell<Option<Opened>>,
    /// It belongs to a callback.
    pub(crate) callback: Cell<Option<&'static Callback>>,
    /// Handlers that failed.
    pub(crate) errors: Cell<u64>,
    /// Where keys go whose ports nobody can ask about any more.
    returned: Returned,
}

impl Endpoint {
    /// What kind of task handles its messages?
    pub(crate) fn fetches(&self) -> Fetches {
        let Some(callback) = self.callback.get() else { return Fetches::Messages };
        match callback.marshal.plan().parameters.len() {
            count @ 0..=task::MOST if !callback.waits => Fetches::Void(count),
            _ => Fetches::Calls,
        }
    }

    /// What its handler gets; `asks`: somebody waits for the answer.
    pub(crate) fn shown(&self, asks: bool) -> Shown {
        match self.callback.get() {
            Some(callback) => Shown::Arguments(callback),
            None if self.wants_message.get() => Shown::Message { asks },
            None => Shown::Value,
        }
    }

    /// Is it that of a locked callback?
    pub(crate) fn is_locked(&self) -> bool {
        self.callback.get().is_some_and(|callback| callback.locked)
    }

    /// Does its next message go to its handler?
    pub(crate) fn is_plain(&self) -> bool {
        self.handler.get().is_some() && self.receivers.borrow().is_empty()
    }

    /// Lets go of the handler.
    pub(crate) fn forget(&self, stack: Stack) {
        self.handlers.set(self.handlers.get().wrapping_add(1));
        if let Some(handler) = self.handler.take() {
            stack.release(handler);
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.returned.borrow_mut().push(self.key);
    }
}

/// `moonport.Port`.
pub(crate) struct Port {
    pub(crate) endpoint: Rc<Endpoint>,
}

static CLASS: Class = Class("moonport.Port");

impl Object for Port {
    const CLASS: &'static Class = &CLASS;

    fn methods() -> &'static [(&'static str, lua::lua_CFunction)] {
        &[
            ("on", c_function!(on)),
            ("receive", c_function!(receive)),
            ("send", c_function!(send)),
            ("handle", c_function!(handle)),
            ("descriptor", c_function!(lanes::descriptor)),
            ("stats", c_function!(stats)),
            ("ref", c_function!(reference)),
            ("unref", c_function!(unreference)),
            ("close", c_function!(close)),
        ]
    }
}

/// `moonport.port(options)`.
pub(crate) fn port(owner: &Owner, stack: Stack) -> Result {
    stack.set_top(1);
    let place = object::reserve(owner, stack);
    let created = stack.caller();
    let mut settings = PortOptions::default();
    let (mut serial, mut referenced) = (false, true);
    options::read(stack, 1, "moonport.port", |key, value| {
        match key {
            "name" => settings.name = Some(value.text()?.to_owned()),
            "capacity" => settings.capacity = value.count()?,
            "capacity_bytes" => settings.capacity_bytes = value.count()?,
            "overflow" => settings.overflow = overflow(value)?,
            "codec" => settings.encoding = codec(value)?,
            "serial" => serial = value.boolean()?,
            "ref" => referenced = value.boolean()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let made = Made { created, serial, referenced };
    match open(owner, "moonport.port", settings, made)? {
        Ok(endpoint) => {
            place.fill(Port { endpoint });
            Ok(Outcome::Values(1))
        }
        Err(failed) => Ok(failed),
    }
}

/// How an endpoint is made, beside the options of its port.
pub(crate) struct Made {
    pub(crate) created: String,
    pub(crate) serial: bool,
    pub(crate) referenced: bool,
}

/// Opens a port of the mailbox for `function`; the inner error is a failure of the world.
pub(crate) fn open(
    owner: &Owner,
    function: &str,
    settings: PortOptions,
    made: Made,
) -> Result<std::result::Result<Rc<Endpoint>, Outcome>> {
    owner.renew_if_forked();
    let name = settings.name.clone();
    let returned = owner.returned().take();
    let opened = owner.mailbox(|mailbox| {
        for key in returned {
            mailbox.release(key);
        }
        mailbox.open(settings).map(|key| Some(key).zip(mailbox.sender(key)))
    });
    let failed = |message: String, name| Ok(Err(Outcome::Failed(format!("{function}: {message}"), Some(name))));
    let (key, sender) = match opened {
        Some(Ok(Some(opened))) => opened,
        Some(Err(error @ OpenError::Exists(_))) => return failed(error.to_string(), "exists"),
        Some(Err(error)) => return failed(error.to_string(), "no_memory"),
        _ => return failed("this Lua state is closing".into(), "closed"),
    };
    let endpoint = Rc::new(Endpoint {
        key,
        sender,
        name,
        serial: made.serial,
        created: made.created,
        serial_number: owner.count_object(),
        referenced: Cell::new(made.referenced),
        handler: Cell::new(None),
        handlers: Cell::default(),
        #[cfg(feature = "luajit")]
        pace: Cell::default(),
        wants_message: Cell::new(true),
        busy: Cell::new(false),
        receivers: RefCell::default(),
        lane: RefCell::default(),
        callback: Cell::new(None),
        errors: Cell::new(0),
        returned: owner.returned(),
    });
    owner.set_receiver(key, Some(Receiver::Port(Rc::clone(&endpoint))));
    Ok(Ok(endpoint))
}

pub(crate) fn overflow(value: Value<'_>) -> Result<Overflow> {
    Ok(match value.text()? {
        "error" => Overflow::Error,
        "drop_new" => Overflow::DropNew,
        "drop_old" => Overflow::DropOld,
        "latest" => Overflow::Latest,
        "block" => Overflow::Block,
        _ => return Err(value.wrong("\"error\", \"drop_new\", \"drop_old\", \"latest\" or \"block\"")),
    })
}

fn codec(value: Value<'_>) -> Result<Encoding> {
    Ok(match value.text()? {
        "raw" => Encoding::Raw,
        "json" => Encoding::Json,
        "msgpack" => Encoding::MessagePack,
        _ => return Err(value.wrong("\"raw\", \"json\" or \"msgpack\"")),
    })
}

pub(crate) const CLOSED: &str = "the port is closed";

fn on(owner: &Owner, stack: Stack) -> Result {
    let endpoint = &object::check::<Port>(stack, 1, "port:on")?.endpoint;
    if stack.kind(2) != lua::LUA_TFUNCTION && stack.kind(2) != lua::LUA_TNIL {
        return Err(format!("port:on: expected a function or nil, got {}", stack.type_name(2)).into());
    }
    // Before anything changes: this may raise.
    let handler = (stack.kind(2) == lua::LUA_TFUNCTION).then(|| {
        let takes_two = stack.takes_two(2);
        stack.copy(2);
        (stack.anchor(), takes_two)
    });
    if owner.endpoint(endpoint.key).is_none() {
        if let Some((handler, _)) = handler {
            stack.release(handler);
        }
        return Err(format!("port:on: {CLOSED}").into());
    }
    endpoint.forget(stack);
    endpoint.wants_message.set(handler.is_none_or(|(_, takes_two)| takes_two));
    endpoint.handler.set(handler.map(|(handler, _)| handler));
    dispatch::listen_as_needed(owner, endpoint);
    stack.set_top(1);
    Ok(Outcome::Values(1))
}

fn receive(owner: &Owner, stack: Stack) -> Result {
    let endpoint = &object::check::<Port>(stack, 1, "port:receive")?.endpoint;
    let wait = if stack.kind(2) <= lua::LUA_TNIL { Duration::ZERO } else { timer::seconds(stack, 2, "port:receive")? };
    let key = endpoint.key;
    if owner.endpoint(key).is_none() {
        return Ok(Outcome::Values(task::push_failure(stack, CLOSED, "closed")));
    }
    lanes::pump_one(owner, stack, endpoint);
    if let Some(message) = owner.mailbox(|mailbox| mailbox.take(key)).flatten() {
        return Ok(Outcome::Values(dispatch::push_received(owner, stack, Some(message))));
    }
    if wait.is_zero() {
        return Ok(Outcome::Values(task::push_failure(stack, "no message waits", "timeout")));
    }
    owner.disturb();
    if owner.may_not_wait.get() {
        let message = format!("port:receive: {}", task::MAY_NOT_WAIT);
        return Ok(Outcome::Values(task::push_failure(stack, &message, "would_deadlock")));
    }
    let deadline = timer::after_now(wait);
    if task::may_wait(owner, stack) {
        owner.wait.set(Some(Wait::Message(key, deadline)));
        return Ok(Outcome::Yield);
    }
    receive_blocking(owner, stack, endpoint, deadline)
}

/// Sleeps until a message comes, and serves meanwhile those who wait for this owner.
fn receive_blocking(owner: &Owner, stack: Stack, endpoint: &Rc<Endpoint>, deadline: Option<Instant>) -> Result {
    let key = endpoint.key;
    owner.disarm();
    loop {
        let is_left = dispatch::serve(owner, stack);
        if owner.endpoint(key).is_none() {
            return Ok(Outcome::Values(task::push_failure(stack, CLOSED, "closed")));
        }
        lanes::pump_all(owner, stack);
        let left = if is_left { Some(Duration::ZERO) } else { owner.wait_until(deadline).map(until) };
        let found = owner.mailbox(|mailbox| (mailbox.look(key), mailbox.prepare_wait(left)));
        if let Some((Look::Message(message), _)) = found {
            return Ok(Outcome::Values(dispatch::push_received(owner, stack, Some(message))));
        }
        if let Some((Look::Nothing, sleep)) = found {
            let woken = owner.asleep(sleep, dispatch::may_enter_from_c(owner, stack));
            dispatch::listen_as_needed(owner, endpoint);
            if fetch::is_signal(&Some(woken)) {
                dispatch::let_hooks_run(stack)?;
            }
        }
        if owner.is_interrupted() {
            return Err("interrupted".into());
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(Outcome::Values(task::push_failure(stack, "no message came in time", "timeout")));
        }
    }
}

fn send(owner: &Owner, stack: Stack) -> Result {
    let port = object::check::<Port>(stack, 1, "port:send")?;
    sender::send_value(owner, stack, port.endpoint.sender, "port:send")
}

fn handle(owner: &Owner, stack: Stack) -> Result {
    let handle = object::check::<Port>(stack, 1, "port:handle")?.endpoint.key.handle();
    owner.push_unsigned(stack, handle);
    Ok(Outcome::Values(1))
}

fn stats(_: &Owner, stack: Stack) -> Result {
    let port = object::check::<Port>(stack, 1, "port:stats")?;
    push_stats(stack, &port.endpoint.sender.stats().unwrap_or_default());
    Ok(Outcome::Values(1))
}

/// Pushes the table of a port's counts.
pub(crate) fn push_stats(stack: Stack, stats: &PortStats) {
    stack.new_table(0, 8);
    for (name, count) in [
        ("sent", stats.sent),
        ("delivered", stats.delivered),
        ("dropped", stats.dropped),
        ("refused", stats.refused),
        ("waiting", stats.waiting),
        ("waiting_bytes", stats.waiting_bytes),
        ("high_water", stats.high_water),
        ("after_close", stats.after_close),
    ] {
        stack.push_count(count);
        stack.set_field(-2, name);
    }
}

fn reference(owner: &Owner, stack: Stack) -> Result {
    set_referenced(owner, stack, "port:ref", true)
}

fn unreference(owner: &Owner, stack: Stack) -> Result {
    set_referenced(owner, stack, "port:unref", false)
}

fn set_referenced(owner: &Owner, stack: Stack, function: &str, referenced: bool) -> Result {
    let port = object::check::<Port>(stack, 1, function)?;
    port.endpoint.referenced.set(referenced);
    owner.disturb();
    stack.set_top(1);
    Ok(Outcome::Values(1))
}

fn close(owner: &Owner, stack: Stack) -> Result {
    let port = object::check::<Port>(stack, 1, "port:close")?;
    let mut drain = false;
    options::read(stack, 2, "port:close", |key, value| {
        if key == "drain" {
            drain = value.boolean()?;
        }
        Ok(key == "drain")
    })?;
    if let Some(failed) = cannot_drain(owner, stack, drain, "port:close") {
        return Ok(failed);
    }
    close_endpoint(owner, stack, &Rc::clone(&port.endpoint), drain);
    Ok(Outcome::Values(0))
}

/// What waits is for the owner's thread to deliver.
pub(crate) fn cannot_drain(owner: &Owner, stack: Stack, drain: bool, function: &str) -> Option<Outcome> {
    drain.then(|| run::wrong_thread(owner, stack, function)).flatten()
}

/// Closes a port; `drain`: what waits is delivered first.
pub(crate) fn close_endpoint(owner: &Owner, stack: Stack, endpoint: &Endpoint, drain: bool) {
    if owner.endpoint(endpoint.key).is_none() {
        return;
    }
    if !owner.is_owner() {
        // Tasks that wait for its messages go on where all tasks run: the owner hears of the close, and sees to the rest.
        endpoint.sender.close().unwrap_or(false);
        return;
    }
    if drain {
        owner.mailbox(|mailbox| mailbox.shut(endpoint.key));
        let waits = || endpoint.sender.stats().is_some_and(|stats| stats.waiting > 0);
        while endpoint.handler.get().is_some() && waits() && !endpoint.busy.get() {
            if dispatch::turn(owner, stack) == 0 {
                break;
            }
        }
    }
    owner.mailbox(|mailbox| mailbox.close(endpoint.key));
    closed(owner, stack, endpoint);
}

/// The port is closed, by Lua or by another thread: lets go of everything that belongs to it.
pub(crate) fn closed(owner: &Owner, stack: Stack, endpoint: &Endpoint) {
    owner.set_receiver(endpoint.key, None);
    if endpoint.is_locked() {
        owner.end_locked();
    }
    endpoint.forget(stack);
    lanes::shut(owner, endpoint);
    let waiting = endpoint.receivers.take();
    for id in waiting {
        if let Some(task) = task::take(owner, id) {
            task::go_on(owner, stack, task, |stack| task::push_failure(stack, CLOSED, "closed"));
        }
    }
}
