// SPDX-License-Identifier: MIT OR Apache-2.0
//! What other threads do beside sending: ask, signal, close, set a hook; and what stays behind.
#![cfg(not(loom))]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use moonport_core::reply::CallError;
use moonport_core::{Encoding, Mailbox, Overflow, Payload, PortKey, PortOptions, SendError, Sender, wait_readable};

const LIMIT: Duration = Duration::from_secs(60);

fn spawn<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().name(name.into()).spawn(run).expect("a thread")
}

fn listening(options: PortOptions) -> (Mailbox, PortKey, Sender) {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let port = mailbox.open(options).expect("a port");
    mailbox.listen(port, true);
    let sender = mailbox.sender(port).expect("open");
    (mailbox, port, sender)
}

fn ask(sender: Sender, number: u8) -> Result<u8, CallError> {
    let answer = sender.call(Payload::raw(&[number]), 0, Encoding::Raw, LIMIT)?;
    let Payload::Bytes { bytes, .. } = answer else { panic!("unexpected answer {answer:?}") };
    assert_eq!(bytes.len(), 1);
    Ok(bytes[0])
}

/// Takes messages until all of `threads` have ended.
fn serve<T>(mailbox: &mut Mailbox, threads: &[JoinHandle<T>], mut each: impl FnMut(moonport_core::Message)) {
    let begun = Instant::now();
    while threads.iter().any(|thread| !thread.is_finished()) {
        assert!(begun.elapsed() < LIMIT, "a thread waits for ever");
        mailbox.wait(Some(Duration::from_millis(20))).expect("poll");
        while let Some(message) = mailbox.next() {
            each(*message);
        }
        while mailbox.event().is_some() {}
        mailbox.rest();
    }
}

#[test]
fn every_caller_gets_the_answer_to_its_own_question() {
    let (threads, each) = if cfg!(miri) { (3, 5) } else { (8, 500) };
    let (mut mailbox, _, sender) = listening(PortOptions::default());
    let callers: Vec<_> = (0..threads)
        .map(|thread: u8| {
            spawn("caller", move || {
                for _ in 0..each {
                    assert_eq!(ask(sender, thread), Ok(thread + 100));
                }
            })
        })
        .collect();
    let mut served = 0;
    serve(&mut mailbox, &callers, |message| {
        let Payload::Bytes { bytes, .. } = &message.payload else { panic!("unexpected payload") };
        let reply = message.reply.expect("a caller waits");
        assert_eq!(reply.answer(Payload::raw(&[bytes[0] + 100])), Ok(()));
        served += 1;
    });
    for caller in callers {
        caller.join().expect("a caller");
    }
    assert_eq!(served, usize::from(threads) * each);
}

#[test]
fn a_caller_hears_why_there_is_no_answer() {
    let (mut mailbox, port, sender) = listening(PortOptions { capacity: 1, ..PortOptions::default() });
    assert_eq!(ask(sender, 0), Err(SendError::WouldDeadlock.into()), "on the owner's thread");

    let dropped = [spawn("dropped", move || ask(sender, 1))];
    serve(&mut mailbox, &dropped, drop);
    let refused = [spawn("refused", move || ask(sender, 2))];
    serve(&mut mailbox, &refused, |message| message.reply.expect("a caller").refuse(CallError::Handler("no".into())));
    let [dropped, refused] = [dropped, refused].map(|[thread]| thread.join().expect("a caller"));
    assert_eq!(dropped, Err(CallError::Unanswered));
    assert_eq!(refused, Err(CallError::Handler("no".into())));

    let late = spawn("late", move || sender.call(Payload::raw(b""), 0, Encoding::Raw, Duration::from_millis(5)));
    assert_eq!(late.join().expect("a caller").expect_err("no answer"), CallError::Timeout);
    let full = spawn("full", move || ask(sender, 3));
    assert_eq!(full.join().expect("a caller"), Err(SendError::Full.into()), "the late question still waits");
    let reply = mailbox.next().and_then(|message| message.reply).expect("the late question");
    assert!(reply.answer(Payload::raw(b"")).is_err(), "nobody waits any more");

    let waiting = spawn("waiting", move || ask(sender, 4));
    while mailbox.stats(port).expect("open").waiting == 0 {
        std::thread::yield_now();
    }
    mailbox.close(port);
    assert_eq!(waiting.join().expect("a caller"), Err(SendError::Closed.into()));
}

