// SPDX-License-Identifier: MIT OR Apache-2.0
//! One message of an extension becomes a request, and the program's answer a message: docs/webext.md describes both.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, ORIGIN};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, Uri};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client::{self, Failure};
use super::frames::TO_BROWSER;

/// Longer than servers let a request wait, unless they were told to.
const LONGEST: Duration = Duration::from_secs(120);

/// It comes back in an answer that may be of one line only.
const LONGEST_ID: usize = 256;

/// Where messages go, and for whom.
pub(super) struct Target {
    socket: PathBuf,
    origin: Option<HeaderValue>,
    patience: Duration,
}

impl Target {
    pub(super) fn new(socket: PathBuf, origin: Option<HeaderValue>) -> Self {
        Self { socket, origin, patience: LONGEST }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<String>,
    path: String,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// What can be read of a message that is wrong otherwise.
#[derive(Deserialize)]
struct Id<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Content<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

#[derive(Serialize)]
struct Refusal<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    error: &'a str,
    name: &'static str,
}

/// The frame that answers this one, whatever happens.
pub(super) async fn answer(target: &Target, frame: Bytes) -> Vec<u8> {
    let id = serde_json::from_slice::<Id<'_>>(&frame).ok().and_then(|message| message.id);
    let id = id.filter(|id| id.get().len() <= LONGEST_ID);
    let exchanged = async {
        let response = client::send(&target.socket, request(target, &frame)?).await?;
        written(id, &response)
    };
    let failure = match tokio::time::timeout(target.patience, exchanged).await {
        Ok(Ok(answer)) => return answer,
        Ok(Err(failure)) => failure,
        Err(_) => Failure::new("timeout", format!("the program did not answer in {:?}", target.patience)),
    };
    refusal(id, &failure)
}

/// The frame for what went wrong outside any message.
pub(super) fn complaint(failure: &Failure) -> Vec<u8> {
    refusal(None, failure)
}

fn refusal(id: Option<&RawValue>, failure: &Failure) -> Vec<u8> {
    let refusal = Refusal { id, error: &failure.text, name: failure.name };
    // Strings and an id that was read: nothing in it can fail.
    serde_json::to_vec(&refusal).unwrap_or_default()
}

fn invalid(text: impl std::fmt::Display) -> Failure {
    Failure::new("invalid", format!("not a message: {text}"))
}

fn request(target: &Target, frame: &Bytes) -> Result<Request<Full<Bytes>>, Failure> {
    if frame.trim_ascii_start().first() != Some(&b'{') {
        // serde would take the fields in an array too.
        return Err(invalid("expected an object"));
    }
    let message: Message<'_> = serde_json::from_slice(frame).map_err(invalid)?;
    if message.id.is_some_and(|id| id.get().len() > LONGEST_ID) {
        return Err(invalid(format_args!("expected an id of at most {LONGEST_ID} bytes")));
    }
    let builder = Request::builder().method(method(&message)?).uri(uri(&message.path)?).header(HOST, "localhost");
    let builder = match &target.origin {
        Some(origin) => builder.header(ORIGIN, origin),
        None => builder,
    };
    let request = match message.body {
        Some(body) => {
            builder.header(CONTENT_TYPE, "application/json").body(Full::new(frame.slice_ref(body.get().as_bytes())))
        }
        None => builder.body(Full::default()),
    };
    request.map_err(invalid)
}

fn method(message: &Message<'_>) -> Result<Method, Failure> {
    match message.method.as_deref() {
        None if message.body.is_some() => Ok(Method::POST),
        None | Some("GET") => Ok(Method::GET),
        Some("POST") => Ok(Method::POST),
        Some("PUT") => Ok(Method::PUT),
        Some("PATCH") => Ok(Method::PATCH),
        Some("DELETE") => Ok(Method::DELETE),
        Some(_) => Err(invalid("expected the method GET, POST, PUT, PATCH or DELETE")),
    }
}

fn uri(path: &str) -> Result<Uri, Failure> {
    if !path.starts_with('/') {
        return Err(invalid("expected a path that begins with /"));
    }
    Ok(Uri::from(path.parse::<PathAndQuery>().map_err(invalid)?))
}

fn written(id: Option<&RawValue>, response: &Response<Bytes>) -> Result<Vec<u8>, Failure> {
    let body = match response.body() {
        body if body.is_empty() => None,
        body if is_json(response) => serde_json::from_slice(body).ok().map(Content::Json),
        _ => None,
    };
    let text = || std::str::from_utf8(response.body()).map(Content::Text);
    let body = match body {
        None if !response.body().is_empty() => {
            Some(text().map_err(|_| Failure::new("not_text", "the answer is neither JSON nor text in UTF-8"))?)
        }
        body => body,
    };
    let answer = serde_json::to_vec(&Answer { id, status: response.status().as_u16(), body });
    match answer {
        Ok(answer) if answer.len() <= TO_BROWSER => Ok(answer),
        Ok(_) => Err(Failure::too_big()),
        Err(error) => Err(Failure::new("io", error.to_string())),
    }
}

fn is_json(response: &Response<Bytes>) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn target(origin: Option<&'static str>) -> Target {
        Target::new(PathBuf::new(), origin.map(HeaderValue::from_static))
    }

