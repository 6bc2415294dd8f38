// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tokens, one-time links and the cookie that they give.

use super::super::client::Answer;
use super::super::fixture::Fixture;
use super::super::row::On;
use super::{Row, get, post, request, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = bearers();
    rows.extend(links());
    rows.into_iter().map(|row| row.on(On::Guarded)).collect()
}

fn bearers() -> Vec<Row> {
    let wrong = |name, value: &str| {
        row(name)
            .send(get("/echo", &format!("Authorization: {value}\r\n")))
            .answer(&[401])
            .lists("www-authenticate", "bearer")
            .lacks("$TOKEN")
    };
    let right = |name, value: &str| {
        row(name).send(get("/echo", &format!("Authorization: {value}\r\n"))).answer(&[200]).kept().woken(1)
    };
    vec![
        row("token missing").send(get("/echo", "")).answer(&[401]).lists("www-authenticate", "bearer"),
        row("token not needed by this route").send(get("/open", "")).answer(&[200]).kept().woken(1),
        wrong("token wrong", "Bearer wrong"),
        wrong("token wrong in its last byte", "Bearer $WRONG"),
        wrong("token with a byte more", "Bearer $TOKENx"),
        wrong("token empty", "Bearer "),
        wrong("token without a scheme", "$TOKEN"),
        wrong("token as Basic", "Basic $TOKEN"),
        wrong("token in another scheme that ends the same", "XBearer $TOKEN"),
        wrong("token twice in one line", "Bearer $TOKEN, Bearer $TOKEN"),
        right("token right", "Bearer $TOKEN"),
        right("scheme in lower case", "bearer $TOKEN"),
        right("scheme in upper case", "BEARER $TOKEN"),
        row("two Authorization lines")
            .send(get("/echo", "Authorization: Bearer $TOKEN\r\nAuthorization: Bearer wrong\r\n"))
            .answer(&[400, 401]),
        row("token in the query").send(get("/echo?token=$TOKEN", "")).answer(&[401]),
        row("token in the query of a POST").send(post("/echo?token=$TOKEN", "", "x")).answer(&[401]).ends(),
        row("token as a cookie").send(get("/echo", "Cookie: token=$TOKEN; moonport=$TOKEN\r\n")).answer(&[401]),
        row("a route without a token may have a parameter of that name")
            .send(get("/open?token=abc", ""))
            .answer(&[200])
            .contains("query <token=abc>")
            .kept()
            .woken(1),
        row("an empty one-time token").send(get("/echo?token=", "")).answer(&[401]),
        row("no token, unknown path").send(get("/nowhere", "")).answer(&[401, 404]),
        row("no token, malformed JSON: nothing is read")
            .send(post("/json", "Content-Type: application/json\r\n", "{"))
            .answer(&[401])
            .ends(),
        row("no token, foreign Origin").send(get("/echo", "Origin: https://evil.example\r\n")).answer(&[403]),
        row("right token, foreign Origin")
            .send(get("/echo", "Authorization: Bearer $TOKEN\r\nOrigin: https://evil.example\r\n"))
            .answer(&[403]),
        row("right token, foreign Host")
            .send("GET /echo HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer $TOKEN\r\n\r\n")
            .answer(&[403]),
        row("right token, listed Origin")
            .send(get("/echo", "Authorization: Bearer $TOKEN\r\nOrigin: http://localhost:3000\r\n"))
            .answer(&[200])
            .is("access-control-allow-origin", "http://localhost:3000")
            .kept()
            .woken(1),
        row("Expect: 100-continue without a token")
            .send(request("POST", "/echo", "Expect: 100-continue\r\nContent-Length: 5\r\n", ""))
            .answer(&[401]),
    ]
}

