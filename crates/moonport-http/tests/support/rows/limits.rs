// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sizes, counts, and what happens when the owner or the server is full.

use super::super::client::Client;
use super::super::fixture::{Fixture, lock};
use super::super::row::On;
use super::super::until;
use super::{Row, get, post, refused, request, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = heads();
    rows.extend(bodies());
    rows.extend(full());
    rows
}

/// A GET whose head has exactly `size` bytes.
fn head_of(size: usize) -> String {
    let empty = "GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Fill: \r\n\r\n".len();
    format!("GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Fill: {}\r\n\r\n", "a".repeat(size - empty))
}

/// A GET with `count` header lines, Host among them.
fn headers_of(count: usize) -> String {
    let lines: String = (1..count).map(|at| format!("X-{at}: {at}\r\n")).collect();
    get("/echo", &lines)
}

/// A GET whose target has exactly `size` bytes.
fn target_of(size: usize) -> String {
    get(&format!("/files/{}", "a".repeat(size - "/files/".len())), "")
}

fn heads() -> Vec<Row> {
    vec![
        row("a target of 8192 bytes").send(target_of(8192)).answer(&[200]).contains("param <rest=aaaa").kept().woken(1),
        row("a target of 8193 bytes").send(target_of(8193)).answer(&[414]),
        row("a target of 100,000 bytes").send(target_of(100_000)).answer(&[414, 431]).closed(),
        row("a long query counts too").send(get(&format!("/echo?{}", "a".repeat(8192)), "")).answer(&[414]),
        row("a target without an end").send(format!("GET /{}", "a".repeat(100_000))).answer(&[400, 414, 431]).closed(),
        row("a method without an end").send("G".repeat(100_000)).answer(&[400, 414, 431]).closed(),
        row("a head of 16,384 bytes").send(head_of(16_384)).answer(&[200]).kept().woken(1),
        row("a head of 16,385 bytes").send(head_of(16_385)).answer(&[431]),
        row("a head of 500 KB").send(head_of(500_000)).answer(&[431]).closed(),
        row("a header without an end")
            .send(format!("GET /echo HTTP/1.1\r\nX-Fill: {}", "a".repeat(100_000)))
            .answer(&[431])
            .closed(),
        row("a header name without an end")
            .send(format!("GET /echo HTTP/1.1\r\n{}", "a".repeat(100_000)))
            .answer(&[400, 431])
            .closed(),
        row("64 headers").send(headers_of(64)).answer(&[200]).contains("header <x-63=63>").kept().woken(1),
        row("65 headers").send(headers_of(65)).answer(&[431]),
        row("1,000 headers").send(headers_of(1000)).answer(&[431]).closed(),
        row("a large head on a kept connection")
            .send(get("/echo", ""))
            .answer(&[200])
            .send(head_of(16_384))
            .answer(&[200])
            .send(head_of(16_385))
            .answer(&[431])
            .woken(2),
        row("a large head, pipelined")
            .send(format!("{}{}{}", head_of(16_384), head_of(16_384), get("/echo?last", "")))
            .answer(&[200])
            .answer(&[200])
            .answer(&[200])
            .contains("query <last=>")
            .kept()
            .woken(3),
    ]
}

fn bodies() -> Vec<Row> {
    let mebibyte = 1 << 20;
    let length = |target: &str, length: usize| request("POST", target, &format!("Content-Length: {length}\r\n"), "");
    let chunks = |target: &str, size: usize| {
        let body = format!("{size:x}\r\n{}\r\n0\r\n\r\n", "a".repeat(size));
        request("POST", target, "Transfer-Encoding: chunked\r\n", &body)
    };
    vec![
        row("a body of the route's 16 bytes")
            .send(post("/small", "", "0123456789abcdef"))
            .answer(&[200])
            .contains("body <0123456789abcdef>")
            .kept()
            .woken(1),
        row("413 before the body is sent").send(length("/small", 17)).answer(&[413]),
        row("413 by the server's limit before the body is sent").send(length("/echo", mebibyte + 1)).answer(&[413]),
        row("413 for a GET")
            .send(request("GET", "/echo", &format!("Content-Length: {}\r\n", mebibyte + 1), ""))
            .answer(&[413]),
        row("413 with the body on its way").send(post("/echo", "", &"a".repeat(mebibyte + 1))).answer(&[413]).ends(),
        row("a body of 1 MiB")
            .send(post("/echo", "", &"a".repeat(mebibyte)))
            .answer(&[200])
            .contains("size <1048576>")
            .kept()
            .woken(1),
        row("1 MiB in one chunk").send(chunks("/echo", mebibyte)).answer(&[200]).contains("size <1048576>").woken(1),
        row("16 bytes in one chunk").send(chunks("/small", 16)).answer(&[200]).contains("size <16>").woken(1),
        row("413 by one chunk").send(chunks("/small", 17)).answer(&[413]).ends(),
        row("413 by the sum of the chunks")
            .send(request("POST", "/small", "Transfer-Encoding: chunked\r\n", &"8\r\n01234567\r\n".repeat(3)))
            .answer(&[413])
            .ends(),
        row("413 by chunks without an end")
            .send(request(
                "POST",
                "/echo",
                "Transfer-Encoding: chunked\r\n",
                &format!("1000\r\n{}\r\n", "a".repeat(4096)).repeat(300),
            ))
            .answer(&[413])
            .ends(),
        refused(
            "413 by the size of a chunk",
            request("POST", "/echo", "Transfer-Encoding: chunked\r\n", "7fffffffffffffff\r\nhello"),
            &[400, 413],
        ),
    ]
}

