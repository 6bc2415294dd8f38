// SPDX-License-Identifier: MIT OR Apache-2.0
//! Senders that wait for room: nobody is forgotten, and neither large nor small messages wait for ever.
#![cfg(not(loom))]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use moonport_core::{Mailbox, Overflow, Payload, PortKey, PortOptions, SendError, Sender, Sent};

const LIMIT: Duration = Duration::from_secs(60);

fn spawn<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().name(name.into()).spawn(run).expect("a thread")
}

fn blocking(capacity: usize, capacity_bytes: usize) -> (Mailbox, PortKey, Sender) {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let options = PortOptions { capacity, capacity_bytes, overflow: Overflow::Block, ..PortOptions::default() };
    let port = mailbox.open(options).expect("a port");
    mailbox.listen(port, true);
    let sender = mailbox.sender(port).expect("open");
    (mailbox, port, sender)
}

#[test]
fn sixteen_blocked_senders_all_get_through() {
    let (threads, each) = if cfg!(miri) { (4, 3) } else { (16, 200) };
    let (mut mailbox, port, sender) = blocking(1, 1000);
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            spawn("blocked", move || {
                for _ in 0..each {
                    assert_eq!(sender.send_within(Payload::raw(b"x"), thread, LIMIT), Ok(Sent::Taken));
                }
            })
        })
        .collect();
    let total = u64::from(threads * each);
    let begun = Instant::now();
    let mut count = 0;
    while count < total {
        assert!(begun.elapsed() < LIMIT, "only {count} came");
        mailbox.wait(Some(Duration::from_secs(5))).expect("poll");
        while mailbox.next().is_some() {
            count += 1;
        }
        mailbox.rest();
    }
    for worker in workers {
        worker.join().expect("a sender");
    }
    let stats = mailbox.stats(port).expect("open");
    assert_eq!((stats.sent, stats.delivered, stats.waiting, stats.refused), (total, total, 0, 0));
}

#[test]
fn a_large_message_is_not_passed_by_small_ones_for_ever() {
    let (mut mailbox, port, sender) = blocking(100, 100);
    for _ in 0..10 {
        sender.send(Payload::raw(&[0; 10]), 0).expect("room");
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let large = spawn("large", move || sender.send_within(Payload::raw(&[0; 100]), 1, LIMIT));
    let small: Vec<_> = (0..3)
        .map(|_| {
            let is_over = Arc::clone(&is_over);
            spawn("small", move || {
                while !is_over.load(Ordering::Relaxed) {
                    let sent = sender.send_within(Payload::raw(&[0; 10]), 0, LIMIT);
                    assert!(matches!(sent, Ok(Sent::Taken) | Err(SendError::Closed)), "{sent:?}");
                }
            })
        })
        .collect();
    let begun = Instant::now();
    let mut has_come = false;
    while !has_come {
        assert!(begun.elapsed() < LIMIT / 4, "the large one never had room");
        // As long as small ones come, they have filled the port again before the next is taken.
        let refill = Instant::now();
        while sender.stats().expect("open").waiting_bytes < 60 && refill.elapsed() < Duration::from_millis(20) {
            std::thread::yield_now();
        }
        has_come = mailbox.next().is_some_and(|message| message.tag == 1);
        mailbox.rest();
    }
    is_over.store(true, Ordering::Relaxed);
    assert_eq!(large.join().expect("the large one"), Ok(Sent::Taken));
    mailbox.close(port);
    for worker in small {
        worker.join().expect("a small one");
    }
}

#[test]
fn room_for_several_calls_several() {
    let (mut mailbox, port, sender) = blocking(100, 100);
    sender.send(Payload::raw(&[0; 100]), 0).expect("room");
    let blocked = move || {
        assert_eq!(sender.send_within(Payload::raw(&[0; 10]), 0, Duration::ZERO), Err(SendError::Timeout));
        sender.send_within(Payload::raw(&[0; 10]), 0, Duration::from_secs(10))
    };
    let workers: Vec<_> = (0..4).map(|_| spawn("blocked", blocked)).collect();
    while sender.stats().expect("open").refused < 4 {
        std::thread::yield_now();
    }
    // Only one message is ever taken, and its room is enough for all.
    assert!(mailbox.take(port).is_some());
    let begun = Instant::now();
    for worker in workers {
        assert_eq!(worker.join().expect("a sender"), Ok(Sent::Taken));
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "one found the room only when its time was over");
    assert_eq!(mailbox.stats(port).expect("open").waiting, 4);
}

#[test]
fn close_by_another_thread_dismisses_all_that_wait() {
    let (mut mailbox, port, sender) = blocking(1, 100);
    sender.send(Payload::raw(b""), 0).expect("room");
    let workers: Vec<_> =
        (0..8).map(|_| spawn("blocked", move || sender.send_within(Payload::raw(b""), 0, LIMIT))).collect();
    let closer = spawn("closer", move || (sender.close(), sender.close()));
    assert_eq!(closer.join().expect("the closer"), (Ok(true), Ok(false)));
    for worker in workers {
        assert_eq!(worker.join().expect("a sender"), Err(SendError::Closed));
    }
    assert!(mailbox.next().is_none());
    let stats = sender.stats().expect("not released");
    assert_eq!((stats.sent, stats.dropped, stats.waiting, stats.after_close), (1, 1, 0, 8));
    mailbox.release(port);
}

#[test]
fn waiting_on_the_owners_thread_is_refused_and_elsewhere_ends_with_the_time() {
    let (_mailbox, _, sender) = blocking(1, 100);
    sender.send(Payload::raw(b""), 0).expect("room");
    assert_eq!(sender.send(Payload::raw(b""), 0), Err(SendError::WouldDeadlock));
    assert_eq!(sender.send_within(Payload::raw(b""), 0, LIMIT), Err(SendError::WouldDeadlock));
    let worker = spawn("late", move || sender.send_within(Payload::raw(b""), 0, Duration::from_millis(5)));
    assert_eq!(worker.join().expect("a sender"), Err(SendError::Timeout));
    let other = spawn("another owner", move || {
        let _own = Mailbox::new().expect("a mailbox");
        sender.send(Payload::raw(b""), 0)
    });
    assert_eq!(other.join().expect("a sender"), Err(SendError::WouldDeadlock));
    assert_eq!(sender.stats().expect("open").refused, 4);
}
