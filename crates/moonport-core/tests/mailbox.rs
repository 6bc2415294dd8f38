// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a mailbox promises: order, nothing lost, limits, aside and close, wake-ups.
#![cfg(not(loom))]
#![allow(clippy::expect_used, clippy::panic, clippy::cast_possible_truncation, reason = "a test fails by panicking")]

use std::sync::{Arc, Barrier};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use moonport_core::{Encoding, Mailbox, Message, OpenError, Payload, PortOptions, SendError, Sent, registry};

const LIMIT: Duration = Duration::from_secs(60);

fn number(message: &Message) -> u64 {
    match &message.payload {
        Payload::Bytes { bytes, encoding: Encoding::Raw } => {
            u64::from_le_bytes(bytes[..].try_into().expect("eight bytes"))
        }
        other => panic!("unexpected payload {other:?}"),
    }
}

fn payload(number: u64) -> Payload {
    Payload::raw(&number.to_le_bytes())
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().name(name).spawn(run).expect("a thread")
}

fn readable(mailbox: &Mailbox) -> bool {
    mailbox.wait(Some(Duration::ZERO)).expect("poll")
}

#[test]
fn many_threads_over_several_ports_lose_nothing_and_keep_their_order() {
    let (threads, each) = if cfg!(miri) { (3, 40) } else { (8, 100_000) };
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let ports: Vec<_> = (0..6)
        .map(|_| {
            let port = mailbox.open(PortOptions { capacity: 1 << 20, ..PortOptions::default() }).expect("a port");
            mailbox.listen(port, true);
            port
        })
        .collect();
    let start = Arc::new(Barrier::new(threads));
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            let senders: Vec<_> = ports.iter().map(|port| mailbox.sender(*port).expect("open")).collect();
            let start = Arc::clone(&start);
            spawn(format!("sender {thread}"), move || {
                start.wait();
                for i in 0..each {
                    let sent = senders[i % senders.len()].send(payload((thread * each + i) as u64), thread as u32);
                    assert_eq!(sent, Ok(Sent::Taken));
                }
            })
        })
        .collect();
    let begun = Instant::now();
    let mut next = vec![0; threads];
    let mut last = 0;
    let mut count = 0;
    while count < threads * each {
        assert!(begun.elapsed() < LIMIT, "only {count} came");
        mailbox.wait(Some(Duration::from_secs(5))).expect("poll");
        while let Some(message) = mailbox.next() {
            let thread = message.tag as usize;
            assert_eq!(number(&message), (thread * each + next[thread]) as u64);
            assert!(message.sequence > last);
            last = message.sequence;
            next[thread] += 1;
            count += 1;
        }
        mailbox.rest();
    }
    for worker in workers {
        worker.join().expect("a sender");
    }
    assert_eq!(last, (threads * each) as u64);
    assert!(mailbox.next().is_none());
    let delivered: u64 = ports.iter().map(|port| mailbox.stats(*port).expect("open").delivered).sum();
    assert_eq!(delivered, (threads * each) as u64);
}

#[test]
fn count_and_bytes_limit_a_port_and_delivery_makes_room() {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let port = mailbox.open(PortOptions { capacity: 3, capacity_bytes: 20, ..PortOptions::default() }).expect("a port");
    mailbox.listen(port, true);
    let sender = mailbox.sender(port).expect("open");
    assert_eq!(sender.send(Payload::raw(&[0; 21]), 0), Err(SendError::TooBig));
    assert_eq!(sender.send(payload(1), 0), Ok(Sent::Taken));
    assert_eq!(sender.send(payload(2), 0), Ok(Sent::Taken));
    assert_eq!(sender.send(payload(3), 0), Err(SendError::Full), "24 bytes do not fit into 20");
    assert_eq!(sender.send(Payload::raw(b""), 0), Ok(Sent::Taken));
    assert_eq!(sender.send(Payload::raw(b""), 0), Err(SendError::Full), "a fourth message");
    assert_eq!(number(&mailbox.next().expect("the first")), 1);
    assert_eq!(sender.send(payload(4), 0), Ok(Sent::Taken));
    let stats = sender.stats().expect("not released");
    assert_eq!((stats.sent, stats.delivered, stats.refused), (4, 1, 3));
    assert_eq!((stats.waiting, stats.waiting_bytes, stats.high_water), (3, 16, 3));
}

#[test]
fn a_port_that_nobody_listens_to_keeps_its_messages_and_wakes_nobody() {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let quiet = mailbox.open(PortOptions::default()).expect("a port");
    let loud = mailbox.open(PortOptions::default()).expect("a port");
    mailbox.listen(loud, true);
    let (to_quiet, to_loud) = (mailbox.sender(quiet).expect("open"), mailbox.sender(loud).expect("open"));
    to_quiet.send(payload(1), 0).expect("room");
    assert!(!readable(&mailbox));
    to_loud.send(payload(2), 0).expect("room");
    to_quiet.send(payload(3), 0).expect("room");
    to_loud.send(payload(4), 0).expect("room");
    assert!(readable(&mailbox));
    assert_eq!(number(&mailbox.next().expect("the loud one")), 2);
    assert_eq!(mailbox.sender(quiet).expect("open").stats().expect("open").waiting, 2);
    mailbox.listen(quiet, true);
    assert!(readable(&mailbox));
    let rest: Vec<_> = std::iter::from_fn(|| mailbox.next()).map(|message| number(&message)).collect();
    assert_eq!(rest, [1, 3, 4], "laid aside, they keep their places");
    mailbox.rest();
    assert!(!readable(&mailbox));
}

