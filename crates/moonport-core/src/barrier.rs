// SPDX-License-Identifier: MIT OR Apache-2.0
//! A memory barrier of unequal halves, for two threads that each write a word and then read the other's: at least one of them
//! sees what the other wrote. The half of the owner, who passes it with every message, costs nothing; that of a sender that is
//! about to sleep makes every running thread of the process pass a barrier (membarrier(2), Linux 4.14).

pub(crate) use halves::{heavy, light};

#[cfg(all(target_os = "linux", not(moonport_test_fallbacks), not(loom), not(miri)))]
mod halves {
    use std::sync::atomic::{AtomicU8, Ordering, compiler_fence, fence};

    const UNKNOWN: u8 = 0;
    const UNEQUAL: u8 = 1;
    /// The kernel has no such barrier, or does not give it: both halves are whole ones.
    const EQUAL: u8 = 2;

    static KIND: AtomicU8 = AtomicU8::new(UNKNOWN);

    /// The half of the one who passes often.
    pub(crate) fn light() {
        if kind() == UNEQUAL { compiler_fence(Ordering::SeqCst) } else { fence(Ordering::SeqCst) }
    }

    /// The half of the one who passes seldom.
    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
        // A forked child is registered as its parent is; should the kernel think otherwise, it registers again.
        if kind() == UNEQUAL && !barrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) {
            register();
            barrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        }
    }

    fn kind() -> u8 {
        match KIND.load(Ordering::Relaxed) {
            UNKNOWN => find_out(),
            kind => kind,
        }
    }

    #[cold]
    fn find_out() -> u8 {
        let kind = if register() && barrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) { UNEQUAL } else { EQUAL };
        // All who find out find the same.
        KIND.store(kind, Ordering::Relaxed);
        kind
    }

    fn register() -> bool {
        barrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    fn barrier(command: libc::c_int) -> bool {
        // SAFETY: membarrier takes numbers alone.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}

#[cfg(any(not(target_os = "linux"), moonport_test_fallbacks, loom, miri))]
mod halves {
    #[cfg(loom)]
    use loom::sync::atomic::fence;
    use std::sync::atomic::Ordering;
    #[cfg(not(loom))]
    use std::sync::atomic::fence;

    pub(crate) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
    }
}
