// SPDX-License-Identifier: MIT OR Apache-2.0
//! Request lines: decoding, forms of the target, versions, bytes that do not belong there.

use super::{Row, get, post, refused, request, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = decoding();
    rows.extend(forms());
    rows.extend(lines());
    rows
}

fn decoding() -> Vec<Row> {
    vec![
        row("a parameter").send(get("/items/42", "")).answer(&[200]).contains("param <id=42>").kept().woken(1),
        row("a parameter in percent signs")
            .send(get("/items/a%20b%C3%A9%2Bc", ""))
            .answer(&[200])
            .contains("param <id=a bé+c>")
            .kept()
            .woken(1),
        row("an encoded slash splits no segment")
            .send(get("/items/a%2Fb", ""))
            .answer(&[200])
            .contains("param <id=a/b>")
            .kept()
            .woken(1),
        row("a plus in a path is a plus")
            .send(get("/items/a+b", ""))
            .answer(&[200])
            .contains("param <id=a+b>")
            .kept()
            .woken(1),
        row("a parameter is not empty").send(get("/items/", "")).answer(&[404]).kept(),
        row("a parameter is one segment").send(get("/items/a/b", "")).answer(&[404]).kept(),
        row("the rest")
            .send(get("/files/a/b%20c/d", ""))
            .answer(&[200])
            .contains("param <rest=a/b c/d>")
            .kept()
            .woken(1),
        row("query: repeats keep their order")
            .send(get("/echo?a=1&b=3&a=2", ""))
            .answer(&[200])
            .contains("query <a=1>\nquery <b=3>\nquery <a=2>\n")
            .kept()
            .woken(1),
        row("query: decoding")
            .send(get("/echo?n%61me=%26%3D+%2B&empty=&bare", ""))
            .answer(&[200])
            .contains("query <name=&= +>\nquery <empty=>\nquery <bare=>\n")
            .kept()
            .woken(1),
        row("query: only the first question mark")
            .send(get("/echo?a=b?c", ""))
            .answer(&[200])
            .contains("query <a=b?c>")
            .kept()
            .woken(1),
        row("a query that is no UTF-8").send(get("/echo?a=%ff", "")).answer(&[200, 400]).woken_between(0, 1),
        row("a query with half a percent sign").send(get("/echo?a=%4", "")).answer(&[200, 400]).woken_between(0, 1),
        row("raw bytes beyond ASCII in the path").send(get("/items/é", "")).answer(&[200, 400]).woken_between(0, 1),
        row("quotes and angles in the query").send(get("/echo?a=<\"'>", "")).answer(&[200, 400]).woken_between(0, 1),
        row("half a percent sign").send(get("/items/%4", "")).answer(&[400, 404]),
        row("a percent sign without digits").send(get("/items/%zz", "")).answer(&[400, 404]),
        row("a path that is no UTF-8").send(get("/items/%ff%fe", "")).answer(&[400, 404]),
        row("dot segments climb nowhere").send(get("/items/../echo", "")).answer(&[400, 404]),
        row("encoded dot segments climb nowhere").send(get("/items/%2e%2e/echo", "")).answer(&[400, 404]),
        row("two slashes are not one").send(get("//echo", "")).answer(&[400, 404]),
    ]
}

fn forms() -> Vec<Row> {
    let own = "GET http://127.0.0.1:$PORT/echo?x=1 HTTP/1.1\r\nHost: 127.0.0.1:$PORT\r\n\r\n";
    let misled = [400, 403, 404, 405];
    vec![
        row("own absolute-form")
            .send(own)
            .answer(&[200])
            .contains("path </echo>")
            .contains("query <x=1>")
            .kept()
            .woken(1),
        row("own absolute-form without a path").send(get("http://127.0.0.1:$PORT", "")).answer(&[400, 404]),
        row("only a query").send(get("?x=1", "")).answer(&[400, 404]),
        row("own absolute-form, scheme in upper case")
            .send(own.replace("http:", "HTTP:"))
            .answer(&[200, 400])
            .woken_between(0, 1),
        row("foreign absolute-form").send(get("http://evil.example/echo", "")).answer(&misled),
        row("foreign absolute-form and Host")
            .send("GET http://evil.example/echo HTTP/1.1\r\nHost: evil.example\r\n\r\n")
            .answer(&misled),
        row("own absolute-form with a foreign Host")
            .send("GET http://127.0.0.1:$PORT/echo HTTP/1.1\r\nHost: evil.example\r\n\r\n")
            .answer(&misled),
        row("absolute-form with a user").send(get("http://user@127.0.0.1:$PORT/echo", "")).answer(&misled),
        row("absolute-form whose user looks like us")
            .send(get("http://127.0.0.1:$PORT@evil.example/echo", ""))
            .answer(&misled),
        row("absolute-form without a Host").send("GET http://127.0.0.1:$PORT/echo HTTP/1.1\r\n\r\n").answer(&[400]),
        row("absolute-form of another scheme").send(get("ftp://127.0.0.1:$PORT/echo", "")).answer(&misled),
        row("CONNECT")
            .send("CONNECT 127.0.0.1:$PORT HTTP/1.1\r\nHost: 127.0.0.1:$PORT\r\n\r\n")
            .answer(&[400, 404, 405])
            .closed(),
        row("CONNECT to elsewhere")
            .send("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n")
            .answer(&misled)
            .closed(),
        row("CONNECT with a path").send(request("CONNECT", "/echo", "", "")).answer(&[400, 404, 405]),
        row("GET *").send(request("GET", "*", "", "")).answer(&[400, 404, 405]),
        row("OPTIONS *").send(request("OPTIONS", "*", "", "")).answer(&[200, 204, 400, 404, 405]),
        row("authority-form with GET").send(get("127.0.0.1:$PORT", "")).answer(&[400, 404, 405]),
        row("a target without a slash").send(get("echo", "")).answer(&[400, 404]),
        row("a fragment").send(get("/echo#top", "")).answer(&[400, 404]),
    ]
}

