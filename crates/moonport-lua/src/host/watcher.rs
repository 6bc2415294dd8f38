// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.descriptor` where the system has no sets of descriptors that can be watched themselves: the mailbox's own
//! descriptor, and a thread, `moonport-watch`, that tells the mailbox when a timer is due or a lane has something. Made at
//! the first use. On Linux `--cfg moonport_test_fallbacks` forces it.

use std::io::{self, PipeReader, PipeWriter};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use moonport_core::{Notifier, fork, milliseconds, wait_readable};

use super::bell::{self, empty};
use crate::call::NOBODY;
use crate::owner::{Owner, until};

/// What the thread watches.
#[derive(Debug, Default)]
struct Watched {
    due: Option<Instant>,
    /// Those of which nothing was told since the owner's last look.
    lanes: Vec<RawFd>,
    /// The others.
    told: Vec<RawFd>,
    /// When the thread wakes by itself.
    sleeps_until: Option<Instant>,
    stop: bool,
}

#[derive(Debug)]
struct Shared {
    watched: Mutex<Watched>,
    notifier: Notifier,
}

impl Shared {
    fn watched(&self) -> MutexGuard<'_, Watched> {
        // Nothing in here panics while the lock is held.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends its thread when dropped.
#[derive(Debug)]
pub(crate) struct Descriptor {
    shared: Arc<Shared>,
    bell: PipeWriter,
    thread: ManuallyDrop<JoinHandle<()>>,
    generation: u32,
}

impl Descriptor {
    fn new(notifier: Notifier) -> io::Result<Self> {
        let shared = Arc::new(Shared { watched: Mutex::default(), notifier });
        let (ear, bell) = io::pipe()?;
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("moonport-watch".into()).spawn(move || watch(&theirs, ear))?;
        Ok(Self { shared, bell, thread: ManuallyDrop::new(thread), generation: fork::generation() })
    }

    /// Changes what is watched. The thread hears of it if it has to look sooner than it would.
    fn change(&self, change: impl FnOnce(&mut Watched)) {
        // In a forked child the lock may be held by a thread that is not there.
        if self.generation != fork::generation() {
            return;
        }
        let mut watched = self.shared.watched();
        let lanes = watched.lanes.len();
        change(&mut watched);
        let sooner = watched.due.is_some_and(|due| watched.sleeps_until.is_none_or(|until| due < until));
        let is_due = sooner || watched.lanes.len() > lanes || watched.stop;
        if is_due {
            // Told once: the thread sets its own time when it has looked.
            watched.sleeps_until = watched.due;
        }
        drop(watched);
        if is_due {
            bell::ring(&self.bell);
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.change(|watched| watched.stop = true);
        if self.generation == fork::generation() {
            // SAFETY: taken once, here.
            let thread = unsafe { ManuallyDrop::take(&mut self.thread) };
            // A panic in it was told by the panic's own message.
            drop(thread.join());
        }
    }
}

/// The thread `moonport-watch`.
fn watch(shared: &Shared, mut ear: PipeReader) {
    loop {
        let (mut entries, due) = {
            let mut watched = shared.watched();
            if watched.stop {
                return;
            }
            watched.sleeps_until = watched.due;
            let all = std::iter::once(ear.as_raw_fd()).chain(watched.lanes.iter().copied());
            (all.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect::<Vec<_>>(), watched.due)
        };
        let timeout = milliseconds(due.map(until));
        let count = libc::nfds_t::try_from(entries.len()).unwrap_or(libc::nfds_t::MAX);
        // SAFETY: the entries live through the call, and are as many as said.
        unsafe { libc::poll(entries.as_mut_ptr(), count, timeout) };
        if entries.first().is_some_and(|ear| ear.revents != 0) {
            // What else was found stays so, and is looked at again.
            empty(&mut ear);
            continue;
        }
        if tell(shared, &entries) {
            shared.notifier.notify(NOBODY);
        }
    }
}

/// Notes what is to be told of, so that it is told once; `false` if there is nothing.
fn tell(shared: &Shared, entries: &[libc::pollfd]) -> bool {
    let mut watched = shared.watched();
    let is_due = watched.due.is_some_and(|due| due <= Instant::now());
    if is_due {
        watched.due = None;
    }
    let mut found = false;
    for entry in entries.iter().filter(|entry| entry.revents != 0) {
        // It may be one that was given up meanwhile.
        if let Some(place) = watched.lanes.iter().position(|lane| *lane == entry.fd) {
            let lane = watched.lanes.swap_remove(place);
            watched.told.push(lane);
            found = true;
        }
    }
    found || is_due
}

/// What a thread of ours listens to: a bell. What no sender tells of, this module's thread tells the mailbox.
pub(super) struct Ear(PipeReader);

impl Ear {
    /// With the bell, which any thread may ring, by a byte.
    pub(super) fn new(_: &Owner) -> io::Result<(Self, PipeWriter)> {
        io::pipe().map(|(ear, bell)| (Self(ear), bell))
    }

    /// Sleeps until there is something to hear, or the time is over.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) {
        // A signal that ends it early, or a failure, costs one look.
        drop(wait_readable(self.0.as_raw_fd(), timeout));
        empty(&mut self.0);
    }
}

impl Owner {
    /// The descriptor for other loops.
    pub(crate) fn descriptor(&self) -> io::Result<RawFd> {
        let found = self.mailbox(|mailbox| (mailbox.descriptor(), mailbox.notifier()));
        let (number, notifier) = found.ok_or(io::ErrorKind::BrokenPipe)?;
        let number = number?;
        let is_new = self.descriptor.borrow().is_none();
        if is_new {
            let descriptor = Descriptor::new(notifier)?;
            self.descriptor.replace(Some(descriptor));
            self.mailbox(|mailbox| mailbox.rest());
        }
        self.rearm();
        Ok(number)
    }

    /// Before a lane is watched.
    pub(crate) fn prepare_to_watch(&self) -> io::Result<()> {
        self.descriptor().map(drop)
    }

    /// The thread tells of the next due time, and of lanes again. Call it when that time may have changed, and after a look.
    pub(crate) fn rearm(&self) {
        if let Some(descriptor) = &*self.descriptor.borrow() {
            let due = self.next_due();
            descriptor.change(|watched| {
                watched.due = due;
                let mut told = std::mem::take(&mut watched.told);
                watched.lanes.append(&mut told);
            });
        }
    }

    /// No timer makes the descriptor readable while the owner waits for something else.
    pub(crate) fn disarm(&self) {
        if let Some(descriptor) = &*self.descriptor.borrow() {
            descriptor.change(|watched| watched.due = None);
        }
    }

    /// The thread watches one descriptor more.
    pub(crate) fn watch(&self, lane: RawFd) {
        if let Some(descriptor) = &*self.descriptor.borrow() {
            descriptor.change(|watched| watched.lanes.push(lane));
        }
    }

    pub(crate) fn unwatch(&self, lane: RawFd) {
        if let Some(descriptor) = &*self.descriptor.borrow() {
            descriptor.change(|watched| {
                watched.lanes.retain(|other| *other != lane);
                watched.told.retain(|other| *other != lane);
            });
        }
    }
}
