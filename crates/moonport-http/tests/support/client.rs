// SPDX-License-Identifier: MIT OR Apache-2.0
//! A client that knows no HTTP when it sends and is strict when it reads: arbitrary bytes out, whole answers in.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{LIMIT, show};

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    ended: bool,
}

/// One answer, interim ones (1xx) too.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP/1.0; else HTTP/1.1.
    pub(crate) old: bool,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The only value of a header; several lines of one name come joined by `", "`.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let all: Vec<&str> =
            self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| &**value).collect();
        if all.is_empty() { None } else { Some(all.join(", ")) }
    }

    /// Does it announce that the connection ends? (RFC 9112, 9.3)
    pub(crate) fn says_close(&self) -> bool {
        let options = self.header("connection").unwrap_or_default().to_lowercase();
        let says = |wanted| options.split(',').any(|option| option.trim() == wanted);
        says("close") || (self.old && !says("keep-alive"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect_timeout(&address, LIMIT).map_err(|error| format!("connect: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        stream.set_write_timeout(Some(LIMIT)).map_err(|error| error.to_string())?;
        Ok(Self { stream, buffer: Vec::new(), ended: false })
    }

    /// A server may refuse before it has read everything, so that failing to send says nothing; what it answers does.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _unsent = self.stream.write_all(bytes);
    }

    /// Sends `size` bytes at a time with a pause after each, until all are sent or the server has closed.
    pub(crate) fn send_slowly(&mut self, bytes: &[u8], size: usize, pause: Duration) {
        for piece in bytes.chunks(size) {
            if self.stream.write_all(piece).is_err() || self.look().is_err() || self.ended {
                return;
            }
            std::thread::sleep(pause);
        }
    }

    pub(crate) fn half_close(&mut self) {
        let _already_gone = self.stream.shutdown(Shutdown::Write);
    }

    /// Takes what has come without waiting.
    fn look(&mut self) -> Result<(), String> {
        self.stream.set_nonblocking(true).map_err(|error| error.to_string())?;
        let mut bytes = [0; 16_384];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    self.buffer.extend_from_slice(&bytes[..count]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => self.ended = true,
            }
            return self.stream.set_nonblocking(false).map_err(|error| error.to_string());
        }
    }

    /// Waits for more bytes: `Ok(false)` at the end of the connection, whether orderly or reset.
    fn fill(&mut self, end: Instant) -> Result<bool, String> {
        if self.ended {
            return Ok(false);
        }
        let mut bytes = [0; 16_384];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("nothing more came in time after {}", show(&self.buffer)));
            }
            self.stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
            match self.stream.read(&mut bytes) {
                Ok(0) => self.ended = true,
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => self.ended = true,
            }
            return Ok(!self.ended);
        }
    }

    /// The next answer, or `None` if the connection ended instead. `to_head`: the request was a HEAD.
    pub(crate) fn answer(&mut self, to_head: bool) -> Result<Option<Answer>, String> {
        self.answer_within(to_head, LIMIT)
    }

    pub(crate) fn answer_within(&mut self, to_head: bool, limit: Duration) -> Result<Option<Answer>, String> {
        let end = Instant::now() + limit;
        loop {
            if let Some((answer, used)) = parse(&self.buffer, to_head, self.ended)? {
                self.buffer.drain(..used);
                return Ok(Some(answer));
            }
            if !self.fill(end)? {
                if let Some((answer, used)) = parse(&self.buffer, to_head, true)? {
                    self.buffer.drain(..used);
                    return Ok(Some(answer));
                }
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                return Err(format!("the connection ended inside an answer: {}", show(&self.buffer)));
            }
        }
    }

    /// The answer that has come already, if it is complete. Never waits.
    pub(crate) fn answer_now(&mut self) -> Result<Option<Answer>, String> {
        self.look()?;
        let Some((answer, used)) = parse(&self.buffer, false, self.ended)? else { return Ok(None) };
        self.buffer.drain(..used);
        Ok(Some(answer))
    }

    /// The server has closed and sent nothing more.
    pub(crate) fn closed_within(&mut self, limit: Duration) -> Result<(), String> {
        let end = Instant::now() + limit;
        loop {
            match self.fill(end) {
                Ok(true) => {}
                Ok(false) if self.buffer.is_empty() => return Ok(()),
                Ok(false) => return Err(format!("unasked bytes before the close: {}", show(&self.buffer))),
                Err(error) => return Err(format!("the connection stays open: {error}")),
            }
        }
    }
}

/// The first answer in `bytes` and its length; `None` while it is not complete.
fn parse(bytes: &[u8], to_head: bool, ended: bool) -> Result<Option<(Answer, usize)>, String> {
    let Some(head) = find(bytes, b"\r\n\r\n") else {
        if !b"HTTP/1.".starts_with(&bytes[..bytes.len().min(7)]) {
            return Err(format!("no HTTP: {}", show(bytes)));
        }
        return Ok(None);
    };
    let mut answer = parse_head(&bytes[..head])?;
    let status = answer.status;
    let start = head + 4;
    let length = answer.header("content-length");
    let chunked = answer.header("transfer-encoding");
    let bodiless = matches!(status, 100..200 | 204);
    if bodiless && (length.is_some() || chunked.is_some()) {
        return Err(format!("a {status} must not tell a length (RFC 9110, 8.6): {answer:?}"));
    }
    if length.is_some() && chunked.is_some() {
        return Err(format!("both Content-Length and Transfer-Encoding: {answer:?}"));
    }
    if to_head || bodiless || status == 304 {
        return Ok(Some((answer, start)));
    }
    let rest = &bytes[start..];
    if let Some(length) = length {
        let length: usize = length.parse().map_err(|_| format!("Content-Length {length:?}"))?;
        if rest.len() < length {
            return Ok(None);
        }
        answer.body = rest[..length].to_vec();
        return Ok(Some((answer, start + length)));
    }
    if chunked.is_some() {
        let Some((body, used)) = parse_chunks(rest)? else { return Ok(None) };
        answer.body = body;
        return Ok(Some((answer, start + used)));
    }
    answer.body = rest.to_vec();
    Ok(ended.then_some((answer, bytes.len())))
}

fn parse_head(head: &[u8]) -> Result<Answer, String> {
    let bad = || format!("a malformed head: {}", show(head));
    let text = std::str::from_utf8(head).map_err(|_| bad())?;
    let mut lines = text.split("\r\n");
    let line = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")).ok_or_else(bad)?;
    let (minor, line) = line.split_once(' ').filter(|(minor, _)| matches!(*minor, "0" | "1")).ok_or_else(bad)?;
    let (status, _) = line.split_once(' ').ok_or_else(bad)?;
    let status = status.parse().map_err(|_| bad())?;
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        if name.is_empty() || name.contains([' ', '\t', '\r', '\n']) || value.contains(['\r', '\n', '\0']) {
            return Err(bad());
        }
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    Ok(Answer { old: minor == "0", status, headers, body: Vec::new() })
}

fn parse_chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some(line) = find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes[at..at + line]).into_owned();
        let size = usize::from_str_radix(&text, 16).map_err(|_| format!("a chunk of size {text:?}"))?;
        at += line + 2;
        let Some(data) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if !data.ends_with(b"\r\n") {
            return Err("a chunk does not end in CRLF".to_owned());
        }
        body.extend_from_slice(&data[..size]);
        at += size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
