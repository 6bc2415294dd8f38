// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time itself: slow heads, slow bodies, silence. [`On::Quick`] has 400 ms for heads and bodies and 5 s of idle time,
//! [`On::Idle`] 10 s for heads and bodies and 300 ms of idle time.

use std::time::Duration;

use super::super::fixture::Fixture;
use super::super::row::On;
use super::{Row, get, post, request, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = quick();
    rows.extend(idle());
    rows
}

fn quick() -> Vec<Row> {
    let long = "X-Fill: ".to_owned() + &"a".repeat(10_000) + "\r\n";
    let rows = vec![
        row("time: no byte at all").answer_or_silence(&[408]).closed(),
        row("time: half a head").send("GET /echo HTTP/1.1\r\nHost: 127").answer_or_silence(&[408]).closed(),
        row("time: a head that trickles").send_slowly(get("/echo", &long), 10, 20).answer_or_silence(&[408]).closed(),
        row("time: half a second head")
            .send(get("/echo", ""))
            .answer(&[200])
            .send("GET /echo HTTP/1.1\r\n")
            .answer_or_silence(&[408])
            .closed()
            .woken(1),
        row("time: half a body")
            .send(request("POST", "/echo", "Content-Length: 10\r\n", "hello"))
            .answer_or_silence(&[408])
            .closed(),
        row("time: no body")
            .send(request("POST", "/echo", "Content-Length: 10\r\n", ""))
            .answer_or_silence(&[408])
            .closed(),
        row("time: a body that trickles")
            .send_slowly(post("/echo", "", &"a".repeat(10_000)), 10, 20)
            .answer_or_silence(&[408])
            .closed(),
        row("time: half a chunk")
            .send(request("POST", "/echo", "Transfer-Encoding: chunked\r\n", "5\r\nhel"))
            .answer_or_silence(&[408])
            .closed(),
        row("time: no last chunk")
            .send(request("POST", "/echo", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"))
            .answer_or_silence(&[408])
            .closed(),
        row("time: no body after 100")
            .send(request("POST", "/echo", "Expect: 100-continue\r\nContent-Length: 5\r\n", ""))
            .answer(&[100])
            .answer_or_silence(&[408])
            .closed(),
        row("time: a refused body that never comes")
            .send(request("POST", "/nowhere", "Content-Length: 10\r\n", "hello"))
            .answer(&[404])
            .closed(),
        row("time: silence between requests is not a slow head")
            .send(get("/echo", ""))
            .answer(&[200])
            .pause(900)
            .send(get("/echo", ""))
            .answer(&[200])
            .woken(2),
        row("time: a slow handler is not a slow head").run(a_slow_handler).woken(1),
    ];
    rows.into_iter().map(|row| row.on(On::Quick)).collect()
}

fn idle() -> Vec<Row> {
    let rows = vec![
        row("an answer that nobody reads").run(nobody_reads).woken(1),
        row("idle after an answer").send(get("/echo", "")).answer(&[200]).closed().woken(1),
        row("idle after a refusal").send(get("/nowhere", "")).answer(&[404]).closed(),
        row("idle time starts anew with each request")
            .send(get("/echo", ""))
            .answer(&[200])
            .send(get("/echo", ""))
            .answer(&[200])
            .closed()
            .woken(2),
        row("idle time does not run while a handler does").run(a_slow_handler).woken(1),
    ];
    rows.into_iter().map(|row| row.on(On::Idle)).collect()
}

/// Longer than the short times of both fixtures.
fn a_slow_handler(fixture: &Fixture) -> Result<(), String> {
    let mut client = fixture.client()?;
    client.send(b"GET /slow HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    fixture.owner.wait_until_held(1)?;
    std::thread::sleep(Duration::from_millis(900));
    if fixture.owner.answer_held() != 1 {
        return Err("cancelled meanwhile".to_owned());
    }
    match client.answer(false)? {
        Some(answer) if answer.status == 200 => Ok(()),
        other => Err(format!("expected 200, came {other:?}")),
    }
}

/// The server lets go of a client that takes nothing for `idle_time`; what the sockets hold still arrives.
fn nobody_reads(fixture: &Fixture) -> Result<(), String> {
    let mut client = fixture.client()?;
    client.send(b"GET /big HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    std::thread::sleep(Duration::from_secs(2));
    match client.answer(false) {
        Err(error) if error.starts_with("the connection ended inside an answer") => Ok(()),
        other => Err(format!("expected a cut answer, came {}", other.map_or_else(|error| error, |_| "all".to_owned()))),
    }
}
