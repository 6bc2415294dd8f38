// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is asked before 101. Nothing of it wakes the owner but a handshake that passes.

use std::time::Duration;

use moonport_http::{Config, WebSocketOptions};

use crate::client::Client;
use crate::owner::{Owner, TOKEN};

const PAGE: &str = "http://page.example";

/// A name, the lines of the head but for the first and Host, the status, and a line of the answer.
type Row = (&'static str, String, u16, &'static str);

const FULL: [&str; 4] = [
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// The headers of a handshake with other values, or none, for some of them, and more.
fn head(changed: &[(&str, &str)], more: &str) -> String {
    let mut lines = String::new();
    for line in FULL {
        let name = line.split(':').next().unwrap();
        match changed.iter().find(|(changed, _)| *changed == name) {
            None => lines.push_str(&format!("{line}\r\n")),
            Some((_, "")) => {}
            Some((_, value)) => lines.push_str(&format!("{name}: {value}\r\n")),
        }
    }
    if !more.is_empty() {
        lines.push_str(&format!("{more}\r\n"));
    }
    lines
}

fn check(owner: &Owner, rows: Vec<Row>) {
    for (name, lines, status, wanted) in rows {
        let mut client = Client::connect(owner.address);
        let (method, rest) = lines.split_once("!\n").unwrap_or(("GET", &lines));
        let host = if rest.contains("Host: ") { "" } else { "Host: localhost\r\n" };
        client.send(format!("{method} /echo HTTP/1.1\r\n{host}{rest}\r\n").as_bytes());
        let answer = client.head().to_ascii_lowercase();
        assert_eq!(answer[9..12], status.to_string(), "{name}: {answer}");
        assert!(answer.contains(&wanted.to_ascii_lowercase()), "{name}: {answer}");
        if status == 101 {
            assert_eq!(owner.note(), "open /echo", "{name}");
            assert!(!answer.contains("content-length") && !answer.contains("token"), "{name}: {answer}");
            drop(client);
            assert_eq!(owner.note(), "close 1006", "{name}");
        }
    }
    assert!(owner.notes.recv_timeout(Duration::from_millis(20)).is_err(), "the owner was woken");
}

#[test]
fn a_handshake_that_is_none_is_refused() {
    let owner = Owner::start(Config::default(), WebSocketOptions::default());
    check(
        &owner,
        vec![
            ("plain", head(&[], ""), 101, "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            (
                "other letters",
                head(&[("Upgrade", "WebSocket"), ("Connection", "UPGRADE")], ""),
                101,
                "upgrade: websocket",
            ),
            (
                "an extension is not taken",
                head(&[], "Sec-WebSocket-Extensions: permessage-deflate"),
                101,
                "connection: upgrade",
            ),
            ("GET", head(&[("Upgrade", ""), ("Connection", "")], ""), 426, "upgrade: websocket"),
            (
                "GET, with the version",
                head(&[("Upgrade", ""), ("Connection", "")], ""),
                426,
                "sec-websocket-version: 13",
            ),
            ("another upgrade", head(&[("Upgrade", "h2c")], ""), 426, "upgrade: websocket"),
            ("no Connection", head(&[("Connection", "keep-alive")], ""), 426, "upgrade: websocket"),
            ("HEAD", format!("HEAD!\n{}", head(&[], "")), 426, ""),
            ("POST", format!("POST!\n{}", head(&[], "Content-Length: 0")), 405, "allow: get, head, options"),
            ("version 8", head(&[("Sec-WebSocket-Version", "8")], ""), 426, "sec-websocket-version: 13"),
            ("no version", head(&[("Sec-WebSocket-Version", "")], ""), 426, "sec-websocket-version: 13"),
            ("two versions", head(&[], "Sec-WebSocket-Version: 13"), 426, "sec-websocket-version: 13"),
            ("no key", head(&[("Sec-WebSocket-Key", "")], ""), 400, ""),
            ("a short key", head(&[("Sec-WebSocket-Key", "AAAA")], ""), 400, ""),
            ("two keys", head(&[], FULL[3]), 400, ""),
            ("a body", head(&[], "Content-Length: 3") + "\r\nabc", 400, ""),
            ("a foreign Host", head(&[], "Host: evil.example"), 403, ""),
            ("a foreign Origin", head(&[], "Origin: http://evil.example"), 403, ""),
            ("Origin null", head(&[], "Origin: null"), 403, ""),
            ("cross-site", head(&[], "Sec-Fetch-Site: cross-site"), 403, ""),
            ("its own Origin", head(&[], "Origin: http://localhost"), 101, ""),
            ("an unknown subprotocol", head(&[], "Sec-WebSocket-Protocol: chat"), 400, ""),
            ("a bad subprotocol", head(&[], "Sec-WebSocket-Protocol: a b"), 400, ""),
            (
                "its own subprotocol",
                head(&[], "Sec-WebSocket-Protocol: chat, moonport"),
                101,
                "sec-websocket-protocol: moonport\r\n",
            ),
        ],
    );
}

#[test]
fn the_token_comes_by_header_or_subprotocol() {
    let config = Config { token: Some(TOKEN.to_owned()), origins: vec![PAGE.to_owned()], ..Config::default() };
    let options = WebSocketOptions { protocols: vec!["chat".to_owned()], ..WebSocketOptions::default() };
    let owner = Owner::start(config, options);
    let protocols = |list: &str| head(&[], &format!("Sec-WebSocket-Protocol: {list}"));
    let wrong = TOKEN.replace("ef", "ee");
    check(
        &owner,
        vec![
            ("none", head(&[], ""), 401, "www-authenticate: bearer"),
            ("none, and no handshake", head(&[("Upgrade", "")], ""), 426, ""),
            ("by header", head(&[], &format!("Authorization: Bearer {TOKEN}")), 101, ""),
            ("a wrong one", head(&[], &format!("Authorization: Bearer {wrong}")), 401, ""),
            (
                "by subprotocol",
                protocols(&format!("moonport, moonport.token.{TOKEN}")),
                101,
                "sec-websocket-protocol: moonport\r\n",
            ),
            (
                "the token first",
                protocols(&format!("moonport.token.{TOKEN}, chat")),
                101,
                "sec-websocket-protocol: chat\r\n",
            ),
            (
                "two headers",
                protocols(&format!("chat\r\nSec-WebSocket-Protocol: moonport.token.{TOKEN}")),
                101,
                "sec-websocket-protocol: chat\r\n",
            ),
            ("the token alone", protocols(&format!("moonport.token.{TOKEN}")), 400, ""),
            ("wrong in the last byte", protocols(&format!("moonport, moonport.token.{wrong}")), 401, ""),
            ("an empty one", protocols("moonport, moonport.token."), 401, ""),
            (
                "of a listed page",
                format!("{}Origin: {PAGE}\r\n", protocols(&format!("chat, moonport.token.{TOKEN}"))),
                101,
                "access-control-allow-origin: http://page.example",
            ),
            (
                "of another page",
                format!("{}Origin: http://evil.example\r\n", protocols(&format!("chat, moonport.token.{TOKEN}"))),
                403,
                "",
            ),
        ],
    );
}

#[test]
fn the_cookie_of_its_own_page_is_enough() {
    let config = Config { token: Some(TOKEN.to_owned()), origins: vec![PAGE.to_owned()], ..Config::default() };
    let owner = Owner::start(config, WebSocketOptions::default());
    let mut client = Client::connect(owner.address);
    let link = owner.server.link("/page").unwrap();
    let query = link.split_once('?').unwrap().1;
    client.send(format!("GET /page?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    let answer = client.head();
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    let cookie = cookie.split(';').next().unwrap();
    check(
        &owner,
        vec![
            ("from its own page", head(&[], &format!("Cookie: {cookie}\r\nOrigin: http://localhost")), 101, ""),
            ("from a listed page", head(&[], &format!("Cookie: {cookie}\r\nOrigin: {PAGE}")), 401, ""),
        ],
    );
}
