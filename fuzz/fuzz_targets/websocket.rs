// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes, and any frames, after the handshake with a real server: its owner hears what a plain reading of RFC 6455 finds
//! in them, no more and no less, and the client is told the code that the owner hears.
//!
//! The first byte says: JSON or not, frames or bytes as they are, and where the write is cut.

#![no_main]

use std::cell::RefCell;
use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use moonport_codec::json;
use moonport_core::{Mailbox, Payload, PortKey, PortOptions};
use moonport_http::{
    Config, Content, Event, Kind, Limits, RouteOptions, Routes, Server, SocketEvent, WebSocketOptions,
};

#[path = "../serving.rs"]
mod serving;

/// Bytes of a message, few, so that inputs reach them.
const MESSAGE: usize = 100;
const DEPTH: usize = 8;

struct Owner {
    mailbox: Mailbox,
    port: PortKey,
    server: Server,
    address: SocketAddr,
}

thread_local! {
    static OWNER: RefCell<Owner> = RefCell::new(start());
}

fn start() -> Owner {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let port = mailbox.open(PortOptions { capacity: 8192, ..PortOptions::default() }).expect("a port");
    mailbox.listen(port, true);
    let mut routes = Routes::default();
    for (path, codec) in [("/raw", None), ("/json", Some(Content::Json))] {
        let websocket = Some(WebSocketOptions { codec, ..WebSocketOptions::default() });
        routes.add("GET", path, RouteOptions { websocket, ..RouteOptions::default() }).expect("a route");
    }
    let limits = Limits { message: MESSAGE, depth: DEPTH, ..Limits::default() };
    let sender = mailbox.sender(port).expect("a sender");
    let server = Server::start(Config { limits, ..Config::default() }, routes, sender).expect("a server");
    Owner { address: server.address(), mailbox, port, server }
}

impl Owner {
    fn event(&mut self) -> Event {
        let taken = self.mailbox.take_within(self.port, Some(serving::LIMIT)).expect("a mailbox");
        let message = taken.expect("an event in time");
        let Payload::Object { value, .. } = message.payload else { panic!("bytes") };
        let SocketEvent { event, .. } = *value.downcast::<SocketEvent>().expect("an event of a socket");
        self.server.room_made();
        event
    }
}

#[derive(Debug, Default, PartialEq)]
struct Heard {
    messages: Vec<(Kind, Vec<u8>)>,
    pings: Vec<Vec<u8>>,
    /// The codes that it may end with: a frame may break more than one rule.
    ends: Vec<u16>,
}

/// One frame as it begins.
struct Head {
    first: u8,
    mask: Option<[u8; 4]>,
    length: u64,
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn read_head(bytes: &mut &[u8]) -> Option<Head> {
    let start = take(bytes, 2)?;
    let length = match start[1] & 0x7f {
        126 => take(bytes, 2)?.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        127 => take(bytes, 8)?.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        short => u64::from(short),
    };
    let mask = if start[1] & 0x80 == 0 { None } else { Some(take(bytes, 4)?.try_into().ok()?) };
    Some(Head { first: start[0], mask, length })
}

/// The faults of a frame that its head shows.
fn faults(head: &Head, within: Option<Kind>) -> Vec<u16> {
    let (opcode, is_last) = (head.first & 15, head.first & 0x80 != 0);
    let is_control = opcode >= 8;
    let breaks_rules = head.first & 0x70 != 0
        || head.mask.is_none()
        || matches!(opcode, 3..=7 | 11..)
        || (is_control && (!is_last || head.length > 125))
        || (opcode == 0 && within.is_none())
        || (matches!(opcode, 1 | 2) && within.is_some());
    let is_large = head.length > MESSAGE as u64;
    [(breaks_rules, 1002), (is_large, 1009)].into_iter().filter_map(|(is, code)| is.then_some(code)).collect()
}

fn is_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn close(payload: &[u8]) -> u16 {
    match payload {
        [] => 1005,
        [_] => 1002,
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            match str::from_utf8(reason) {
                Err(_) => 1007,
                Ok(_) if is_code(code) => code,
                Ok(_) => 1002,
            }
        }
    }
}

