// SPDX-License-Identifier: MIT OR Apache-2.0
//! A one-shot answer from the owner to whoever waits: a task that polls, or a thread that blocks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
#[cfg(not(loom))]
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};
#[cfg(not(loom))]
use std::time::Instant;

#[cfg(not(loom))]
use crate::lane::Lane;
use crate::message::{Encoding, Payload};
use crate::port::SendError;

use crate::sync::{Mutex, lock};

/// A pair of ends for one answer.
#[must_use]
pub fn channel<T>() -> (Reply<T>, Answer<T>) {
    let slot = Arc::new(Slot { state: Mutex::new(State::Empty(None)) });
    (Reply { slot: Some(Arc::clone(&slot)) }, Answer { slot })
}

struct Slot<T> {
    state: Mutex<State<T>>,
}

enum State<T> {
    /// No answer yet, and the one to wake when it comes.
    Empty(Option<Waker>),
    Answered(T),
    /// The [`Reply`] was dropped without an answer, or the answer was taken.
    Over,
    /// The [`Answer`] was dropped: nobody waits.
    Cancelled,
}

impl<T> Slot<T> {
    /// Sets the final state unless one is set, gives back the state that was not used, and wakes the waiter.
    fn finish(&self, last: State<T>) -> Result<(), State<T>> {
        let mut state = lock(&self.state);
        let State::Empty(waker) = &mut *state else { return Err(last) };
        let waker = waker.take();
        *state = last;
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }
}

/// The end that answers, once. Dropping it says that no answer will come.
///
/// Thread: any. Blocks: never.
pub struct Reply<T> {
    slot: Option<Arc<Slot<T>>>,
}

impl<T> Reply<T> {
    /// Gives the answer and wakes whoever waits.
    ///
    /// # Errors
    /// The value comes back if nobody waits any more.
    pub fn send(mut self, value: T) -> Result<(), T> {
        let Some(slot) = self.slot.take() else { return Err(value) };
        match slot.finish(State::Answered(value)) {
            Err(State::Answered(value)) => Err(value),
            _ => Ok(()),
        }
    }

    /// Has the waiting end been dropped?
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.slot.as_ref().is_none_or(|slot| matches!(*lock(&slot.state), State::Cancelled))
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            // Refused only where the waiting end is gone, and then nobody wants to know.
            drop(slot.finish(State::Over));
        }
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

/// The end that waits: a future of the answer, `None` if the [`Reply`] was dropped. Dropping it cancels.
///
/// Thread: any.
pub struct Answer<T> {
    slot: Arc<Slot<T>>,
}

impl<T> Future for Answer<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = lock(&self.slot.state);
        if let State::Empty(waker) = &mut *state {
            match waker {
                Some(known) => known.clone_from(context.waker()),
                None => *waker = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        match std::mem::replace(&mut *state, State::Over) {
            State::Answered(value) => Poll::Ready(Some(value)),
            _ => Poll::Ready(None),
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let last = std::mem::replace(&mut *lock(&self.slot.state), State::Cancelled);
        // An answer that nobody took is freed here, outside the lock.
        drop(last);
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The message was not taken, or was discarded before anybody saw it.
    #[error(transparent)]
    Send(#[from] SendError),
    /// No answer came in time.
    #[error("no answer came in time")]
    Timeout,
    /// The handler raised this error.
    #[error("the handler failed: {0}")]
    Handler(String),
    /// The handler will never answer.
    #[error("the handler did not answer")]
    Unanswered,
}

/// What a caller gets.
pub type Answered = Result<Payload, CallError>;

/// How waiting for it ended: `None` if nobody will answer.
#[cfg(not(loom))]
pub type Waited = Result<Option<Answered>, TimedOut>;

/// Where the answer to a message goes.
#[derive(Debug)]
pub struct ReplyTo {
    encoding: Encoding,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Caller(Reply<Answered>),
    #[cfg(not(loom))]
    Lane(Arc<Lane>),
}

/// Why an answer did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// Nobody waits any more.
    #[error("nobody waits for the answer any more")]
    Closed,
    /// The other end of the lane reads too slowly.
    #[error("the other end of the descriptor reads too slowly")]
    Full,
    /// Larger than the lane can carry.
    #[error("the answer is larger than the descriptor can carry")]
    TooBig,
}

impl ReplyTo {
    /// To a thread or task that waits for [`Answer`], and wants it in this encoding.
    #[must_use]
    pub fn caller(reply: Reply<Answered>, encoding: Encoding) -> Self {
        Self { encoding, way: Way::Caller(reply) }
    }

    /// Back by the descriptor that the message came from.
    #[cfg(not(loom))]
    #[must_use]
    pub fn lane(lane: Arc<Lane>, encoding: Encoding) -> Self {
        Self { encoding, way: Way::Lane(lane) }
    }

    /// How the one who waits wants the answer's bytes.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Does a caller wait until this is answered?
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        matches!(self.way, Way::Caller(_))
    }

    /// Has the one who asked given up?
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(&self.way, Way::Caller(reply) if reply.is_cancelled())
    }

    /// Gives the answer.
    ///
    /// Thread: any. Blocks: never.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub fn answer(self, payload: Payload) -> Result<(), ReplyError> {
        match self.way {
            Way::Caller(reply) => reply.send(Ok(payload)).map_err(|_| ReplyError::Closed),
            #[cfg(not(loom))]
            Way::Lane(lane) => match payload {
                Payload::Bytes { bytes, .. } => lane.reply(&bytes),
                _ => Err(ReplyError::Closed),
            },
        }
    }

    /// Tells that there will be no answer, and why. A lane hears nothing.
    pub fn refuse(self, error: impl Into<CallError>) {
        match self.way {
            // A caller that has gone does not want to know.
            Way::Caller(reply) => drop(reply.send(Err(error.into()))),
            #[cfg(not(loom))]
            Way::Lane(_) => {}
        }
    }
}