fn full() -> Vec<Row> {
    vec![
        row("the fifth of four connections").on(On::Few).run(a_fifth_connection).woken_between(4, 5),
        row("silent connections count too").on(On::Few).run(four_silent_connections).woken_between(0, 1),
        row("300 connections at a limit of 256").on(On::Crowded).run(three_hundred_connections).woken(256),
        row("a full queue").on(On::Narrow).run(a_full_queue).woken(2),
        row("a full queue refuses no file and no refusal").on(On::Narrow).run(a_full_queue_elsewhere).woken(2),
        row("504 after the deadline").send(get("/late", "")).answer(&[504]).kept().woken(1),
        row("504 while the owner sleeps, and the request is cancelled")
            .on(On::Narrow)
            .run(a_deadline_in_the_queue)
            .woken(2),
        row("504 cancels the request").run(a_deadline_cancels).woken(1),
        row("a client that leaves cancels its request").run(a_client_that_leaves).woken(1),
        row("a client that leaves the queue").on(On::Narrow).run(a_client_that_leaves_the_queue).woken_between(1, 2),
        row("a client that leaves takes no other with it").run(one_of_two_leaves).woken(2),
    ]
}

fn own(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").into_bytes()
}

fn asking(fixture: &Fixture, target: &str) -> Result<Client, String> {
    let mut client = fixture.client()?;
    client.send(&own(target));
    Ok(client)
}

fn status(client: &mut Client, wanted: u16) -> Result<(), String> {
    match client.answer(false)? {
        Some(answer) if answer.status == wanted => Ok(()),
        other => Err(format!("expected {wanted}, came {other:?}")),
    }
}

fn busy(client: &mut Client) -> Result<(), String> {
    let answer = client.answer(false)?.ok_or("closed without a 503")?;
    let seconds = answer.header("retry-after").and_then(|value| value.parse::<u32>().ok());
    if answer.status == 503 && seconds.is_some() {
        return Ok(());
    }
    Err(format!("expected 503 with Retry-After, came {answer:?}"))
}

fn a_fifth_connection(fixture: &Fixture) -> Result<(), String> {
    let mut four = Vec::new();
    for _ in 0..4 {
        four.push(asking(fixture, "/slow")?);
    }
    fixture.owner.wait_until_held(4)?;
    let mut fifth = asking(fixture, "/echo")?;
    if fixture.owner.answer_held() != 4 {
        return Err("some of the four were cancelled".to_owned());
    }
    for client in &mut four {
        status(client, 200)?;
        client.send(&own("/fence"));
        status(client, 200)?;
    }
    drop(four);
    match fifth.answer(false)? {
        Some(answer) if matches!(answer.status, 200 | 503) => Ok(()),
        other => Err(format!("the fifth: expected 200 or 503, came {other:?}")),
    }
}

fn three_hundred_connections(fixture: &Fixture) -> Result<(), String> {
    let mut within = (0..256).map(|_| asking(fixture, "/slow")).collect::<Result<Vec<_>, _>>()?;
    fixture.owner.wait_until_held(256)?;
    let mut beyond = (0..44).map(|_| asking(fixture, "/slow")).collect::<Result<Vec<_>, _>>()?;
    beyond.iter_mut().try_for_each(busy)?;
    if fixture.owner.answer_held() != 256 {
        return Err("some of the 256 were cancelled".to_owned());
    }
    within.iter_mut().try_for_each(|client| status(client, 200))
}

fn four_silent_connections(fixture: &Fixture) -> Result<(), String> {
    let four = (0..4).map(|_| fixture.client()).collect::<Result<Vec<_>, _>>()?;
    let mut fifth = asking(fixture, "/echo")?;
    drop(four);
    match fifth.answer(false)? {
        Some(answer) if matches!(answer.status, 200 | 503) => Ok(()),
        other => Err(format!("the fifth: expected 200 or 503, came {other:?}")),
    }
}

