// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way out: the owner's answer with the headers that the server decides, redirects, and the body that hyper writes.

use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH,
    CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};

use crate::conditions::Conditions;
use crate::connection::Link;
use crate::events::Page;
use crate::files::Pieces;
use crate::message;
use crate::refusal::Refusal;

/// What an answer's body is made of.
pub(crate) enum Content {
    Bytes(Bytes),
    File(Pieces),
    /// `None`: nothing of a stream that has no end, for HEAD.
    Events(Option<Page>),
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

/// Headers of a table that hyper may keep for the next request of a connection.
const MOST: usize = 64;

/// The owner's answer as it is sent. `headers`: those of the request, whose table is used again.
pub(crate) fn from_owner(
    answer: message::Response,
    method: &Method,
    mut headers: HeaderMap,
) -> Result<Answer, Refusal> {
    let status = StatusCode::from_u16(answer.status).ok().filter(|status| !status.is_informational());
    let status = status.ok_or_else(Refusal::internal)?;
    let conditions = match answer.body {
        message::Body::File(_) => Conditions::new(method, &headers),
        message::Body::Bytes(_) => Conditions::default(),
    };
    if headers.capacity() > MOST {
        headers = HeaderMap::new();
    }
    headers.clear();
    if let Some(content_type) = answer.content_type {
        headers.append(CONTENT_TYPE, content_type);
    }
    for (name, value) in answer.headers {
        if !is_ours(&name) {
            headers.append(name, value);
        }
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    let mut response = match answer.body {
        _ if has_no_body(status) => Response::new(Bytes::new().into()),
        message::Body::Bytes(bytes) => Response::new(bytes.into()),
        message::Body::File(path) => return Ok(Answer::File { path, status, headers, conditions }),
    };
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(Answer::Ready(response))
}

/// The owner's answer: as it is sent, or where the file is that has to be opened for it.
pub(crate) enum Answer {
    Ready(Response<Content>),
    File { path: PathBuf, status: StatusCode, headers: HeaderMap, conditions: Conditions },
}

fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Headers of the connection and of CORS, which hyper and the service set.
fn is_ours(name: &HeaderName) -> bool {
    const OURS: [HeaderName; 8] = [
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        CONNECTION,
        UPGRADE,
        TRAILER,
        TE,
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ];
    OURS.contains(name) || name == "keep-alive"
}

pub(crate) fn empty(status: StatusCode) -> Response<Content> {
    let mut response = Response::new(Bytes::new().into());
    *response.status_mut() = status;
    response
}

/// An answer that sends the client to a path of this server.
pub(crate) fn redirect(status: StatusCode, path: &str, query: &str) -> Result<Response<Content>, Refusal> {
    let mut response = empty(status);
    let location = HeaderValue::try_from(local(path, query)).map_err(|_| Refusal::not_found())?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// The answer to a one-time link. The cookie is missing where the browser has it already.
pub(crate) fn link_redirect(
    path: &str,
    query: &str,
    cookie: Option<HeaderValue>,
) -> Result<Response<Content>, Refusal> {
    let mut response = redirect(StatusCode::SEE_OTHER, path, query)?;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Some(cookie) = cookie {
        headers.insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A reference that stays on this server: `//host` and `/\host` would leave it.
fn local(path: &str, query: &str) -> String {
    let path = path.trim_start_matches(['/', '\\']);
    let separator = if query.is_empty() { "" } else { "?" };
    format!("/{}{separator}{query}", path.replace('\\', "%5C"))
}

/// A body on its way into hyper. Its end tells the gate that the next request may come.
pub(crate) struct Outgoing {
    content: Content,
    link: Rc<Link>,
}

impl Outgoing {
    pub(crate) fn new(content: Content, link: Rc<Link>) -> Self {
        if let Content::Events(_) = content {
            link.begin_streaming();
        } else {
            link.begin_answering();
        }
        Self { content, link }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.link.answer_done();
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut self.get_mut().content {
            Content::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::File(pieces) => pieces.poll_next(context).map(|piece| Some(piece?.map(Frame::data))),
            Content::Events(None) => Poll::Ready(None),
            Content::Events(Some(page)) => page.poll_next(context).map(|event| Some(event?.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Outgoing {
    /// `None`: nobody knows.
    fn left(&self) -> Option<u64> {
        match &self.content {
            Content::Bytes(bytes) => Some(bytes.len() as u64),
            Content::File(pieces) => Some(pieces.left()),
            Content::Events(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_here() {
        assert_eq!(local("/a", ""), "/a");
        assert_eq!(local("/a", "b=c"), "/a?b=c");
        assert_eq!(local("//evil.org/", ""), "/evil.org/");
        assert_eq!(local("/\\evil.org", ""), "/evil.org");
        assert_eq!(local("///\\/evil", ""), "/evil");
        assert_eq!(local("/a\\b", ""), "/a%5Cb");
    }
}
