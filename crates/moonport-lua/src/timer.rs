// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.after` and `moonport.every`: what is due when, and the objects that cancel it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use mlua_sys as lua;

use crate::function::{Outcome, Result, c_function};
use crate::object::{self, Class, Object};
use crate::owner::Owner;
use crate::stack::{Anchor, Stack};

/// What happens at a timer's time.
#[derive(Clone, Debug)]
pub(crate) enum Due {
    /// A function runs, and again after the interval if there is one.
    Call { function: Anchor, interval: Option<Duration>, created: String },
    /// A task that slept, or waited no longer than this, goes on.
    Resume { task: u64 },
    /// The turn itself is what was wanted.
    Nothing,
}

/// All timers of a state. Cancelled ones leave the heap when they come to its top.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u64)>>,
    entries: HashMap<u64, Due>,
    last: u64,
}

impl Timers {
    pub(crate) fn add(&mut self, at: Instant, due: Due) -> u64 {
        self.last += 1;
        self.entries.insert(self.last, due);
        self.heap.push(Reverse((at, self.last)));
        self.last
    }

    pub(crate) fn remove(&mut self, timer: u64) -> Option<Due> {
        let removed = self.entries.remove(&timer);
        if self.heap.len() > 64 && self.heap.len() > 4 * self.entries.len() {
            self.heap.retain(|Reverse((_, timer))| self.entries.contains_key(timer));
        }
        removed
    }

    pub(crate) fn next_due(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, timer))) = self.heap.peek() {
            if self.entries.contains_key(timer) {
                return Some(*at);
            }
            self.heap.pop();
        }
        None
    }

    /// The next timer that is due at `now`. A repeating one is put back first, at its next time after `now`: missed
    /// times are skipped, and lateness does not add up.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Due> {
        let at = self.next_due().filter(|at| *at <= now)?;
        let Reverse((_, timer)) = self.heap.pop()?;
        let Some(Due::Call { interval: Some(interval), .. }) = self.entries.get(&timer) else {
            return self.entries.remove(&timer);
        };
        let missed = (now - at).as_nanos() / interval.as_nanos().max(1);
        let steps = u32::try_from(missed + 1).unwrap_or(u32::MAX);
        self.heap.push(Reverse((at + interval.saturating_mul(steps), timer)));
        self.entries.get(&timer).cloned()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn anchors(&self) -> impl Iterator<Item = Anchor> {
        self.calls().map(|(anchor, _)| anchor)
    }

    /// Function and creating line of every timer that Lua made, oldest first.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (Anchor, &str)> {
        let mut calls: Vec<_> = self.entries.iter().collect();
        calls.sort_by_key(|(timer, _)| **timer);
        calls.into_iter().filter_map(|(_, due)| match due {
            Due::Call { function, created, .. } => Some((*function, created.as_str())),
            Due::Resume { .. } | Due::Nothing => None,
        })
    }
}

/// `moonport.Timer`.
pub(crate) struct Timer {
    timer: u64,
}

static CLASS: Class = Class("moonport.Timer");

impl Object for Timer {
    const CLASS: &'static Class = &CLASS;

    fn methods() -> &'static [(&'static str, lua::lua_CFunction)] {
        &[("cancel", c_function!(cancel))]
    }
}

fn cancel(owner: &Owner, stack: Stack) -> Result {
    let timer = object::check::<Timer>(stack, 1, "timer:cancel")?.timer;
    let removed = owner.timers.borrow_mut().remove(timer);
    if let Some(Due::Call { function, .. }) = removed {
        stack.release(function);
        owner.rearm();
    }
    Ok(Outcome::Values(0))
}

/// The seconds at argument `index`.
pub(crate) fn seconds(stack: Stack, index: i32, function: &str) -> Result<Duration> {
    let seconds = stack
        .number(index)
        .ok_or_else(|| format!("{function}: expected a number of seconds, got {}", stack.type_name(index)))?;
    if seconds.is_nan() {
        return Err(format!("{function}: expected a number of seconds, got NaN").into());
    }
    Ok(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

/// Then, or as far away as the clock can say.
pub(crate) fn after_now(wait: Duration) -> Option<Instant> {
    Instant::now().checked_add(wait)
}

fn start(owner: &Owner, stack: Stack, function: &str, repeat: bool) -> Result {
    let interval = seconds(stack, 1, function)?;
    if stack.kind(2) != lua::LUA_TFUNCTION {
        return Err(format!("{function}: expected a function, got {}", stack.type_name(2)).into());
    }
    if repeat && interval.is_zero() {
        return Err(format!("{function}: the interval must be above 0").into());
    }
    let at = after_now(interval).ok_or_else(|| format!("{function}: that many seconds cannot be waited for"))?;
    let place = object::reserve(owner, stack);
    stack.copy(2);
    let function = stack.anchor();
    let due = Due::Call { function, interval: repeat.then_some(interval), created: stack.caller() };
    let timer = owner.timers.borrow_mut().add(at, due);
    owner.rearm();
    place.fill(Timer { timer });
    Ok(Outcome::Values(1))
}

pub(crate) fn after(owner: &Owner, stack: Stack) -> Result {
    start(owner, stack, "moonport.after", false)
}

pub(crate) fn every(owner: &Owner, stack: Stack) -> Result {
    start(owner, stack, "moonport.every", true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(interval: Option<Duration>) -> Due {
        // SAFETY: never looked at.
        let function = unsafe { std::mem::zeroed() };
        Due::Call { function, interval, created: String::new() }
    }

    #[test]
    fn timers_come_in_the_order_of_their_times_and_not_before() {
        let mut timers = Timers::default();
        let start = Instant::now();
        let late = timers.add(start + Duration::from_millis(20), Due::Resume { task: 2 });
        timers.add(start + Duration::from_millis(10), Due::Resume { task: 1 });
        assert!(timers.take_due(start + Duration::from_millis(9)).is_none());
        assert!(matches!(timers.take_due(start + Duration::from_millis(10)), Some(Due::Resume { task: 1 })));
        assert!(timers.take_due(start + Duration::from_millis(10)).is_none());
        assert_eq!(timers.next_due(), Some(start + Duration::from_millis(20)));
        assert!(timers.remove(late).is_some());
        assert!(timers.remove(late).is_none());
        assert_eq!(timers.next_due(), None);
        assert!(timers.is_empty());
    }

    #[test]
    fn a_repeating_timer_does_not_drift_and_skips_what_it_missed() {
        let mut timers = Timers::default();
        let start = Instant::now();
        let interval = Duration::from_millis(10);
        timers.add(start + interval, call(Some(interval)));
        assert!(timers.take_due(start + Duration::from_millis(13)).is_some());
        assert_eq!(timers.next_due(), Some(start + Duration::from_millis(20)), "not 23");
        assert!(timers.take_due(start + Duration::from_millis(47)).is_some());
        assert_eq!(timers.next_due(), Some(start + Duration::from_millis(50)));
        assert!(timers.take_due(start + Duration::from_millis(47)).is_none(), "once, however many were missed");
    }

    #[test]
    fn cancelled_timers_do_not_pile_up() {
        let mut timers = Timers::default();
        for _ in 0..10_000 {
            let timer = timers.add(Instant::now() + Duration::from_secs(3600), Due::Resume { task: 1 });
            assert!(timers.remove(timer).is_some());
        }
        assert!(timers.heap.len() <= 64);
    }
}