/// The plain reading.
fn expect(mut bytes: &[u8], is_json: bool) -> Heard {
    let mut heard = Heard::default();
    let mut message: Option<(Kind, Vec<u8>)> = None;
    loop {
        let Some(head) = read_head(&mut bytes) else { return Heard { ends: vec![1006], ..heard } };
        let mut ends = faults(&head, message.as_ref().map(|(kind, _)| *kind));
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        let Some(payload) = take(&mut bytes, length) else {
            ends.push(1006);
            return Heard { ends, ..heard };
        };
        let mask = head.mask.unwrap_or_default();
        let payload: Vec<_> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        match head.first & 15 {
            _ if !ends.is_empty() => {}
            8 => ends.push(close(&payload)),
            9 => heard.pings.push(payload),
            10 => {}
            opcode => {
                let kind = if opcode == 1 { Kind::Text } else { Kind::Binary };
                let (kind, data) = message.get_or_insert((kind, Vec::new()));
                data.extend(payload);
                ends.extend((data.len() > MESSAGE).then_some(1009));
                let is_last = head.first & 0x80 != 0;
                let is_text = match str::from_utf8(data) {
                    Ok(_) => true,
                    Err(error) => error.error_len().is_none() && !is_last,
                };
                let is_good = *kind == Kind::Binary || is_text;
                let is_document = !is_json || !is_last || json::check(data, DEPTH).is_ok();
                ends.extend((!is_good || !is_document).then_some(1007));
                if is_last && ends.is_empty() {
                    heard.messages.extend(message.take());
                }
            }
        }
        if !ends.is_empty() {
            return Heard { ends, ..heard };
        }
    }
}

/// Frames of a client: each a first byte, a length and what it carries.
fn frames(mut input: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((&[first, length], rest)) = input.split_first_chunk() {
        let (payload, rest) = rest.split_at(usize::from(length).min(rest.len()));
        let length = u8::try_from(payload.len()).expect("a length of one byte");
        bytes.push(first);
        bytes.extend(if length < 126 { vec![0x80 | length] } else { vec![0xfe, 0, length] });
        bytes.extend([first, 0, 255, 85]);
        bytes.extend(payload.iter().zip([first, 0, 255, 85].iter().cycle()).map(|(byte, mask)| byte ^ mask));
        input = rest;
    }
    bytes
}

/// What the server said: pongs for pings, in their order, and last the code that its owner heard.
fn check_answer(answer: &[u8], pings: &[Vec<u8>], code: u16) {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let mut rest = &answer[end..];
    let mut pings = pings.iter();
    let mut closed = None;
    while let Some(head) = read_head(&mut rest) {
        assert!(head.mask.is_none() && closed.is_none());
        let payload = take(&mut rest, usize::try_from(head.length).expect("a length")).expect("whole frames");
        match head.first {
            0x8a => assert!(pings.any(|ping| ping == payload), "a pong for nothing"),
            0x88 => closed = Some(if payload.is_empty() { 1005 } else { close(payload) }),
            first => panic!("a frame that begins with {first}"),
        }
    }
    assert!(rest.is_empty());
    assert_eq!(closed.unwrap_or(1006), code);
}

fuzz_target!(|input: &[u8]| {
    let Some((&how, input)) = input.split_first() else { return };
    let is_json = how & 1 != 0;
    let bytes = if how & 2 == 0 { input.to_vec() } else { frames(input) };
    let path = if is_json { "/json" } else { "/raw" };
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let expected = expect(&bytes, is_json);
    OWNER.with_borrow_mut(|owner| {
        let whole = [head.as_bytes(), &bytes].concat();
        let stream = serving::write(owner.address, &whole, head.len() + usize::from(how >> 2));
        assert!(matches!(owner.event(), Event::Open(_)));
        let mut messages = Vec::new();
        let code = loop {
            match owner.event() {
                Event::Open(_) => panic!("opened twice"),
                Event::Message { kind, data } => messages.push((kind, data.to_vec())),
                Event::Close { code, .. } => break code,
            }
        };
        assert_eq!(messages, expected.messages);
        assert!(expected.ends.contains(&code), "{code}, not one of {:?}", expected.ends);
        check_answer(&serving::read(stream), &expected.pings, code);
    });
});
