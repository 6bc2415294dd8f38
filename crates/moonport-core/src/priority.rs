// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a thread of ours stands with the scheduler.

/// From now on the calling thread does not interrupt others on its core when it is woken: it runs when they sleep, or have had
/// their share. On Linux that is SCHED_BATCH (sched(7)), unless the program has chosen a policy; elsewhere nothing.
pub fn wait_for_turn() {
    #[cfg(all(target_os = "linux", not(miri)))]
    // SAFETY: takes no pointers.
    if unsafe { libc::sched_getscheduler(0) } == libc::SCHED_OTHER {
        let none = libc::sched_param { sched_priority: 0 };
        // Where that is forbidden the thread stays as it is.
        // SAFETY: the parameters live through the call.
        unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const none) };
    }
}

#[cfg(test)]
#[cfg(all(target_os = "linux", not(miri)))]
mod tests {
    use super::*;

    fn policy_after(before: libc::c_int) -> libc::c_int {
        let run = move || {
            let none = libc::sched_param { sched_priority: 0 };
            // SAFETY: the parameters live through the call.
            assert_eq!(unsafe { libc::sched_setscheduler(0, before, &raw const none) }, 0);
            wait_for_turn();
            // SAFETY: takes no pointers.
            unsafe { libc::sched_getscheduler(0) }
        };
        std::thread::Builder::new().name("batch".into()).spawn(run).expect("a thread").join().expect("a policy")
    }

    #[test]
    fn only_the_usual_policy_is_changed() {
        assert_eq!(policy_after(libc::SCHED_OTHER), libc::SCHED_BATCH);
        assert_eq!(policy_after(libc::SCHED_IDLE), libc::SCHED_IDLE);
    }
}
