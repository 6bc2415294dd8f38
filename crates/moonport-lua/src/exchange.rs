// SPDX-License-Identifier: MIT OR Apache-2.0
//! One HTTP request on its way through Lua: its handler's start, and its answer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use moonport_codec::json::Document;
use moonport_core::reply::Reply;
use moonport_http::form::Part;
use moonport_http::{Bytes, Content, Headers, Method, Request as Received, Response};

use crate::http::Site;
use crate::owner::Owner;
use crate::report::{self, Kind};
use crate::request;
use crate::response;
use crate::stack::{Anchor, Stack};
use crate::task::{self, Ended, Origin};

/// One request on its way through Lua.
pub(crate) struct Exchange {
    pub(crate) name: Rc<str>,
    debug: bool,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    pub(crate) content: Option<Content>,
    pub(crate) document: Option<Document>,
    pub(crate) form: Vec<Part>,
    pub(crate) peer: Arc<str>,
    pub(crate) reply: RefCell<Option<Reply<Response>>>,
    pub(crate) deferred: Cell<bool>,
}

/// Starts the route's handler, unless the client has gone already.
pub(crate) fn deliver(
    owner: &Owner,
    stack: Stack,
    thread: (Stack, Anchor),
    site: &Rc<Site>,
    received: Option<Box<Received>>,
) {
    let Some(received) = received.filter(|received| !received.reply.is_cancelled()) else {
        owner.idle.borrow_mut().push(thread);
        return;
    };
    let top = stack.top();
    let Some(name) = site.push_handler(stack, received.route) else {
        stack.set_top(top);
        owner.idle.borrow_mut().push(thread);
        return;
    };
    let exchange = Exchange::new(site, name, *received);
    let pushed = owner.protect(stack, 0, &mut |stack| request::push(owner, stack, &exchange));
    if pushed.is_err() {
        owner.idle.borrow_mut().push(thread);
        report::not_delivered(owner, stack, Some(&exchange.name));
        stack.set_top(top);
        exchange.send(exchange.error("the handler could not be started"));
        return;
    }
    stack.move_to(thread.0, 2);
    task::start(owner, stack, thread, 1, Origin::Request(exchange));
}

impl Exchange {
    fn new(site: &Site, name: Rc<str>, received: Received) -> Rc<Self> {
        let Received { method, path, params, query, headers, body, content, document, form, peer, reply, .. } =
            received;
        let (reply, deferred) = (RefCell::new(Some(reply)), Cell::new(false));
        let debug = site.debug;
        Rc::new(Self {
            name,
            debug,
            method,
            path,
            params,
            query,
            headers,
            body,
            content,
            document,
            form,
            peer,
            reply,
            deferred,
        })
    }

    /// The request that opened a WebSocket: it is answered already.
    pub(crate) fn answered(site: &Site, name: Rc<str>, received: Received) -> Rc<Self> {
        let exchange = Self::new(site, name, received);
        drop(exchange.reply.take());
        exchange
    }

    pub(crate) fn answer_of(&self, owner: &Owner, stack: Stack, index: i32) -> Result<Response, String> {
        response::from_lua(owner, stack, index, || response::prefers_msgpack(self.headers.all("accept")))
    }

    /// `false` if nobody waits any more.
    pub(crate) fn send(&self, response: Response) -> bool {
        let reply = self.reply.borrow_mut().take();
        reply.is_some_and(|reply| reply.send(response).is_ok())
    }

    /// The handler has returned its answer, or failed.
    pub(crate) fn handler_ended(&self, owner: &Owner, stack: Stack, ended: Ended<'_>) {
        let response = match ended {
            Ended::Failed(traceback) => self.error(traceback),
            Ended::Returned(..) if self.deferred.get() => return,
            Ended::Returned(thread, results) => {
                thread.set_top(thread.top() - results + 1);
                thread.move_to(stack, 1);
                let mut response = Err(String::new());
                let made = owner.protect(stack, 1, &mut |stack| {
                    response = self.answer_of(owner, stack, 1);
                    0
                });
                if made.is_err() {
                    response = Err(report::describe(stack, -1));
                    stack.pop(1);
                }
                match response {
                    Ok(response) => response,
                    Err(refused) => {
                        let message = format!("the handler's answer: {refused}");
                        report::tell(owner, stack, Kind::Handler, Some(&self.name), &message, None);
                        self.error(&message)
                    }
                }
            }
        };
        self.send(response);
    }

    fn error(&self, details: &str) -> Response {
        response::error(if self.debug { details } else { "the handler failed" })
    }
}
