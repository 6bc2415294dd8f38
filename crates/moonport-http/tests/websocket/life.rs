// SPDX-License-Identifier: MIT OR Apache-2.0
//! The life of sockets: order, back-pressure both ways, pings, and every way to end.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use moonport_http::{Bytes, Config, Content, Kind, Limits, SocketError, WebSocketOptions};

use crate::client::{BINARY, CLOSE, Client, PING, PONG, TEXT, close_payload, frame, whole};
use crate::owner::{LIMIT, Owner, spawn};

fn start() -> Owner {
    Owner::start(Config::default(), WebSocketOptions::default())
}

fn pinging() -> Config {
    Config { limits: Limits { idle_time: Duration::from_millis(200), ..Limits::default() }, ..Config::default() }
}

/// What the server's thread does by itself is waited for.
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "{what} did not happen");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn frames_that_come_with_the_handshake_are_not_lost() {
    let owner = start();
    let mut client = Client::connect(owner.address);
    let mut head = b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    let large = vec![b'x'; 50_000];
    head.extend(frame(TEXT, "at once"));
    head.extend(frame(BINARY, &large));
    client.send(&head);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(client.frame(), Some(whole(TEXT, b"at once")));
    assert_eq!(client.frame(), Some(whole(BINARY, &large)));
    assert_eq!([owner.note(), owner.note(), owner.note()], ["open /echo", "text 7", "binary 50000"]);
}

#[test]
fn an_upgrade_after_requests_on_the_same_connection() {
    let owner = start();
    let mut client = Client::connect(owner.address);
    client.send(b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    std::io::Read::read_exact(&mut client.0, &mut vec![0; length]).unwrap();
    client.ask("/echo", "");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.send(&frame(TEXT, "hello"));
    assert_eq!(client.frame(), Some(whole(TEXT, b"hello")));
}

#[test]
fn a_client_that_does_not_read_makes_it_full_and_not_large() {
    let owner = start();
    let mut client = Client::open(owner.address, "/quiet");
    assert_eq!(owner.note(), "open /quiet");
    let socket = owner.socket();
    let piece = Bytes::from(vec![b'x'; 65_536]);
    let mut sent = 0;
    let end = Instant::now() + LIMIT;
    // What the system takes into its own buffers, and then 1 MiB.
    let mut full_since: Option<(Instant, usize)> = None;
    loop {
        match socket.send(Kind::Binary, piece.clone()) {
            Ok(()) => {
                sent += 1;
                full_since = None;
            }
            Err(error) => {
                assert_eq!(error, SocketError::Full);
                let (since, _) = *full_since.get_or_insert((Instant::now(), sent));
                // It stays so: the server's thread has taken all that the system would.
                if since.elapsed() > Duration::from_millis(200) {
                    break;
                }
                thread::yield_now();
            }
        }
        assert!(Instant::now() < end && sent < 1000, "never full: {sent}");
    }
    for at in 0..sent {
        assert_eq!(client.frame().unwrap_or_else(|| panic!("only {at} of {sent}")).1.len(), piece.len());
    }
    wait_for("room", || socket.send(Kind::Text, Bytes::from_static(b"after")).is_ok());
    assert_eq!(client.frame(), Some(whole(TEXT, b"after")));
}

#[test]
fn a_busy_owner_holds_the_client_back_and_loses_nothing() {
    const COUNT: usize = 20_000;
    let owner = Owner::with_queue(Config::default(), WebSocketOptions::default(), 8);
    let mut client = Client::open(owner.address, "/quiet");
    assert_eq!(owner.note(), "open /quiet");
    owner.set_busy(true);
    let mut writer = Client(client.0.try_clone().unwrap());
    let (blocked, is_blocked) = channel();
    let sender = spawn(move || {
        writer.0.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut told = false;
        for at in 0..COUNT {
            // Sizes tell the order.
            let bytes = frame(BINARY, vec![0; at % 1000]);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                match writer.0.write(rest) {
                    Ok(count) => rest = &rest[count..],
                    Err(error) => {
                        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                        if !std::mem::replace(&mut told, true) {
                            blocked.send(at).unwrap();
                        }
                    }
                }
            }
        }
        writer.send(&frame(CLOSE, close_payload(1000, b"done")));
    });
    let at = is_blocked.recv_timeout(LIMIT).expect("the client is held back");
    assert!(at < COUNT, "{at}");
    assert!(owner.stats().messages_received <= 8, "{:?}", owner.stats());
    owner.set_busy(false);
    for at in 0..COUNT {
        assert_eq!(owner.note(), format!("binary {}", at % 1000), "message {at}");
    }
    assert_eq!(owner.note(), "close 1000 done");
    sender.join().unwrap();
    assert_eq!(client.frame(), Some(whole(CLOSE, &close_payload(1000, b"done"))));
}

