// SPDX-License-Identifier: MIT OR Apache-2.0
//! The socket as hyper sees it. A head passes only when it is whole and strictly well formed; one head at a time, so
//! that each answer belongs to the verdict over its own head. A faulty head is replaced by a harmless one, whose
//! answer the service takes from the verdict: refusals to pipelined requests keep their order.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncWrite, ReadBuf};

use crate::accept::Site;
use crate::chunks::Chunks;
use crate::connection::{LEAVE, LINGER, Link, Phase, Refused, Verdict};
use crate::head::{self, Fault, Framing, Search};
use crate::pace::Pace;
use crate::refusal::Refusal;
use crate::sent::{SMALL_BODY, Sent};
use crate::stream::Stream;

const BUFFER: usize = 8192;

/// While a larger body passes.
const BODY_BUFFER: usize = 65_536;

/// Bytes that a closing connection reads and throws away.
const DRAIN: usize = 1 << 20;

/// The same for a WebSocket, whose messages may be larger than any limit before they are refused.
const DRAIN_SOCKET: usize = 64 << 20;

pub(crate) struct Gate {
    stream: Stream,
    pace: Pace,
    link: Rc<Link>,
    site: Rc<Site>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    stage: Stage,
    closed: bool,
    drained: usize,
    most_drained: usize,
}

enum Stage {
    /// A head is collected. `fresh`: an empty line before it may still be skipped (RFC 9112, section 2.2).
    Head { search: Search, fresh: bool },
    /// So many bytes of head and body may pass.
    Pass(u64),
    /// The request has passed, the next one waits for its answer.
    Held,
    /// The rest of so many bytes of head, then a chunked body.
    Chunks(usize, Chunks),
    /// A harmless head in place of a refused one.
    Instead(&'static [u8]),
    /// Nothing passes any more.
    End,
}

const COLLECT: Stage = Stage::Head { search: Search::START, fresh: true };

impl Gate {
    pub(crate) fn new(stream: Stream, link: Rc<Link>, site: Rc<Site>) -> Self {
        Self {
            stream,
            pace: Pace::default(),
            link,
            site,
            bytes: Vec::new(),
            start: 0,
            end: 0,
            stage: COLLECT,
            closed: false,
            drained: 0,
            most_drained: DRAIN,
        }
    }

    /// After 101 bytes pass as they are.
    pub(crate) fn poll_through(&mut self, context: &mut Context<'_>, target: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.start < self.end {
            let count = target.remaining().min(self.end - self.start);
            target.put_slice(&self.bytes[self.start..self.start + count]);
            self.consume(count);
            return Poll::Ready(Ok(()));
        }
        if self.closed {
            return Poll::Ready(Ok(()));
        }
        self.bytes = Vec::new();
        self.most_drained = DRAIN_SOCKET;
        let count = ready!(self.pace.poll_read(&mut self.stream, context, target))?;
        self.closed = count == 0;
        self.site.counters.bytes_in.add(count as u64);
        Poll::Ready(Ok(()))
    }

    fn held(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start >= self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Reads once into the free part of the buffer, which has at least one byte then. Sets `closed` at the end.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.end == self.bytes.len() {
            self.make_room();
        }
        let mut space = ReadBuf::new(&mut self.bytes[self.end..]);
        let count = ready!(self.pace.poll_read(&mut self.stream, context, &mut space))?;
        self.end += count;
        if count == 0 {
            self.closed = true;
            self.link.set_closed();
        }
        self.site.counters.bytes_in.add(count as u64);
        Poll::Ready(Ok(count))
    }

