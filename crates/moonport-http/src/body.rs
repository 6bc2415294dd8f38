// SPDX-License-Identifier: MIT OR Apache-2.0
//! The body of a request: which types are taken, how much and how long is read, and whether JSON, MessagePack or a form
//! is well formed.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderMap};
use http::{Method, StatusCode};
use hyper::body::{Body as _, Incoming};
use moonport_codec::json::{self, Document, Tape};
use moonport_codec::msgpack;

use crate::Limits;
use crate::connection::{Link, Phase};
use crate::form::{self, Part};
use crate::headers::Values;
use crate::message::Content;
use crate::refusal::Refusal;
use crate::sent::{SMALL_BODY, Sent};

/// Bytes of memory taken before a body of known length has arrived.
const FIRST: usize = 65_536;

/// Checks what the headers say of the body. Gives its content, `None` where that is not decoded.
pub(crate) fn check_headers(
    headers: &HeaderMap,
    method: &Method,
    has_body: bool,
    wanted: Option<Content>,
) -> Result<Option<Content>, Refusal> {
    let (mut expects, mut compressed, mut types) = (false, false, Values::None);
    for (name, value) in headers {
        if *name == CONTENT_TYPE {
            types.add(value);
        } else if *name == EXPECT {
            expects |= !value.as_bytes().eq_ignore_ascii_case(b"100-continue");
        } else if *name == CONTENT_ENCODING {
            compressed |= !value.as_bytes().eq_ignore_ascii_case(b"identity");
        }
    }
    if expects {
        return Err(Refusal::new(StatusCode::EXPECTATION_FAILED, "the only expectation met is 100-continue"));
    }
    if compressed {
        return Err(Refusal::compressed());
    }
    let has_body = has_body || matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    if !has_body || wanted == Some(Content::Raw) {
        return Ok(None);
    }
    let content = match types {
        Values::None => None,
        Values::One(value) => classify(value.as_bytes()),
        Values::More => return Err(Refusal::unsupported("more than one Content-Type")),
    };
    match wanted {
        Some(Content::Json) if content != wanted => Err(Refusal::unsupported("the body must be application/json")),
        Some(Content::MessagePack) if content != wanted => {
            Err(Refusal::unsupported("the body must be application/msgpack"))
        }
        _ if content == Some(Content::Form) => boundary(headers).map(|_| content),
        _ => Ok(content),
    }
}

fn classify(value: &[u8]) -> Option<Content> {
    let essence = value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let is = |name: &[u8]| essence.eq_ignore_ascii_case(name);
    let ends = |end: &[u8]| essence.len() > end.len() && essence[essence.len() - end.len()..].eq_ignore_ascii_case(end);
    if is(b"application/json") || (essence.contains(&b'/') && ends(b"+json")) {
        Some(Content::Json)
    } else if is(b"application/msgpack") || is(b"application/x-msgpack") || is(b"application/vnd.msgpack") {
        Some(Content::MessagePack)
    } else if is(b"multipart/form-data") {
        Some(Content::Form)
    } else {
        None
    }
}

fn boundary(headers: &HeaderMap) -> Result<Vec<u8>, Refusal> {
    form::boundary(headers.get(CONTENT_TYPE).map_or(b"", |value| value.as_bytes())).map_err(Refusal::bad_request)
}

