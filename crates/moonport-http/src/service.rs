// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way of one request: from its checked head through security, routes, token and body to the owner's thread, and
//! back. What goes wrong on the way is a [`Refusal`].

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CACHE_CONTROL, CONNECTION, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use moonport_core::reply::Reply;
use moonport_core::{Payload, SendError, reply};

use crate::accept::Site;
use crate::answer::{self, Answer, Content, Outgoing};
use crate::body;
use crate::client;
use crate::conditions::Conditions;
use crate::connection::{Link, Phase, Verdict};
use crate::events;
use crate::files;
use crate::message::{self, Request};
use crate::paths;
use crate::refusal::Refusal;
use crate::routes::{Found, RouteOptions};
use crate::security::{self, Standing};
use crate::sent::Sent;
use crate::stats::Counters;
use crate::upgrade::{self, Upgrade};

/// As hyper gives it, without a small body.
pub(crate) type Asked = hyper::Request<Incoming>;

/// Answers one request. hyper drops this future when the connection ends, and the waiting request is cancelled.
pub(crate) async fn serve(site: &Rc<Site>, link: &Rc<Link>, request: &mut Asked) -> Response<Outgoing> {
    site.counters.requests.one();
    let mut sent = link.take_sent();
    let mut unread = !sent.body().is_empty() || !request.body().is_end_stream();
    let (last, listed, result) = match link.take_verdict() {
        Some(Verdict::Passed) => {
            let listed = site.guard.listed(request.headers());
            let result = respond(site, link, request, &mut sent, listed.is_some(), &mut unread).await;
            (false, listed, result)
        }
        Some(Verdict::Refused(refused)) => {
            let listed = refused.origin.and_then(|origin| site.guard.listed_bytes(&origin));
            (true, listed, Err(refused.refusal))
        }
        // A head that the gate did not pass.
        None => (true, None, Err(Refusal::bad_request("the framing of the request is not understood"))),
    };

    let mut response = result.unwrap_or_else(|refusal| {
        count(&site.counters, refusal.status());
        refusal.into_response().map(Content::from)
    });
    security::set_cors(response.headers_mut(), listed);
    if last || unread {
        link.linger();
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|content| Outgoing::new(content, Rc::clone(link)))
}

fn count(counters: &Counters, status: StatusCode) {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => counters.full.one(),
        StatusCode::GATEWAY_TIMEOUT => counters.timeouts.one(),
        _ if status.is_client_error() => counters.refused.one(),
        _ => {}
    }
}

/// `unread` is set to false when all of the body has been read.
async fn respond(
    site: &Rc<Site>,
    link: &Rc<Link>,
    request: &mut Asked,
    sent: &mut Sent,
    listed: bool,
    unread: &mut bool,
) -> Result<Response<Content>, Refusal> {
    let standing = site.guard.check(request.uri(), request.headers(), listed)?;
    let raw_path = request.uri().path();
    let path = paths::normalize(raw_path).ok_or(Refusal::bad_request("the path has a bad percent-encoding"))?;

    if request.method() == Method::OPTIONS {
        if listed && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            let mut response = answer::empty(StatusCode::NO_CONTENT);
            security::set_preflight(response.headers_mut(), request.headers(), site.routes.allow(&path));
            return Ok(response);
        }
        if path == "*" {
            return Ok(options(site.routes.allow("*")));
        }
    }

    match site.routes.find(request.method(), &path) {
        Found::Nothing => Err(Refusal::not_found()),
        Found::Method if request.method() == Method::OPTIONS => Ok(options(site.routes.allow(&path))),
        Found::Method => Err(Refusal::method_not_allowed(site.routes.allow(&path))),
        Found::Directory { directory, rest } => {
            if let Some(response) = authorize(site, request, standing, true)? {
                return Ok(response);
            }
            let conditions = Conditions::new(request.method(), request.headers());
            let query = request.uri().query().unwrap_or("");
            Box::pin(files::below(&directory.root, rest, raw_path, query, conditions)).await
        }
        Found::Route { index, route, params } => {
            let options = &route.options;
            if request.uri().authority().is_some() || raw_path.contains('%') {
                sent.set_path(paths::unescape(&path));
            }
            if let Some(websocket) = &options.websocket {
                let secrets = site.secrets.as_ref().filter(|_| options.token);
                let response = upgrade::accept(request, *unread, standing, secrets, websocket)?;
                let request = read(request, index, params, sent, link, reply::channel().0)?;
                let size = link.head_size();
                if !site.post.sender().has_room(size) {
                    return Err(Refusal::unavailable("too many requests wait"));
                }
                site.counters.forwarded.one();
                link.upgrade(Upgrade { request: *request, codec: websocket.codec, size });
                return Ok(response);
            }
            if let Some(response) = authorize(site, request, standing, options.token)? {
                return Ok(response);
            }
            if let Some(file) = route.client {
                return client::answer(file, &Conditions::new(request.method(), request.headers()));
            }
            if let Some(events) = &route.events {
                return Ok(events::answer(events, site, link, request.method(), request.headers()));
            }
            let content = body::check_headers(request.headers(), request.method(), *unread, options.content)?;
            let max = options.max_body.unwrap_or(site.max_body);
            if sent.body().len() > max {
                return Err(Refusal::too_large());
            }
            if *unread && sent.body().is_empty() {
                sent.set_body(Box::pin(body::read(request.body_mut(), link, max, &site.limits)).await?);
            }
            *unread = false;
            let checked = body::check_content(content, request.headers(), sent, site.limits.depth, &site.tape)?;

            let (reply, answer) = reply::channel();
            let mut forwarded = read(request, index, params, sent, link, reply)?;
            (forwarded.content, forwarded.document, forwarded.form) = (content, checked.document, checked.form);
            let answer = ask(site, link, options, forwarded, answer).await?;
            let headers = std::mem::take(request.headers_mut());
            match answer::from_owner(answer, request.method(), headers)? {
                Answer::Ready(response) => Ok(response),
                Answer::File { path, status, headers, conditions } => {
                    Box::pin(files::answer(path, status, headers, conditions)).await
                }
            }
        }
    }
}