    fn of(message: &'static str) -> Result<Request<Full<Bytes>>, Failure> {
        request(&target(Some("chrome-extension://abc")), &Bytes::from_static(message.as_bytes()))
    }

    fn body(request: Request<Full<Bytes>>) -> Bytes {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(request.into_body().collect()).unwrap().to_bytes()
    }

    #[test]
    fn a_message_is_a_request_of_its_caller() {
        let request = of(r#"{"id": 7, "method": "PUT", "path": "/a?b=c", "body": {"x": [1.0, 1e400]} }"#).unwrap();
        assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::PUT, "/a?b=c"));
        assert_eq!(request.headers()[ORIGIN], "chrome-extension://abc");
        assert_eq!(request.headers()[HOST], "localhost");
        assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(body(request), r#"{"x": [1.0, 1e400]}"#);

        let request = super::request(&target(None), &Bytes::from_static(br#"{"path": "/"}"#)).unwrap();
        assert_eq!((request.method(), request.headers().len()), (&Method::GET, 1));
        assert_eq!(body(request), "");
        assert_eq!(of(r#"{"path": "/", "body": 1}"#).unwrap().method(), Method::POST);
    }

    #[test]
    fn what_is_no_message_says_why() {
        for (message, why) in [
            ("", "object"),
            ("{", "EOF"),
            (r#"[1, "GET", "/", null]"#, "object"),
            ("{}", "missing field `path`"),
            (r#"{"path": 1}"#, "string"),
            (r#"{"path": "/", "headers": {}}"#, "unknown field `headers`"),
            (r#"{"path": "/"} x"#, "trailing"),
            (r#"{"path": "/", "path": "/"}"#, "duplicate"),
            (r#"{"path": "a"}"#, "begins with /"),
            (r#"{"path": "http://evil.org/"}"#, "begins with /"),
            (r#"{"path": "/ HTTP/1.1\r\nX: y"}"#, "invalid uri character"),
            (r#"{"path": "/", "method": "CONNECT"}"#, "method"),
            (r#"{"path": "/", "method": "post"}"#, "method"),
        ] {
            let failure = of(message).unwrap_err();
            assert_eq!(failure.name, "invalid");
            assert!(failure.text.contains(why), "{message}: {}", failure.text);
        }
        let long = format!(r#"{{"id": "{}", "path": "/"}}"#, "x".repeat(LONGEST_ID));
        assert!(request(&target(None), &long.into()).unwrap_err().text.contains("id"));
    }

    fn back(kind: &str, body: &'static [u8]) -> Result<String, &'static str> {
        let id = RawValue::from_string("\"i\"".into()).unwrap();
        let response = Response::builder().status(201).header(CONTENT_TYPE, kind).body(Bytes::from_static(body));
        let answer = written(Some(&id), &response.unwrap()).map_err(|failure| failure.name)?;
        Ok(String::from_utf8(answer).unwrap())
    }

    #[test]
    fn an_answer_is_json_or_text() {
        let json = back("application/json", b"{\"a\": 9007199254740993}");
        assert_eq!(json.unwrap(), r#"{"id":"i","status":201,"body":{"a": 9007199254740993}}"#);
        assert_eq!(back("text/plain", b"a\"b").unwrap(), r#"{"id":"i","status":201,"body":"a\"b"}"#);
        assert_eq!(back("application/json", b"{\"a").unwrap(), r#"{"id":"i","status":201,"body":"{\"a"}"#);
        assert_eq!(back("text/plain", b"").unwrap(), r#"{"id":"i","status":201}"#);
        assert_eq!(back("image/png", b"\xff"), Err("not_text"));
        let zeros: &'static [u8] = vec![0; TO_BROWSER / 2].leak();
        assert_eq!(back("text/plain", zeros), Err("too_big"));
    }

    #[test]
    fn a_program_that_says_nothing_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let target = Target { patience: Duration::from_millis(20), ..Target::new(socket, None) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(answer(&target, Bytes::from_static(br#"{"id": 1, "path": "/"}"#)));
        let wanted = br#"{"id":1,"error":"the program did not answer in 20ms","name":"timeout"}"#;
        assert_eq!(answer, wanted);
    }
}