#[cfg(not(loom))]
impl<T> Answer<T> {
    /// Waits for the answer; `None` if none will come. The error means that the time is over: who does not want to wait again
    /// drops this, and then nobody waits any more. No deadline: for ever.
    ///
    /// Thread: any but the one that answers. Blocks: until `deadline`.
    ///
    /// # Errors
    /// [`TimedOut`].
    pub fn wait(&mut self, deadline: Option<Instant>) -> Result<Option<T>, TimedOut> {
        let parker = Arc::new(Parker::default());
        let waker = Waker::from(Arc::clone(&parker));
        loop {
            if let Poll::Ready(answer) = Pin::new(&mut *self).poll(&mut Context::from_waker(&waker)) {
                return Ok(answer);
            }
            if !parker.park(deadline) {
                return Err(TimedOut);
            }
        }
    }
}

/// No answer came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

/// Sleeps until woken. Not [`std::thread::park`]: that would leave a handle behind in every thread that ever waited.
#[cfg(not(loom))]
#[derive(Default)]
struct Parker {
    woken: Mutex<bool>,
    changed: std::sync::Condvar,
}

#[cfg(not(loom))]
impl std::task::Wake for Parker {
    fn wake(self: Arc<Self>) {
        *lock(&self.woken) = true;
        self.changed.notify_one();
    }
}

#[cfg(not(loom))]
impl Parker {
    /// `false` if the time is over.
    fn park(&self, deadline: Option<Instant>) -> bool {
        let mut woken = lock(&self.woken);
        while !std::mem::take(&mut *woken) {
            woken = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() => return false,
                Some(left) => self.changed.wait_timeout(woken, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(woken).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll<T>(answer: &mut Answer<T>, count: &Arc<Count>) -> Poll<Option<T>> {
        Pin::new(answer).poll(&mut Context::from_waker(&Waker::from(Arc::clone(count))))
    }

    #[test]
    fn an_answer_wakes_its_waiter_once() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let (reply, mut answer) = channel();
        assert_eq!(poll(&mut answer, &count), Poll::Pending);
        assert_eq!(poll(&mut answer, &count), Poll::Pending);
        assert_eq!(reply.send(7), Ok(()));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut answer, &count), Poll::Ready(Some(7)));
        assert_eq!(poll(&mut answer, &count), Poll::Ready(None));
    }

    #[test]
    fn a_dropped_reply_ends_the_wait() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let (reply, mut answer) = channel::<u8>();
        assert_eq!(poll(&mut answer, &count), Poll::Pending);
        drop(reply);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut answer, &count), Poll::Ready(None));
    }

    #[test]
    fn a_dropped_answer_gives_the_value_back() {
        let (reply, answer) = channel();
        assert!(!reply.is_cancelled());
        drop(answer);
        assert!(reply.is_cancelled());
        assert_eq!(reply.send("late"), Err("late"));
    }

    #[test]
    fn a_thread_waits_for_its_answer_or_until_the_time_is_over() {
        let within = |milliseconds| Instant::now().checked_add(Duration::from_millis(milliseconds));
        let (reply, mut answer) = channel();
        let replier =
            std::thread::Builder::new().name("replier".into()).spawn(move || reply.send(7)).expect("a thread");
        assert_eq!(answer.wait(within(60_000)), Ok(Some(7)));
        assert_eq!(replier.join().expect("the replier"), Ok(()));
        let (reply, mut answer) = channel::<u8>();
        assert_eq!(answer.wait(within(5)), Err(TimedOut));
        assert!(!reply.is_cancelled(), "it may wait again");
        drop(answer);
        assert!(reply.is_cancelled());
        let (reply, mut answer) = channel::<u8>();
        drop(reply);
        assert_eq!(answer.wait(None), Ok(None));
    }
}
