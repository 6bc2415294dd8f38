// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the owner's thread gets and gives back.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use moonport_codec::json::Document;
use moonport_core::reply::Reply;

use crate::form::Part;
use crate::sent::Sent;

/// The kind of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `application/json` and types that end in `+json`.
    Json,
    /// `application/msgpack`, `application/x-msgpack`, `application/vnd.msgpack`.
    MessagePack,
    /// `multipart/form-data`. Only requests have this; no route asks for it.
    Form,
    /// Anything, not decoded. Only routes have this; their requests have no content.
    Raw,
}

/// One request, sent as [`moonport_core::Payload::Object`].
///
/// Thread: any. Dropping it, or its `reply`, without an answer answers 500.
#[derive(Debug)]
pub struct Request {
    /// What [`crate::Routes::add`] gave.
    pub route: usize,
    /// As sent; `HEAD` where a GET route serves it.
    pub method: Method,
    /// The route's parameters in its order, percent-decoded.
    pub params: Vec<(String, String)>,
    /// Names and values in order, decoded; a name may come again.
    pub query: Vec<(String, String)>,
    /// Its path, headers and body.
    pub sent: Sent,
    /// `Json`, `MessagePack`: the body was checked and is well formed. `Form`: its parts are in `form`.
    /// `None`: no body, one of another type, or the route takes anything.
    pub content: Option<Content>,
    /// The body as it was read, where it is JSON and of at most 8 KiB.
    pub document: Option<Document>,
    /// Fields and files in order; a name may come again.
    pub form: Vec<Part>,
    /// Address and port of the client.
    pub peer: Arc<str>,
    /// Takes the answer. Cancelled when the client has left or the deadline has passed.
    pub reply: Reply<Response>,
}

/// The answer to a request.
///
/// The server sets Content-Length, Transfer-Encoding, Connection, Date, and the headers of CORS itself; such headers in
/// here are left out. Cache-Control is `no-store` unless given.
#[derive(Debug)]
pub struct Response {
    /// 200 to 999; others are answered 500.
    pub status: u16,
    /// What the body is, if `headers` do not say it.
    pub content_type: Option<HeaderValue>,
    /// In order; a name may come again.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Dropped where the method or the status does not allow one.
    pub body: Body,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// These bytes.
    Bytes(Bytes),
    /// This file, read by the server in pieces. With status 200 it is served with ETag, Last-Modified and Range, and with
    /// a Content-Type by its extension unless one is given. One that does not exist is answered 404.
    File(PathBuf),
}
