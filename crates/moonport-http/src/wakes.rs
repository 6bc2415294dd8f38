// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wake-ups from the owner's thread, gathered: a burst of answers costs it one system call, not one each, as tokio's
//! own wake-ups from other threads would.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The tasks that answers have come for. The main task wakes them on the server's own thread, where that is cheap.
#[derive(Default)]
pub(crate) struct Wakes(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    tasks: Vec<Waker>,
    main: Option<Waker>,
}

impl Wakes {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A waker for other threads that ends up as `task`.
    pub(crate) fn gather(self: &Arc<Self>, task: Waker) -> Waker {
        Arc::new(Gathered { wakes: Arc::clone(self), task }).into()
    }

    /// Wakes the main task itself.
    pub(crate) fn wake_main(&self) {
        let main = self.lock().main.clone();
        if let Some(main) = main {
            main.wake();
        }
    }

    /// Wakes the tasks gathered since the last time; what comes later wakes `main`.
    pub(crate) fn spread(&self, main: &Waker, spare: &mut Vec<Waker>) {
        {
            let mut inner = self.lock();
            std::mem::swap(&mut inner.tasks, spare);
            if inner.main.is_none() {
                inner.main = Some(main.clone());
            }
        }
        spare.drain(..).for_each(Waker::wake);
    }
}

struct Gathered {
    wakes: Arc<Wakes>,
    task: Waker,
}

impl Wake for Gathered {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let main = {
            let mut inner = self.wakes.lock();
            inner.tasks.push(self.task.clone());
            // The first of a batch wakes; `spread` takes the whole batch under the lock.
            if inner.tasks.len() == 1 { inner.main.clone() } else { None }
        };
        if let Some(main) = main {
            main.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_burst_wakes_main_once_and_each_task() {
        let (main, task) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let wakes = Arc::new(Wakes::default());
        let mut spare = Vec::new();
        wakes.spread(&Arc::clone(&main).into(), &mut spare);
        for round in 1..=3 {
            for _ in 0..5 {
                wakes.gather(Arc::clone(&task).into()).wake();
            }
            assert_eq!(main.0.load(Ordering::Relaxed), round);
            wakes.spread(&Arc::clone(&main).into(), &mut spare);
            assert_eq!(task.0.load(Ordering::Relaxed), 5 * round);
        }
    }
}