#[test]
fn a_quiet_message_wakes_the_owner_when_its_sender_says_so() {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let port = mailbox.open(PortOptions { capacity: 2, ..PortOptions::default() }).expect("a port");
    mailbox.listen(port, true);
    let sender = mailbox.sender(port).expect("open");
    assert_eq!(sender.send_quietly(payload(1), 0), Ok(Sent::Taken));
    assert_eq!(sender.send_quietly(payload(2), 0), Ok(Sent::Taken));
    assert_eq!(sender.send_quietly(payload(3), 0), Err(SendError::Full));
    assert!(!readable(&mailbox));
    sender.wake();
    assert!(readable(&mailbox));
    assert_eq!(mailbox.next().map(|message| number(&message)), Some(1));
    assert_eq!(mailbox.next().map(|message| number(&message)), Some(2));
    mailbox.rest();
    assert!(!readable(&mailbox));
    mailbox.close(port);
    assert_eq!(sender.send_quietly(payload(4), 0), Err(SendError::Closed));
    mailbox.release(port);
    sender.wake();
    assert!(!readable(&mailbox));
}

#[test]
fn take_gives_one_ports_oldest_and_leaves_the_others() {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let first = mailbox.open(PortOptions::default()).expect("a port");
    let second = mailbox.open(PortOptions::default()).expect("a port");
    mailbox.listen(second, true);
    for i in 1..=3 {
        mailbox.sender(first).expect("open").send(payload(i), 0).expect("room");
        mailbox.sender(second).expect("open").send(payload(i * 10), 0).expect("room");
    }
    assert_eq!(number(&mailbox.take(first).expect("one")), 1);
    assert_eq!(number(&mailbox.take(second).expect("one")), 10);
    assert_eq!(number(&mailbox.next().expect("one")), 20);
    assert_eq!(number(&mailbox.take(first).expect("one")), 2);
    assert_eq!(number(&mailbox.take(first).expect("one")), 3);
    assert!(mailbox.take(first).is_none());
    assert!(readable(&mailbox));
    assert_eq!(number(&mailbox.next().expect("one")), 30);
    mailbox.rest();
    assert!(!readable(&mailbox));
}

#[test]
fn close_discards_refuses_and_frees_name_and_handle() {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let named = || PortOptions { name: Some("mailbox test: harbour".into()), ..PortOptions::default() };
    let port = mailbox.open(named()).expect("a port");
    assert!(matches!(mailbox.open(named()), Err(OpenError::Exists(name)) if name.ends_with("harbour")));
    mailbox.listen(port, true);
    let handle = port.handle();
    let sender = registry::find(handle).expect("registered");
    assert!(registry::find_name("mailbox test: harbour").is_some());
    sender.send(payload(1), 0).expect("room");
    mailbox.close(port);
    mailbox.close(port);
    assert!(!readable(&mailbox));
    assert_eq!(sender.send(payload(2), 0), Err(SendError::Closed));
    let stats = sender.stats().expect("not released");
    assert_eq!((stats.sent, stats.dropped, stats.waiting, stats.after_close), (1, 1, 0, 1));
    mailbox.release(port);
    assert_eq!(sender.stats(), None);
    assert_eq!(sender.send(payload(3), 0), Err(SendError::Closed));
    assert!(registry::find(handle).is_none());
    assert!(registry::find(0).is_none());
    assert!(registry::find(u64::MAX).is_none());
    assert!(mailbox.stats(port).is_none() && mailbox.next().is_none());
    let again = mailbox.open(named()).expect("the name is free");
    assert_ne!(again, port, "a place is reused with another generation");
    assert_ne!(again.handle(), handle);
}

#[test]
fn a_shut_port_refuses_senders_but_delivers_what_waits() {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let port = mailbox.open(PortOptions::default()).expect("a port");
    mailbox.listen(port, true);
    let sender = mailbox.sender(port).expect("open");
    sender.send(payload(1), 0).expect("room");
    mailbox.shut(port);
    assert_eq!(sender.send(payload(2), 0), Err(SendError::Closed));
    assert_eq!(number(&mailbox.next().expect("it waited")), 1);
}

#[test]
fn a_dropped_mailbox_closes_its_ports_while_others_send() {
    let rounds = if cfg!(miri) { 3 } else { 200 };
    for _ in 0..rounds {
        let mut mailbox = Mailbox::new().expect("a mailbox");
        let port = mailbox.open(PortOptions::default()).expect("a port");
        mailbox.listen(port, true);
        let start = Arc::new(Barrier::new(3));
        let workers: Vec<_> = (0..2)
            .map(|i| {
                let (sender, start) = (mailbox.sender(port).expect("open"), Arc::clone(&start));
                spawn(format!("sender {i}"), move || {
                    start.wait();
                    while sender.send(Payload::raw(b"x"), 0) != Err(SendError::Closed) {}
                })
            })
            .collect();
        start.wait();
        mailbox.wait(Some(LIMIT)).expect("poll");
        drop(mailbox);
        for worker in workers {
            worker.join().expect("ended by the close");
        }
    }
}

#[test]
fn a_waker_wakes_without_a_message() {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let waker = mailbox.notifier();
    let worker = spawn("waker".into(), move || waker.wake());
    assert!(mailbox.wait(Some(LIMIT)).expect("poll"));
    worker.join().expect("the waker");
    assert!(mailbox.next().is_none());
    mailbox.rest();
    assert!(!readable(&mailbox));
}

#[test]
fn a_wait_ends_by_its_timeout_and_not_before() {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    for _ in 0..100 {
        mailbox.rest();
        let begun = Instant::now();
        // A sender to the mailbox that had this queue before may have been overtaken, and wake it late.
        if !mailbox.wait(Some(Duration::from_millis(20))).expect("poll") {
            return assert!(begun.elapsed() >= Duration::from_millis(20));
        }
    }
    panic!("woken for nothing, again and again");
}
