// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rows, one file per subject, and the few words in which they are written.

mod body;
mod form;
mod framing;
mod host;
mod limits;
mod named;
mod plain;
mod target;
mod time;
mod token;

use super::row::{Row, refused, row};

/// The whole table.
pub(crate) fn table() -> Vec<Row> {
    let groups = [
        plain::rows(),
        target::rows(),
        host::rows(),
        token::rows(),
        body::rows(),
        form::rows(),
        framing::rows(),
        limits::rows(),
        named::rows(),
        time::rows(),
    ];
    let mut rows: Vec<Row> = groups.into_iter().flatten().collect();
    let single: Vec<Row> = target::rows().iter().chain(&framing::rows()).filter_map(Row::in_single_bytes).collect();
    rows.extend(single);
    rows
}

/// A request with the server's own Host. `extra`: further header lines, each with its CRLF.
fn request(method: &str, target: &str, extra: &str, body: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:$PORT\r\n{extra}\r\n{body}")
}

fn get(target: &str, extra: &str) -> String {
    request("GET", target, extra, "")
}

/// A POST with the Content-Length that its body has.
fn post(target: &str, extra: &str, body: &str) -> String {
    request("POST", target, &format!("{extra}Content-Length: {}\r\n", body.len()), body)
}

/// A POST with a body that need not be text.
fn post_bytes(target: &str, extra: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = request("POST", target, &format!("{extra}Content-Length: {}\r\n", body.len()), "").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
