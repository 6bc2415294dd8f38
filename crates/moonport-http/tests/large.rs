// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file that is larger than what the server may hold of it. Alone in its process, whose memory it measures.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs::{self, File};
use std::io::Read;
use std::net::TcpStream;
use std::os::unix::fs::FileExt;

use common::{Client, Folder, LIMIT, Owner, header, route, status};
use moonport_http::{Body, Config, Response, Server};

const SIZE: usize = 200 << 20;

/// Far below the file, far above what one answer may take.
const ROOM: usize = 8 << 20;

/// The most that this process has held, in bytes.
fn peak() -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

fn connect(server: &Server) -> Client<TcpStream> {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    Client(stream)
}

/// Reads the body; gives its size and the sum of its bytes.
fn sum(client: &mut Client<TcpStream>, size: usize) -> u64 {
    let mut piece = vec![0; 100_000];
    let (mut left, mut sum) = (size, 0);
    while left > 0 {
        let most = left.min(piece.len());
        let count = client.0.read(&mut piece[..most]).unwrap();
        assert!(count > 0, "{left} bytes are missing");
        left -= count;
        sum += piece[..count].iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    sum
}

#[test]
fn a_file_larger_than_memory_is_sent_in_pieces() {
    let folder = Folder::new("large");
    let path = folder.0.join("large");
    let file = File::create(&path).unwrap();
    file.set_len(SIZE as u64).unwrap();
    for at in [0, SIZE / 2, SIZE - 1] {
        file.write_at(&[7], at as u64).unwrap();
    }
    let mut routes = route("/answer");
    routes.add_static("/files", &folder.0).unwrap();
    let mut owner = Owner::new();
    let server = owner.start(Config::default(), routes);
    let before = peak();

    // Clients that ask and do not read yet.
    let mut waiting: Vec<_> = (0..4).map(|_| connect(&server)).collect();
    for client in &mut waiting {
        client.get("/files/large", "");
    }
    let mut client = connect(&server);
    client.get("/files/large", "");
    let head = client.head();
    assert_eq!((status(&head), header(&head, "content-length")), (200, Some("209715200")));
    assert_eq!(sum(&mut client, SIZE), 21);
    client.get("/answer", "Range: bytes=1-\r\n");
    owner
        .take()
        .reply
        .send(Response { status: 200, content_type: None, headers: Vec::new(), body: Body::File(path) })
        .unwrap();
    let head = client.head();
    assert_eq!((status(&head), header(&head, "content-range")), (206, Some("bytes 1-209715199/209715200")));
    assert_eq!(sum(&mut client, SIZE - 1), 14);
    for client in &mut waiting {
        assert_eq!(status(&client.head()), 200);
    }
    let grown = peak() - before;
    assert!(grown < ROOM, "{grown} bytes more");
}
