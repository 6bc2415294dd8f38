// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must simply work, and answers that the owner gets wrong.

use super::{Row, get, post, request, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = good();
    rows.extend(methods());
    rows.extend(answers());
    rows.extend(files());
    rows
}

fn good() -> Vec<Row> {
    let get_echo = get("/echo", "");
    vec![
        row("a good GET")
            .send(get("/echo?a=1", ""))
            .answer(&[200])
            .contains("method <GET>")
            .contains("path </echo>")
            .contains("query <a=1>")
            .is("x-answer", "echo")
            .kept()
            .woken(1),
        row("a good POST")
            .send(post("/echo", "X-Test: yes\r\n", "hello"))
            .answer(&[200])
            .contains("method <POST>")
            .contains("header <x-test=yes>")
            .contains("body <hello>")
            .kept()
            .woken(1),
        row("a good PUT in single bytes")
            .send_slowly(request("PUT", "/echo", "Content-Length: 3\r\n", "abc"), 1, 0)
            .answer(&[200])
            .contains("body <abc>")
            .kept()
            .woken(1),
        row("keep-alive, two requests")
            .send(&*get_echo)
            .answer(&[200])
            .send(post("/echo", "", "2"))
            .answer(&[200])
            .contains("body <2>")
            .kept()
            .woken(2),
        row("three pipelined requests in order")
            .send(format!("{}{}{}", post("/echo", "", "first"), get("/echo?second", ""), post("/echo", "", "third")))
            .answer(&[200])
            .contains("body <first>")
            .answer(&[200])
            .contains("query <second=>")
            .answer(&[200])
            .contains("body <third>")
            .kept()
            .woken(3),
        row("pipelined, a refusal in the middle")
            .send(format!("{}{}{}", get("/echo?n=1", ""), get("/nowhere", ""), get("/echo?n=3", "")))
            .answer(&[200])
            .contains("query <n=1>")
            .answer(&[404])
            .answer(&[200])
            .contains("query <n=3>")
            .kept()
            .woken(2),
        row("fifty pipelined requests in one piece")
            .send(get("/fence", "").repeat(49) + &get("/echo?last", "Connection: close\r\n"))
            .many_fences(49)
            .answer(&[200])
            .contains("query <last=>")
            .closed()
            .woken(1),
        row("Connection: keep-alive, CLOSE")
            .send(get("/echo", "Connection: keep-alive, CLOSE\r\n"))
            .answer(&[200])
            .lists("connection", "close")
            .closed()
            .woken(1),
        row("nothing is answered after Connection: close")
            .send(get("/echo", "Connection: close\r\n") + &get("/echo?second", ""))
            .answer(&[200])
            .closed()
            .woken(1),
        row("Connection: close")
            .send(get("/echo", "Connection: close\r\n"))
            .answer(&[200])
            .lists("connection", "close")
            .closed()
            .woken(1),
        row("HTTP/1.0 is answered and closed")
            .send("GET /echo HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .answer(&[200])
            .closed()
            .woken(1),
        row("HTTP/1.0 with keep-alive")
            .send("GET /echo HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n")
            .answer(&[200])
            .woken(1),
        row("an upgrade to h2c is ignored")
            .send(get(
                "/echo",
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            ))
            .answer(&[200])
            .ends()
            .woken(1),
        // Whether a half-closed client has left is the server's to decide; it must not answer twice.
        row("a client that half-closes after its request")
            .send(&*get_echo)
            .half_close()
            .answer_or_silence(&[200])
            .closed()
            .woken_between(0, 1),
        row("a connection without a byte").half_close().closed(),
    ]
}

fn methods() -> Vec<Row> {
    vec![
        row("an unknown path").send(get("/nowhere", "")).answer(&[404]).kept(),
        row("paths are compared with case").send(get("/Echo", "")).answer(&[404]).kept(),
        row("a trailing slash is another path").send(get("/echo/", "")).answer(&[404]).kept(),
        row("a wrong method")
            .send(request("DELETE", "/echo", "", ""))
            .answer(&[405])
            .lists("allow", "GET")
            .lists("allow", "HEAD")
            .lists("allow", "POST")
            .lists("allow", "PUT")
            .kept(),
        row("a method of one's own").send(request("BREW", "/echo", "", "")).answer(&[405]).has("allow").kept(),
        row("methods are compared with case").send(request("get", "/echo", "", "")).answer(&[400, 405]),
        row("TRACE is not answered with itself")
            .send(request("TRACE", "/echo", "X-Secret: s3cr3t\r\n", ""))
            .answer(&[405])
            .lacks("s3cr3t"),
        row("HEAD from GET")
            .send(request("HEAD", "/echo", "", ""))
            .answer_to_head(&[200])
            .has("content-length")
            .is("x-answer", "echo")
            .kept()
            .woken(1),
        row("HEAD of a path without GET")
            .send(request("HEAD", "/json", "", ""))
            .answer_to_head(&[405])
            .lists("allow", "POST")
            .kept(),
        row("HEAD of an unknown path").send(request("HEAD", "/nowhere", "", "")).answer_to_head(&[404]).kept(),
        row("OPTIONS that is no preflight").send(request("OPTIONS", "/echo", "", "")).answer(&[204, 405]).kept(),
    ]
}

/// The owner is trusted, but its mistakes must not break the framing of its answers.
fn answers() -> Vec<Row> {
    vec![
        row("a 204 with a body").send(get("/nothing", "")).answer(&[204]).kept().woken(1),
        row("a length and a coding that are not true").send(get("/lying", "")).answer(&[200, 500]).kept().woken(1),
        row("headers that are the server's")
            .send(get("/lying", ""))
            .answer(&[200, 500])
            .without("access-control-allow-origin")
            .without("access-control-allow-credentials")
            .woken(1),
        row("headers that are the server's, listed Origin")
            .send(get("/lying", "Origin: http://localhost:3000\r\n"))
            .answer(&[200, 500])
            .is("access-control-allow-origin", "http://localhost:3000")
            .without("access-control-allow-credentials")
            .woken(1),
        row("a large answer").send(get("/big", "")).answer(&[200]).is("content-length", "33554432").kept().woken(1),
        row("a final answer with status 101").send(get("/switching", "")).answer(&[500]).woken(1),
        row("no answer at all").send(get("/drop", "")).answer(&[500, 503]).kept().woken(1),
        row("a file").send(get("/file", "")).answer(&[200]).contains("name = \"moonport-http\"").kept().woken(1),
        row("a file that is not there")
            .send(get("/no-such-file", ""))
            .answer(&[404, 500])
            .lacks("nonexistent")
            .kept()
            .woken(1),
    ]
}

fn files() -> Vec<Row> {
    let hidden =
        |name, target: &str| row(name).send(get(target, "")).answer(&[400, 404]).lacks("root:").lacks("outside");
    vec![
        row("static: index.html")
            .send(get("/static/", ""))
            .answer(&[200])
            .contains("the index")
            .is("x-content-type-options", "nosniff")
            .has("etag")
            .has("last-modified")
            .lists("content-type", "text/html")
            .kept(),
        row("static: a file").send(get("/static/data.txt", "")).answer(&[200]).body("0123456789").kept(),
        row("static: a name in percent signs")
            .send(get("/static/%64ata%2Etxt", ""))
            .answer(&[200])
            .body("0123456789")
            .kept(),
        row("static: HEAD")
            .send(request("HEAD", "/static/data.txt", "", ""))
            .answer_to_head(&[200])
            .is("content-length", "10")
            .kept(),
        row("static: POST").send(post("/static/data.txt", "", "x")).answer(&[405]).has("allow").ends(),
        row("static: the middle")
            .send(get("/static/data.txt", "Range: bytes=2-4\r\n"))
            .answer(&[206])
            .is("content-range", "bytes 2-4/10")
            .body("234")
            .kept(),
        row("static: the last bytes")
            .send(get("/static/data.txt", "Range: bytes=-3\r\n"))
            .answer(&[206])
            .body("789")
            .kept(),
        row("static: a range beyond the end")
            .send(get("/static/data.txt", "Range: bytes=10-\r\n"))
            .answer(&[416])
            .is("content-range", "bytes */10")
            .kept(),
        row("static: a range that overflows")
            .send(get("/static/data.txt", "Range: bytes=0-99999999999999999999\r\n"))
            .answer(&[200, 206, 416])
            .kept(),
        row("static: a range that runs backwards")
            .send(get("/static/data.txt", "Range: bytes=4-2\r\n"))
            .answer(&[200, 416])
            .kept(),
        row("static: unchanged").send(get("/static/data.txt", "If-None-Match: *\r\n")).answer(&[304]).kept(),
        row("static: a link that stays").send(get("/static/stays", "")).answer(&[200]).body("0123456789").kept(),
        row("static: several ranges")
            .send(get("/static/data.txt", "Range: bytes=0-1,3-4\r\n"))
            .answer(&[200, 206, 416])
            .kept(),
        row("static: ten thousand ranges")
            .send(get("/static/data.txt", &format!("Range: bytes={}0-0\r\n", "0-,".repeat(4000))))
            .answer(&[200, 416])
            .kept(),
        row("static: a range of something else")
            .send(get("/static/data.txt", "Range: lines=0-1\r\n"))
            .answer(&[200])
            .body("0123456789")
            .kept(),
        row("static: the old time")
            .send(get("/static/data.txt", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n"))
            .answer(&[200])
            .kept(),
        row("static: a later time")
            .send(get("/static/data.txt", "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n"))
            .answer(&[200, 304])
            .kept(),
        row("static: If-Range that does not match")
            .send(get("/static/data.txt", "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n"))
            .answer(&[200])
            .body("0123456789")
            .kept(),
        hidden("static: a directory without an index", "/static/empty/"),
        hidden("static: a file as a directory", "/static/data.txt/"),
        hidden("static: the prefix of a longer word", "/staticdata.txt"),
        hidden("static: a name too long for the system", &format!("/static/{}", "a".repeat(300))),
        hidden("static: a link to itself", "/static/loop"),
        hidden("static: a FIFO", "/static/fifo"),
        hidden("static: a socket", "/static/socket"),
        hidden("static: ..", "/static/../outside.txt"),
        hidden("static: .. in percent signs", "/static/%2e%2e/outside.txt"),
        hidden("static: a slash in percent signs", "/static/..%2foutside.txt"),
        hidden("static: .. twice encoded", "/static/%252e%252e/outside.txt"),
        hidden("static: a backslash", "/static/..\\outside.txt"),
        hidden("static: a backslash in percent signs", "/static/..%5coutside.txt"),
        hidden("static: NUL", "/static/data.txt%00.html"),
        hidden("static: an absolute path", "/static//etc/passwd"),
        hidden("static: an absolute path in percent signs", "/static/%2fetc%2fpasswd"),
        hidden("static: a link that leaves", "/static/leaves"),
        hidden("static: a linked directory that leaves", "/static/leaves-too/outside.txt"),
    ]
}
