// SPDX-License-Identifier: MIT OR Apache-2.0
//! Heads that pass and heads that do not.

use super::*;

fn read(text: &str) -> Result<Framing, Fault> {
    check(text.as_bytes(), &Limits::default())
}

fn with(headers: &str) -> Result<Framing, Fault> {
    read(&format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n"))
}

#[track_caller]
fn malformed(result: Result<Framing, Fault>) {
    assert!(matches!(result, Err(Malformed(_))), "{result:?}");
}

#[test]
fn framing_is_read() {
    assert_eq!(with(""), Ok(Framing::Length(0)));
    assert_eq!(with("content-length: 12\t\r\n"), Ok(Framing::Length(12)));
    assert_eq!(with("CONTENT-LENGTH:007\r\n"), Ok(Framing::Length(7)));
    assert_eq!(with("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
}

#[test]
fn ambiguous_framing_is_refused() {
    for headers in [
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding:\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: -3\r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length: 3 3\r\n",
        "Content-Length: 3,3\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 18446744073709551615\r\n",
    ] {
        malformed(with(headers));
    }
    malformed(read("POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

#[test]
fn loose_headers_are_refused() {
    for headers in [
        "A : b\r\n",
        ": b\r\n",
        "A\r\n",
        "A: b\r\n folded\r\n",
        "A: b\r\n\tfolded\r\n",
        "A: b\0\r\n",
        "A: b\rc\r\n",
        "A: b\nC: d\r\n",
        "A: \x7f\r\n",
        "A\u{e9}: b\r\n",
        "A(: b\r\n",
    ] {
        malformed(with(headers));
    }
    assert!(with("A: \u{e9}\tb\r\nB:\r\n").is_ok());
}

#[test]
fn request_lines_are_strict() {
    for line in [
        "",
        "GET",
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / http/1.1",
        "G@T / HTTP/1.1",
        "GET * HTTP/1.1",
        "GET x HTTP/1.1",
        "GET /# HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
        "GET https://x/ HTTP/1.1",
        "GET http:/// HTTP/1.1",
        "GET http://::/ HTTP/1.1",
        "CONNECT x:80 HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "PRI * HTTP/2.0",
        "GET /\r HTTP/1.1",
    ] {
        malformed(read(&format!("{line}\r\nHost: x\r\n\r\n")));
    }
    for line in ["GET /?a=b|{}`\\ HTTP/1.1", "OPTIONS * HTTP/1.1", "GET http://x/ HTTP/1.0", "X-Y /%00 HTTP/1.1"] {
        assert!(read(&format!("{line}\r\nHost: x\r\n\r\n")).is_ok(), "{line}");
    }
}

#[test]
fn every_target_that_passes_is_one_to_hyper() {
    for byte in 0..=u8::MAX {
        for target in [vec![b'/', byte], vec![b'/', b'?', byte]] {
            if check_target(b"GET", &target).is_ok() {
                assert!(http::Uri::try_from(&target[..]).is_ok(), "{target:?}");
            }
        }
    }
}

#[test]
fn limits_hold() {
    let limits = Limits { head: 100, headers: 2, uri: 10, ..Limits::default() };
    let read = |text: &str| check(text.as_bytes(), &limits);
    assert_eq!(read("GET /123456789 HTTP/1.1\r\n\r\n"), Ok(Framing::Length(0)));
    assert_eq!(read("GET /1234567890 HTTP/1.1\r\n\r\n"), Err(Fault::UriTooLong));
    assert!(read("GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n").is_ok());
    assert_eq!(read("GET / HTTP/1.1\r\nA: b\r\nC: d\r\nE: f\r\n\r\n"), Err(Fault::TooManyHeaders));
    let long = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "b".repeat(100));
    assert_eq!(read(&long), Err(Fault::TooLarge));
    assert_eq!(Search::default().find_end(long.as_bytes(), &limits), Err(Fault::TooLarge));
    assert_eq!(Search::default().find_end(&long.as_bytes()[..110], &limits), Err(Fault::TooLarge));
    assert_eq!(Search::default().find_end(b"GET /1234567890", &limits), Err(Fault::UriTooLong));
}

#[test]
fn the_end_is_found_however_the_bytes_arrive() {
    let text = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET";
    let limits = Limits::default();
    let mut search = Search::default();
    for length in 0..text.len() {
        let expected = (length >= 27).then_some(27);
        assert_eq!(search.find_end(&text[..length], &limits), Ok(expected), "{length}");
        if expected.is_some() {
            break;
        }
    }
    for bad in [&b"GET / HTTP/1.1\n"[..], b"\n", b"GET / HTTP/1.1\r\nA: b\n\n"] {
        assert!(matches!(Search::default().find_end(bad, &limits), Err(Malformed(_))));
    }
}

#[test]
fn the_origin_of_a_faulty_head_is_found() {
    assert_eq!(origin(b"GET / HTTP/1.1\r\nORIGIN: http://x \r\nA"), Some(&b"http://x"[..]));
    assert_eq!(origin(b"Origin: a\r\nOrigin: b\r\n"), None);
    assert_eq!(origin(b"GET"), None);
}

#[test]
fn an_accept_is_noted() {
    for (headers, accepts) in [
        ("", false),
        ("Accept: a/b\r\n", true),
        ("X: y\r\naCCEPT:\r\n", true),
        ("Accept-Language: en\r\nX: accept\r\nX-Accept: y\r\n", false),
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        assert_eq!(super::read(head.as_bytes(), &Limits::default()).unwrap().accepts, accepts, "{headers}");
    }
}
