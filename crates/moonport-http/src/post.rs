// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages to the owner, gathered: those of all connections that are ready at once wake it once. On one core it would else
//! take each away from the server's thread as it comes.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use moonport_core::{Payload, SendError, Sender};

use crate::accept::Site;

/// So many messages wait for the owner to be woken: on another core it could have begun with them.
const MOST: u32 = 16;

pub(crate) struct Post {
    sender: Sender,
    waiting: Cell<u32>,
    /// The task that wakes the owner, unless it is woken itself.
    task: Cell<Option<Waker>>,
}

impl Post {
    pub(crate) fn new(sender: Sender) -> Self {
        Self { sender, waiting: Cell::new(0), task: Cell::new(None) }
    }

    pub(crate) fn sender(&self) -> Sender {
        self.sender
    }

    /// Sends a message. The owner is woken when the tasks that are ready now have had their turn, or before.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub(crate) fn send(&self, payload: Payload) -> Result<(), SendError> {
        self.sender.send_quietly(payload, 0)?;
        self.waiting.set(self.waiting.get() + 1);
        if self.waiting.get() >= MOST {
            self.wake_owner();
        } else if let Some(task) = self.task.take() {
            // It runs behind the tasks that are ready.
            task.wake();
        }
        Ok(())
    }

    fn wake_owner(&self) {
        if self.waiting.replace(0) > 0 {
            self.sender.wake();
        }
    }

    fn poll(&self, context: &Context<'_>) {
        self.wake_owner();
        self.task.set(Some(context.waker().clone()));
    }
}

/// The server's thread may end before the task has its turn.
impl Drop for Post {
    fn drop(&mut self) {
        self.wake_owner();
    }
}

/// The task that wakes the owner.
pub(crate) async fn wake(site: Rc<Site>) {
    poll_fn(|context| {
        site.post.poll(context);
        Poll::<()>::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use moonport_core::{Mailbox, PortOptions};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_woken(mailbox: &mut Mailbox) -> usize {
        let woken = mailbox.wait(Some(Duration::ZERO)).unwrap();
        let count = std::iter::from_fn(|| mailbox.next()).count();
        mailbox.rest();
        if woken { count } else { 0 }
    }

    #[test]
    fn messages_wake_the_owner_together() {
        let mut mailbox = Mailbox::new().unwrap();
        let port = mailbox.open(PortOptions::default()).unwrap();
        mailbox.listen(port, true);
        let post = Post::new(mailbox.sender(port).unwrap());
        let task = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&task));
        let poll = || post.poll(&Context::from_waker(&waker));
        let send = |count: u32| (0..count).for_each(|_| post.send(Payload::raw(b"")).unwrap());
        poll();
        send(3);
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        assert!(!mailbox.wait(Some(Duration::ZERO)).unwrap(), "not before the task runs");
        poll();
        assert_eq!(is_woken(&mut mailbox), 3);
        poll();
        assert!(!mailbox.wait(Some(Duration::ZERO)).unwrap(), "for nothing");
        send(MOST);
        assert_eq!(is_woken(&mut mailbox), MOST as usize);
        send(1);
        assert_eq!(task.0.load(Ordering::Relaxed), 2, "it was on its way already");
        poll();
        assert_eq!(is_woken(&mut mailbox), 1);
        send(2);
        drop(post);
        assert_eq!(is_woken(&mut mailbox), 2);
    }
}
