// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attacks that have a name and are not in the other files: header injection, compression bombs, DNS rebinding.

use super::{Row, get, post, post_bytes, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = injection();
    rows.extend(bombs());
    rows.extend(rebinding());
    rows
}

/// Line ends that a server could decode into its own headers.
fn injection() -> Vec<Row> {
    const INJECTED: &str = "%0d%0aX-Evil:%20yes%0d%0a%0d%0a";
    let harmless = |name, target: String, statuses: &[u16], woken| {
        row(format!("header injection: {name}"))
            .send(get(&target, ""))
            .answer(statuses)
            .without("x-evil")
            .kept()
            .woken_between(0, woken)
    };
    vec![
        harmless("in a parameter", format!("/items/{INJECTED}"), &[200], 1),
        harmless("in the query", format!("/echo?a={INJECTED}"), &[200], 1),
        harmless("in a path that is not there", format!("/nowhere/{INJECTED}"), &[404], 0),
        harmless("in the redirect to a folder", format!("/static/empty?{INJECTED}"), &[301, 302, 307, 308, 404], 0),
        harmless("in the name of a file", format!("/static/{INJECTED}"), &[404], 0),
        row("header injection: in a preflight's headers")
            .send(format!(
                "OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\n\
                Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-a{INJECTED}\r\n\r\n"
            ))
            .answer(&[204, 400, 403])
            .without("x-evil")
            .kept(),
    ]
}

/// Bodies that begin as gzip does: nothing is unpacked, whatever the coding is called.
fn bombs() -> Vec<Row> {
    let mut bomb = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xed\xc1\x01\x0d\0\0\0\xc2\xa0\xf7Om\x0e7\xa0".to_vec();
    bomb.resize(10_220, 0);
    let codings = ["gzip", "x-gzip", "deflate", "compress", "br", "zstd", "gzip, gzip", "identity, gzip", "unknown"];
    let rows = codings.into_iter().map(|coding| {
        let headers = format!("Content-Type: application/json\r\nContent-Encoding: {coding}\r\n");
        row(format!("compression bomb: {coding}"))
            .send(post_bytes("/json", &headers, &bomb))
            .answer(&[415])
            .is("accept-encoding", "identity")
            .ends()
    });
    rows.collect()
}

/// A name of the attacker's that leads to 127.0.0.1: only the Host gives it away.
fn rebinding() -> Vec<Row> {
    let page = |name: &str, host: &str, extra: &str| {
        let request = post("/echo", extra, "x").replace("127.0.0.1:$PORT", host);
        row(format!("DNS rebinding: {name}"))
            .send(request)
            .answer(&[400, 403])
            .without("access-control-allow-origin")
            .ends()
    };
    vec![
        page("the attacker's name", "evil.example:$PORT", ""),
        page("with its own Origin", "evil.example:$PORT", "Origin: http://evil.example:$PORT\r\n"),
        page("which looks same-origin", "evil.example:$PORT", "Sec-Fetch-Site: same-origin\r\n"),
        page("a name that begins like ours", "localhost.evil.example:$PORT", ""),
        page("a name that ends like ours", "evil.localhost:$PORT", ""),
        page("an address in a name", "127.0.0.1.evil.example:$PORT", ""),
        page("another address", "10.0.0.1:$PORT", ""),
        page("all addresses", "0.0.0.0:$PORT", ""),
    ]
}
