// SPDX-License-Identifier: MIT OR Apache-2.0
//! One WebSocket on the server's thread, from 101 to its end: messages go to the owner while it has room, what the owner
//! sends goes out, pings find out whether the client is still there.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;
use moonport_codec::{json, msgpack};
use moonport_core::Payload;
use tokio::io::AsyncWrite;
use tokio::time::{Sleep, sleep, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use crate::accept::Site;
use crate::connection::{LINGER, after};
use crate::door::Door;
use crate::message::Content;
use crate::socket::{Event, Kind, Next, Socket, SocketEvent, farewell};
use crate::upgrade::Upgrade;
use crate::wire::Wire;

/// How long the client has to answer a close frame.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// Messages read before other connections have their turn.
const TURN: u32 = 64;

const READ_BUFFER: usize = 8192;
/// Frames are gathered up to this size before they are written.
const WRITE_BUFFER: usize = 16_384;

struct Session {
    site: Rc<Site>,
    stream: WebSocketStream<Wire>,
    socket: Arc<Socket>,
    route: usize,
    codec: Option<Content>,
    /// What the owner is to hear next. While it waits, nothing is read.
    events: VecDeque<(Event, usize)>,
    /// What goes out next.
    outgoing: Option<Message>,
    /// How it ends, as soon as that is known: code and reason.
    end: Option<(u16, String)>,
    stage: Stage,
    timer: Pin<Box<Sleep>>,
    ping: Ping,
    /// Not all that was written has left.
    is_blocked: bool,
    /// Among the site's open sockets.
    is_counted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// A close frame is on its way to the client, which is to send its own; messages are dropped meanwhile.
    Closing,
    /// The client has broken the rules: the close frame goes out, nothing more is read.
    Failing,
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ping {
    None,
    Wanted,
    Sent,
}

/// Serves a WebSocket to its end.
pub(crate) async fn run(site: Rc<Site>, door: Door, read: Bytes, upgrade: Upgrade) {
    let limit = site.limits.message;
    let mut config = WebSocketConfig::default();
    config.read_buffer_size = READ_BUFFER;
    config.write_buffer_size = WRITE_BUFFER;
    // Beyond what the owner may send: pongs and close frames have room when that waits.
    config.max_write_buffer_size = limit.max(crate::socket::MOST_BYTES) + 2 * WRITE_BUFFER;
    config.max_message_size = Some(limit);
    config.max_frame_size = Some(limit);
    let wire = Wire::new(door);
    let stream = WebSocketStream::from_partially_read(wire, read.to_vec(), Role::Server, Some(config)).await;
    let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    let mut session = Session::new(site, stream, upgrade, waker);
    poll_fn(|context| session.poll(context)).await;
    session.shut();
    let (code, reason) = session.end.take().unwrap_or((1006, String::new()));
    session.events.push_back((Event::Close { code, reason }, 0));
    let (mut is_told, mut is_shut) = (false, false);
    // The client's last bytes are read while the owner hears of the end.
    let mut parting = Box::pin(sleep(LINGER));
    poll_fn(|context| {
        is_told = is_told || session.poll_events(context).is_ready();
        is_shut = is_shut
            || parting.as_mut().poll(context).is_ready()
            || Pin::new(session.stream.get_mut()).poll_shutdown(context).is_ready();
        if is_told && is_shut { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl Session {
    fn new(site: Rc<Site>, stream: WebSocketStream<Wire>, upgrade: Upgrade, waker: Waker) -> Self {
        let Upgrade { request, codec, size } = upgrade;
        let socket = Arc::new(Socket::new(site.open_socket(), site.limits.message, site.wakes.gather(waker)));
        let timer = Box::pin(sleep_until(after(site.limits.idle_time / 2)));
        Self {
            stream,
            socket,
            route: request.route,
            codec,
            events: VecDeque::from([(Event::Open(Box::new(request)), size)]),
            outgoing: None,
            end: None,
            stage: Stage::Open,
            timer,
            ping: Ping::None,
            is_blocked: false,
            is_counted: true,
            site,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.site.is_stopping() && self.stage == Stage::Open {
            // Nothing happens if its owner has closed it, or is asked again.
            self.socket.leave();
        }
        loop {
            let mut left = TURN;
            while left > 0 && self.poll_read(context).is_ready() {
                left -= 1;
            }
            self.poll_write(context);
            if self.stage == Stage::Over {
                return Poll::Ready(());
            }
            if self.timer.as_mut().poll(context).is_ready() {
                self.time_is_over();
                continue;
            }
            if left == 0 {
                context.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
    }

    /// Ready: something was read, and perhaps there is more.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if matches!(self.stage, Stage::Failing | Stage::Over) || self.poll_events(context).is_pending() {
            return Poll::Pending;
        }
        let Poll::Ready(item) = Pin::new(&mut self.stream).poll_next(context) else { return Poll::Pending };
        match item {
            Some(Ok(message)) => self.receive(message),
            Some(Err(error)) => self.fail_by(&error),
            None => self.stage = Stage::Over,
        }
        Poll::Ready(())
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Text(text) => self.receive_data(Kind::Text, text.into()),
            Message::Binary(bytes) => self.receive_data(Kind::Binary, bytes),
            // The answer is queued already; the stream ends when it is written.
            Message::Close(frame) => {
                self.socket.shut();
                self.outgoing = None;
                self.end.get_or_insert_with(|| match frame {
                    Some(frame) => (frame.code.into(), frame.reason.to_string()),
                    None => (1005, String::new()),
                });
                self.stage = Stage::Closing;
                self.set_timer(LINGER);
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }

    fn receive_data(&mut self, kind: Kind, data: Bytes) {
        if self.stage != Stage::Open {
            return;
        }
        let depth = self.site.limits.depth;
        let malformed = match self.codec {
            Some(Content::Json) => json::check(&data, depth).err().map(|error| format!("malformed JSON: {error}")),
            Some(Content::MessagePack) => {
                msgpack::check(&data, depth).err().map(|error| format!("malformed MessagePack: {error}"))
            }
            _ => None,
        };
        if let Some(reason) = malformed {
            return self.fail(CloseCode::Invalid, &reason);
        }
        let size = data.len();
        self.events.push_back((Event::Message { kind, data }, size));
    }

    /// Tells the owner what it is to hear. Pending: it has no room.
    fn poll_events(&mut self, context: &Context<'_>) -> Poll<()> {
        while let Some((_, size)) = self.events.front() {
            let size = *size;
            if self.site.crowd.poll(self.site.post.sender(), size, context).is_pending() {
                return Poll::Pending;
            }
            let Some((event, _)) = self.events.pop_front() else { break };
            let is_message = matches!(event, Event::Message { .. });
            let _held = self.site.crowd.hold(size);
            let (route, socket, codec) = (self.route, Arc::clone(&self.socket), self.codec);
            let event = SocketEvent { route, socket, codec, event, _held };
            // There is room; and if the port is closed, the server ends.
            let sent = self.site.post.send(Payload::Object { value: Box::new(event), size });
            if sent.is_ok() && is_message {
                self.site.counters.messages_received.one();
            }
        }
        Poll::Ready(())
    }

    /// Writes what there is, as far as the client reads.
    fn poll_write(&mut self, context: &mut Context<'_>) {
        while self.stage != Stage::Over {
            if !self.has_outgoing() {
                break;
            }
            match Pin::new(&mut self.stream).poll_ready(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return self.stage = Stage::Over,
                Poll::Pending => break,
            }
            let Some(message) = self.outgoing.take() else { break };
            let is_data = message.is_text() || message.is_binary();
            match Pin::new(&mut self.stream).start_send(message) {
                Ok(()) if is_data => self.site.counters.messages_sent.one(),
                Ok(()) => {}
                Err(Error::WriteBufferFull(message)) => {
                    self.outgoing = Some(*message);
                    break;
                }
                Err(_) => return self.stage = Stage::Over,
            }
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.is_blocked = flushed.is_pending();
        match flushed {
            Poll::Ready(Err(_)) => self.stage = Stage::Over,
            Poll::Ready(Ok(())) if self.stage == Stage::Failing => self.stage = Stage::Over,
            _ => {}
        }
    }

    /// Sees to it that there is something to send, if there is.
    fn has_outgoing(&mut self) -> bool {
        if self.outgoing.is_some() || self.stage == Stage::Failing {
            return self.outgoing.is_some();
        }
        if self.ping == Ping::Wanted && self.stage == Stage::Open {
            self.ping = Ping::Sent;
            self.outgoing = Some(Message::Ping(Bytes::new()));
            return true;
        }
        let Next { message, closing } = self.socket.next();
        if closing && self.stage == Stage::Open {
            self.stage = Stage::Closing;
            self.set_timer(CLOSE_TIME);
        }
        if let Some(Message::Close(Some(CloseFrame { code, reason }))) = &message {
            self.end.get_or_insert_with(|| ((*code).into(), reason.to_string()));
        }
        self.outgoing = message;
        self.outgoing.is_some()
    }

    fn fail_by(&mut self, error: &Error) {
        match error {
            Error::Capacity(_) => self.fail(CloseCode::Size, "the message is too large"),
            Error::Utf8(_) => self.fail(CloseCode::Invalid, "a text message is not UTF-8"),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::ReceivedAfterClosing)
            | Error::Io(_) => self.stage = Stage::Over,
            Error::Protocol(error) => self.fail(CloseCode::Protocol, &error.to_string()),
            _ => self.fail(CloseCode::Protocol, ""),
        }
    }

    /// The client has broken the rules: it hears why, and that is the end (RFC 6455, section 7.1.7).
    fn fail(&mut self, code: CloseCode, reason: &str) {
        self.socket.shut();
        self.outgoing = if self.stage == Stage::Open { Some(farewell(code, reason)) } else { None };
        self.end.get_or_insert_with(|| (code.into(), reason.to_owned()));
        self.stage = Stage::Failing;
        self.set_timer(LINGER);
    }

    fn set_timer(&mut self, time: Duration) {
        self.timer.as_mut().reset(after(time));
    }

    /// The next ping is due, or the time to close is over.
    fn time_is_over(&mut self) {
        if self.stage != Stage::Open || !self.is_there() {
            self.stage = Stage::Over;
            return;
        }
        self.ping = Ping::Wanted;
        self.set_timer(self.site.limits.idle_time / 2);
    }

    /// May the client still be there? It need not have answered while it was not read, and while it takes what was sent
    /// before the ping it gives a sign of life.
    fn is_there(&mut self) -> bool {
        let wire = self.stream.get_mut();
        let (heard, wrote) = (wire.take_heard(), wire.take_wrote());
        match self.ping {
            Ping::None => true,
            _ if heard || !self.events.is_empty() => true,
            Ping::Wanted => wrote,
            Ping::Sent => self.is_blocked && wrote,
        }
    }

    /// It is no open socket any more, whatever its connection still does.
    fn shut(&mut self) {
        self.socket.shut();
        if std::mem::take(&mut self.is_counted) {
            self.site.close_socket();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shut();
    }
}