#[test]
fn a_caller_whose_message_is_discarded_for_a_newer_one_is_told() {
    let options = PortOptions { capacity: 1, overflow: Overflow::DropOld, ..PortOptions::default() };
    let (mailbox, port, sender) = listening(options);
    let waiting = spawn("waiting", move || ask(sender, 1));
    while mailbox.stats(port).expect("open").waiting == 0 {
        std::thread::yield_now();
    }
    sender.send(Payload::raw(b"newer"), 0).expect("room");
    assert_eq!(waiting.join().expect("a caller"), Err(SendError::Full.into()));
}

#[test]
fn no_bit_of_a_signal_is_lost() {
    let rounds = if cfg!(miri) { 20 } else { 20_000 };
    let (mut mailbox, _, sender) = listening(PortOptions::default());
    let seen = Arc::new(AtomicU32::new(0));
    let signallers: Vec<_> = (0..4)
        .map(|thread| {
            let seen = Arc::clone(&seen);
            spawn("signaller", move || {
                let bit = 1 << thread;
                for _ in 0..rounds {
                    sender.signal(bit).expect("open");
                    // Set again only when it has come: each must cause a message of its own, or be part of one.
                    while seen.fetch_and(!bit, Ordering::AcqRel) & bit == 0 {
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let mut last = 0;
    serve(&mut mailbox, &signallers, |message| {
        let Payload::Signal(bits) = message.payload else { panic!("unexpected payload") };
        assert!(bits != 0 && message.sequence > last);
        last = message.sequence;
        seen.fetch_or(bits, Ordering::AcqRel);
    });
    for signaller in signallers {
        signaller.join().expect("a signaller");
    }
}

#[test]
fn the_hook_is_called_for_every_edge_and_not_after_it_was_taken_away() {
    let rounds = if cfg!(miri) { 10 } else { 2000 };
    let (mut mailbox, _, sender) = listening(PortOptions::default());
    let called = Arc::new(AtomicU64::new(0));
    let hook = Arc::clone(&called);
    mailbox.notifier().set_hook(Some(Box::new(move || {
        hook.fetch_add(1, Ordering::Relaxed);
    })));
    for round in 1..=rounds {
        for _ in 0..3 {
            sender.send(Payload::raw(b""), 0).expect("room");
        }
        assert_eq!(called.load(Ordering::Relaxed), round, "once for three messages");
        while mailbox.next().is_some() {}
        mailbox.rest();
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let watch = Arc::clone(&is_over);
    let busy = spawn("busy", move || {
        while !watch.load(Ordering::Relaxed) {
            assert!(matches!(sender.send(Payload::raw(b""), 0), Ok(_) | Err(SendError::Full)));
        }
    });
    for _ in 0..rounds {
        while mailbox.next().is_some() {}
        mailbox.rest();
        let stale = Arc::new(AtomicBool::new(false));
        let check = Arc::clone(&stale);
        mailbox.notifier().set_hook(Some(Box::new(move || assert!(!check.load(Ordering::Relaxed), "called too late"))));
        mailbox.notifier().set_hook(None);
        stale.store(true, Ordering::Relaxed);
    }
    is_over.store(true, Ordering::Relaxed);
    busy.join().expect("the hook was not called after it was taken away");
}

#[test]
fn a_hosts_hook_stands_beside_the_programs_and_hears_of_signal_handlers() {
    let (mut mailbox, key, sender) = listening(PortOptions::default());
    let calls = Arc::new(AtomicU64::new(0));
    let (program, host) = (Arc::clone(&calls), Arc::clone(&calls));
    let notifier = mailbox.notifier();
    notifier.set_hook(Some(Box::new(move || {
        program.fetch_add(1, Ordering::Relaxed);
    })));
    notifier.set_host_hook(Some(Box::new(move |from_signal| {
        host.fetch_add(if from_signal { 10_000 } else { 100 }, Ordering::Relaxed);
    })));
    sender.send(Payload::raw(b""), 0).expect("room");
    assert_eq!(calls.load(Ordering::Relaxed), 101);
    while mailbox.next().is_some() {}
    mailbox.rest();
    sender.signal(1).expect("open");
    assert_eq!(calls.load(Ordering::Relaxed), 10_102);
    while mailbox.next().is_some() {}
    mailbox.rest();
    notifier.set_hook(None);
    sender.signal(1).expect("open");
    assert_eq!(calls.load(Ordering::Relaxed), 20_102, "the other stays");
    mailbox.close(key);
}

#[test]
fn others_may_close_while_others_send_and_the_owner_takes() {
    let rounds = if cfg!(miri) { 3 } else { 300 };
    let mut mailbox = Mailbox::new().expect("a mailbox");
    for _ in 0..rounds {
        let port = mailbox.open(PortOptions::default()).expect("a port");
        mailbox.listen(port, true);
        let sender = mailbox.sender(port).expect("open");
        let senders: Vec<_> = (0..3)
            .map(|_| {
                spawn("sender", move || {
                    let mut taken = 0_u64;
                    while sender.send(Payload::raw(b"x"), 0) != Err(SendError::Closed) {
                        taken += 1;
                        if taken == 50 {
                            sender.close().expect("not forked");
                        }
                    }
                })
            })
            .collect();
        let mut delivered = 0;
        serve(&mut mailbox, &senders, |_| delivered += 1);
        while mailbox.next().is_some() {
            delivered += 1;
        }
        for sender in senders {
            sender.join().expect("a sender");
        }
        let stats = sender.stats().expect("not released");
        assert_eq!(stats.delivered, delivered);
        assert_eq!(stats.sent, stats.delivered + stats.dropped, "{stats:?}");
        assert_eq!(stats.waiting, 0);
        assert!(stats.after_close >= 3 && !sender.is_open(), "{stats:?}");
        mailbox.release(port);
        assert_eq!(sender.stats(), None);
    }
}

#[test]
fn a_mailbox_that_has_slept_tells_by_its_descriptor_after_a_rest() {
    let (mut mailbox, _, sender) = listening(PortOptions::default());
    let worker = spawn("sender", move || sender.send(Payload::raw(b"one"), 0).expect("room"));
    assert!(mailbox.sleep(None).expect("woken"));
    worker.join().expect("the sender");
    sender.send(Payload::raw(b"two"), 0).expect("room");
    assert!(mailbox.next().is_some());
    mailbox.rest();
    let readable =
        |mailbox: &Mailbox| wait_readable(mailbox.descriptor().expect("one"), Some(Duration::ZERO)).expect("polled");
    assert!(readable(&mailbox), "one is left");
    assert!(mailbox.next().is_some());
    mailbox.rest();
    assert!(!readable(&mailbox));
    assert!(!mailbox.sleep(Some(Duration::from_millis(5))).expect("slept"), "nothing came");
    mailbox.rest();
    sender.send(Payload::raw(b"three"), 0).expect("room");
    assert!(readable(&mailbox));
    assert!(mailbox.sleep(None).expect("awake"), "something waits");
}

#[test]
#[cfg(all(unix, not(miri)))]
fn a_signal_ends_a_sleep_though_its_handler_says_restart() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: all zeros are a valid action, which is filled in below.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    #[expect(clippy::fn_to_numeric_cast_any, reason = "that is the field's type")]
    let handler = nothing as *const () as usize;
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the action lives through the call, and the old one is not asked for.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) }, 0);
    let (mut mailbox, ..) = listening(PortOptions::default());
    // SAFETY: takes nothing.
    let owner = unsafe { libc::pthread_self() };
    let over = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&over);
    let worker = spawn("killer", move || {
        while !done.load(Ordering::Relaxed) {
            // SAFETY: the owner's thread waits for this one's end.
            unsafe { libc::pthread_kill(owner, libc::SIGUSR1) };
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    for limit in [None, Some(Duration::from_secs(60))] {
        let slept = mailbox.sleep(limit).expect_err("interrupted");
        assert_eq!(slept.kind(), std::io::ErrorKind::Interrupted);
    }
    over.store(true, Ordering::Relaxed);
    worker.join().expect("the worker");
}
