// SPDX-License-Identifier: MIT OR Apache-2.0
//! One HTTP request on its way through Lua: its handler's start, and its answer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use mlua_sys as lua;
use moonport_codec::json::Document;
use moonport_core::reply::Reply;
use moonport_core::{Message, Payload};
use moonport_http::form::Part;
use moonport_http::{Content, Method, Request as Received, Response, Sent};

use crate::dispatch;
use crate::fetch;
use crate::function::{self, Outcome, c_function};
use crate::http::{Site, place};
use crate::object;
use crate::owner::Owner;
use crate::report::{self, Kind};
use crate::request;
use crate::response;
use crate::stack::{Anchor, Stack};
use crate::task::{self, Ended, Fetches, Origin};

/// One request on its way through Lua.
pub(crate) struct Exchange {
    pub(crate) name: Rc<str>,
    site: Rc<Site>,
    route: usize,
    pub(crate) method: Method,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) sent: Sent,
    pub(crate) content: Option<Content>,
    pub(crate) document: Option<Document>,
    pub(crate) form: Vec<Part>,
    pub(crate) peer: Arc<str>,
    pub(crate) reply: RefCell<Option<Reply<Response>>>,
    pub(crate) deferred: Cell<bool>,
    /// Has a task called its handler?
    is_begun: Cell<bool>,
    /// Why what its handler has returned is no answer.
    refused: Cell<Option<String>>,
}

/// Starts the route's handler, unless the client has gone already.
pub(crate) fn deliver(
    owner: &Owner,
    stack: Stack,
    thread: (Stack, Anchor),
    site: &Rc<Site>,
    received: Option<Box<Received>>,
) {
    match received.and_then(|received| Exchange::wanted(site, received)) {
        Some(exchange) => {
            task::start_fetching(owner, stack, thread, Origin::Request(exchange), Fetches::Requests);
        }
        None => owner.idle.borrow_mut().push(thread),
    }
}

/// Pushes [`fetch`] for the owner at `owner`. May raise.
pub(crate) fn push_fetch(owner: *const Owner, stack: Stack) {
    fetch::push_with_anchors(owner, stack, c_function!(fetch));
}

/// What a task for requests calls again and again, with what its handler has returned: answers, and gives the handler and the
/// object of the next request, or nothing when it is to end. An error in here, when memory runs out, is one of the task's.
fn fetch(owner: &Owner, stack: Stack) -> function::Result {
    const NOTHING: function::Result = Ok(Outcome::Values(0));
    let Some(exchange) = current(owner) else { return NOTHING };
    // SAFETY: the task's origin holds it until `expect_next` gives the task another one; tasks that finalisers start put it back.
    let is_over = unsafe { &*exchange }.is_begun.get();
    // SAFETY: as above.
    if is_over && !(unsafe { &*exchange }.answer_with_result(owner, stack) && expect_next(owner)) {
        return NOTHING;
    }
    let Some(exchange) = current(owner) else { return NOTHING };
    // SAFETY: as above.
    let exchange = unsafe { &*exchange };
    let Some(handlers) = exchange.site.handlers() else { return NOTHING };
    exchange.is_begun.set(true);
    stack.push_anchored_in(lua::lua_upvalueindex(2), handlers);
    stack.raw_get_at(-1, place(exchange.route));
    let room = object::reserve(owner, stack);
    let Some(exchange) = shared(owner) else { return NOTHING };
    request::fill(stack, room, exchange);
    Ok(Outcome::Values(2))
}

/// The request on whose behalf the running task runs.
fn current(owner: &Owner) -> Option<*const Exchange> {
    shared(owner).map(|exchange| Rc::as_ptr(&exchange))
}

fn shared(owner: &Owner) -> Option<Rc<Exchange>> {
    let origin = owner.origin.take();
    let exchange = if let Origin::Request(exchange) = &origin { Some(Rc::clone(exchange)) } else { None };
    owner.origin.set(origin);
    exchange
}

