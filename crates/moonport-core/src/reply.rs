// SPDX-License-Identifier: MIT OR Apache-2.0
//! A one-shot answer from the owner to whoever waits: a task that polls, or a thread that blocks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

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
}
