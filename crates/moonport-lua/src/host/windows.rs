// SPDX-License-Identifier: MIT OR Apache-2.0
//! The message loop of a thread of Windows, whoever runs it: our own, wxWidgets', SDL's, that of a dialog or a menu. While
//! something waits for the owner, one message for a window of ours lies in the thread's queue, and every loop hands it to
//! that window's procedure, which runs a turn. The window shows nothing and hears of nothing else (a message-only window).

use std::cell::{Cell, RefCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use moonport_core::{Notifier, errno};
use windows_sys::Win32::Foundation::{HWND, LPARAM, LRESULT, WPARAM};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DefWindowProcW, DestroyWindow, GWLP_USERDATA, GetWindowLongPtrW, HWND_MESSAGE, KillTimer,
    PostMessageW, RegisterClassW, SetTimer, SetWindowLongPtrW, WM_APP, WM_TIMER, WNDCLASSW,
};
use windows_sys::core::w;

use super::descriptor::Timer;
use crate::attach::{self, Turn};
use crate::dispatch::{self, Budget};
use crate::owner::Owner;
use crate::pin;

/// How often a loop that compiled code runs is asked whether Lua can be entered again, in milliseconds.
const ASK_AGAIN: u32 = 10;
const ASK: usize = 1;
/// When a message is sent again that did not fit into the thread's queue.
const AGAIN: Duration = Duration::from_millis(10);

/// What senders need.
struct Shared {
    /// The window, which is destroyed after the hook is gone and the timer has ended.
    window: usize,
    /// A message of ours lies in the queue.
    outstanding: AtomicBool,
    /// Sends again what a full queue (10,000 messages) did not take.
    again: OnceLock<Timer>,
}

impl Shared {
    fn post(&self) {
        // Pairs with the store in `Waker::woken`: whoever finds it set has its message seen by the turn that follows.
        if self.outstanding.swap(true, Ordering::AcqRel) {
            return;
        }
        // SAFETY: any thread may post to a window; no pointer is passed.
        if unsafe { PostMessageW(window(self.window), WM_APP, 0, 0) } == 0 {
            self.outstanding.store(false, Ordering::Release);
            if let Some(again) = self.again.get() {
                again.set(Some(AGAIN));
            }
        }
    }
}

fn window(number: usize) -> HWND {
    ptr::with_exposed_provenance_mut(number)
}

/// What one state has of its thread's loop, however often it attaches. Ended by [`Waker::end`].
pub(crate) struct Waker {
    shared: Arc<Shared>,
    notifier: Notifier,
    /// Alive until this is ended.
    owner: *const Owner,
    /// The limits of each attachment's turns; the oldest one's count.
    budgets: RefCell<Vec<Budget>>,
    /// The last turn was refused, and a timer asks again.
    asks: Cell<bool>,
}

/// Lets the calling thread's loop run turns of this owner.
pub(crate) fn take(owner: &Owner) -> io::Result<Rc<Waker>> {
    owner.prepare_to_watch()?;
    let notifier = owner.mailbox(|mailbox| mailbox.notifier()).ok_or(io::ErrorKind::BrokenPipe)?;
    let shared = Arc::new(Shared {
        window: make_window()?.expose_provenance(),
        outstanding: AtomicBool::new(false),
        again: OnceLock::new(),
    });
    let waker = Rc::new(Waker {
        shared: Arc::clone(&shared),
        notifier,
        owner,
        budgets: RefCell::default(),
        asks: Cell::new(false),
    });
    let place = Rc::as_ptr(&waker).expose_provenance().cast_signed();
    // SAFETY: the window is ours, and its procedure knows what this word is.
    unsafe { SetWindowLongPtrW(window(shared.window), GWLP_USERDATA, place) };
    let theirs: Weak<Shared> = Arc::downgrade(&shared);
    let again = Timer::new(move || {
        if let Some(shared) = theirs.upgrade() {
            shared.post();
        }
    });
    match again {
        Ok(again) => drop(shared.again.set(again)),
        Err(error) => {
            waker.end();
            return Err(error);
        }
    }
    notifier.set_host_hook(Some(Box::new(move |_| errno::keep(|| shared.post()))));
    Ok(waker)
}