/// Lets the running task go on with the next message, if the turn goes on and that is a request to the same server.
fn expect_next(owner: &Owner) -> bool {
    let Origin::Request(before) = owner.origin.take() else { return false };
    let Some(key) = before.site.key().filter(|_| owner.fetches.get() == Fetches::Requests) else { return false };
    while fetch::goes_on(owner) {
        let Some(mut message) = owner.mailbox(|mailbox| mailbox.next_of(key, is_request)).flatten() else {
            return false;
        };
        dispatch::count(owner);
        before.site.room_made();
        let payload = std::mem::replace(&mut message.payload, Payload::Signal(0));
        owner.mailbox(|mailbox| mailbox.recycle(message));
        let Payload::Object { value, .. } = payload else { return false };
        let received = value.downcast().ok();
        if let Some(exchange) = received.and_then(|received| Exchange::wanted(&before.site, received)) {
            owner.origin.set(Origin::Request(exchange));
            return true;
        }
    }
    false
}

fn is_request(message: &Message) -> bool {
    matches!(&message.payload, Payload::Object { value, .. } if value.is::<Received>())
}

impl Exchange {
    /// `None` if the client has gone already.
    fn wanted(site: &Rc<Site>, received: Box<Received>) -> Option<Rc<Self>> {
        if received.reply.is_cancelled() { None } else { Self::new(site, *received) }
    }

    /// `None` if there is no such route.
    fn new(site: &Rc<Site>, received: Received) -> Option<Rc<Self>> {
        let Received { route, method, params, query, sent, content, document, form, peer, reply } = received;
        let (reply, deferred) = (RefCell::new(Some(reply)), Cell::new(false));
        Some(Rc::new(Self {
            name: site.name(route)?,
            site: Rc::clone(site),
            route,
            method,
            params,
            query,
            sent,
            content,
            document,
            form,
            peer,
            reply,
            deferred,
            is_begun: Cell::new(false),
            refused: Cell::new(None),
        }))
    }

    /// The request that opened a WebSocket: it is answered already.
    pub(crate) fn answered(site: &Rc<Site>, received: Received) -> Option<Rc<Self>> {
        let exchange = Self::new(site, received)?;
        drop(exchange.reply.take());
        Some(exchange)
    }

    pub(crate) fn answer_of(&self, owner: &Owner, stack: Stack, index: i32) -> Result<Response, String> {
        response::from_lua(owner, stack, index, || response::prefers_msgpack(self.sent.accept()))
    }

    /// `false` if nobody waits any more.
    pub(crate) fn send(&self, response: Response) -> bool {
        let reply = self.reply.borrow_mut().take();
        reply.is_some_and(|reply| reply.send(response).is_ok())
    }

    /// Answers with the first value on the stack, which the handler has returned, unless the answer is to come later. `false`
    /// if it cannot be one: the end of the task tells of that. May raise.
    fn answer_with_result(&self, owner: &Owner, stack: Stack) -> bool {
        if self.deferred.get() {
            return true;
        }
        stack.set_top(1);
        match self.answer_of(owner, stack, 1) {
            Ok(response) => self.send(response),
            Err(refused) => {
                self.refused.set(Some(refused));
                return false;
            }
        };
        true
    }

    /// The task that ran the handler is over: it failed, or what it has returned cannot be an answer.
    pub(crate) fn task_ended(&self, owner: &Owner, stack: Stack, ended: &Ended<'_>) {
        let response = match (ended, self.refused.take()) {
            (Ended::Failed(traceback), _) => self.error(traceback),
            (Ended::Returned(..), Some(refused)) => {
                let message = format!("the handler's answer: {refused}");
                report::tell(owner, stack, Kind::Handler, Some(&self.name), &message, None);
                self.error(&message)
            }
            (Ended::Returned(..), None) => return,
        };
        self.send(response);
    }

    fn error(&self, details: &str) -> Response {
        response::error(if self.site.debug { details } else { "the handler failed" })
    }
}
