// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.http`: a server as a Lua object. Its thread is moonport-http's; its handlers run here.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mlua_sys as lua;
use moonport_core::{Payload, PortKey, PortOptions};
use moonport_http::{
    Config, Content, EventsOptions, RouteOptions, Routes, SelfSigned, Server as Running, SocketEvent, Tls,
};

use crate::dispatch;
use crate::exchange;
use crate::function::{Failure, Outcome, Result, c_function, fail};
use crate::object::{self, Class, Object};
use crate::options::{self, Value};
use crate::owner::{Owner, Receiver, until};
use crate::pages::Pages;
use crate::run;
use crate::stack::{Anchor, Stack};
use crate::timer::{self, Due};
use crate::websocket::{self, Open};

/// A server, running or not.
pub(crate) struct Site {
    pub(crate) created: String,
    pub(crate) serial_number: u64,
    pub(crate) debug: bool,
    config: Config,
    queue: usize,
    pub(crate) routes: RefCell<Routes>,
    /// "POST /items/{id}" and so on, for reports. The functions stand in the same order in the table that goes with the
    /// object, where the collector sees what they refer to.
    pub(crate) names: RefCell<Vec<Rc<str>>>,
    /// That table, while the server runs. It has the object too, at 0.
    handlers: Cell<Option<Anchor>>,
    /// Its open WebSockets, by number.
    pub(crate) sockets: RefCell<HashMap<u64, Open>>,
    running: RefCell<Option<Running>>,
    /// Its thread is about to end.
    finished: RefCell<Arc<AtomicBool>>,
    key: Cell<Option<PortKey>>,
    /// When the connections that are left are cut, once it is stopping.
    deadline: Cell<Option<Instant>>,
}

/// `moonport.Server`.
pub(crate) struct Server(Rc<Site>);

static CLASS: Class = Class("moonport.Server");

impl Object for Server {
    const CLASS: &'static Class = &CLASS;

    fn methods() -> &'static [(&'static str, lua::lua_CFunction)] {
        &[
            ("route", c_function!(route)),
            ("get", c_function!(get)),
            ("post", c_function!(post)),
            ("put", c_function!(put)),
            ("patch", c_function!(patch)),
            ("delete", c_function!(delete)),
            ("events", c_function!(events)),
            ("static", c_function!(directory)),
            ("websocket", c_function!(websocket::add)),
            ("start", c_function!(start)),
            ("link", c_function!(link)),
            ("stats", c_function!(stats)),
            ("stop", c_function!(stop)),
            ("__index", c_function!(index)),
        ]
    }
}