/// The request as its owner gets it, but for what its body means.
fn read(
    request: &Asked,
    route: usize,
    params: Vec<(String, String)>,
    sent: &mut Sent,
    link: &Link,
    reply: Reply<message::Response>,
) -> Result<Box<Request>, Refusal> {
    let query = paths::parse_query(request.uri().query().unwrap_or(""));
    let query = query.ok_or(Refusal::bad_request("the query is not UTF-8"))?;
    Ok(Box::new(Request {
        route,
        method: request.method().clone(),
        params,
        query,
        sent: std::mem::take(sent),
        content: None,
        document: None,
        form: Vec::new(),
        peer: Arc::clone(&link.peer),
        reply,
    }))
}

fn options(allow: HeaderValue) -> Response<Content> {
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(ALLOW, allow);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Checks the token, the cookie or the one-time link, which has an answer of its own.
fn authorize(
    site: &Site,
    request: &Asked,
    standing: Standing,
    needed: bool,
) -> Result<Option<Response<Content>>, Refusal> {
    let Some(secrets) = &site.secrets else { return Ok(None) };
    if secrets.has_bearer(request.headers()) {
        return Ok(None);
    }
    let has_cookie = || standing.own && secrets.has_cookie(request.headers());
    let link = request.uri().query().filter(|_| request.method() == Method::GET).and_then(split_token);
    if let Some((token, rest)) = link {
        let path = request.uri().path();
        if site.links.take(&token) {
            return answer::link_redirect(path, &rest, secrets.set_cookie()).map(Some);
        }
        // Where no token is needed, a parameter of that name is the route's own.
        if needed && has_cookie() {
            return answer::link_redirect(path, &rest, None).map(Some);
        }
        if needed {
            return Err(Refusal::unauthorized("this link was used already, or is too old"));
        }
    }
    if needed && !has_cookie() {
        return Err(Refusal::unauthorized("a token is needed"));
    }
    Ok(None)
}

/// The value of `token` in a query, and the query without it.
fn split_token(query: &str) -> Option<(String, String)> {
    let is_token = |pair: &str| pair == "token" || pair.starts_with("token=");
    let pair = query.split('&').find(|pair| is_token(pair))?;
    let token = pair.strip_prefix("token=").unwrap_or("").to_owned();
    let rest: Vec<_> = query.split('&').filter(|pair| !is_token(pair)).collect();
    Some((token, rest.join("&")))
}

/// Sends a request to the owner's thread and waits for its answer.
async fn ask(
    site: &Site,
    link: &Link,
    options: &RouteOptions,
    request: Box<Request>,
    answer: reply::Answer<message::Response>,
) -> Result<message::Response, Refusal> {
    let size = link.head_size() + request.sent.body().len();
    link.begin_waiting(options.deadline.unwrap_or(site.deadline));
    site.post.send(Payload::Object { value: request, size }).map_err(|error| match error {
        SendError::Full => Refusal::unavailable("too many requests wait"),
        SendError::TooBig => Refusal::too_large(),
        _ => Refusal::unavailable("nobody answers any more"),
    })?;
    site.counters.forwarded.one();

    let mut left = Left { counters: &site.counters, waiting: true };
    let mut answer = pin!(answer);
    let result = poll_fn(|context| {
        let mut gathered = Context::from_waker(link.gathered(site, context.waker()));
        match answer.as_mut().poll(&mut gathered) {
            Poll::Ready(Some(answer)) => Poll::Ready(Ok(answer)),
            Poll::Ready(None) => Poll::Ready(Err(Refusal::internal())),
            Poll::Pending if link.is_expired() && link.phase() == Phase::Waiting => {
                Poll::Ready(Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, "the answer took too long")))
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    left.waiting = false;
    if result.is_ok() {
        site.counters.answered.one();
    }
    result
}

/// Counts a request whose future is dropped while it waits: its client has left.
struct Left<'a> {
    counters: &'a Counters,
    waiting: bool,
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        if self.waiting {
            self.counters.cancelled.one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_leaves_the_query() {
        let split = |query| split_token(query).map(|(token, rest)| format!("{token} {rest}"));
        assert_eq!(split("token=a"), Some("a ".to_owned()));
        assert_eq!(split("x=1&token=a&y=2&token=b"), Some("a x=1&y=2".to_owned()));
        assert_eq!(split("token"), Some(" ".to_owned()));
        assert_eq!(split("xtoken=a"), None);
        assert_eq!(split(""), None);
    }
}
