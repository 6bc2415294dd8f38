// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a handler's value becomes as an HTTP answer, and `moonport.response`.

use std::cell::Cell;

use mlua_sys as lua;
use moonport_codec::json::write_string;
use moonport_http::{Body, Bytes, HeaderName, HeaderValue, Response};

use crate::function::{Failure, Outcome, Result};
use crate::json;
use crate::msgpack;
use crate::object::{self, Class, Object};
use crate::options;
use crate::owner::Owner;
use crate::report;
use crate::stack::Stack;
use crate::value;

/// The value of `moonport.response`, until it is returned.
pub(crate) struct Answer(Cell<Option<Response>>);

static CLASS: Class = Class("moonport.Response");

impl Object for Answer {
    const CLASS: &'static Class = &CLASS;

    fn methods() -> &'static [(&'static str, lua::lua_CFunction)] {
        &[]
    }
}

const CONTENT_TYPE: HeaderName = HeaderName::from_static("content-type");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const MESSAGE_PACK: HeaderValue = HeaderValue::from_static("application/msgpack");

fn typed(status: u16, content_type: HeaderValue, body: Bytes) -> Response {
    Response { status, content_type: Some(content_type), headers: Vec::new(), body: Body::Bytes(body) }
}

/// The answer to a handler that failed.
pub(crate) fn error(details: &str) -> Response {
    let mut body = b"{\"error\":".to_vec();
    if write_string(&mut body, details.as_bytes()).is_err() {
        body.extend_from_slice(b"null");
    }
    body.push(b'}');
    typed(500, JSON, body.into())
}

/// The type of a body that is a string.
fn text_type(body: &[u8]) -> HeaderValue {
    if body.starts_with(b"<!") { HTML } else { TEXT }
}

fn to_json(owner: &Owner, stack: Stack, index: i32) -> std::result::Result<Bytes, String> {
    owner.scratch.with_buffer(|out| match json::write(owner, stack, index, out) {
        Ok(()) => Ok(Bytes::copy_from_slice(out)),
        Err(refused) => Err(refused.to_string()),
    })
}

fn to_msgpack(owner: &Owner, stack: Stack, index: i32) -> std::result::Result<Bytes, String> {
    owner.scratch.with_buffer(|out| match msgpack::write(owner, stack, index, out) {
        Ok(()) => Ok(Bytes::copy_from_slice(out)),
        Err(refused) => Err(refused.to_string()),
    })
}

/// Does a client that sends this Accept header (RFC 9110 section 12.5.1) want MessagePack more than JSON? Only if it names
/// it, and does not name JSON as at least as good.
pub(crate) fn prefers_msgpack<'a>(accept: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut msgpack, mut json) = (0.0, 0.0);
    let values = accept.filter_map(|value| std::str::from_utf8(value).ok());
    for range in values.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |quality| quality.parse().ok());
        let quality: f64 = quality.unwrap_or(0.0);
        match name.as_str() {
            "application/msgpack" | "application/x-msgpack" | "application/vnd.msgpack" => {
                msgpack = quality.max(msgpack);
            }
            "application/json" => json = quality.max(json),
            _ => {}
        }
    }
    msgpack > json
}

/// The answer that the value at `index` means; `prefers_msgpack`: in MessagePack where it would be JSON?
///
/// # Errors
/// Why it cannot be one.
pub(crate) fn from_lua(
    owner: &Owner,
    stack: Stack,
    index: i32,
    prefers_msgpack: impl FnOnce() -> bool,
) -> std::result::Result<Response, String> {
    match stack.kind(index) {
        lua::LUA_TNIL => {
            Ok(Response { status: 204, content_type: None, headers: Vec::new(), body: Body::Bytes(Bytes::new()) })
        }
        lua::LUA_TSTRING => {
            let body = stack.bytes(index).unwrap_or_default();
            Ok(typed(200, text_type(body), Bytes::copy_from_slice(body)))
        }
        lua::LUA_TUSERDATA => {
            let answer = object::get::<Answer>(stack, index).ok_or("a userdata cannot be an answer")?;
            answer.0.take().ok_or_else(|| "this moonport.response was returned before".to_owned())
        }
        _ if prefers_msgpack() => to_msgpack(owner, stack, index).map(|body| typed(200, MESSAGE_PACK, body)),
        _ => to_json(owner, stack, index).map(|body| typed(200, JSON, body)),
    }
}