/// `moonport.http(options)`.
pub(crate) fn http(owner: &Owner, stack: Stack) -> Result {
    const FUNCTION: &str = "moonport.http";
    stack.set_top(1);
    let place = object::reserve(owner, stack);
    let mut config = Config::default();
    let (mut queue, mut debug, mut token) = (1024, false, true);
    options::read(stack, 1, FUNCTION, |key, value| {
        match key {
            "address" => config.address = value.text()?.to_owned(),
            "allow_remote" => config.allow_remote = value.boolean()?,
            "token" if stack.kind(-1) == lua::LUA_TBOOLEAN => token = value.boolean()?,
            "token" => {
                let text = value.text()?;
                moonport_http::check_token(text).map_err(|error| format!("{FUNCTION}: token: {error}"))?;
                config.token = Some(text.to_owned());
            }
            "hosts" => config.hosts = value.texts()?,
            "origins" => config.origins = value.texts()?,
            "max_body" => config.max_body = value.count()?,
            "max_connections" => config.max_connections = value.count()?,
            "queue" => queue = value.count()?,
            "deadline" => config.deadline = value.seconds()?,
            "debug" => debug = value.boolean()?,
            "limits" => options::read(stack, -1, "moonport.http: limits", |key, value| limit(&mut config, key, value))?,
            "tls" => config.tls = Some(tls(stack, value)?),
            "client" => config.client = value.boolean()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if token {
        let random =
            || moonport_http::random_token().map_err(|error| format!("{FUNCTION}: no random numbers: {error}"));
        if config.token.is_none() {
            config.token = Some(random()?);
        }
        // Pages stay at home while the server is stopped and started again.
        config.session = Some(random()?);
    } else {
        config.token = None;
    }
    let site = Rc::new(Site {
        created: stack.caller(),
        serial_number: owner.count_object(),
        debug,
        config,
        queue,
        routes: RefCell::default(),
        names: RefCell::default(),
        handlers: Cell::new(None),
        sockets: RefCell::default(),
        running: RefCell::new(None),
        finished: RefCell::default(),
        key: Cell::new(None),
        deadline: Cell::new(None),
    });
    place.fill(Server(site));
    stack.new_table(0, 1);
    stack.copy(-2);
    stack.raw_set_at(-2, 0);
    stack.set_user_value(-2);
    Ok(Outcome::Values(1))
}

/// The option on top: true, or a table of two files.
fn tls(stack: Stack, value: Value<'_>) -> Result<Tls> {
    const WANTED: &str = "true or {certificate = ..., key = ...}";
    if stack.kind(-1) == lua::LUA_TBOOLEAN && stack.truth(-1) {
        return Ok(Tls::SelfSigned(SelfSigned::default()));
    }
    if stack.kind(-1) != lua::LUA_TTABLE {
        return Err(value.wrong(WANTED));
    }
    let (mut certificate, mut key) = (None, None);
    options::read(stack, -1, "moonport.http: tls", |name, value| {
        match name {
            "certificate" => certificate = Some(value.path()?),
            "key" => key = Some(value.path()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let (Some(certificate), Some(key)) = (certificate, key) else { return Err(value.wrong(WANTED)) };
    Ok(Tls::Files { certificate, key })
}

fn limit(config: &mut Config, key: &str, value: Value<'_>) -> Result<bool> {
    let limits = &mut config.limits;
    match key {
        "head" => limits.head = value.count()?,
        "headers" => limits.headers = value.count()?,
        "uri" => limits.uri = value.count()?,
        "depth" => limits.depth = value.count()?,
        "message" => limits.message = value.count()?,
        "head_time" => limits.head_time = value.seconds()?,
        "body_time" => limits.body_time = value.seconds()?,
        "idle_time" => limits.idle_time = value.seconds()?,
        _ => return Ok(false),
    }
    Ok(true)
}

pub(crate) fn site<'a>(stack: Stack, function: &str) -> Result<&'a Rc<Site>> {
    object::check::<Server>(stack, 1, function).map(|server| &server.0)
}

pub(crate) fn argument<'a>(stack: Stack, index: i32, function: &str, what: &str) -> Result<&'a str> {
    stack.text(index).ok_or_else(|| Failure(format!("{function}: expected {what}, got {}", stack.type_name(index))))
}

/// Fields and methods: `token`, and everything in the table of methods.
fn index(owner: &Owner, stack: Stack) -> Result {
    let site = site(stack, "server.token")?;
    let name = stack.text(2).unwrap_or("");
    if name == "token" {
        match &site.config.token {
            Some(token) => stack.push_str(token),
            None => stack.push_nil(),
        }
    } else {
        match Server::methods().iter().find(|(method, _)| *method == name && !name.starts_with("__")) {
            Some((_, function)) => owner.push_function(stack, *function),
            None => stack.push_nil(),
        }
    }
    Ok(Outcome::Values(1))
}

fn route(_: &Owner, stack: Stack) -> Result {
    let method = argument(stack, 2, "server:route", "a method such as \"GET\"")?;
    add_route(stack, "server:route", method, 3)
}

fn get(_: &Owner, stack: Stack) -> Result {
    add_route(stack, "server:get", "GET", 2)
}

fn post(_: &Owner, stack: Stack) -> Result {
    add_route(stack, "server:post", "POST", 2)
}

fn put(_: &Owner, stack: Stack) -> Result {
    add_route(stack, "server:put", "PUT", 2)
}

fn patch(_: &Owner, stack: Stack) -> Result {
    add_route(stack, "server:patch", "PATCH", 2)
}

fn delete(_: &Owner, stack: Stack) -> Result {
    add_route(stack, "server:delete", "DELETE", 2)
}

/// Path, handler and options stand from argument `first` on.
fn add_route(stack: Stack, function: &str, method: &str, first: i32) -> Result {
    let site = site(stack, function)?;
    let path = argument(stack, first, function, "a path such as \"/items/{id}\"")?;
    if stack.kind(first + 1) != lua::LUA_TFUNCTION {
        return Err(format!("{function}: expected a function, got {}", stack.type_name(first + 1)).into());
    }
    let mut settings = RouteOptions::default();
    options::read(stack, first + 2, function, |key, value| {
        match key {
            "max_body" => settings.max_body = Some(value.count()?),
            "deadline" => settings.deadline = Some(value.seconds()?),
            "token" => settings.token = no_token(value)?,
            "content" => {
                settings.content = Some(match value.text()? {
                    "json" => Content::Json,
                    "msgpack" => Content::MessagePack,
                    "raw" => Content::Raw,
                    _ => return Err(value.wrong("\"json\", \"msgpack\" or \"raw\"")),
                });
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let name = format!("{} {path}", method.to_ascii_uppercase());
    let place = site.add(function, (method, path), settings, name)?;
    stack.get_user_value(1);
    stack.copy(first + 1);
    stack.raw_set_at(-2, place);
    stack.set_top(1);
    Ok(Outcome::Values(1))
}

/// `server:events(path, options)`.
fn events(owner: &Owner, stack: Stack) -> Result {
    const FUNCTION: &str = "server:events";
    stack.set_top(3);
    let site = site(stack, FUNCTION)?;
    let path = argument(stack, 2, FUNCTION, "a path such as \"/events\"")?;
    let place = object::reserve(owner, stack);
    let mut settings = EventsOptions::default();
    options::read(stack, 3, FUNCTION, |key, value| {
        match key {
            "history" => {
                let history = stack.integer(-1).and_then(|history| usize::try_from(history).ok());
                settings.history = history.ok_or_else(|| value.wrong("an integer, 0 or more"))?;
            }
            "token" => settings.token = no_token(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if site.running.borrow().is_some() {
        return Err(format!("{FUNCTION}: the server runs; add events before server:start").into());
    }
    let added = site.routes.borrow_mut().add_events(path, settings);
    let added = added.map_err(|error| format!("{FUNCTION}: {error}"))?;
    // It has a number among the routes, and no handler.
    site.names.borrow_mut().push(format!("GET {path}").into());
    place.fill(Pages(added));
    Ok(Outcome::Values(1))
}

/// The option of a route that needs no token: false, and nothing else.
fn no_token(value: Value<'_>) -> Result<bool> {
    if value.boolean()? {
        return Err(value.wrong("false (routes need the server's token unless told otherwise)"));
    }
    Ok(false)
}

fn directory(_: &Owner, stack: Stack) -> Result {
    const FUNCTION: &str = "server:static";
    let site = site(stack, FUNCTION)?;
    let prefix = argument(stack, 2, FUNCTION, "a prefix such as \"/\"")?;
    let directory = argument(stack, 3, FUNCTION, "a directory")?;
    if site.running.borrow().is_some() {
        return Err(format!("{FUNCTION}: the server runs; add directories before server:start").into());
    }
    let added = site.routes.borrow_mut().add_static(prefix, directory.as_ref());
    added.map_err(|error| format!("{FUNCTION}: {error}"))?;
    stack.set_top(1);
    Ok(Outcome::Values(1))
}

fn start(owner: &Owner, stack: Stack) -> Result {
    let site = site(stack, "server:start")?;
    if let Some(failed) = run::wrong_thread(owner, stack, "server:start") {
        return Ok(failed);
    }
    let url = site.running.borrow().as_ref().map(|running| running.url().to_owned());
    if let Some(url) = url {
        owner.push_text(stack, url);
        return Ok(Outcome::Values(1));
    }
    // Before anything is opened: this may raise.
    stack.get_user_value(1);
    let handlers = stack.anchor();
    let settings = PortOptions { capacity: site.queue, capacity_bytes: usize::MAX, ..PortOptions::default() };
    let opened = owner.mailbox(|mailbox| {
        let key = mailbox.open(settings).ok()?;
        mailbox.listen(key, true);
        mailbox.sender(key).map(|sender| (key, sender))
    });
    let Some((key, sender)) = opened.flatten() else {
        stack.release(handlers);
        return Ok(fail(stack, "server:start: this Lua state is closing", "closed"));
    };
    let routes = site.routes.borrow().clone();
    match Running::start(site.config.clone(), routes, sender) {
        Ok(running) => {
            let url = running.url().to_owned();
            *site.running.borrow_mut() = Some(running);
            site.key.set(Some(key));
            site.deadline.set(None);
            site.finished.replace(Arc::default());
            site.handlers.set(Some(handlers));
            owner.set_receiver(key, Some(Receiver::Site(Rc::clone(site))));
            owner.sites.borrow_mut().push(Rc::clone(site));
            owner.push_text(stack, url);
            Ok(Outcome::Values(1))
        }
        Err(error) => {
            stack.release(handlers);
            owner.mailbox(|mailbox| {
                mailbox.close(key);
                mailbox.release(key);
            });
            Ok(fail(stack, &format!("server:start: {error}"), error.name()))
        }
    }
}

fn link(owner: &Owner, stack: Stack) -> Result {
    let site = site(stack, "server:link")?;
    let path = if stack.kind(2) <= lua::LUA_TNIL { "/" } else { argument(stack, 2, "server:link", "a path")? };
    if !path.starts_with('/') {
        return Err(format!("server:link: expected a path that begins with \"/\", got {path:?}").into());
    }
    if is_forked(owner) {
        return Ok(fail(stack, FORKED, "forked"));
    }
    // Nothing stays borrowed while Lua is entered: a finaliser may stop the server.
    let link = site.running.borrow().as_ref().map(|running| running.link(path));
    match link {
        Some(Ok(link)) => owner.push_text(stack, link),
        Some(Err(error)) => return Ok(fail(stack, &format!("server:link: {error}"), "unsupported")),
        None => return Ok(fail(stack, "server:link: the server does not run", "closed")),
    }
    Ok(Outcome::Values(1))
}

const FORKED: &str = "the server belongs to the parent of this forked process";

fn is_forked(owner: &Owner) -> bool {
    owner.mailbox(|mailbox| mailbox.is_forked()).unwrap_or(false)
}

fn stats(owner: &Owner, stack: Stack) -> Result {
    let site = site(stack, "server:stats")?;
    if is_forked(owner) {
        return Ok(fail(stack, FORKED, "forked"));
    }
    stack.new_table(0, 16);
    let running = site.running.borrow().as_ref().map(Running::stats);
    if let Some(stats) = running {
        for (name, count) in [
            ("connections", stats.connections),
            ("accepted", stats.accepted),
            ("requests", stats.requests),
            ("forwarded", stats.forwarded),
            ("answered", stats.answered),
            ("refused", stats.refused),
            ("full", stats.full),
            ("evicted", stats.evicted),
            ("timeouts", stats.timeouts),
            ("cancelled", stats.cancelled),
            ("sockets", stats.sockets),
            ("messages_received", stats.messages_received),
            ("messages_sent", stats.messages_sent),
            ("pages", stats.pages),
        ] {
            stack.push_count(count);
            stack.set_field(-2, name);
        }
    }
    if let Some(stats) = site.key.get().and_then(|key| owner.mailbox(|mailbox| mailbox.stats(key)).flatten()) {
        stack.push_count(stats.waiting);
        stack.set_field(-2, "waiting");
    }
    Ok(Outcome::Values(1))
}

fn stop(owner: &Owner, stack: Stack) -> Result {
    let site = site(stack, "server:stop")?;
    let grace =
        if stack.kind(2) <= lua::LUA_TNIL { Duration::from_secs(2) } else { timer::seconds(stack, 2, "server:stop")? };
    if is_forked(owner) {
        return Ok(fail(stack, FORKED, "forked"));
    }
    if let Some(failed) = run::wrong_thread(owner, stack, "server:stop") {
        return Ok(failed);
    }
    let Some(deadline) = site.begin_stop(owner, grace) else { return Ok(Outcome::Values(0)) };
    if owner.depth.get() > 0 {
        // The handler that called cannot be waited for: the turns after it see to the rest.
        owner.timers.borrow_mut().add(deadline, Due::Nothing);
        return Ok(Outcome::Values(0));
    }
    serve_until(owner, stack, deadline, || site.is_over(owner))?;
    Ok(Outcome::Values(0))
}

/// Stops every server, as `server:stop` does.
///
/// # Errors
/// A debug hook that ran because of a signal raised an error.
pub(crate) fn stop_all(owner: &Owner, stack: Stack, grace: Duration) -> Result<()> {
    let sites = owner.sites.borrow().clone();
    let deadlines: Vec<_> = sites.iter().filter_map(|site| site.begin_stop(owner, grace)).collect();
    if owner.depth.get() > 0 {
        return Ok(());
    }
    let Some(deadline) = deadlines.into_iter().max() else { return Ok(()) };
    serve_until(owner, stack, deadline, || sites.iter().all(|site| site.is_over(owner)))
}

/// Runs turns until it is over, or the deadline.
fn serve_until(owner: &Owner, stack: Stack, deadline: Instant, is_over: impl Fn() -> bool) -> Result<()> {
    let stopping = owner.stopping.replace(false);
    let mut slept = Ok(());
    while slept.is_ok() && !is_over() {
        if dispatch::turn(owner, stack) == 0 && !is_over() {
            slept = dispatch::sleep(owner, stack, Some(until(deadline)));
        }
    }
    owner.stopping.set(stopping || owner.stopping.get());
    owner.settle_sites(stack);
    slept
}

/// Where the table of functions has what belongs to a route.
pub(crate) fn place(route: usize) -> lua::lua_Integer {
    lua::lua_Integer::try_from(route + 1).unwrap_or(lua::lua_Integer::MAX)
}

impl Site {
    /// Stops accepting; gives when the rest is cut, or `None` if it does not run.
    fn begin_stop(&self, owner: &Owner, grace: Duration) -> Option<Instant> {
        let running = self.running.borrow();
        let running = running.as_ref()?;
        let waker = owner.mailbox(|mailbox| mailbox.notifier())?;
        if self.deadline.get().is_none() {
            let finished = Arc::clone(&self.finished.borrow());
            running.begin_stop(Box::new(move || {
                finished.store(true, Ordering::Release);
                waker.wake();
            }));
        }
        let deadline = timer::after_now(grace).or_else(|| timer::after_now(Duration::from_secs(86_400 * 365)))?;
        self.deadline.set(Some(deadline));
        Some(deadline)
    }

    /// Has its thread ended, with all delivered that it sent, or its time?
    fn is_over(&self, owner: &Owner) -> bool {
        self.running.borrow().is_none()
            // Pairs with the store before the wake-up.
            || (self.finished.borrow().load(Ordering::Acquire) && !self.has_waiting(owner))
            || self.deadline.get().is_some_and(|deadline| deadline <= Instant::now())
    }

    fn has_waiting(&self, owner: &Owner) -> bool {
        let stats = self.key.get().and_then(|key| owner.mailbox(|mailbox| mailbox.stats(key)).flatten());
        stats.is_some_and(|stats| stats.waiting > 0)
    }

    /// Cuts what is left, joins the thread and lets go of the port.
    pub(crate) fn abort(&self, owner: &Owner, stack: Stack) {
        for open in self.sockets.take().into_values() {
            stack.release(open.object);
        }
        if let Some(handlers) = self.handlers.take() {
            stack.release(handlers);
        }
        if let Some(running) = self.running.take() {
            running.abort();
        }
        self.deadline.set(None);
        if let Some(key) = self.key.take() {
            owner.set_receiver(key, None);
            owner.mailbox(|mailbox| {
                mailbox.close(key);
                mailbox.release(key);
            });
        }
    }

    /// Adds a route; gives its place in the table that goes with the object.
    ///
    /// # Errors
    /// The server runs, or the route cannot be.
    pub(crate) fn add(
        &self,
        function: &str,
        (method, path): (&str, &str),
        settings: RouteOptions,
        name: String,
    ) -> Result<lua::lua_Integer> {
        if self.running.borrow().is_some() {
            return Err(format!("{function}: the server runs; add routes before server:start").into());
        }
        let added = self.routes.borrow_mut().add(method, path, settings);
        added.map_err(|error| format!("{function}: {error}"))?;
        let mut names = self.names.borrow_mut();
        names.push(name.into());
        Ok(place(names.len() - 1))
    }

    /// Hands on a message of the server's.
    pub(crate) fn deliver(self: &Rc<Self>, owner: &Owner, stack: Stack, thread: (Stack, Anchor), payload: Payload) {
        match payload {
            Payload::Object { value, .. } => match value.downcast::<SocketEvent>() {
                Ok(event) => websocket::deliver(owner, stack, thread, self, *event),
                Err(value) => exchange::deliver(owner, stack, thread, self, value.downcast().ok()),
            },
            _ => owner.idle.borrow_mut().push(thread),
        }
        self.room_made();
    }

    /// A message of the server's was taken.
    pub(crate) fn room_made(&self) {
        if let Some(running) = self.running.borrow().as_ref() {
            running.room_made();
        }
    }

    /// As reports name a route.
    pub(crate) fn name(&self, route: usize) -> Option<Rc<str>> {
        self.names.borrow().get(route).cloned()
    }

    /// The table of functions, in the order of the routes; `None` if the server does not run.
    pub(crate) fn handlers(&self) -> Option<Anchor> {
        self.handlers.get()
    }

    pub(crate) fn key(&self) -> Option<PortKey> {
        self.key.get()
    }
}

impl Owner {
    /// Is a server about to end?
    pub(crate) fn has_stopping_sites(&self) -> bool {
        self.sites.borrow().iter().any(|site| site.deadline.get().is_some())
    }

    /// Ends the servers whose stopping is over.
    pub(crate) fn settle_sites(&self, stack: Stack) {
        if !self.has_stopping_sites() {
            return;
        }
        let (over, kept) =
            self.sites.take().into_iter().partition(|site| site.deadline.get().is_some() && site.is_over(self));
        self.sites.borrow_mut().extend::<Vec<_>>(kept);
        let over: Vec<Rc<Site>> = over;
        for site in over {
            websocket::cut_all(self, stack, &site);
            site.abort(self, stack);
        }
    }
}
