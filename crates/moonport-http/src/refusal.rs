// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers that the server gives itself when it does not pass a request on: a status and a JSON body that says why.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};

/// Why a request is not served, as an error on the way through the service.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    text: Cow<'static, str>,
    offset: Option<usize>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into(), offset: None, header: None }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(crate) fn bad_request(text: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn malformed(text: String, offset: usize) -> Self {
        Self { offset: Some(offset), ..Self::new(StatusCode::BAD_REQUEST, text) }
    }

    pub(crate) fn unauthorized(text: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text).with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(crate) fn forbidden(text: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "nothing is here")
    }

    pub(crate) fn method_not_allowed(allow: HeaderValue) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method").with(ALLOW, allow)
    }

    pub(crate) fn timeout(text: &'static str) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, text)
    }

    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large")
    }

    pub(crate) fn head_too_large(text: &'static str) -> Self {
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, text)
    }

    pub(crate) fn unsupported(text: &'static str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
    }

    pub(crate) fn compressed() -> Self {
        Self::unsupported("a body must not be compressed").with(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
    }

    pub(crate) fn unavailable(text: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text).with(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    pub(crate) fn another_version() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "the file is another version")
    }

    pub(crate) fn range(length: u64) -> Self {
        let refusal = Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "the range is beyond the end");
        match HeaderValue::try_from(format!("bytes */{length}")) {
            Ok(value) => refusal.with(CONTENT_RANGE, value),
            Err(_) => refusal,
        }
    }

    /// RFC 9110 section 15.5.22, RFC 6455 section 4.4.
    pub(crate) fn upgrade_required(text: &'static str) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, text).with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn into_response(self) -> Response<Bytes> {
        let body = self.body();
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header {
            headers.insert(name, value);
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }

    fn body(&self) -> String {
        let mut body = String::with_capacity(64);
        body.push_str("{\"error\":\"");
        for character in self.text.chars() {
            match character {
                '"' | '\\' => body.extend(['\\', character]),
                '\0'..='\x1F' => body.push(' '),
                _ => body.push(character),
            }
        }
        body.push('"');
        if let Some(offset) = self.offset {
            body.push_str(&format!(",\"offset\":{offset}"));
        }
        body.push('}');
        body
    }
}

/// The whole answer to a connection that is one too many, framing included.
pub(crate) const TOO_MANY_CONNECTIONS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/json\r\n\
    x-content-type-options: nosniff\r\n\
    cache-control: no-store\r\n\
    retry-after: 1\r\n\
    connection: close\r\n\
    content-length: 32\r\n\r\n\
    {\"error\":\"too many connections\"}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json() {
        let refusal = Refusal::malformed("expected '\"' or \\\n".to_owned(), 17);
        assert_eq!(refusal.body(), r#"{"error":"expected '\"' or \\ ","offset":17}"#);
        assert_eq!(Refusal::not_found().body(), r#"{"error":"nothing is here"}"#);
    }

    #[test]
    fn the_fixed_answer_has_its_length() {
        let text = std::str::from_utf8(TOO_MANY_CONNECTIONS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