/// `moonport.response(fields)`.
pub(crate) fn response(owner: &Owner, stack: Stack) -> Result {
    const FUNCTION: &str = "moonport.response";
    if stack.kind(1) != lua::LUA_TTABLE {
        return Err(format!("{FUNCTION}: expected a table, got {}", stack.type_name(1)).into());
    }
    let place = object::reserve(owner, stack);
    let mut status = None;
    let mut headers = Vec::new();
    let mut body: Option<(&str, Body, Option<HeaderValue>)> = None;
    options::read(stack, 1, FUNCTION, |key, value| {
        let made = match key {
            "status" => {
                let number = stack.integer(-1).and_then(|number| u16::try_from(number).ok());
                status = Some(
                    number
                        .filter(|number| (200..=599).contains(number))
                        .ok_or_else(|| value.wrong("an integer from 200 to 599"))?,
                );
                return Ok(true);
            }
            "headers" => {
                read_headers(stack, &mut headers)?;
                return Ok(true);
            }
            "body" => {
                let bytes = stack.bytes(-1).ok_or_else(|| value.wrong("a string"))?;
                ("body", Body::Bytes(Bytes::copy_from_slice(bytes)), Some(text_type(bytes)))
            }
            "json" => ("json", Body::Bytes(encode(owner, stack, "json", to_json)?), Some(JSON)),
            "msgpack" => ("msgpack", Body::Bytes(encode(owner, stack, "msgpack", to_msgpack)?), Some(MESSAGE_PACK)),
            "file" => ("file", Body::File(value.path()?), None),
            _ => return Ok(false),
        };
        if let Some((other, ..)) = &body {
            return Err(format!("{FUNCTION}: {other} and {key}: only one of them can be the body").into());
        }
        body = Some(made);
        Ok(true)
    })?;
    let (body, content_type) = match body {
        Some((_, body, content_type)) => (body, content_type),
        None => (Body::Bytes(Bytes::new()), None),
    };
    let empty = matches!(&body, Body::Bytes(bytes) if bytes.is_empty() && content_type.is_none());
    let typed = headers.iter().any(|(name, _)| *name == CONTENT_TYPE);
    let content_type = content_type.filter(|_| !typed);
    let status = status.unwrap_or(if empty { 204 } else { 200 });
    place.fill(Answer(Cell::new(Some(Response { status, content_type, headers, body }))));
    Ok(Outcome::Values(1))
}

type Encode = fn(&Owner, Stack, i32) -> std::result::Result<Bytes, String>;

/// The value on top, which stays where options::read looks for it, as a body.
fn encode(owner: &Owner, stack: Stack, key: &str, encode: Encode) -> Result<Bytes> {
    stack.copy(-1);
    let mut bytes = Err(String::new());
    let made = owner.protect(stack, 1, &mut |stack| {
        bytes = encode(owner, stack, 1);
        0
    });
    if made.is_err() {
        bytes = Err(report::describe(stack, -1));
        stack.pop(1);
    }
    bytes.map_err(|refused| Failure(format!("moonport.response: {key}: {refused}")))
}

/// Headers that the server itself writes.
const OURS: [&str; 4] = ["connection", "content-length", "transfer-encoding", "date"];

fn read_headers(stack: Stack, headers: &mut Vec<(HeaderName, HeaderValue)>) -> Result<()> {
    const FUNCTION: &str = "moonport.response: headers";
    options::read(stack, -1, FUNCTION, |key, value| {
        let name = HeaderName::try_from(key).map_err(|_| format!("{FUNCTION}: {key:?} is no header name"))?;
        if OURS.contains(&name.as_str()) {
            return Err(format!("{FUNCTION}: {key}: the server writes this one").into());
        }
        let header = match (stack.bytes(-1), stack.number(-1)) {
            (Some(bytes), _) => HeaderValue::from_bytes(bytes).ok(),
            (None, Some(number)) => HeaderValue::try_from(value::number_text(number)).ok(),
            (None, None) => return Err(value.wrong("a string")),
        };
        let header = header.ok_or_else(|| Failure(format!("{FUNCTION}: {key}: a line break or control character")))?;
        headers.push((name, header));
        Ok(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messagepack_goes_to_those_who_ask_for_it() {
        let prefers = |accept: &str| prefers_msgpack(std::iter::once(accept.as_bytes()));
        for accept in [
            "application/msgpack",
            "application/x-msgpack, */*",
            "text/html, Application/MsgPack;q=0.5",
            "application/json;q=0.5, application/vnd.msgpack;q=0.6",
        ] {
            assert!(prefers(accept), "{accept}");
        }
        for accept in ["", "*/*", "application/*", "application/json, application/msgpack", "application/msgpack;q=0"] {
            assert!(!prefers(accept), "{accept}");
        }
        assert!(!prefers_msgpack(std::iter::empty()));
    }
}
