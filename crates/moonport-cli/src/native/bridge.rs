// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads messages until the browser has no more, and answers each when its answer comes. Nothing but frames goes to
//! stdout. One thread reads stdin; everything else is on the thread that called.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::client::Failure;
use super::exchange::{self, Target};
use super::frames::{self, FROM_BROWSER};

/// What each message takes of the room at least, so that there are at most 64 at a time. A server serves 256.
const LEAST: usize = FROM_BROWSER / 64;

/// How long answers may still come when the browser has no more messages. It kills after 2 s.
const GRACE: Duration = Duration::from_secs(1);

enum Event {
    /// The room is given back when the answer is written.
    Message(Bytes, OwnedSemaphorePermit),
    /// The input is at its end, or nobody takes answers any more.
    End(io::Result<()>),
}

/// Returns at the end of stdin.
///
/// # Errors
/// What came is no frame.
pub(super) fn run(target: Target) -> Result<(), String> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let (give, take) = unbounded_channel();
    let room = Arc::new(Semaphore::new(FROM_BROWSER));
    let reader = (give.clone(), Arc::clone(&room), runtime.handle().clone());
    let read_all = move || {
        let (give, room, handle) = reader;
        let end = read(&give, &room, &handle);
        drop(give.send(Event::End(end)));
    };
    // Not joined: it may be in a read that never returns.
    let reader = std::thread::Builder::new().name("moonport-stdin".into()).spawn(read_all);
    reader.map_err(|error| format!("cannot start a thread: {error}"))?;
    let end = runtime.block_on(serve(Arc::new(target), give, take, &room));
    end.map_err(|error| error.to_string())
}

/// Hands on each message when there is room for it: until then the browser keeps what it would send.
fn read(give: &UnboundedSender<Event>, room: &Arc<Semaphore>, handle: &Handle) -> io::Result<()> {
    let mut input = io::stdin().lock();
    while let Some(length) = frames::read_length(&mut input)? {
        let share = u32::try_from(length.max(LEAST)).map_err(io::Error::other)?;
        let share = handle.block_on(Arc::clone(room).acquire_many_owned(share)).map_err(io::Error::other)?;
        let body = frames::read_body(&mut input, length)?;
        if give.send(Event::Message(body.into(), share)).is_err() {
            break;
        }
    }
    Ok(())
}

async fn serve(
    target: Arc<Target>,
    give: UnboundedSender<Event>,
    mut take: UnboundedReceiver<Event>,
    room: &Semaphore,
) -> io::Result<()> {
    let mut end = Ok(());
    while let Some(event) = take.recv().await {
        match event {
            Event::Message(frame, share) => {
                let (target, give) = (Arc::clone(&target), give.clone());
                tokio::spawn(async move {
                    let answer = exchange::answer(&target, frame).await;
                    if let Err(error) = write(&answer) {
                        drop(give.send(Event::End(Err(error))));
                    }
                    drop(share);
                });
            }
            Event::End(how) => {
                end = how;
                break;
            }
        }
    }
    match end {
        // The browser has closed its end.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            write(&exchange::complaint(&Failure::new("invalid", error.to_string())))?;
            end = Err(error);
        }
        _ => {}
    }
    // All the room is free when all is answered.
    let all = u32::try_from(FROM_BROWSER).unwrap_or(u32::MAX);
    drop(tokio::time::timeout(GRACE, room.acquire_many(all)).await);
    end
}

/// This blocks the thread while the browser takes nothing. Nothing else has anything to do then but to answer.
fn write(answer: &[u8]) -> io::Result<()> {
    frames::write(&mut io::stdout().lock(), answer)
}
