// SPDX-License-Identifier: MIT OR Apache-2.0
//! Send and wait for the answer.

use std::time::{Duration, Instant};

use crate::message::{Encoding, Payload};
use crate::port::{Overflow, SendError, Sender, Sent};
use crate::reply::{self, Answer, Answered, CallError, ReplyTo, TimedOut, Waited};

impl Sender {
    /// Sends `payload` and waits for the answer, in `encoding`. All of it takes at most `timeout`; a full port is an
    /// error at once unless its policy is [`Overflow::Block`].
    ///
    /// Blocks: up to `timeout`; never on the owner's thread, which would have to answer.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn call(self, payload: Payload, tag: u32, encoding: Encoding, timeout: Duration) -> Answered {
        let deadline = Instant::now().checked_add(timeout);
        let mut answer = self.begin_call(payload, tag, encoding, timeout)?;
        self.conclude_call(answer.wait(deadline))
    }

    /// The first half of [`Sender::call`]: the answer can be polled, or waited for.
    ///
    /// Blocks: only where the policy is [`Overflow::Block`].
    ///
    /// # Errors
    /// [`CallError::Send`].
    pub fn begin_call(
        self,
        payload: Payload,
        tag: u32,
        encoding: Encoding,
        timeout: Duration,
    ) -> Result<Answer<Answered>, CallError> {
        if self.is_forked() {
            return Err(SendError::Forked.into());
        }
        // A closed port refuses the draft below, and counts it.
        if self.key().slot.queue.is_kept_by_caller() && self.is_open() {
            return Err(SendError::WouldDeadlock.into());
        }
        let (reply, answer) = reply::channel();
        let draft = self.draft(payload, tag, Some(Box::new(ReplyTo::caller(reply, encoding))));
        let sent = match self.key().slot.overflow() {
            Overflow::Block => self.offer_within(draft, timeout),
            _ => self.offer(draft),
        }?;
        if sent == Sent::Dropped { Err(SendError::Full.into()) } else { Ok(answer) }
    }

    /// What became of a question that was waited for so.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn conclude_call(self, waited: Waited) -> Answered {
        match waited {
            Ok(Some(answered)) => answered,
            Ok(None) => Err(self.unanswered()),
            Err(TimedOut) => Err(CallError::Timeout),
        }
    }

    /// Why an answer was given up without a word.
    fn unanswered(self) -> CallError {
        if self.is_open() { CallError::Unanswered } else { SendError::Closed.into() }
    }
}