#[test]
fn pings_are_answered_while_the_owner_is_busy() {
    let owner = start();
    let mut client = Client::open(owner.address, "/echo");
    assert_eq!(owner.note(), "open /echo");
    owner.set_busy(true);
    for at in 0..10 {
        client.send(&frame(TEXT, "waits"));
        client.send(&frame(PING, [at]));
        assert_eq!(client.frame(), Some(whole(PONG, &[at])));
    }
    owner.set_busy(false);
    for _ in 0..10 {
        assert_eq!(client.frame(), Some(whole(TEXT, b"waits")));
    }
}

#[test]
fn a_client_that_does_not_answer_pings_is_gone() {
    let owner = Owner::start(pinging(), WebSocketOptions::default());
    // The server's clock may run before the client has its answer.
    let begun = Instant::now();
    let mut client = Client::open(owner.address, "/echo");
    assert_eq!(owner.note(), "open /echo");
    assert_eq!(client.frame(), Some(whole(PING, b"")));
    assert_eq!(client.frame(), None);
    assert!(begun.elapsed() >= Duration::from_millis(190), "{:?}", begun.elapsed());
    assert_eq!(owner.note(), "close 1006");
    wait_for("its end", || owner.stats().connections == 0 && owner.stats().sockets == 0);
}

#[test]
fn a_client_that_answers_pings_may_be_silent_for_long() {
    let owner = Owner::start(pinging(), WebSocketOptions::default());
    let mut client = Client::open(owner.address, "/echo");
    for _ in 0..6 {
        assert_eq!(client.frame(), Some(whole(PING, b"")));
        client.send(&frame(PONG, ""));
    }
    client.send(&frame(TEXT, "still here"));
    assert_eq!(client.frame(), Some(whole(TEXT, b"still here")));
}

