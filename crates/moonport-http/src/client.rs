// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client for pages, `/moonport.js`, and its types: two files that the server carries in memory.
//!
//! There is no secret in them, so they need no token: a script tag cannot send one. Host and Origin are checked as for
//! everything else.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};

use crate::answer::{self, Content};
use crate::conditions::{Conditions, Version};
use crate::refusal::Refusal;

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: &'static str,
    kind: &'static str,
    text: &'static str,
}

pub(crate) static FILES: [File; 2] = [
    File { path: "/moonport.js", kind: "text/javascript; charset=utf-8", text: include_str!("../client/moonport.js") },
    File {
        path: "/moonport.d.ts",
        kind: "application/typescript; charset=utf-8",
        text: include_str!("../client/moonport.d.ts"),
    },
];

pub(crate) fn answer(file: &'static File, conditions: &Conditions) -> Result<Response<Content>, Refusal> {
    let version = Version::of_text(file.text);
    if version.is_unwanted(conditions) {
        return Err(Refusal::another_version());
    }
    let mut response = answer::empty(StatusCode::OK);
    let headers = response.headers_mut();
    version.set(headers);
    // Asked for each time, and mostly answered 304: a page never speaks to a new server with an old client.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if version.is_known(conditions) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
    Ok(response.map(|_| Bytes::from_static(file.text.as_bytes()).into()))
}