fn lines() -> Vec<Row> {
    let line = |name, line: &str| refused(name, format!("{line}\r\nHost: 127.0.0.1:$PORT\r\n\r\n"), &[400]);
    let version = |name, version: &str| {
        refused(name, format!("GET /echo {version}\r\nHost: 127.0.0.1:$PORT\r\n\r\n"), &[400, 505])
    };
    vec![
        line("two spaces before the target", "GET  /echo HTTP/1.1"),
        line("two spaces before the version", "GET /echo  HTTP/1.1"),
        line("a space after the version", "GET /echo HTTP/1.1 "),
        line("a space before the method", " GET /echo HTTP/1.1"),
        line("a tab instead of a space", "GET\t/echo HTTP/1.1"),
        line("a space in the target", "GET /ec ho HTTP/1.1"),
        line("an empty target", "GET  HTTP/1.1"),
        line("no method", "/echo HTTP/1.1"),
        line("a control byte in the method", "GE\x01T /echo HTTP/1.1"),
        line("NUL in the method", "GE\0T /echo HTTP/1.1"),
        line("a colon in the method", "GET: /echo HTTP/1.1"),
        line("NUL in the target", "GET /ec\0ho HTTP/1.1"),
        line("NUL in the query", "GET /echo?\0 HTTP/1.1"),
        line("a control byte in the target", "GET /echo?\x1b HTTP/1.1"),
        line("DEL in the target", "GET /echo?\x7f HTTP/1.1"),
        line("a bare CR in the request line", "GET /echo\r HTTP/1.1"),
        refused("a request line that ends in a bare LF", "GET /echo HTTP/1.1\nHost: 127.0.0.1:$PORT\r\n\r\n", &[400]),
        version("HTTP/1.2", "HTTP/1.2"),
        version("HTTP/2.0", "HTTP/2.0"),
        version("HTTP/0.9 by name", "HTTP/0.9"),
        version("HTTP/1.10", "HTTP/1.10"),
        version("HTTP/01.1", "HTTP/01.1"),
        version("lower-case http/1.1", "http/1.1"),
        version("HTTP/1.", "HTTP/1."),
        version("ICY", "ICY/1.1"),
        row("a faulty HEAD is answered without a body")
            .send("HEAD /echo HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n")
            .answer_to_head(&[400])
            .closed(),
        row("a HEAD that is too long is answered without a body")
            .send(format!("HEAD /{} HTTP/1.1\r\n\r\n", "a".repeat(9000)))
            .answer_to_head(&[414])
            .closed(),
        row("HTTP/0.9").send("GET /echo\r\n\r\n").answer_or_silence(&[400, 505]).closed(),
        row("the HTTP/2 preface")
            .send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .answer_or_silence(&[400, 405, 505])
            .closed(),
        row("a TLS hello")
            .send(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n".to_vec())
            .answer_or_silence(&[400])
            .closed(),
        row("noise").send([0xff, 0x00, 0x80, 0x0d, 0x0a, 0x0d, 0x0a]).answer_or_silence(&[400]).closed(),
        // RFC 9112, 2.2: one empty line before the request line should be ignored; refusing it is as safe.
        row("an empty line before the request line")
            .send(format!("\r\n{}", get("/echo", "")))
            .answer(&[200, 400])
            .woken_between(0, 1),
        row("an empty line between two requests")
            .send(format!("{}\r\n{}", post("/echo", "", "a"), get("/echo", "")))
            .answer(&[200])
            .answer(&[200, 400])
            .woken_between(1, 2),
        row("a bare LF before the request line")
            .send(format!("\n{}", get("/echo", "")))
            .answer(&[200, 400])
            .woken_between(0, 1),
    ]
}