/// Reads all of a body. It is first polled, and so a 100 Continue first sent, after its known length has passed.
pub(crate) async fn read(body: &mut Incoming, link: &Link, max: usize, limits: &Limits) -> Result<Bytes, Refusal> {
    let length = body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if length.is_some_and(|length| length > max) {
        return Err(Refusal::too_large());
    }
    link.begin(Phase::Body, limits.body_time);
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(piece) = next_piece(body, link, max as u64).await? {
        if piece.len() > max - first.len() - all.len() {
            return Err(Refusal::too_large());
        }
        if first.is_empty() && all.is_empty() {
            first = piece;
            continue;
        }
        if all.is_empty() {
            all.reserve(length.unwrap_or(0).min(FIRST).max(first.len() + piece.len()));
            all.extend_from_slice(&first);
            first = Bytes::new();
        }
        all.extend_from_slice(&piece);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

async fn next_piece(body: &mut Incoming, link: &Link, max: u64) -> Result<Option<Bytes>, Refusal> {
    poll_fn(|context| {
        loop {
            let frame = match Pin::new(&mut *body).poll_frame(context) {
                Poll::Pending if link.announced() > max => return Poll::Ready(Err(Refusal::too_large())),
                Poll::Pending if link.is_expired() => {
                    return Poll::Ready(Err(Refusal::timeout("the body of the request took too long")));
                }
                frame => ready!(frame),
            };
            match frame {
                None => return Poll::Ready(Ok(None)),
                Some(Err(_)) => return Poll::Ready(Err(Refusal::bad_request("the body does not end as it should"))),
                Some(Ok(frame)) => {
                    // Trailers are of no use here.
                    if let Ok(piece) = frame.into_data() {
                        return Poll::Ready(Ok(Some(piece)));
                    }
                }
            }
        }
    })
    .await
}

/// What a body was found to be.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) document: Option<Document>,
    pub(crate) form: Vec<Part>,
}

/// Refuses malformed JSON, MessagePack and forms, so that Lua never hears of them. Gives JSON as it was read, unless there is
/// much of it: it may take eight times the memory of its text. `tape`: memory for that.
pub(crate) fn check_content(
    content: Option<Content>,
    headers: &HeaderMap,
    sent: &Sent,
    depth: usize,
    tape: &RefCell<Tape>,
) -> Result<Checked, Refusal> {
    let body = sent.body();
    let mut checked = Checked::default();
    match content {
        Some(Content::Json) => {
            let read = if body.len() <= SMALL_BODY {
                json::read(body, depth, &mut tape.borrow_mut()).map(Some)
            } else {
                json::check(body, depth).map(|()| None)
            };
            checked.document =
                read.map_err(|error| Refusal::malformed(format!("malformed JSON: {error}"), error.offset))?;
        }
        Some(Content::MessagePack) => msgpack::check(body, depth)
            .map_err(|error| Refusal::malformed(format!("malformed MessagePack: {error}"), error.offset))?,
        Some(Content::Form) => {
            checked.form = form::parse(&sent.shared_body(), &boundary(headers)?)
                .map_err(|error| Refusal::malformed(format!("malformed form: {error}"), error.offset))?;
        }
        Some(Content::Raw) | None => {}
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        method: Method,
        headers: &[(&'static str, &'static str)],
        has_body: bool,
        wanted: Option<Content>,
    ) -> Result<Option<Content>, u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        check_headers(&map, &method, has_body, wanted).map_err(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn types_are_told_apart() {
        let of = |value: &'static str| check(Method::POST, &[("content-type", value)], true, None).unwrap();
        assert_eq!(of("application/json"), Some(Content::Json));
        assert_eq!(of("Application/JSON ; charset=utf-8"), Some(Content::Json));
        assert_eq!(of("application/problem+json"), Some(Content::Json));
        assert_eq!(of("application/msgpack"), Some(Content::MessagePack));
        assert_eq!(of("application/x-msgpack"), Some(Content::MessagePack));
        assert_eq!(of("Multipart/Form-Data; boundary=b"), Some(Content::Form));
        for other in ["text/plain", "", "application/jsonx", "+json", "text/json5", "multipart/mixed; boundary=b"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn routes_choose_their_type() {
        let json = Some(Content::Json);
        let typed = [("content-type", "application/json")];
        assert_eq!(check(Method::POST, &typed, true, json), Ok(json));
        assert_eq!(check(Method::POST, &[], true, json), Err(415));
        assert_eq!(check(Method::POST, &[], false, json), Err(415));
        assert_eq!(check(Method::GET, &[], false, json), Ok(None));
        assert_eq!(check(Method::GET, &typed, false, None), Ok(None));
        assert_eq!(check(Method::POST, &typed, false, None), Ok(json));
        assert_eq!(check(Method::POST, &typed, true, Some(Content::Raw)), Ok(None));
        assert_eq!(check(Method::POST, &[("content-type", "text/plain")], true, json), Err(415));
        assert_eq!(check(Method::POST, &[typed[0], typed[0]], true, None), Err(415));
    }

    #[test]
    fn compression_and_strange_expectations_are_refused() {
        let with = |name, value| check(Method::POST, &[(name, value)], true, None);
        assert_eq!(with("content-encoding", "gzip"), Err(415));
        assert_eq!(with("content-encoding", "Identity"), Ok(None));
        assert_eq!(with("expect", "100-Continue"), Ok(None));
        assert_eq!(with("expect", "200-ok"), Err(417));
    }

    #[test]
    fn malformed_json_has_an_offset() {
        let tape = RefCell::default();
        let check = |content, body: &[u8]| {
            check_content(content, &HeaderMap::new(), &Sent::new(body.into(), 0, false), 8, &tape)
        };
        assert!(check(None, b"{").is_ok());
        assert!(check(Some(Content::Json), b"{}").is_ok());
        let refusal = check(Some(Content::Json), br#"{"a":1 "b":2}"#).unwrap_err();
        let body = refusal.into_response().into_body();
        assert_eq!(&body[..], br#"{"error":"malformed JSON: expected ',' or '}' at byte 7","offset":7}"#);
    }
}
