// SPDX-License-Identifier: MIT OR Apache-2.0
//! `server:websocket` and `moonport.WebSocket`: what happens to a socket starts a handler, as a request does.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use mlua_sys as lua;
use moonport_http::{Bytes, Content, Event, Kind, RouteOptions, Socket, SocketError, SocketEvent, WebSocketOptions};

use crate::build;
use crate::exchange::Exchange;
use crate::function::{Failure, Outcome, Result, c_function, fail};
use crate::http::{self, Site};
use crate::json;
use crate::msgpack;
use crate::object::{self, Class, Object};
use crate::options::{self, Value};
use crate::owner::Owner;
use crate::report;
use crate::request;
use crate::stack::{Anchor, Stack};
use crate::task::{self, Origin};

/// A socket as Lua's object and the server know it.
pub(crate) struct Connection {
    socket: Arc<Socket>,
    codec: Option<Content>,
    /// Lua has closed it, or has heard that it is over.
    is_closed: Cell<bool>,
}

/// `moonport.WebSocket`.
pub(crate) struct WebSocket(Rc<Connection>);

/// A socket of which Lua has not heard yet that it is over.
pub(crate) struct Open {
    /// Its object, which the program need not keep.
    pub(crate) object: Anchor,
    route: usize,
    connection: Rc<Connection>,
}

static CLASS: Class = Class("moonport.WebSocket");

impl Object for WebSocket {
    const CLASS: &'static Class = &CLASS;

    fn methods() -> &'static [(&'static str, lua::lua_CFunction)] {
        &[("send", c_function!(send)), ("close", c_function!(close))]
    }
}

/// Where the table of a path has its handlers.
const OPEN: lua::lua_Integer = 1;
const MESSAGE: lua::lua_Integer = 2;
const CLOSE: lua::lua_Integer = 3;

const ADD: &str = "server:websocket";

/// `server:websocket(path, handlers, options)`.
pub(crate) fn add(_: &Owner, stack: Stack) -> Result {
    let site = http::site(stack, ADD)?;
    let path = http::argument(stack, 2, ADD, "a path such as \"/live\"")?;
    stack.set_top(4);
    if stack.kind(3) != lua::LUA_TTABLE {
        return Err(format!("{ADD}: expected a table of handlers, got {}", stack.type_name(3)).into());
    }
    let (mut websocket, mut token) = (WebSocketOptions::default(), true);
    options::read(stack, 4, ADD, |key, value| option(key, value, &mut websocket, &mut token))?;
    check_handlers(stack)?;
    let settings = RouteOptions { token, websocket: Some(websocket), ..RouteOptions::default() };
    let place = site.add(ADD, ("GET", path), settings, format!("WebSocket {path}"))?;
    stack.get_user_value(1);
    stack.new_table(3, 0);
    for (at, name) in [(OPEN, "open"), (MESSAGE, "message"), (CLOSE, "close")] {
        stack.field(3, name);
        stack.raw_set_at(-2, at);
    }
    stack.raw_set_at(-2, place);
    stack.set_top(1);
    Ok(Outcome::Values(1))
}

