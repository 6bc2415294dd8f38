// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who is asked, and from where: Host, Origin, Sec-Fetch-Site, preflight.

use super::super::row::On;
use super::{Row, get, post, request, row};

const LISTED: &str = "Origin: http://localhost:3000\r\n";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = hosts();
    rows.extend(origins());
    rows.extend(fetches());
    rows.extend(preflights());
    rows.extend(refusals());
    rows
}

fn with_host(host: &str) -> String {
    format!("GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn hosts() -> Vec<Row> {
    let bad = |name, host: &str| row(name).send(with_host(host)).answer(&[400]);
    let foreign = |name, host: &str| row(name).send(with_host(host)).answer(&[403]).without(ALLOW_ORIGIN);
    let fine = |name, host: &str| row(name).send(with_host(host)).answer(&[200]).kept().woken(1);
    vec![
        row("no Host").send("GET /echo HTTP/1.1\r\n\r\n").answer(&[400]),
        row("no Host in HTTP/1.0").send("GET /echo HTTP/1.0\r\n\r\n").answer(&[400]).closed(),
        row("two Hosts")
            .send("GET /echo HTTP/1.1\r\nHost: 127.0.0.1:$PORT\r\nHost: evil.example\r\n\r\n")
            .answer(&[400]),
        row("two equal Hosts")
            .send("GET /echo HTTP/1.1\r\nHost: 127.0.0.1:$PORT\r\nhost: 127.0.0.1:$PORT\r\n\r\n")
            .answer(&[400]),
        bad("an empty Host", ""),
        bad("a Host with a space", "a b"),
        bad("a Host with half a bracket", "[::1"),
        bad("a Host with a user", "user@127.0.0.1"),
        bad("a Host with a path", "127.0.0.1/echo"),
        bad("a Host with a port of letters", "127.0.0.1:http"),
        bad("a Host with a port too large", "127.0.0.1:99999"),
        bad("a Host with two ports", "127.0.0.1:1:2"),
        bad("two Hosts in one line", "127.0.0.1, evil.example"),
        bad("a Host with brackets around a name", "[localhost]"),
        row("a Host with a colon and no port").send(with_host("127.0.0.1:")).answer(&[200, 400]).woken_between(0, 1),
        row("a Host that is no ASCII").send(with_host("lócalhost")).answer(&[400, 403]),
        foreign("a foreign Host", "evil.example"),
        foreign("a foreign Host with our port", "evil.example:$PORT"),
        foreign("a Host that starts like localhost", "localhost.evil.example"),
        foreign("a Host that starts like loopback", "127.0.0.1.evil.example"),
        foreign("a Host that ends like localhost", "evil-localhost"),
        foreign("a Host below the listed one", "sub.app.example"),
        foreign("the listed Host as a prefix", "app.example.evil.example"),
        foreign("any address as Host", "0.0.0.0:$PORT"),
        foreign("a loopback address as a number", "2130706433"),
        foreign("a loopback address inside IPv6", "[::ffff:127.0.0.1]:$PORT"),
        fine("Host without a port", "127.0.0.1"),
        fine("Host with another port", "127.0.0.1:1"),
        fine("localhost", "localhost:$PORT"),
        fine("localhost in upper case", "LOCALHOST:$PORT"),
        fine("the listed Host", "app.example"),
        fine("the listed Host in upper case", "APP.Example"),
        fine("IPv6 loopback", "[::1]"),
        fine("IPv6 loopback with a port", "[::1]:$PORT"),
    ]
}

fn from(origin: &str) -> String {
    get("/echo", &format!("Origin: {origin}\r\n"))
}

fn origins() -> Vec<Row> {
    let foreign = |name, origin: &str| row(name).send(from(origin)).answer(&[403]).without(ALLOW_ORIGIN);
    vec![
        row("the own Origin").send(from("http://127.0.0.1:$PORT")).answer(&[200]).kept().woken(1),
        row("the own Origin by name")
            .send("GET /echo HTTP/1.1\r\nHost: localhost:$PORT\r\nOrigin: http://localhost:$PORT\r\n\r\n")
            .answer(&[200])
            .kept()
            .woken(1),
        row("a listed Origin")
            .send(from("http://localhost:3000"))
            .answer(&[200])
            .is(ALLOW_ORIGIN, "http://localhost:3000")
            .lists("vary", "origin")
            .without("access-control-allow-credentials")
            .kept()
            .woken(1),
        row("a listed extension")
            .send(from("chrome-extension://abcdefghijklmnop"))
            .answer(&[200])
            .is(ALLOW_ORIGIN, "chrome-extension://abcdefghijklmnop")
            .kept()
            .woken(1),
        row("no Origin gets no allowance").send(get("/echo", "")).answer(&[200]).without(ALLOW_ORIGIN).woken(1),
        foreign("Origin null", "null"),
        foreign("an empty Origin", ""),
        foreign("a foreign Origin", "https://evil.example"),
        foreign("a foreign Origin, own Host as its port", "http://evil.example:$PORT"),
        foreign("another server of this machine", "http://127.0.0.1:1"),
        foreign("the own Origin with another scheme", "https://127.0.0.1:$PORT"),
        foreign("the prefix trick", "http://localhost:3000.evil.example"),
        foreign("the user trick", "http://localhost:3000@evil.example"),
        foreign("one digit more", "http://localhost:30000"),
        foreign("a listed Origin with a slash", "http://localhost:3000/"),
        foreign("a listed Origin in upper case", "HTTP://LOCALHOST:3000"),
        foreign("a listed Origin of another scheme", "https://localhost:3000"),
        foreign("a name below a listed Origin", "http://evil.localhost:3000"),
        foreign("two Origins in one line", "http://localhost:3000 https://evil.example"),
        foreign("any Origin", "*"),
        row("two Origins")
            .send(get("/echo", "Origin: http://localhost:3000\r\nOrigin: https://evil.example\r\n"))
            .answer(&[400, 403])
            .without(ALLOW_ORIGIN),
        row("two equal Origins")
            .send(get("/echo", "Origin: http://localhost:3000\r\nOrigin: http://localhost:3000\r\n"))
            .answer(&[200, 400, 403])
            .woken_between(0, 1),
        row("a rebound name: Host and Origin are both foreign")
            .send("GET /echo HTTP/1.1\r\nHost: evil.example:$PORT\r\nOrigin: http://evil.example:$PORT\r\n\r\n")
            .answer(&[403])
            .without(ALLOW_ORIGIN),
        row("a foreign POST with a plain body")
            .send(post("/echo", "Origin: https://evil.example\r\nContent-Type: text/plain\r\n", "x"))
            .answer(&[403])
            .ends(),
    ]
}

fn fetches() -> Vec<Row> {
    vec![
        row("cross-site without Origin").send(get("/echo", "Sec-Fetch-Site: cross-site\r\n")).answer(&[403]),
        row("cross-site with the own Origin")
            .send(get("/echo", "Sec-Fetch-Site: cross-site\r\nOrigin: http://127.0.0.1:$PORT\r\n"))
            .answer(&[403]),
        row("cross-site with a listed Origin")
            .send(get("/echo", &format!("Sec-Fetch-Site: cross-site\r\n{LISTED}")))
            .answer(&[200])
            .is(ALLOW_ORIGIN, "http://localhost:3000")
            .kept()
            .woken(1),
        row("same-origin").send(get("/echo", "Sec-Fetch-Site: same-origin\r\n")).answer(&[200]).kept().woken(1),
        row("typed by the user").send(get("/echo", "Sec-Fetch-Site: none\r\n")).answer(&[200]).kept().woken(1),
        row("same-origin and cross-site")
            .send(get("/echo", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n"))
            .answer(&[400, 403]),
        row("cross-site to a file").send(get("/static/data.txt", "Sec-Fetch-Site: cross-site\r\n")).answer(&[403]),
        row("a foreign Origin to a file")
            .send(get("/static/data.txt", "Origin: https://evil.example\r\n"))
            .answer(&[403]),
        row("a foreign Host to a file")
            .send("GET /static/data.txt HTTP/1.1\r\nHost: evil.example\r\n\r\n")
            .answer(&[403]),
    ]
}

fn preflight(origin: &str) -> String {
    let extra = format!(
        "Origin: {origin}\r\nSec-Fetch-Site: cross-site\r\nAccess-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: authorization,content-type\r\n"
    );
    request("OPTIONS", "/echo", &extra, "")
}

fn preflights() -> Vec<Row> {
    let listed = |name, on| {
        row(name)
            .on(on)
            .send(preflight("http://localhost:3000"))
            .answer(&[204])
            .is(ALLOW_ORIGIN, "http://localhost:3000")
            .lists("access-control-allow-methods", "POST")
            .lists("access-control-allow-headers", "authorization")
            .lists("access-control-allow-headers", "content-type")
            .lists("vary", "origin")
            .without("access-control-allow-credentials")
            .kept()
    };
    vec![
        listed("preflight from a listed Origin", On::Open),
        listed("preflight needs no token", On::Guarded),
        row("preflight from a foreign Origin")
            .send(preflight("https://evil.example"))
            .answer(&[403])
            .without(ALLOW_ORIGIN)
            .without("access-control-allow-methods"),
        row("preflight from null").send(preflight("null")).answer(&[403]).without(ALLOW_ORIGIN),
        row("preflight with a foreign Host")
            .send(preflight("http://localhost:3000").replace("127.0.0.1:$PORT", "evil.example"))
            .answer(&[403]),
    ]
}

/// What a listed origin is refused, it may read.
fn refusals() -> Vec<Row> {
    let readable = |name, bytes: String, status| {
        row(name).send(bytes).answer(&[status]).is(ALLOW_ORIGIN, "http://localhost:3000").lists("vary", "origin")
    };
    let json = "Content-Type: application/json\r\n";
    vec![
        readable("CORS on 401", get("/echo", LISTED), 401).on(On::Guarded),
        readable("CORS on 404", get("/nowhere", LISTED), 404),
        readable("CORS on 405", request("DELETE", "/echo", LISTED, ""), 405),
        readable("CORS on 413", request("POST", "/small", &format!("{LISTED}Content-Length: 17\r\n"), ""), 413),
        readable("CORS on 415", post("/json", &format!("{LISTED}Content-Type: text/plain\r\n"), "1"), 415),
        readable("CORS on 400 for malformed JSON", post("/json", &format!("{LISTED}{json}"), "{"), 400),
        readable("CORS on 500", get("/drop", LISTED), 500).woken(1),
        readable("CORS on 504", get("/late", LISTED), 504).woken(1),
        readable("CORS on 414", get(&format!("/echo?{}", "a".repeat(8192)), LISTED), 414),
        readable("CORS on 431", get("/echo", &format!("{LISTED}{}", "X-A: a\r\n".repeat(64))), 431),
        readable(
            "CORS on 417",
            request("POST", "/echo", &format!("{LISTED}Expect: coffee\r\nContent-Length: 1\r\n"), ""),
            417,
        ),
        readable(
            "CORS on 400 for the framing",
            request("POST", "/echo", &format!("{LISTED}Content-Length: x\r\n"), ""),
            400,
        ),
        readable("CORS on a file", get("/static/data.txt", LISTED), 200),
    ]
}
