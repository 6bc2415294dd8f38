// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where heads and bodies end: everything that two parties on the way could read differently.

use super::{Row, get, post, refused, request, row};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = lengths();
    rows.extend(codings());
    rows.extend(chunks());
    rows.extend(lines());
    rows.extend(cut());
    rows
}

fn lengths() -> Vec<Row> {
    let length = |name, value: &str, statuses: &[u16]| {
        refused(name, request("POST", "/echo", &format!("Content-Length: {value}\r\n"), "hello"), statuses)
    };
    vec![
        length("Content-Length: +5", "+5", &[400]),
        length("Content-Length: -1", "-1", &[400]),
        length("Content-Length: -0", "-0", &[400]),
        length("Content-Length: 0x5", "0x5", &[400]),
        length("Content-Length: 5.0", "5.0", &[400]),
        length("Content-Length: 5e0", "5e0", &[400]),
        length("Content-Length: 5 5", "5 5", &[400]),
        length("Content-Length: 5, 5", "5, 5", &[400]),
        length("Content-Length: 5, 6", "5, 6", &[400]),
        length("Content-Length: 5,", "5,", &[400]),
        length("Content-Length: \"5\"", "\"5\"", &[400]),
        length("Content-Length: five", "five", &[400]),
        length("Content-Length in Arabic digits", "\u{665}", &[400]),
        length("an empty Content-Length", "", &[400]),
        length("Content-Length: 2^64", "18446744073709551616", &[400, 413]),
        length("Content-Length: 2^64 + 5", "18446744073709551621", &[400, 413]),
        length("Content-Length: 2^64 - 1", "18446744073709551615", &[400, 413]),
        length("Content-Length: 2^63", "9223372036854775808", &[400, 413]),
        length("Content-Length of 200 digits", &"9".repeat(200), &[400, 413]),
        refused(
            "two different Content-Lengths",
            request("POST", "/echo", "Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
            &[400],
        ),
        refused(
            "a good and a bad Content-Length",
            request("POST", "/echo", "Content-Length: 5\r\nContent-Length: x\r\n", "hello"),
            &[400],
        ),
        // RFC 9112, 6.3: equal ones may be taken as one.
        row("two equal Content-Lengths")
            .send(request("POST", "/echo", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello"))
            .answer(&[200, 400])
            .ends()
            .woken_between(0, 1),
        row("Content-Length with blanks around it")
            .send(request("POST", "/echo", "Content-Length: \t 5 \t\r\n", "hello"))
            .answer(&[200])
            .contains("body <hello>")
            .kept()
            .woken(1),
        row("Content-Length without a blank")
            .send(request("POST", "/echo", "content-length:5\r\n", "hello"))
            .answer(&[200])
            .contains("body <hello>")
            .kept()
            .woken(1),
        row("a POST without a length has no body")
            .send(request("POST", "/echo", "", ""))
            .answer(&[200, 411])
            .kept()
            .woken_between(0, 1),
    ]
}

fn codings() -> Vec<Row> {
    let coding = |name, lines: &str, statuses: &[u16]| {
        refused(name, request("POST", "/echo", lines, "5\r\nhello\r\n0\r\n\r\n"), statuses)
    };
    let inner = "0\r\n\r\nGET /echo?smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let both = |name, lines: &str| refused(name, request("POST", "/echo", lines, inner), &[400]);
    vec![
        both("CL then TE", &format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", inner.len())),
        both("TE then CL", &format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", inner.len())),
        both("CL 0 and TE", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
        both(
            "CL and TE far apart",
            &format!("Content-Length: {}\r\nX-A: a\r\nX-B: b\r\ntransfer-encoding: CHUNKED\r\n", inner.len()),
        ),
        both("CL and an unknown TE", &format!("Content-Length: {}\r\nTransfer-Encoding: xchunked\r\n", inner.len())),
        both("CL and an empty TE", &format!("Content-Length: {}\r\nTransfer-Encoding:\r\n", inner.len())),
        coding("TE: identity", "Transfer-Encoding: identity\r\n", &[400, 501]),
        coding("TE: chunked, chunked", "Transfer-Encoding: chunked, chunked\r\n", &[400, 501]),
        coding("TE: chunked on two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", &[400, 501]),
        coding("TE: xchunked", "Transfer-Encoding: xchunked\r\n", &[400, 501]),
        coding("TE: chunkedx", "Transfer-Encoding: chunkedx\r\n", &[400, 501]),
        coding("TE: chunked, identity", "Transfer-Encoding: chunked, identity\r\n", &[400, 501]),
        coding("TE: identity, chunked", "Transfer-Encoding: identity, chunked\r\n", &[400, 501]),
        coding("TE: gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", &[400, 415, 501]),
        coding(
            "TE: gzip and chunked on two lines",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            &[400, 415, 501],
        ),
        coding("TE: chunked;q=1", "Transfer-Encoding: chunked;q=1\r\n", &[400, 501]),
        coding("TE: \"chunked\"", "Transfer-Encoding: \"chunked\"\r\n", &[400, 501]),
        coding("an empty TE", "Transfer-Encoding:\r\n", &[400, 501]),
        coding("TE with a vertical tab", "Transfer-Encoding: \x0bchunked\r\n", &[400, 501]),
        coding("TE with a space before the colon", "Transfer-Encoding : chunked\r\n", &[400]),
        coding("TE folded", "Transfer-Encoding:\r\n chunked\r\n", &[400]),
        refused(
            "TE in HTTP/1.0",
            "POST /echo HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            &[400, 501],
        ),
        row("TE: Chunked")
            .send(request("POST", "/echo", "Transfer-Encoding: Chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"))
            .answer(&[200])
            .contains("body <hello>")
            .woken(1),
    ]
}

fn chunks() -> Vec<Row> {
    let good = |name, body: &str| {
        row(name).send(request("POST", "/echo", CHUNKED, body)).answer(&[200]).contains("body <hello>").woken(1)
    };
    let bad = |name, body: &str| refused(name, request("POST", "/echo", CHUNKED, body), &[400]);
    let bytewise = request("POST", "/echo", CHUNKED, "5\r\nhello\r\n0\r\n\r\n");
    vec![
        good("chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        good("a chunk size with zeros", "0005\r\nhello\r\n000\r\n\r\n"),
        good("a chunk extension", "5;name=value\r\nhello\r\n0;last\r\n\r\n"),
        good("a trailer", "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
        row("chunk sizes in both cases")
            .send(request("POST", "/echo", CHUNKED, "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"))
            .answer(&[200])
            .contains("size <20>")
            .woken(1),
        row("chunks in single bytes").send_slowly(bytewise, 1, 0).answer(&[200]).contains("body <hello>").woken(1),
        row("chunks, then a pipelined request")
            .send(format!("{}{}", request("POST", "/echo", CHUNKED, "5\r\nhello\r\n0\r\n\r\n"), get("/echo?next", "")))
            .answer(&[200])
            .contains("body <hello>")
            .answer_or_silence(&[200])
            .contains("query <next=>")
            .woken_between(1, 2),
        row("100,000 chunks of one byte")
            .send(request("POST", "/echo", CHUNKED, &format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(100_000))))
            .answer(&[200])
            .contains("size <100000>")
            .woken(1),
        row("chunks that are mostly extension")
            .send(request(
                "POST",
                "/echo",
                CHUNKED,
                &format!("{}0\r\n\r\n", format!("1;{}\r\na\r\n", "x".repeat(1000)).repeat(2000)),
            ))
            .answer(&[200, 400, 413, 431])
            .woken_between(0, 1),
        row("a chunk size of a hundred zeros")
            .send(request("POST", "/echo", CHUNKED, &format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(100))))
            .answer(&[200, 400])
            .woken_between(0, 1),
        row("a length in the trailers")
            .send(format!(
                "{}{}",
                request(
                    "POST",
                    "/echo",
                    CHUNKED,
                    "5\r\nhello\r\n0\r\nContent-Length: 100\r\nTransfer-Encoding: chunked\r\nHost: evil.example\r\n\r\n"
                ),
                get("/fence", "")
            ))
            .answer(&[200, 400])
            .answer_or_silence(&[200])
            .woken_between(0, 1),
        row("a quoted chunk extension")
            .send(request("POST", "/echo", CHUNKED, "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n"))
            .answer(&[200])
            .contains("body <hello>")
            .woken(1),
        row("no chunk at all")
            .send(request("POST", "/echo", CHUNKED, "0\r\n\r\n"))
            .answer(&[200])
            .contains("size <0>")
            .woken(1),
        row("noise behind the last chunk")
            .send(request("POST", "/echo", CHUNKED, "5\r\nhello\r\n0\r\n\r\nnoise\r\n\r\n"))
            .answer(&[200])
            .contains("body <hello>")
            .answer_or_silence(&[400])
            .closed()
            .woken(1),
        bad("NUL in a chunk extension", "5;a\0b\r\nhello\r\n0\r\n\r\n"),
        bad("CR CR LF after a chunk size", "5\r\r\nhello\r\n0\r\n\r\n"),
        bad("CR and a letter after a chunk", "5\r\nhello\rX0\r\n\r\n"),
        bad("CR and a letter after the last chunk", "5\r\nhello\r\n0\r\n\rX\r\n"),
        bad("LF CR after a chunk", "5\r\nhello\n\r0\r\n\r\n"),
        bad("a folded trailer", "5\r\nhello\r\n0\r\nX-A: a\r\n b\r\n\r\n"),
        bad("a trailer with a space before the colon", "5\r\nhello\r\n0\r\nX-A : a\r\n\r\n"),
        bad("a trailer with a bare CR", "5\r\nhello\r\n0\r\nX-A: a\rb\r\n\r\n"),
        bad("a chunk size with an underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
        bad("a chunk size that ends in h", "5h\r\nhello\r\n0\r\n\r\n"),
        bad("a chunk size of letters", "x\r\nhello\r\n0\r\n\r\n"),
        bad("no chunk size", "\r\nhello\r\n0\r\n\r\n"),
        bad("chunk size 0x5", "0x5\r\nhello\r\n0\r\n\r\n"),
        bad("chunk size +5", "+5\r\nhello\r\n0\r\n\r\n"),
        bad("chunk size -5", "-5\r\nhello\r\n0\r\n\r\n"),
        bad("chunk size with a blank before", " 5\r\nhello\r\n0\r\n\r\n"),
        bad("chunk size with a blank inside", "0 5\r\nhello\r\n0\r\n\r\n"),
        bad("a chunk size that overflows", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        bad("a chunk size of 40 digits", &format!("{}\r\nhello\r\n0\r\n\r\n", "f".repeat(40))),
        bad("no CRLF after a chunk", "5\r\nhello0\r\n\r\n"),
        bad("a chunk longer than its size", "5\r\nhello!\r\n0\r\n\r\n"),
        bad("a bare LF after a chunk size", "5\nhello\r\n0\r\n\r\n"),
        bad("a bare LF after a chunk", "5\r\nhello\n0\r\n\r\n"),
        bad("a bare CR after a chunk size", "5\rhello\r\n0\r\n\r\n"),
        bad("a bare LF in a chunk extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        bad("a bare CR in a chunk extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        bad("a bare LF after the last chunk", "5\r\nhello\r\n0\n\r\n"),
        bad("a bare LF at the end of the trailers", "5\r\nhello\r\n0\r\n\n"),
        bad("a trailer without a colon", "5\r\nhello\r\n0\r\nnonsense\r\n\r\n"),
        bad("a trailer with a bare LF", "5\r\nhello\r\n0\r\nX-A: a\nX-B: b\r\n\r\n"),
        bad("a trailer with NUL", "5\r\nhello\r\n0\r\nX-A: \0\r\n\r\n"),
        refused(
            "an endless chunk extension",
            request("POST", "/echo", CHUNKED, &format!("5;{}", "a".repeat(100_000))),
            &[400, 413, 431],
        ),
        refused(
            "endless trailers",
            request("POST", "/echo", CHUNKED, &format!("5\r\nhello\r\n0\r\n{}", "X-A: a\r\n".repeat(20_000))),
            &[400, 413, 431],
        ),
        row("trailers are no headers")
            .send(request("POST", "/echo", CHUNKED, "5\r\nhello\r\n0\r\nX-Late: yes\r\n\r\n"))
            .answer(&[200])
            .lacks("x-late")
            .woken(1),
        // RFC 9112, 7.1.1 has no blank between size and line end; old clients send it and nobody reads it differently.
        row("a blank after a chunk size")
            .send(request("POST", "/echo", CHUNKED, "5 \r\nhello\r\n0\r\n\r\n"))
            .answer(&[200, 400])
            .woken_between(0, 1),
    ]
}

fn lines() -> Vec<Row> {
    let line = |name, line: &str| refused(name, get("/echo", &format!("{line}\r\n")), &[400]);
    let good = get("/echo", "X-A: a\r\n");
    vec![
        refused("bare LF everywhere", good.replace("\r\n", "\n"), &[400]),
        refused("bare LF in one line", good.replace("X-A: a\r\n", "X-A: a\n"), &[400]),
        refused("bare LF at the end of the head", good.replace("a\r\n\r\n", "a\r\n\n"), &[400]),
        refused("bare LF twice at the end of the head", good.replace("a\r\n\r\n", "a\n\n"), &[400]),
        refused("CR CR LF", good.replace("X-A: a\r\n", "X-A: a\r\r\n"), &[400]),
        line("bare CR in a value", "X-A: a\rX-B: b"),
        line("bare CR in a name", "X-\rA: a"),
        line("obs-fold with a space", "X-A: a\r\n b"),
        line("obs-fold with a tab", "X-A: a\r\n\tb"),
        refused(
            "a fold in the first line",
            "GET /echo HTTP/1.1\r\n Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n",
            &[400],
        ),
        line("a space before the colon", "X-A : a"),
        line("a tab before the colon", "X-A\t: a"),
        line("a space in a name", "X A: a"),
        line("a name that is empty", ": a"),
        line("a line without a colon", "X-A"),
        line("NUL in a value", "X-A: a\0b"),
        line("NUL in a name", "X-\0A: a"),
        line("a control byte in a value", "X-A: a\x01b"),
        line("DEL in a value", "X-A: a\x7fb"),
        line("parentheses in a name", "X(A): a"),
        line("a name that is no ASCII", "X-Ä: a"),
        row("a tab in a value")
            .send(get("/echo", "X-A: a\tb\r\n"))
            .answer(&[200])
            .contains("header <x-a=a\\tb>")
            .kept()
            .woken(1),
        row("a value that is no ASCII")
            .send(get("/echo", "X-A: é\r\n"))
            .answer(&[200])
            .contains("header <x-a=\\xc3\\xa9>")
            .kept()
            .woken(1),
        row("an empty value").send(get("/echo", "X-A:\r\n")).answer(&[200]).contains("header <x-a=>").kept().woken(1),
    ]
}

fn cut() -> Vec<Row> {
    vec![
        row("cut inside the head")
            .send("GET /echo HTTP/1.1\r\nHost: 127")
            .half_close()
            .answer_or_silence(&[400, 408])
            .closed(),
        row("cut before the last empty line")
            .send("GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            .half_close()
            .answer_or_silence(&[400, 408])
            .closed(),
        row("cut inside the body")
            .send(request("POST", "/echo", "Content-Length: 10\r\n", "hello"))
            .half_close()
            .answer_or_silence(&[400, 408])
            .closed(),
        row("cut before the body")
            .send(request("POST", "/echo", "Content-Length: 10\r\n", ""))
            .half_close()
            .answer_or_silence(&[400, 408])
            .closed(),
        row("cut inside a chunk")
            .send(request("POST", "/echo", CHUNKED, "5\r\nhel"))
            .half_close()
            .answer_or_silence(&[400, 408])
            .closed(),
        row("cut before the last chunk")
            .send(request("POST", "/echo", CHUNKED, "5\r\nhello\r\n"))
            .half_close()
            .answer_or_silence(&[400, 408])
            .closed(),
        row("cut inside the last chunk")
            .send(request("POST", "/echo", CHUNKED, "5\r\nhello\r\n0\r\n"))
            .half_close()
            .answer_or_silence(&[400, 408])
            .closed(),
        row("gone inside the body").run(|fixture| {
            let mut client = fixture.client()?;
            client.send(b"POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nhello");
            drop(client);
            Ok(())
        }),
        row("a body longer than its length")
            .send(format!("{}extra", post("/echo", "", "hello")))
            .answer(&[200])
            .contains("body <hello>")
            .half_close()
            .answer_or_silence(&[400, 408])
            .closed()
            .woken(1),
    ]
}