#[test]
fn a_client_that_stops_reading_is_gone_when_nothing_leaves() {
    let owner = Owner::start(pinging(), WebSocketOptions::default());
    let client = Client::open(owner.address, "/quiet");
    assert_eq!(owner.note(), "open /quiet");
    let socket = owner.socket();
    let piece = Bytes::from(vec![b'x'; 65_536]);
    let end = Instant::now() + LIMIT;
    while socket.send(Kind::Binary, piece.clone()) != Err(SocketError::Closed) {
        assert!(Instant::now() < end, "it lives for ever");
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(owner.note(), "close 1006");
    drop(client);
}

#[test]
fn a_client_that_goes_on_writing_gets_its_close_frame_and_no_reset() {
    let owner = start();
    let mut client = Client::open(owner.address, "/echo");
    client.send(&frame(3, "a reserved opcode"));
    // The server has read that, and is done with this client.
    assert_eq!(owner.note(), "open /echo");
    assert!(owner.note().starts_with("close 1002"));
    for _ in 0..50 {
        client.send(&frame(BINARY, vec![0; 10_000]));
    }
    assert_eq!(client.frame().unwrap().0, 0x80 | CLOSE);
    assert_eq!(std::io::Read::read(&mut client.0, &mut [0]).unwrap(), 0, "not reset");
}

#[test]
fn every_way_to_leave_is_told_once() {
    let owner = start();
    let end = |owner: &Owner| {
        wait_for("the end", || owner.stats().connections == 0);
        assert!(owner.notes.try_recv().is_err(), "told twice");
    };

    // The connection just ends: closed, half-closed, within a frame.
    for close in [Shutdown::Both, Shutdown::Write] {
        let client = Client::open(owner.address, "/echo");
        client.0.shutdown(close).unwrap();
        assert_eq!([owner.note(), owner.note()], ["open /echo", "close 1006"]);
        drop(client);
        end(&owner);
    }
    let mut client = Client::open(owner.address, "/echo");
    client.send(&frame(TEXT, "whole")[..3]);
    drop(client);
    assert_eq!([owner.note(), owner.note()], ["open /echo", "close 1006"]);
    end(&owner);

    // The owner closes, the client answers.
    let mut client = Client::open(owner.address, "/quiet");
    assert_eq!(owner.note(), "open /quiet");
    let socket = owner.socket();
    socket.send(Kind::Text, Bytes::from_static(b"last words")).unwrap();
    socket.close(4000, "enough").unwrap();
    socket.close(1000, "twice").unwrap();
    assert_eq!(socket.send(Kind::Text, Bytes::new()), Err(SocketError::Closed));
    assert_eq!(client.frame(), Some(whole(TEXT, b"last words")));
    assert_eq!(client.frame(), Some(whole(CLOSE, &close_payload(4000, b"enough"))));
    client.send(&frame(TEXT, "too late"));
    client.send(&frame(CLOSE, close_payload(4000, b"")));
    assert_eq!(client.frame(), None);
    assert_eq!(owner.note(), "close 4000 enough");
    end(&owner);

    // The client closes; the owner may still try to send.
    let mut client = Client::open(owner.address, "/quiet");
    client.send(&frame(CLOSE, close_payload(3001, b"bye")));
    assert_eq!([owner.note(), owner.note()], ["open /quiet", "close 3001 bye"]);
    assert_eq!(owner.socket().send(Kind::Text, Bytes::new()), Err(SocketError::Closed));
    owner.socket().close(1000, "").unwrap();
    assert_eq!(client.frame(), Some(whole(CLOSE, &close_payload(3001, b"bye"))));
    drop(client);
    end(&owner);
}

#[test]
fn a_stopping_server_says_1001_and_waits_for_the_answer() {
    let owner = start();
    let mut clients: Vec<_> = (0..5).map(|_| Client::open(owner.address, "/echo")).collect();
    for _ in 0..5 {
        assert_eq!(owner.note(), "open /echo");
    }
    let (finished, is_finished) = channel();
    owner.server.begin_stop(Box::new(move || finished.send(()).unwrap()));
    for client in &mut clients {
        assert_eq!(client.frame(), Some(whole(CLOSE, &close_payload(1001, b""))));
    }
    assert!(is_finished.try_recv().is_err(), "it waits for the clients");
    for client in &mut clients {
        client.send(&frame(CLOSE, close_payload(1001, b"")));
        assert_eq!(client.frame(), None);
    }
    for _ in 0..5 {
        assert_eq!(owner.note(), "close 1001");
    }
    drop(clients);
    is_finished.recv_timeout(LIMIT).expect("the end of its thread");
}

#[test]
fn messages_are_checked_by_their_codec() {
    for (codec, good, bad) in [
        (Content::Json, &b"{\"a\":[1,2]}"[..], &b"{\"a\":[1,2}"[..]),
        (Content::MessagePack, b"\x81\xa1a\x92\x01\x02", b"\xdd\xff\xff\xff\xff"),
    ] {
        let owner =
            Owner::start(Config::default(), WebSocketOptions { codec: Some(codec), ..WebSocketOptions::default() });
        let mut client = Client::open(owner.address, "/echo");
        client.send(&frame(BINARY, good));
        assert_eq!(client.frame(), Some(whole(BINARY, good)));
        client.send(&frame(BINARY, bad));
        let closed = client.frame().unwrap();
        assert_eq!((closed.0, &closed.1[..2]), (0x80 | CLOSE, &1007_u16.to_be_bytes()[..]));
        assert_eq!(owner.note(), "open /echo");
        assert!(owner.note().starts_with("binary "));
        assert!(owner.note().starts_with("close 1007 malformed "), "{codec:?}");
    }
}

#[test]
fn the_limit_of_a_message_is_an_option() {
    let limits = Limits { message: 5 << 20, ..Limits::default() };
    let owner = Owner::start(Config { limits, ..Config::default() }, WebSocketOptions::default());
    let mut client = Client::open(owner.address, "/echo");
    let payload = vec![b'z'; 5 << 20];
    let mut writer = Client(client.0.try_clone().unwrap());
    let bytes = frame(BINARY, &payload);
    let sender = spawn(move || writer.send(&bytes));
    assert_eq!(client.frame(), Some(whole(BINARY, &payload)));
    sender.join().unwrap();
    assert_eq!([owner.note(), owner.note()], ["open /echo".to_owned(), format!("binary {}", payload.len())]);
}

#[test]
fn a_full_queue_refuses_handshakes() {
    let owner = Owner::with_queue(Config::default(), WebSocketOptions::default(), 2);
    owner.set_busy(true);
    let mut clients = Vec::new();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let mut client = Client::connect(owner.address);
        client.ask("/echo", "");
        statuses.push(client.head()[9..12].to_owned());
        clients.push(client);
    }
    assert_eq!(statuses, ["101", "101", "503", "503"]);
    owner.set_busy(false);
    assert_eq!(owner.note(), "open /echo");
}
