// SPDX-License-Identifier: MIT OR Apache-2.0
//! loom models of the mailbox with its wake-up, close and replies: every interleaving within loom's bounds.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use loom::sync::Mutex;

use crate::sync::lock;
use crate::wake::Wake;
use crate::{Mailbox, Payload, PortOptions, SendError, reply};

fn listening(capacity: usize) -> (Mailbox, crate::PortKey) {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let port = mailbox.open(PortOptions { capacity, ..PortOptions::default() }).expect("a port");
    mailbox.listen(port, true);
    (mailbox, port)
}

#[test]
fn two_senders_and_a_sleeping_owner_lose_nothing() {
    loom::model(|| {
        let (mut mailbox, port) = listening(8);
        let senders: Vec<_> = (0..2_u32)
            .map(|tag| {
                let sender = mailbox.sender(port).expect("open");
                loom::thread::spawn(move || sender.send(Payload::raw(b""), tag).expect("room"))
            })
            .collect();
        let mut seen = [false; 2];
        while seen != [true; 2] {
            mailbox.wait(None).expect("woken");
            while let Some(message) = mailbox.next() {
                assert!(!std::mem::replace(&mut seen[message.tag as usize], true), "delivered twice");
            }
            mailbox.rest();
        }
        for sender in senders {
            sender.join().expect("a sender");
        }
    });
}

#[test]
fn an_owner_that_rests_and_sleeps_in_one_is_woken_for_all() {
    loom::model(|| {
        let (mut mailbox, port) = listening(8);
        let sender = mailbox.sender(port).expect("open");
        let sender = loom::thread::spawn(move || {
            for tag in 0..2 {
                sender.send(Payload::raw(b""), tag).expect("room");
            }
        });
        let mut next = 0;
        while next < 2 {
            mailbox.sleep(None).expect("woken");
            while let Some(message) = mailbox.next() {
                assert_eq!(message.tag, next);
                next += 1;
            }
        }
        sender.join().expect("the sender");
    });
}

#[test]
fn messages_sent_quietly_are_not_slept_through() {
    loom::model(|| {
        let (mut mailbox, port) = listening(8);
        let sender = mailbox.sender(port).expect("open");
        let sender = loom::thread::spawn(move || {
            for tag in 0..2 {
                sender.send_quietly(Payload::raw(b""), tag).expect("room");
            }
            sender.wake();
        });
        let mut next = 0;
        while next < 2 {
            mailbox.sleep(None).expect("woken");
            while let Some(message) = mailbox.next() {
                assert_eq!(message.tag, next);
                next += 1;
            }
        }
        sender.join().expect("the sender");
    });
}

#[test]
fn one_sender_keeps_its_order() {
    loom::model(|| {
        let (mut mailbox, port) = listening(8);
        let sender = mailbox.sender(port).expect("open");
        let sender = loom::thread::spawn(move || {
            for tag in 0..3 {
                sender.send(Payload::raw(b""), tag).expect("room");
            }
        });
        let mut next = 0;
        while next < 3 {
            mailbox.wait(None).expect("woken");
            while let Some(message) = mailbox.next() {
                assert_eq!(message.tag, next);
                next += 1;
            }
            mailbox.rest();
        }
        sender.join().expect("the sender");
    });
}

#[test]
fn listening_meets_a_message_that_came_before() {
    loom::model(|| {
        let mut mailbox = Mailbox::new().expect("a mailbox");
        let port = mailbox.open(PortOptions::default()).expect("a port");
        let sender = mailbox.sender(port).expect("open");
        let sender = loom::thread::spawn(move || sender.send(Payload::raw(b""), 0).expect("room"));
        mailbox.listen(port, true);
        while mailbox.next().is_none() {
            mailbox.rest();
            mailbox.wait(None).expect("woken");
        }
        sender.join().expect("the sender");
    });
}

#[test]
fn close_against_a_send_counts_every_message_once() {
    loom::model(|| {
        let (mut mailbox, port) = listening(8);
        let sender = mailbox.sender(port).expect("open");
        let other = sender;
        let worker = loom::thread::spawn(move || other.send(Payload::raw(b"x"), 0));
        mailbox.close(port);
        let sent = worker.join().expect("the sender");
        assert!(mailbox.next().is_none());
        let stats = sender.stats().expect("not released");
        assert_eq!(stats.waiting, 0);
        match sent {
            Ok(_) => assert_eq!((stats.sent, stats.dropped, stats.after_close), (1, 1, 0)),
            Err(SendError::Closed) => assert_eq!((stats.sent, stats.dropped, stats.after_close), (0, 0, 1)),
            Err(error) => panic!("{error}"),
        }
    });
}

#[test]
fn a_reply_is_seen_or_comes_back() {
    loom::model(|| {
        let (reply, answer) = reply::channel();
        let worker = loom::thread::spawn(move || reply.send(7));
        drop(answer);
        assert!(matches!(worker.join().expect("the replier"), Ok(()) | Err(7)));
    });
    loom::model(|| {
        let (reply, answer) = reply::channel();
        let worker = loom::thread::spawn(move || reply.send(7).expect("awaited"));
        assert_eq!(loom::future::block_on(answer), Some(7));
        worker.join().expect("the replier");
    });
    loom::model(|| {
        let (reply, mut answer) = reply::channel::<u8>();
        let worker = loom::thread::spawn(move || drop(reply));
        let waker = std::task::Waker::noop();
        let first = Pin::new(&mut answer).poll(&mut Context::from_waker(waker));
        assert!(matches!(first, Poll::Pending | Poll::Ready(None)));
        worker.join().expect("the replier");
    });
}

