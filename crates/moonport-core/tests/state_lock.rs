// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lock of a state: who gets it, in what order, and what those are told who do not.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use moonport_core::{Doing, Event, LockError, Mailbox, PortOptions, StateLock, WATCH};

const LIMIT: Duration = Duration::from_secs(30);

fn soon() -> Option<Instant> {
    Instant::now().checked_add(LIMIT)
}

fn on_thread<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
    thread::Builder::new().name("other".into()).spawn(run).expect("a thread")
}

fn acquire(lock: StateLock, deadline: Option<Instant>) -> Result<(), LockError> {
    lock.acquire(deadline, |_| {})
}

/// The owner sleeps until so many sleeps and the time have passed.
fn sleep_until(mailbox: &mut Mailbox, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LIMIT, "waited in vain");
        if let Some(sleep) = mailbox.prepare_sleep(Some(Duration::from_millis(1))) {
            sleep.lend(|_| {}).expect("slept");
        }
    }
}

#[test]
fn the_owner_has_it_and_lets_go_only_while_it_sleeps() {
    let mut mailbox = Mailbox::new().unwrap();
    let lock = mailbox.state_lock();
    assert!(lock.is_held_here() && !lock.is_used());
    assert!(!lock.let_go(), "nobody may want it");
    assert_eq!(acquire(lock, soon()), Err(LockError::WouldDeadlock));
    lock.add_use();
    let late = on_thread(move || acquire(lock, Instant::now().checked_add(Duration::from_millis(20))));
    assert_eq!(late.join().unwrap(), Err(LockError::Timeout));
    let other = on_thread(move || {
        acquire(lock, soon()).unwrap();
        assert!(lock.is_held_here());
        assert_eq!(acquire(lock, soon()), Err(LockError::WouldDeadlock));
        lock.release()
    });
    sleep_until(&mut mailbox, || other.is_finished());
    assert_eq!(other.join().unwrap(), None, "it was not held for long");
    assert!(lock.is_held_here() && !lock.is_wanted());
    lock.end_use();
    assert!(!lock.let_go());
}

#[test]
fn an_owner_that_sleeps_already_is_woken_for_the_first_use() {
    let mut mailbox = Mailbox::new().unwrap();
    let port = mailbox.open(PortOptions::default()).unwrap();
    let sender = mailbox.sender(port).unwrap();
    let lock = mailbox.state_lock();
    let other = on_thread(move || {
        while sender.owner_is() != Doing::Asleep {
            thread::yield_now();
        }
        lock.use_for_ever();
        acquire(lock, soon()).map(|()| lock.release())
    });
    let begun = Instant::now();
    while !lock.is_used() {
        mailbox.prepare_sleep(Some(LIMIT)).expect("nothing waits").lend(|_| {}).expect("slept");
    }
    assert!(begun.elapsed() < LIMIT / 2, "it was not woken");
    sleep_until(&mut mailbox, || other.is_finished());
    assert_eq!(other.join().unwrap(), Ok(None));
}

#[test]
fn threads_that_lock_in_a_loop_keep_nobody_out() {
    const EACH: u64 = if cfg!(miri) { 100 } else { 20_000 };
    let mut mailbox = Mailbox::new().unwrap();
    let lock = mailbox.state_lock();
    lock.add_use();
    // Not one atomic step: what two change at a time would be lost.
    let sum = Arc::new(AtomicU64::new(0));
    let add = |sum: &AtomicU64| sum.store(sum.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    let running = Arc::new(AtomicU32::new(4));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (sum, running) = (Arc::clone(&sum), Arc::clone(&running));
            on_thread(move || {
                for _ in 0..EACH {
                    acquire(lock, soon()).unwrap();
                    add(&sum);
                    lock.release();
                }
                running.fetch_sub(1, Ordering::Release);
            })
        })
        .collect();
    let mut own = 0;
    let begun = Instant::now();
    while running.load(Ordering::Acquire) > 0 {
        assert!(begun.elapsed() < LIMIT, "not everybody had a turn");
        assert!(lock.is_held_here());
        add(&sum);
        own += 1;
        if own % 2 == 0 {
            lock.give_way(|_| {});
        } else if let Some(sleep) = mailbox.prepare_sleep(Some(Duration::ZERO)) {
            sleep.lend(|_| {}).expect("slept");
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(sum.load(Ordering::Relaxed), 4 * EACH + own);
}

#[test]
fn the_end_of_the_state_sends_everybody_away() {
    let mailbox = Mailbox::new().unwrap();
    let lock = mailbox.state_lock();
    lock.add_use();
    let threads: Vec<_> = (0..4).map(|_| on_thread(move || acquire(lock, None))).collect();
    let begun = Instant::now();
    while !lock.is_wanted() {
        assert!(begun.elapsed() < LIMIT);
        thread::yield_now();
    }
    drop(mailbox);
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Err(LockError::Closed));
    }
    assert_eq!(on_thread(move || acquire(lock, None)).join().unwrap(), Err(LockError::Closed));
    assert!(lock.context().is_null());
    // Its place is another one's now.
    let next = Mailbox::new().unwrap();
    assert!(!next.state_lock().is(lock) && next.state_lock().is_held_here());
    assert_eq!(on_thread(move || acquire(lock, None)).join().unwrap(), Err(LockError::Closed));
}

#[test]
fn a_lock_held_for_long_is_told_once() {
    let mut mailbox = Mailbox::new().unwrap();
    let lock = mailbox.state_lock();
    lock.add_use();
    let hold = move || {
        acquire(lock, soon()).unwrap();
        thread::sleep(WATCH + Duration::from_millis(200));
        lock.release()
    };
    // Nobody waits for it: who has held it says so.
    let holder = on_thread(hold);
    let begun = Instant::now();
    while !lock.is_wanted() {
        assert!(begun.elapsed() < LIMIT);
        thread::yield_now();
    }
    assert!(lock.let_go());
    assert!(holder.join().unwrap().is_some_and(|held| held >= WATCH));
    lock.take_back(|_| {});
    // The owner waits: it says so, and who has held it does not.
    let holder = on_thread(hold);
    while !lock.is_wanted() {
        assert!(begun.elapsed() < LIMIT);
        thread::yield_now();
    }
    let mut told = 0;
    lock.give_way(|_| told += 1);
    assert_eq!((told, holder.join().unwrap()), (1, None));
    lock.tell_watch("a line".into());
    mailbox.rest();
    let line = std::iter::from_fn(|| mailbox.event()).find_map(|event| match event {
        Event::Watch(line) => Some(line),
        _ => None,
    });
    assert_eq!(line.as_deref(), Some("a line"));
}