fn make_window() -> io::Result<HWND> {
    static CLASS: OnceLock<Result<u16, i32>> = OnceLock::new();
    let instance = pin::image();
    let class = *CLASS.get_or_init(|| {
        let class = WNDCLASSW {
            lpfnWndProc: Some(procedure),
            hInstance: instance,
            lpszClassName: w!("Moonport"),
            // SAFETY: a class of which nothing more is said.
            ..unsafe { std::mem::zeroed() }
        };
        // SAFETY: the class lives through the call; its name and its procedure as long as the process.
        match unsafe { RegisterClassW(&raw const class) } {
            0 => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
            atom => Ok(atom),
        }
    });
    let class = class.map_err(io::Error::from_raw_os_error)?;
    let name = ptr::without_provenance(class.into());
    // SAFETY: an atom stands for the class's name; the other pointers may be null.
    let window = unsafe {
        CreateWindowExW(0, name, ptr::null(), 0, 0, 0, 0, 0, HWND_MESSAGE, ptr::null_mut(), instance, ptr::null())
    };
    if window.is_null() { Err(io::Error::last_os_error()) } else { Ok(window) }
}

unsafe extern "system" fn procedure(window: HWND, message: u32, first: WPARAM, second: LPARAM) -> LRESULT {
    // SAFETY: the system passes a window of ours.
    let place = unsafe { GetWindowLongPtrW(window, GWLP_USERDATA) };
    let waker: *const Waker = ptr::with_exposed_provenance(place.cast_unsigned());
    if waker.is_null() || !(message == WM_APP || message == WM_TIMER && first == ASK) {
        // SAFETY: with what the system has passed.
        return unsafe { DefWindowProcW(window, message, first, second) };
    }
    // A handler may detach: it stays until this call has ended.
    // SAFETY: the word is null before the waker goes.
    unsafe { Rc::increment_strong_count(waker) };
    // SAFETY: as above; the count was just raised for it.
    let waker = unsafe { Rc::from_raw(waker) };
    // A panic must not unwind through the system; it was told by its own message.
    drop(catch_unwind(AssertUnwindSafe(|| waker.woken())));
    0
}

impl Waker {
    /// The message has come out of the queue, or a timer asks for a turn that was refused.
    fn woken(&self) {
        // Before the turn looks: who comes later sends a message again.
        self.shared.outstanding.store(false, Ordering::Release);
        // SAFETY: it lives until this waker is ended, and then the window has no procedure of ours any more.
        let owner = unsafe { &*self.owner };
        let budget = self.budgets.borrow().first().copied();
        let Some(budget) = budget else { return };
        if owner.depth.get() >= dispatch::DEEPEST {
            // The end of a turn that is less deep sends another one.
            return;
        }
        let refused = attach::turn(owner, budget) == Turn::Refused;
        if self.asks.replace(refused) == refused || self.budgets.borrow().is_empty() {
            return;
        }
        if refused {
            // SAFETY: the window is this thread's, and there is no function to call.
            unsafe { SetTimer(window(self.shared.window), ASK, ASK_AGAIN, None) };
        } else {
            // SAFETY: as above.
            unsafe { KillTimer(window(self.shared.window), ASK) };
        }
    }

    /// A handler may run a loop itself, a dialog's perhaps: from here on senders tell again, and a message tells of what
    /// remains behind the first thing that this turn delivers.
    pub(crate) fn turn_begins(&self, owner: &Owner) {
        if owner.depth.get() >= dispatch::DEEPEST {
            return;
        }
        let several = owner.mailbox(|mailbox| {
            mailbox.hush();
            mailbox.has_several()
        });
        let is_due = owner.next_due().is_some_and(|due| due <= Instant::now());
        if several == Some(true) || is_due {
            self.shared.post();
        }
    }

    /// A message tells of what this turn has left. The mailbox has not where its flag stood: handlers nested as deep as they may
    /// have taken that message, and delivered nothing.
    pub(crate) fn turn_ends(&self, owner: &Owner) {
        if owner.mailbox(|mailbox| mailbox.is_drained()) == Some(false) {
            self.shared.post();
        }
    }

    /// One attachment more.
    pub(super) fn add(&self, budget: Budget) {
        self.budgets.borrow_mut().push(budget);
    }

    /// One attachment less; `true` if that was the last.
    pub(super) fn remove(&self, attachment: u64) -> bool {
        let mut budgets = self.budgets.borrow_mut();
        budgets.retain(|budget| budget.attachment != attachment);
        budgets.is_empty()
    }

    /// When this returns, no message comes any more.
    pub(super) fn end(&self) {
        self.notifier.set_host_hook(None);
        if let Some(again) = self.shared.again.get() {
            again.end();
        }
        let window = window(self.shared.window);
        // SAFETY: the window is ours.
        unsafe { SetWindowLongPtrW(window, GWLP_USERDATA, 0) };
        // SAFETY: as above, and this thread's; the messages for it go too.
        unsafe { DestroyWindow(window) };
    }
}