fn option(key: &str, value: Value<'_>, websocket: &mut WebSocketOptions, token: &mut bool) -> Result<bool> {
    match key {
        "codec" => {
            websocket.codec = match value.text()? {
                "raw" => None,
                "json" => Some(Content::Json),
                "msgpack" => Some(Content::MessagePack),
                _ => return Err(value.wrong("\"raw\", \"json\" or \"msgpack\"")),
            };
        }
        "token" => {
            if value.boolean()? {
                return Err(value.wrong("false (sockets need the server's token unless told otherwise)"));
            }
            *token = false;
        }
        "protocols" => {
            websocket.protocols = value.texts()?;
            if let Some(bad) = websocket.protocols.iter().find(|name| !moonport_http::is_protocol(name)) {
                return Err(format!("{ADD}: protocols: expected names of subprotocols, got {bad:?}").into());
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The table of handlers has functions, and one for messages.
fn check_handlers(stack: Stack) -> Result<()> {
    const WHERE: &str = "server:websocket: handlers";
    let mut takes_messages = false;
    options::read(stack, 3, WHERE, |key, value| {
        if !matches!(key, "open" | "message" | "close") {
            return Ok(false);
        }
        takes_messages |= key == "message";
        if stack.kind(-1) == lua::LUA_TFUNCTION { Ok(true) } else { Err(value.wrong("a function")) }
    })?;
    if takes_messages { Ok(()) } else { Err(format!("{WHERE}: message: expected a function, got nil").into()) }
}

/// Starts the handler of what happened to a socket.
pub(crate) fn deliver(owner: &Owner, stack: Stack, thread: (Stack, Anchor), site: &Rc<Site>, event: SocketEvent) {
    let SocketEvent { route, socket, codec, event, .. } = event;
    let id = socket.id();
    match event {
        Event::Open(received) => {
            let Some(exchange) = Exchange::answered(site, *received) else {
                return owner.idle.borrow_mut().push(thread);
            };
            let connection = Rc::new(Connection { socket, codec, is_closed: Cell::new(false) });
            if !open(owner, stack, site, route, &connection) {
                return owner.idle.borrow_mut().push(thread);
            }
            start(owner, stack, thread, site, (route, id, OPEN), &mut |stack| {
                let place = object::reserve(owner, stack);
                request::fill(stack, place, Rc::clone(&exchange));
                1
            });
        }
        Event::Message { kind, data } => {
            if site.sockets.borrow().get(&id).is_none_or(|open| open.connection.is_closed.get()) {
                return owner.idle.borrow_mut().push(thread);
            }
            start(owner, stack, thread, site, (route, id, MESSAGE), &mut |stack| {
                push_data(owner, stack, codec, &data);
                stack.push_str(if kind == Kind::Text { "text" } else { "binary" });
                2
            });
        }
        Event::Close { code, reason } => ended(owner, stack, thread, site, id, (code, &reason)),
    }
}

/// Makes the object of a new socket; `false` if there is no memory for it.
fn open(owner: &Owner, stack: Stack, site: &Site, route: usize, connection: &Rc<Connection>) -> bool {
    let mut object = None;
    let made = owner.protect(stack, 0, &mut |stack| {
        let place = object::reserve(owner, stack);
        place.fill(WebSocket(Rc::clone(connection)));
        object = Some(stack.anchor());
        0
    });
    let Some(object) = object.filter(|_| made.is_ok()) else {
        report::not_delivered(owner, stack, site.name(route).as_deref());
        // Nothing else can be done for it.
        connection.socket.leave();
        return false;
    };
    let open = Open { object, route, connection: Rc::clone(connection) };
    site.sockets.borrow_mut().insert(connection.socket.id(), open);
    true
}

/// The socket is over: its object is let go, and its last handler starts.
fn ended(owner: &Owner, stack: Stack, thread: (Stack, Anchor), site: &Site, id: u64, (code, reason): (u16, &str)) {
    let known = site.sockets.borrow().get(&id).map(|open| {
        open.connection.is_closed.set(true);
        (open.route, open.object)
    });
    let Some((route, object)) = known else { return owner.idle.borrow_mut().push(thread) };
    start(owner, stack, thread, site, (route, id, CLOSE), &mut |stack| {
        stack.push_integer(code.into());
        stack.push_str(reason);
        2
    });
    if site.sockets.borrow_mut().remove(&id).is_some() {
        stack.release(object);
    }
}

/// Starts a handler with the socket and what `push` pushes, if the path has it.
fn start(
    owner: &Owner,
    stack: Stack,
    thread: (Stack, Anchor),
    site: &Site,
    (route, id, which): (usize, u64, lua::lua_Integer),
    push: &mut dyn FnMut(Stack) -> i32,
) {
    let top = stack.top();
    let object = site.sockets.borrow().get(&id).map(|open| open.object);
    let (Some(object), Some(name), Some(handlers)) = (object, site.name(route), site.handlers()) else {
        return owner.idle.borrow_mut().push(thread);
    };
    stack.push_anchored(handlers);
    stack.raw_get_at(-1, http::place(route));
    stack.raw_get_at(-1, which);
    if stack.kind(-1) != lua::LUA_TFUNCTION {
        stack.set_top(top);
        return owner.idle.borrow_mut().push(thread);
    }
    stack.push_anchored(object);
    let Ok(pushed) = owner.protect(stack, 0, push) else {
        report::not_delivered(owner, stack, Some(&name));
        stack.set_top(top);
        return owner.idle.borrow_mut().push(thread);
    };
    stack.move_to(thread.0, pushed + 2);
    stack.set_top(top);
    task::start(owner, stack, thread, pushed + 1, Origin::Socket(name));
}

/// The server's thread has checked these bytes.
fn push_data(owner: &Owner, stack: Stack, codec: Option<Content>, data: &[u8]) {
    let malformed = match codec {
        Some(Content::Json) => build::push_json(owner, stack, data, usize::MAX).is_err(),
        Some(Content::MessagePack) => build::push_msgpack(owner, stack, data, usize::MAX).is_err(),
        _ => {
            stack.push_bytes(data);
            false
        }
    };
    if malformed {
        stack.push_nil();
    }
}

/// The server is over, and could not tell of these sockets any more.
pub(crate) fn cut_all(owner: &Owner, stack: Stack, site: &Site) {
    loop {
        let next = site.sockets.borrow().keys().min().copied();
        let Some(id) = next else { return };
        let cut = owner.protect(stack, 0, &mut |stack| {
            let thread = task::thread(owner, stack);
            ended(owner, stack, thread, site, id, (1001, ""));
            0
        });
        if cut.is_err() {
            stack.pop(1);
        }
        let left = site.sockets.borrow_mut().remove(&id);
        if let Some(open) = left {
            stack.release(open.object);
        }
    }
}

/// `socket:send(data, kind)`.
fn send(owner: &Owner, stack: Stack) -> Result {
    const FUNCTION: &str = "socket:send";
    let connection = &object::check::<WebSocket>(stack, 1, FUNCTION)?.0;
    if stack.top() < 2 {
        return Err(format!("{FUNCTION}: expected a value").into());
    }
    stack.set_top(3);
    let kind = match (stack.kind(3), stack.text(3)) {
        (lua::LUA_TNIL, _) => None,
        (_, Some("text")) => Some(Kind::Text),
        (_, Some("binary")) => Some(Kind::Binary),
        _ => return Err(format!("{FUNCTION}: expected \"text\" or \"binary\", got {}", shown(stack, 3)).into()),
    };
    let (kind, data) = encode(owner, stack, connection.codec, kind).map_err(|wrong| format!("{FUNCTION}: {wrong}"))?;
    if connection.is_closed.get() {
        return Ok(failed(stack, FUNCTION, SocketError::Closed));
    }
    match connection.socket.send(kind, data) {
        Ok(()) => {
            stack.push_boolean(true);
            Ok(Outcome::Values(1))
        }
        Err(SocketError::NotText) => Err(format!("{FUNCTION}: {}", SocketError::NotText).into()),
        Err(error) => Ok(failed(stack, FUNCTION, error)),
    }
}

fn shown(stack: Stack, index: i32) -> String {
    stack.text(index).map_or_else(|| stack.type_name(index).to_owned(), |text| format!("{text:?}"))
}

fn failed(stack: Stack, function: &str, error: SocketError) -> Outcome {
    let name = match error {
        SocketError::Full => "full",
        SocketError::TooBig => "too_big",
        SocketError::Forked => "forked",
        _ => "closed",
    };
    fail(stack, &format!("{function}: {error}"), name)
}

/// The value at 2 as a message.
fn encode(
    owner: &Owner,
    stack: Stack,
    codec: Option<Content>,
    kind: Option<Kind>,
) -> std::result::Result<(Kind, Bytes), String> {
    match codec {
        Some(Content::Json) => owner.scratch.with_buffer(|out| {
            json::write(owner, stack, 2, out).map_err(|refused| refused.to_string())?;
            Ok((kind.unwrap_or(Kind::Text), Bytes::copy_from_slice(out)))
        }),
        Some(Content::MessagePack) if kind == Some(Kind::Text) => {
            Err("MessagePack cannot be a text message".to_owned())
        }
        Some(Content::MessagePack) => owner.scratch.with_buffer(|out| {
            msgpack::write(owner, stack, 2, out).map_err(|refused| refused.to_string())?;
            Ok((Kind::Binary, Bytes::copy_from_slice(out)))
        }),
        _ => {
            let bytes = stack.bytes(2).ok_or_else(|| format!("expected a string, got {}", stack.type_name(2)))?;
            let guess = || if std::str::from_utf8(bytes).is_ok() { Kind::Text } else { Kind::Binary };
            Ok((kind.unwrap_or_else(guess), Bytes::copy_from_slice(bytes)))
        }
    }
}

/// `socket:close(code, reason)`.
fn close(_: &Owner, stack: Stack) -> Result {
    const FUNCTION: &str = "socket:close";
    let connection = &object::check::<WebSocket>(stack, 1, FUNCTION)?.0;
    stack.set_top(3);
    let code = match (stack.kind(2), stack.integer(2)) {
        (lua::LUA_TNIL, _) => 1000,
        (_, Some(code)) => u16::try_from(code).unwrap_or(0),
        _ => return Err(format!("{FUNCTION}: expected a close code, got {}", stack.type_name(2)).into()),
    };
    let reason = match (stack.kind(3), stack.text(3)) {
        (lua::LUA_TNIL, _) => "",
        (_, Some(reason)) => reason,
        _ => return Err(format!("{FUNCTION}: expected a reason in UTF-8, got {}", stack.type_name(3)).into()),
    };
    match connection.socket.close(code, reason) {
        Ok(()) => {
            connection.is_closed.set(true);
            Ok(Outcome::Values(0))
        }
        Err(error @ SocketError::Forked) => Ok(failed(stack, FUNCTION, error)),
        Err(error) => Err(Failure(format!("{FUNCTION}: {error}"))),
    }
}
