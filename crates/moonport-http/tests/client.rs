// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client for pages, as the server gives it out.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::net::TcpStream;

use common::{Client, LIMIT, Owner, header, status};
use moonport_http::{Config, RouteOptions, Routes, Server, random_token};

const FILES: [(&str, &str); 2] =
    [("/moonport.js", "text/javascript; charset=utf-8"), ("/moonport.d.ts", "application/typescript; charset=utf-8")];

fn config() -> Config {
    let origins = vec!["http://page.example".to_owned()];
    Config { client: true, token: Some(random_token().unwrap()), origins, ..Config::default() }
}

fn connect(server: &Server) -> Client<TcpStream> {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    Client(stream)
}

#[test]
fn it_is_given_to_who_has_no_token_and_once() {
    let mut owner = Owner::new();
    let server = owner.start(config(), Routes::default());
    let mut client = connect(&server);
    for (path, kind) in FILES {
        client.get(path, "");
        let (head, body) = client.answer();
        assert_eq!(status(&head), 200, "{head}");
        assert_eq!(header(&head, "content-type"), Some(kind));
        assert_eq!(header(&head, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(&head, "cache-control"), Some("no-cache"));
        let source = format!("{}/client{path}", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(body, std::fs::read(source).unwrap());

        let tag = header(&head, "etag").unwrap();
        client.get(path, &format!("If-None-Match: \"other\", {tag}\r\n"));
        let again = client.head();
        assert_eq!(status(&again), 304, "{again}");
        assert_eq!(header(&again, "etag"), Some(tag));
        client.get(path, "If-Match: \"other\"\r\n");
        assert_eq!(client.status(), 412);
        client.send(&format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let only = client.head();
        assert_eq!((status(&only), header(&only, "content-length")), (200, header(&head, "content-length")));
        client.send(&format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"));
        let (refused, _) = client.answer();
        assert_eq!((status(&refused), header(&refused, "allow")), (405, Some("GET, HEAD, OPTIONS")));
    }
    assert!(owner.has_nothing());
}

#[test]
fn its_two_files_are_told_apart() {
    let owner = Owner::new();
    let server = owner.start(config(), Routes::default());
    let mut client = connect(&server);
    let tags = FILES.map(|(path, _)| {
        client.get(path, "");
        header(&client.answer().0, "etag").unwrap().to_owned()
    });
    assert_ne!(tags[0], tags[1]);
}

#[test]
fn host_and_origin_are_checked_before() {
    let owner = Owner::new();
    let server = owner.start(config(), Routes::default());
    let mut client = connect(&server);
    for (headers, expected, allowed) in [
        ("", 200, None),
        ("Origin: http://page.example\r\nSec-Fetch-Site: cross-site\r\n", 200, Some("http://page.example")),
        ("Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n", 200, None),
        ("Origin: http://localhost:1\r\nSec-Fetch-Site: same-site\r\n", 403, None),
        ("Origin: http://evil.example\r\n", 403, None),
        ("Origin: null\r\n", 403, None),
        ("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", 403, None),
    ] {
        client.get("/moonport.js", headers);
        let (head, _) = client.answer();
        assert_eq!((status(&head), header(&head, "access-control-allow-origin")), (expected, allowed), "{headers}");
    }
    client.send("GET /moonport.js HTTP/1.1\r\nHost: rebound.example\r\n\r\n");
    assert_eq!(client.status(), 403);
}

#[test]
fn without_the_option_it_is_not_there() {
    let owner = Owner::new();
    let server = owner.start(Config { client: false, ..config() }, Routes::default());
    let mut client = connect(&server);
    for (path, _) in FILES {
        client.get(path, "");
        assert_eq!(client.status(), 404);
    }
}

#[test]
fn a_route_of_the_programs_own_in_its_place_is_told_at_the_start() {
    let owner = Owner::new();
    for (path, _) in FILES {
        let mut routes = Routes::default();
        routes.add("GET", path, RouteOptions::default()).unwrap();
        let error = owner.try_start(config(), routes.clone()).unwrap_err();
        assert_eq!(error.name(), "exists");
        assert!(error.to_string().contains(&format!("GET {path} is already routed")), "{error}");
        drop(owner.start(Config { client: false, ..config() }, routes));
    }
    // Those that only could have it, and other methods, are not in the way.
    let mut routes = Routes::default();
    routes.add("GET", "/{*rest}", RouteOptions::default()).unwrap();
    routes.add("POST", "/moonport.js", RouteOptions::default()).unwrap();
    let server = owner.start(config(), routes);
    let mut client = connect(&server);
    client.get("/moonport.js", "");
    assert_eq!(status(&client.answer().0), 200);
}