#[test]
fn a_sender_that_waits_for_room_is_called_when_the_owner_makes_it() {
    loom::model(|| {
        let (mut mailbox, port) = listening(1);
        let sender = mailbox.sender(port).expect("open");
        sender.send(Payload::raw(b""), 0).expect("room");
        let worker = loom::thread::spawn(move || {
            // loom's clock stands still: this ends only by the owner's call.
            sender.send_within(Payload::raw(b""), 1, std::time::Duration::from_secs(1000)).expect("room in the end");
        });
        let mut next = 0;
        while next < 2 {
            mailbox.wait(None).expect("woken");
            while let Some(message) = mailbox.next() {
                assert_eq!(message.tag, next);
                next += 1;
            }
            mailbox.rest();
        }
        worker.join().expect("the sender");
    });
}

#[test]
fn two_senders_that_wait_for_room_are_both_called() {
    loom::model(|| {
        let (mut mailbox, port) = listening(1);
        let sender = mailbox.sender(port).expect("open");
        sender.send(Payload::raw(b""), 0).expect("room");
        let workers: Vec<_> = [1, 2]
            .into_iter()
            .map(|tag| {
                loom::thread::spawn(move || {
                    let long = std::time::Duration::from_secs(1000);
                    sender.send_within(Payload::raw(b""), tag, long).expect("room in the end");
                })
            })
            .collect();
        let mut count = 0;
        while count < 3 {
            mailbox.wait(None).expect("woken");
            while mailbox.next().is_some() {
                count += 1;
            }
            mailbox.rest();
        }
        for worker in workers {
            worker.join().expect("a sender");
        }
    });
}

#[test]
fn close_dismisses_a_sender_that_waits_for_room() {
    loom::model(|| {
        let (mut mailbox, port) = listening(1);
        let sender = mailbox.sender(port).expect("open");
        sender.send(Payload::raw(b""), 0).expect("room");
        let worker =
            loom::thread::spawn(move || sender.send_within(Payload::raw(b""), 1, std::time::Duration::from_secs(1000)));
        mailbox.close(port);
        assert_eq!(worker.join().expect("the sender"), Err(SendError::Closed));
    });
}

#[test]
fn who_takes_from_one_port_sleeps_over_none_of_its_messages() {
    loom::model(|| {
        let mut mailbox = Mailbox::new().expect("a mailbox");
        let port = mailbox.open(PortOptions::default()).expect("a port");
        let sender = mailbox.sender(port).expect("open");
        let worker = loom::thread::spawn(move || sender.send(Payload::raw(b""), 7).expect("room"));
        // `None` where it was woken for something else; the model ends in a deadlock where it sleeps on.
        let message = loop {
            if let Some(message) = mailbox.take_within(port, None).expect("woken") {
                break message;
            }
        };
        assert_eq!(message.tag, 7);
        worker.join().expect("the sender");
    });
}

#[test]
fn signals_are_never_slept_over() {
    loom::model(|| {
        let (mut mailbox, port) = listening(8);
        let sender = mailbox.sender(port).expect("open");
        let workers: Vec<_> =
            [1, 2].into_iter().map(|bit| loom::thread::spawn(move || sender.signal(bit).expect("open"))).collect();
        let mut seen = 0;
        while seen != 3 {
            mailbox.wait(None).expect("woken");
            while let Some(message) = mailbox.next() {
                let Payload::Signal(bits) = message.payload else { panic!("no signal") };
                assert_eq!(seen & bits, 0, "a bit came twice");
                seen |= bits;
            }
            mailbox.rest();
        }
        for worker in workers {
            worker.join().expect("a sender");
        }
    });
}

/// The bare protocol, in the right order of the owner's two steps or in the wrong one.
fn sleeping_owner(clear_first: bool) {
    loom::model(move || {
        let wake = Arc::new(Wake::new().expect("a signal"));
        let queue = Arc::new(Mutex::new(0_u32));
        let (their_wake, their_queue) = (Arc::clone(&wake), Arc::clone(&queue));
        let sender = loom::thread::spawn(move || {
            for _ in 0..2 {
                *lock(&their_queue) += 1;
                their_wake.wake();
            }
        });
        let mut seen = 0;
        while seen < 2 {
            wake.wait(None).expect("woken");
            if clear_first {
                wake.clear();
                seen += std::mem::take(&mut *lock(&queue));
            } else {
                seen += std::mem::take(&mut *lock(&queue));
                wake.clear();
            }
        }
        sender.join().expect("the sender");
    });
}

#[test]
fn clearing_before_draining_never_sleeps_over_a_message() {
    sleeping_owner(true);
}

/// Shows that the model can fail: a message sent between the drain and the clearing is slept over, a deadlock to loom.
#[test]
#[should_panic(expected = "deadlock")]
fn clearing_after_draining_loses_a_wake_up() {
    sleeping_owner(false);
}
