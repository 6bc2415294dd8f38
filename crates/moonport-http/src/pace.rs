// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of one connection is read before the others have their turn. Of tiny frames or chunks a client packs a hundred
//! thousand into a megabyte, and they are read without a pause where nothing else asks for one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

/// Bytes of one connection that are read in one go.
const TURN: usize = 65_536;

#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Bytes since the connection last had to wait.
    unbroken: usize,
}

impl Pace {
    /// Reads once; gives how many bytes came. Pending after a turn too: the task is woken then, behind the others.
    pub(crate) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.unbroken >= TURN {
            self.unbroken = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = space.filled().len();
        let result = Pin::new(stream).poll_read(context, space);
        let count = space.filled().len() - before;
        if result.is_pending() {
            self.unbroken = 0;
        }
        self.unbroken += count;
        result.map_ok(|()| count)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    /// Has bytes as long as it is told to.
    struct Source(bool);

    impl AsyncRead for Source {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if !self.0 {
                return Poll::Pending;
            }
            space.put_slice(&vec![0; space.remaining()]);
            Poll::Ready(Ok(()))
        }
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_flood_of_tiny_frames_does_not_hold_up_other_connections() {
        let wakes = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut context = Context::from_waker(&waker);
        let (mut pace, mut source) = (Pace::default(), Source(true));
        let mut read = |source: &mut Source| {
            let mut bytes = [0; 4096];
            pace.poll_read(source, &mut context, &mut ReadBuf::new(&mut bytes)).map(Result::unwrap)
        };
        for turn in 1..4 {
            for _ in 0..TURN / 4096 {
                assert_eq!(read(&mut source), Poll::Ready(4096));
            }
            assert_eq!(read(&mut source), Poll::Pending);
            assert_eq!(wakes.0.load(Ordering::Relaxed), turn, "it goes on by itself");
        }
        // Whoever had to wait begins a turn.
        assert_eq!(read(&mut source), Poll::Ready(4096));
        assert_eq!(read(&mut Source(false)), Poll::Pending);
        for _ in 0..TURN / 4096 {
            assert_eq!(read(&mut source), Poll::Ready(4096));
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 3);
    }
}
