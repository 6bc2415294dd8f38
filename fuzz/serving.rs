// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the targets with a real server share: a client that writes bytes in two pieces and reads to the end.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than anything here may take: beyond it the server hangs.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A connection on which all of `bytes` is written, and nothing follows.
pub fn write(address: SocketAddr, bytes: &[u8], cut: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    stream.set_write_timeout(Some(LIMIT)).expect("a timeout");
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    stream.write_all(first).expect("written");
    stream.write_all(second).expect("written");
    stream.shutdown(Shutdown::Write).expect("half closed");
    stream
}

/// All that the server says until it closes.
pub fn read(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the server ends the connection in time, without a reset");
    bytes
}