fn links() -> Vec<Row> {
    vec![
        row("a one-time link gives a cookie").run(a_link_gives_a_cookie),
        row("a one-time link keeps the rest of the query").run(a_link_keeps_the_query),
        row("header injection: in the query of a one-time link").run(|fixture| {
            let answer = ask(fixture, &fixture.link("/echo?a=%0d%0aX-Evil:%20yes")?, "")?;
            expect(&answer, &[303])?;
            if answer.header("x-evil").is_some() { Err(format!("injected: {answer:?}")) } else { Ok(()) }
        }),
        row("a one-time link works once").run(a_link_works_once),
        row("links are all different").run(|fixture| {
            if fixture.link("/echo")? == fixture.link("/echo")? { Err("twice the same".to_owned()) } else { Ok(()) }
        }),
        row("a one-time link for a foreign Host").run(a_link_needs_our_host),
        row("a one-time link from another site")
            .run(|fixture| expect(&ask(fixture, &fixture.link("/echo")?, "Sec-Fetch-Site: cross-site\r\n")?, &[403])),
        row("a one-time link leads nowhere else").run(|fixture| {
            let link = fixture.link("/echo")?;
            let answer = ask(fixture, &link.replace("/echo", "//evil.example/"), "")?;
            let location = answer.header("location").unwrap_or_default();
            if location.starts_with("//") { Err(format!("sent to {location}")) } else { Ok(()) }
        }),
        row("the cookie is accepted").run(|fixture| with_cookie(fixture, "", &[200])).woken(1),
        row("the cookie among others")
            .run(|fixture| {
                let cookie = cookie(fixture)?;
                let answer = ask(fixture, "/echo", &format!("Cookie: a=b; {cookie}; c=d\r\n"))?;
                expect(&answer, &[200])
            })
            .woken(1),
        row("the cookie, same-origin")
            .run(|fixture| with_cookie(fixture, "Sec-Fetch-Site: same-origin\r\n", &[200]))
            .woken(1),
        row("the cookie, typed by the user")
            .run(|fixture| with_cookie(fixture, "Sec-Fetch-Site: none\r\n", &[200]))
            .woken(1),
        row("the cookie, own Origin")
            .run(|fixture| with_cookie(fixture, &format!("Origin: http://{}\r\n", fixture.address), &[200]))
            .woken(1),
        row("the cookie, cross-site")
            .run(|fixture| with_cookie(fixture, "Sec-Fetch-Site: cross-site\r\n", &[401, 403])),
        row("the cookie, same-site: another port of this machine")
            .run(|fixture| with_cookie(fixture, "Sec-Fetch-Site: same-site\r\n", &[401, 403])),
        row("the cookie, listed Origin, cross-site").run(|fixture| {
            with_cookie(fixture, "Sec-Fetch-Site: cross-site\r\nOrigin: http://localhost:3000\r\n", &[401, 403])
        }),
        row("the cookie, listed Origin, same-site").run(|fixture| {
            with_cookie(fixture, "Sec-Fetch-Site: same-site\r\nOrigin: http://localhost:3000\r\n", &[401, 403])
        }),
        row("the cookie, foreign Origin")
            .run(|fixture| with_cookie(fixture, "Origin: https://evil.example\r\n", &[403])),
        row("the cookie with a wrong value").run(|fixture| {
            let cookie = cookie(fixture)?;
            let last = if cookie.ends_with('A') { 'B' } else { 'A' };
            let answer = ask(fixture, "/echo", &format!("Cookie: {}{last}\r\n", &cookie[..cookie.len() - 1]))?;
            expect(&answer, &[401])
        }),
        row("the cookie is no token").run(|fixture| {
            let cookie = cookie(fixture)?;
            let (_, value) = cookie.split_once('=').ok_or("no value")?;
            let answer = ask(fixture, "/echo", &format!("Authorization: Bearer {value}\r\n"))?;
            expect(&answer, &[401])
        }),
    ]
}

fn ask(fixture: &Fixture, target: &str, extra: &str) -> Result<Answer, String> {
    let mut client = fixture.client()?;
    client.send(get(target, extra).replace("$PORT", &fixture.address.port().to_string()).as_bytes());
    client.answer(false)?.ok_or("closed without an answer".to_owned())
}

fn expect(answer: &Answer, statuses: &[u16]) -> Result<(), String> {
    if statuses.contains(&answer.status) { Ok(()) } else { Err(format!("expected {statuses:?}, came {answer:?}")) }
}

/// The cookie of a fresh link as a browser sends it: `name=value`.
fn cookie(fixture: &Fixture) -> Result<String, String> {
    let answer = ask(fixture, &fixture.link("/echo")?, "")?;
    expect(&answer, &[303])?;
    let cookie = answer.header("set-cookie").ok_or("no Set-Cookie")?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

fn with_cookie(fixture: &Fixture, extra: &str, statuses: &[u16]) -> Result<(), String> {
    let cookie = cookie(fixture)?;
    expect(&ask(fixture, "/echo", &format!("Cookie: {cookie}\r\n{extra}"))?, statuses)
}

fn a_link_gives_a_cookie(fixture: &Fixture) -> Result<(), String> {
    let link = fixture.link("/echo")?;
    if !link.starts_with("/echo?token=") || link.contains(&fixture.token) {
        return Err(format!("an unexpected link {link}"));
    }
    let answer = ask(fixture, &link, "Sec-Fetch-Site: none\r\n")?;
    expect(&answer, &[303])?;
    if answer.header("location").as_deref() != Some("/echo") {
        return Err(format!("not sent back to /echo: {answer:?}"));
    }
    let cookie = answer.header("set-cookie").ok_or("no Set-Cookie")?;
    let attributes: Vec<String> = cookie.split(';').skip(1).map(|part| part.trim().to_lowercase()).collect();
    for wanted in ["httponly", "samesite=strict", "path=/"] {
        if !attributes.iter().any(|attribute| attribute == wanted) {
            return Err(format!("no {wanted} in {cookie}"));
        }
    }
    if attributes.iter().any(|attribute| attribute.starts_with("domain")) {
        return Err(format!("a domain in {cookie}"));
    }
    if cookie.contains(&fixture.token) {
        return Err("the cookie shows the token".to_owned());
    }
    Ok(())
}

fn a_link_keeps_the_query(fixture: &Fixture) -> Result<(), String> {
    let answer = ask(fixture, &fixture.link("/echo?a=1&b=%20")?, "")?;
    expect(&answer, &[303])?;
    if answer.header("location").as_deref() == Some("/echo?a=1&b=%20") {
        return Ok(());
    }
    Err(format!("not sent back to /echo?a=1&b=%20: {answer:?}"))
}

fn a_link_works_once(fixture: &Fixture) -> Result<(), String> {
    let link = fixture.link("/echo")?;
    expect(&ask(fixture, &link, "")?, &[303])?;
    expect(&ask(fixture, &link, "")?, &[401])
}

fn a_link_needs_our_host(fixture: &Fixture) -> Result<(), String> {
    let mut client = fixture.client()?;
    client.send(format!("GET {} HTTP/1.1\r\nHost: evil.example\r\n\r\n", fixture.link("/echo")?).as_bytes());
    let answer = client.answer(false)?.ok_or("closed without an answer")?;
    expect(&answer, &[403])?;
    if answer.header("set-cookie").is_some() { Err("a cookie for a foreign Host".to_owned()) } else { Ok(()) }
}