/// One client whose handler sleeps and one that waits in the queue, which is then full.
fn fill(fixture: &Fixture, waiting: &str) -> Result<(Client, Client), String> {
    let blocker = asking(fixture, "/block")?;
    fixture.owner.wait_until_blocked()?;
    let waiter = asking(fixture, waiting)?;
    until("one waiting request", || fixture.queue().0 == 1)?;
    Ok((blocker, waiter))
}

fn a_full_queue(fixture: &Fixture) -> Result<(), String> {
    let (mut blocker, mut waiter) = fill(fixture, "/echo")?;
    let refused = asking(fixture, "/echo").and_then(|mut client| busy(&mut client));
    let listed = a_listed_origin_may_read(fixture);
    fixture.owner.release();
    refused?;
    listed?;
    status(&mut blocker, 200)?;
    status(&mut waiter, 200)
}

fn a_listed_origin_may_read(fixture: &Fixture) -> Result<(), String> {
    let mut client = fixture.client()?;
    client.send(b"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://localhost:3000\r\n\r\n");
    let answer = client.answer(false)?.ok_or("closed without a 503")?;
    if answer.status == 503 && answer.header("access-control-allow-origin").as_deref() == Some("http://localhost:3000")
    {
        return Ok(());
    }
    Err(format!("expected 503 with CORS, came {answer:?}"))
}

fn a_full_queue_elsewhere(fixture: &Fixture) -> Result<(), String> {
    let (mut blocker, mut waiter) = fill(fixture, "/echo")?;
    let answered = status(&mut asking(fixture, "/nowhere")?, 404)
        .and_then(|()| status(&mut asking(fixture, "/static/data.txt")?, 200));
    fixture.owner.release();
    answered?;
    status(&mut blocker, 200)?;
    status(&mut waiter, 200)
}

fn a_deadline_in_the_queue(fixture: &Fixture) -> Result<(), String> {
    let (mut blocker, mut waiter) = fill(fixture, "/late")?;
    let late = status(&mut waiter, 504);
    fixture.owner.release();
    late?;
    status(&mut blocker, 200)?;
    fixture.owner.wait_until_held(1)?;
    let cancelled = lock(&fixture.owner.held).iter().all(|request| request.reply.is_cancelled());
    lock(&fixture.owner.held).clear();
    if cancelled { Ok(()) } else { Err("the request is not cancelled".to_owned()) }
}

fn cancelled(fixture: &Fixture) -> Result<(), String> {
    let seen = until("a cancelled request", || {
        lock(&fixture.owner.held).first().is_some_and(|request| request.reply.is_cancelled())
    });
    lock(&fixture.owner.held).clear();
    seen
}

fn a_deadline_cancels(fixture: &Fixture) -> Result<(), String> {
    lock(&fixture.owner.held).clear();
    let mut client = asking(fixture, "/late")?;
    status(&mut client, 504)?;
    fixture.owner.wait_until_held(1)?;
    cancelled(fixture)?;
    client.send(&own("/fence"));
    status(&mut client, 200)
}

fn a_client_that_leaves(fixture: &Fixture) -> Result<(), String> {
    lock(&fixture.owner.held).clear();
    let client = asking(fixture, "/slow")?;
    fixture.owner.wait_until_held(1)?;
    drop(client);
    cancelled(fixture)
}

/// Whether a request that was cancelled in the queue still wakes the owner is the server's to decide, but then it is cancelled.
fn a_client_that_leaves_the_queue(fixture: &Fixture) -> Result<(), String> {
    lock(&fixture.owner.held).clear();
    let (mut blocker, waiter) = fill(fixture, "/slow")?;
    drop(waiter);
    status(&mut asking(fixture, "/nowhere")?, 404)?;
    fixture.owner.release();
    status(&mut blocker, 200)?;
    fixture.fence()?;
    if lock(&fixture.owner.held).is_empty() { Ok(()) } else { cancelled(fixture) }
}

fn one_of_two_leaves(fixture: &Fixture) -> Result<(), String> {
    lock(&fixture.owner.held).clear();
    let first = asking(fixture, "/slow")?;
    fixture.owner.wait_until_held(1)?;
    let mut second = asking(fixture, "/slow")?;
    fixture.owner.wait_until_held(2)?;
    drop(first);
    until("a cancelled request", || lock(&fixture.owner.held)[0].reply.is_cancelled())?;
    if fixture.owner.answer_held() != 1 {
        return Err("the second was cancelled too".to_owned());
    }
    status(&mut second, 200)
}
