// SPDX-License-Identifier: MIT OR Apache-2.0
//! Forms with fields and files (multipart/form-data): what is taken, and what is refused before Lua hears of it.

use super::super::row::On;
use super::{Row, get, post, post_bytes, request, row};

const FORM: &str = "Content-Type: multipart/form-data; boundary=b\r\n";
const FIELD: &str = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = taken();
    rows.extend(malformed());
    rows.extend(limits());
    rows
}

fn form(name: &str, body: &str) -> Row {
    row(format!("form: {name}")).send(post("/echo", FORM, body))
}

fn good(name: &str, body: &str, parts: &str) -> Row {
    form(name, body).answer(&[200]).contains("content <form>").contains(parts).kept().woken(1)
}

fn taken() -> Vec<Row> {
    let file =
        "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.bin\"\r\nContent-Type: image/png\r\n\r\n";
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let whole = format!("{FIELD}--b--\r\n");
    let (first, second) = whole.split_at(30);
    vec![
        good("a field", &whole, "part <a=1>"),
        good("two fields of one name", &format!("{FIELD}{FIELD}--b--\r\n"), "part <a=1>\npart <a=1>"),
        good("empty", "--b--\r\n", "content <form>\nsize <7>"),
        good("a file", &format!("{file}\0\r\n--c\r\n--b--"), "part <f=\\x00\\r\\n--c file x.bin type image/png>"),
        good("a name in UTF-8", &whole.replace("\"a\"", "\"ä\""), "part <ä=1>"),
        row("form: in chunks")
            .send(request(
                "POST",
                "/echo",
                &format!("{FORM}Transfer-Encoding: chunked\r\n"),
                &format!("{}{}0\r\n\r\n", chunk(first), chunk(second)),
            ))
            .answer(&[200])
            .contains("part <a=1>")
            .woken(1),
        row("form: on a raw route")
            .send(post("/raw", FORM, "no form"))
            .answer(&[200])
            .contains("content <none>")
            .contains("body <no form>")
            .kept()
            .woken(1),
        row("form: on a JSON route").send(post("/json", FORM, &whole)).answer(&[415]).ends(),
        row("form: another multipart type is left alone")
            .send(post("/echo", "Content-Type: multipart/mixed; boundary=b\r\n", "no form"))
            .answer(&[200])
            .contains("content <none>")
            .kept()
            .woken(1),
        row("form: a GET that names the type but has no body").send(get("/echo", FORM)).answer(&[200]).kept().woken(1),
        row("form: from another site")
            .send(post(
                "/echo",
                &format!("{FORM}Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n"),
                &whole,
            ))
            .answer(&[403])
            .ends(),
        row("form: without a token").on(On::Guarded).send(post("/echo", FORM, &whole)).answer(&[401]).ends(),
    ]
}

fn malformed() -> Vec<Row> {
    let bad = |name: &str, body: &str, offset: usize| {
        form(name, body).answer(&[400]).contains(format!("\"offset\":{offset}}}")).contains("malformed form: ").kept()
    };
    let typed = |name: &str, content_type: &str| {
        row(format!("form: {name}"))
            .send(post("/echo", &format!("Content-Type: {content_type}\r\n"), "--b--"))
            .answer(&[400])
            .contains("boundary")
            .ends()
    };
    let header = |name: &str, from: &str, to: &str| bad(name, &format!("{}--b--", FIELD.replace(from, to)), 5);
    let length = FIELD.len();
    vec![
        typed("no boundary", "multipart/form-data"),
        typed("an empty boundary", "multipart/form-data; boundary="),
        typed("a boundary of 71 characters", &format!("multipart/form-data; boundary={}", "b".repeat(71))),
        typed("a boundary of other characters", "multipart/form-data; boundary=\"<b>\""),
        row("form: two boundaries")
            .send(post("/echo", "Content-Type: multipart/form-data; boundary=b; boundary=c\r\n", "--b--"))
            .answer(&[400])
            .ends(),
        row("form: no boundary, and no 100 before 400")
            .send(request(
                "POST",
                "/echo",
                "Content-Type: multipart/form-data\r\nExpect: 100-continue\r\nContent-Length: 5\r\n",
                "",
            ))
            .answer(&[400]),
        bad("no bytes", "", 0),
        bad("text before it", &format!("x\r\n{FIELD}--b--"), 0),
        bad("another boundary", &FIELD.replace("--b", "--c"), 0),
        bad("no last boundary", FIELD, length),
        bad("a boundary that is a prefix", &format!("{FIELD}--bc\r\n--b--"), length + 3),
        bad("text after it", &format!("{FIELD}--b--\r\nx"), length + 5),
        bad("bare LF", &format!("{FIELD}--b--").replace("\r\n", "\n"), 3),
        bad("headers without an end", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n--b--", 5),
        header("a part without a name", "; name=\"a\"", ""),
        header("a part with two names", "name=\"a\"", "name=\"a\"; name=\"b\""),
        header("a part of another disposition", "form-data", "attachment"),
        header("a part without a disposition", "Content-Disposition", "X-Disposition"),
        header("a quote without an end", "\"a\"", "\"a"),
        header("a bare LF in a header", "\"a\"", "\"a\"\nX: 1"),
        header("NUL in a name", "\"a\"", "\"a\0\""),
        header("a folded header", "; name", ";\r\n name"),
        header("filename*", "name=\"a\"", "name=\"a\"; filename*=UTF-8''x"),
        header("base64", "\r\n\r\n1", "\r\nContent-Transfer-Encoding: base64\r\n\r\n1"),
        row("form: a name that is not UTF-8")
            .send(post_bytes("/echo", FORM, b"--b\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\n1\r\n--b--"))
            .answer(&[400])
            .contains("not UTF-8")
            .kept(),
    ]
}

fn limits() -> Vec<Row> {
    let long = |length: usize| FIELD.replace("\r\n\r\n1", &format!("\r\nX: {}\r\n\r\n1", "x".repeat(length)));
    let parts = "; x=1".repeat(800);
    vec![
        good("1,024 parts", &format!("{}--b--", FIELD.repeat(1024)), &"part <a=1>\n".repeat(1024)),
        form("1,025 parts", &format!("{}--b--", FIELD.repeat(1025))).answer(&[400]).contains("too many parts").kept(),
        good("headers of 4 KiB", &format!("{}--b--", long(4000)), "part <a=1>"),
        form("headers over 4 KiB", &format!("{}--b--", long(4100))).answer(&[400]).contains("too long").kept(),
        form("800 parameters", &format!("{}--b--", FIELD.replace("\r\n\r\n1", &format!("{parts}\r\n\r\n1"))))
            .answer(&[400])
            .kept(),
        row("form: over the limit of its route").send(post("/small", FORM, FIELD)).answer(&[413]).ends(),
        form("a mebibyte of line ends", &format!("{FIELD}{}", "\r\n--".repeat((1 << 18) - 100))).answer(&[400]).kept(),
    ]
}