    fn make_room(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        } else {
            self.bytes.resize((self.bytes.len() * 2).max(BUFFER), 0);
        }
    }

    /// Collects a head. Ready: the stage has changed, or the connection is at its end.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Collected>> {
        loop {
            if self.start == self.end {
                if self.closed || (self.link.is_expired() && self.link.phase() == Phase::Head) {
                    return Poll::Ready(Ok(Collected::Over));
                }
            } else if self.judge() {
                return Poll::Ready(Ok(Collected::Judged));
            } else if self.closed {
                return Poll::Ready(Ok(Collected::Over));
            } else if self.link.phase() != Phase::Head {
                self.link.begin(Phase::Head, self.site.limits.head_time);
            } else if self.link.is_expired() {
                self.refuse(Refusal::timeout("the head of the request took too long"), None);
                return Poll::Ready(Ok(Collected::Judged));
            }
            if self.closed {
                continue;
            }
            ready!(self.poll_fill(context))?;
        }
    }

    /// Looks at the bytes of a head; true when it is known what to do with it.
    fn judge(&mut self) -> bool {
        let Stage::Head { mut search, fresh } = self.stage else { return true };
        let limits = &self.site.limits;
        match search.find_end(self.held(), limits) {
            Ok(Some(2)) if fresh => {
                self.consume(2);
                self.stage = Stage::Head { search: Search::START, fresh: false };
                if self.start == self.end { false } else { self.judge() }
            }
            Ok(Some(length)) => {
                let head = &self.held()[..length];
                match head::read(head, limits) {
                    Ok(read) => self.pass(length, read),
                    Err(fault) => {
                        let origin = head::origin(head).map(<[u8]>::to_vec);
                        self.refuse(refusal(fault), origin);
                    }
                }
                true
            }
            Ok(None) => {
                self.stage = Stage::Head { search, fresh };
                false
            }
            Err(fault) => {
                let origin = head::origin(self.held()).map(<[u8]>::to_vec);
                self.refuse(refusal(fault), origin);
                true
            }
        }
    }

    fn pass(&mut self, length: usize, head::Read { framing, digits, accepts }: head::Read) {
        let small = digits.filter(|&digits| self.has_small_body(framing, length, digits));
        let bytes = if small.is_some() { self.held() } else { &self.held()[..length] };
        self.link.set_verdict(Verdict::Passed, Sent::new(bytes.into(), length, accepts), length);
        self.stage = match (framing, small) {
            (_, Some(digits)) => {
                self.hide_body(length, digits);
                Stage::Pass(length as u64)
            }
            (Framing::Length(body), None) => Stage::Pass(length as u64 + body),
            (Framing::Chunked, None) => Stage::Chunks(length, Chunks::default()),
        };
    }

    /// Has a small body come with its head, and nothing else? It goes past hyper, which takes some allocations and turns for
    /// one. `digits`: where its length is.
    fn has_small_body(&self, framing: Framing, head: usize, digits: usize) -> bool {
        let held = self.held();
        let size = held.len() - head;
        size > 0 && size <= SMALL_BODY && framing == Framing::Length(size as u64) && held[digits] != b'0'
    }

    /// To hyper such a request has no body: zeros take the place of its length.
    fn hide_body(&mut self, head: usize, digits: usize) {
        let digits = &mut self.bytes[self.start + digits..self.end];
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits[..length].fill(b'0');
        self.end = self.start + head;
    }

    fn refuse(&mut self, refusal: Refusal, origin: Option<Vec<u8>>) {
        // A refused HEAD request must not be answered with a body.
        let is_head = self.held().starts_with(b"HEAD ");
        self.stage = Stage::Instead(if is_head { HEAD } else { GET });
        self.link.set_verdict(Verdict::Refused(Box::new(Refused { refusal, origin })), Sent::default(), 0);
        self.link.linger();
        self.start = 0;
        self.end = 0;
    }

    /// Reads ahead while an answer is pending, to notice a client that leaves. Ready: it has, or the connection is broken.
    pub(crate) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Stage::Pass(0) = self.stage {
            self.hold();
        }
        match self.stage {
            Stage::Held if !self.link.is_answered() => self.poll_held(context).map(drop),
            _ => Poll::Pending,
        }
    }

    /// Ready: the next head may be collected (true), or the client is gone (false).
    fn poll_held(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.link.take_answered() {
            self.stage = COLLECT;
            return Poll::Ready(Ok(true));
        }
        while !self.closed && self.end - self.start < BUFFER {
            match self.poll_fill(context) {
                Poll::Ready(result) => result.map(drop)?,
                Poll::Pending if self.start == self.end => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if self.closed {
            match self.link.phase() {
                Phase::Waiting => self.link.begin(Phase::Leaving, LEAVE),
                Phase::Leaving if self.link.is_expired() => return Poll::Ready(Ok(false)),
                // A page that listens has nothing more to say, so it is gone.
                Phase::Streaming => return Poll::Ready(Ok(false)),
                _ => {}
            }
        }
        self.link.wake_when_answered(context.waker().clone());
        Poll::Pending
    }

    /// Makes bytes of the client ready for hyper, so many as it takes now and at most `limit`; 0 at the end.
    fn poll_ready(&mut self, context: &mut Context<'_>, room: usize, limit: u64) -> Poll<io::Result<usize>> {
        if self.start == self.end && !self.closed {
            if limit > BUFFER as u64 && self.bytes.len() < BODY_BUFFER {
                self.bytes.resize(BODY_BUFFER, 0);
            }
            ready!(self.poll_fill(context))?;
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Poll::Ready(Ok((self.end - self.start).min(room).min(limit)))
    }

    fn give(&mut self, target: &mut ReadBufCursor<'_>, count: usize) {
        target.put_slice(&self.bytes[self.start..self.start + count]);
        self.consume(count);
    }

    /// The request has passed.
    fn hold(&mut self) {
        self.stage = Stage::Held;
        if self.start == self.end && self.bytes.len() > BUFFER {
            self.bytes = Vec::new();
        }
    }

    /// Passes a chunked body on as far as it is well formed; hyper takes an error for the end of the body.
    fn poll_chunks(&mut self, context: &mut Context<'_>, target: &mut ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut count = ready!(self.poll_ready(context, target.remaining(), u64::MAX))?;
        let Stage::Chunks(head, chunks) = &mut self.stage else { return Poll::Ready(Ok(())) };
        if *head > 0 {
            count = count.min(*head);
            *head -= count;
        } else {
            let bytes = &self.bytes[self.start..self.start + count];
            count = chunks.advance(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.0))?;
            self.link.announce(chunks.announced());
            if chunks.is_done() {
                self.give(target, count);
                self.hold();
                return Poll::Ready(Ok(()));
            }
        }
        self.give(target, count);
        Poll::Ready(Ok(()))
    }
}

enum Collected {
    Judged,
    Over,
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
const HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nconnection: close\r\n\r\n";

fn refusal(fault: Fault) -> Refusal {
    match fault {
        Fault::Malformed(what) => Refusal::bad_request(what),
        Fault::UriTooLong => Refusal::new(http::StatusCode::URI_TOO_LONG, "the target of the request is too long"),
        Fault::TooLarge => Refusal::head_too_large("the head of the request is too large"),
        Fault::TooManyHeaders => Refusal::head_too_large("the request has too many headers"),
    }
}

impl Read for Gate {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut target: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        loop {
            match gate.stage {
                Stage::Head { .. } => match ready!(gate.poll_head(context))? {
                    Collected::Judged => {}
                    Collected::Over => return Poll::Ready(Ok(())),
                },
                Stage::Pass(0) => gate.hold(),
                Stage::Pass(left) => {
                    let count = ready!(gate.poll_ready(context, target.remaining(), left))?;
                    gate.give(&mut target, count);
                    gate.stage = Stage::Pass(left - count as u64);
                    return Poll::Ready(Ok(()));
                }
                Stage::Chunks(..) => return gate.poll_chunks(context, &mut target),
                Stage::Held => {
                    if !ready!(gate.poll_held(context))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Stage::Instead(rest) => {
                    let (now, later) = rest.split_at(rest.len().min(target.remaining()));
                    target.put_slice(now);
                    gate.stage = if later.is_empty() { Stage::End } else { Stage::Instead(later) };
                    return Poll::Ready(Ok(()));
                }
                // The answer is written and the connection closed without another byte of the client.
                Stage::End => return Poll::Pending,
            }
        }
    }
}

impl Write for Gate {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        let count = ready!(Pin::new(&mut gate.stream).poll_write(context, bytes))?;
        gate.wrote(count);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        // A small answer, head and body, is cheaper to copy than to pass in pieces.
        let mut whole = [0; FLAT];
        let count = match flatten(&mut whole, slices) {
            Some(size) => ready!(Pin::new(&mut gate.stream).poll_write(context, &whole[..size]))?,
            None => ready!(Pin::new(&mut gate.stream).poll_write_vectored(context, slices))?,
        };
        gate.wrote(count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when all its bytes are written.
        self.link.set_progress(false);
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    /// Where something is left unread, a close at once would reset the connection and could take the answer with it
    /// (RFC 9112, section 9.6). So the client's side is read for a moment.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        if gate.link.phase() != Phase::Linger {
            ready!(Pin::new(&mut gate.stream).poll_shutdown(context))?;
            if !gate.link.lingers() && gate.start == gate.end {
                return Poll::Ready(Ok(()));
            }
            gate.link.begin(Phase::Linger, LINGER);
        }
        while !gate.closed && gate.drained < gate.most_drained {
            gate.start = 0;
            gate.end = 0;
            gate.drained += ready!(gate.poll_fill(context))?;
        }
        Poll::Ready(Ok(()))
    }
}

/// Answers up to this size are written in one piece.
const FLAT: usize = 1024;

/// Copies the pieces one after another, if they have room; gives their size.
fn flatten(whole: &mut [u8; FLAT], slices: &[io::IoSlice<'_>]) -> Option<usize> {
    let mut size = 0;
    for slice in slices {
        whole.get_mut(size..size + slice.len())?.copy_from_slice(slice);
        size += slice.len();
    }
    Some(size)
}

impl Gate {
    fn wrote(&self, count: usize) {
        self.link.set_progress(true);
        self.site.counters.bytes_out.add(count as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_becomes_one_piece() {
        let size = |pieces: &[&[u8]]| {
            let mut whole = [0; FLAT];
            let slices: Vec<_> = pieces.iter().map(|piece| io::IoSlice::new(piece)).collect();
            let size = flatten(&mut whole, &slices)?;
            assert_eq!(whole[..size], pieces.concat());
            Some(size)
        };
        assert_eq!(size(&[]), Some(0));
        assert_eq!(size(&[b"head", b"", b"body"]), Some(8));
        assert_eq!(size(&[&[b'x'; FLAT - 1], b"y"]), Some(FLAT));
        assert_eq!(size(&[&[b'x'; FLAT], b"y"]), None);
    }
}
