// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes: the end of a head is found alike however it arrives, and what the strict check passes, the parser behind
//! hyper reads as one whole request with the same framing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use moonport_http::Limits;
use moonport_http::head::{self, Framing, Search};

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // Most bytes fail in the request line: look behind it too.
    read(&[b"POST /a HTTP/1.1\r\n", bytes, b"\r\n\r\n"].concat());
});

fn read(bytes: &[u8]) {
    let limits = Limits { head: 512, headers: 16, uri: 128, ..Limits::default() };
    let whole = Search::default().find_end(bytes, &limits);
    let mut search = Search::default();
    let pieces = (1..=bytes.len()).map(|length| search.find_end(&bytes[..length], &limits));
    let pieces = pieces.into_iter().find(|found| !matches!(found, Ok(None))).unwrap_or(Ok(None));
    if let (Ok(Some(one)), Ok(Some(other))) = (&whole, &pieces) {
        assert_eq!(one, other);
    }
    let Ok(Some(end)) = whole else { return };
    let Ok(framing) = head::check(&bytes[..end], &limits) else { return };

    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(&bytes[..end]).expect("a checked head is one to hyper's parser");
    assert_eq!(parsed, httparse::Status::Complete(end));
    let named = |name: &str| {
        let same: Vec<_> = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name)).collect();
        assert!(same.len() <= 1, "two headers named {name} were passed");
        same.first().map(|header| header.value)
    };
    assert!(named("content-length").is_none() || named("transfer-encoding").is_none(), "both framings were passed");
    assert_eq!(matches!(framing, Framing::Chunked), named("transfer-encoding").is_some());
}
