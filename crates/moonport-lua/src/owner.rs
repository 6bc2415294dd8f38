// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that belongs to one Lua state, on the thread that owns it. It lives in a userdata that is made first and so
//! is finalised last; closing empties it, and its memory goes with the state's.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::ffi::{c_int, c_void};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use mlua_sys as lua;
use mlua_sys::lua_State;
use moonport_codec::json::Tape;
use moonport_core::{Mailbox, Message, Payload, PortKey, StateLock};

use crate::attach::{Attached, Refusals};
use crate::call::Calling;
use crate::capi;
use crate::dispatch::Round;
use crate::fetch::Incoming;
use crate::host::Waker;
use crate::host::descriptor::Descriptor;
use crate::http::Site;
use crate::keys::Keys;
use crate::lanes;
use crate::locked::Visit;
use crate::port::Endpoint;
use crate::protect;
use crate::question::Question;
use crate::scratch::Scratch;
use crate::stack::{Anchor, Stack};
#[cfg(feature = "luajit")]
use crate::stream::Stream;
use crate::task::{self, Fetches, Origin, Starters, Task, Wait};
use crate::timer::Timers;
#[cfg(feature = "luajit")]
use crate::trace::TraceWord;

/// Who gets the messages of one port of the mailbox.
#[derive(Clone)]
pub(crate) enum Receiver {
    /// A port that Lua made.
    Port(Rc<Endpoint>),
    /// The requests of an HTTP server.
    Site(Rc<Site>),
}

/// Keys of ports whose objects and messages are all gone.
pub(crate) type Returned = Rc<RefCell<Vec<PortKey>>>;

pub(crate) struct Owner {
    thread: ThreadId,
    mailbox: RefCell<Option<Mailbox>>,
    pub(crate) receivers: RefCell<Vec<Option<Receiver>>>,
    pub(crate) sites: RefCell<Vec<Rc<Site>>>,
    pub(crate) timers: RefCell<Timers>,
    pub(crate) tasks: RefCell<HashMap<u64, Task>>,
    pub(crate) last_task: Cell<u64>,
    /// Tasks that yielded without waiting for anything: they go on in the next turn.
    pub(crate) ready: RefCell<VecDeque<u64>>,
    /// Private threads that no handler uses now.
    pub(crate) idle: RefCell<Vec<(Stack, Anchor)>>,
    /// The private thread whose handler runs now, if one does.
    pub(crate) running: Cell<Option<Stack>>,
    /// On whose behalf it runs.
    pub(crate) origin: Cell<Origin>,
    /// May it go on to the next message when its handler has returned?
    pub(crate) fetches: Cell<Fetches>,
    /// Is its loop one of a stream?
    pub(crate) in_stream: Cell<bool>,
    /// Which one of its port's handlers it has fetched.
    pub(crate) handler: Cell<u32>,
    /// What the present turn may still deliver.
    pub(crate) round: RefCell<Round>,
    /// What the running handler is about to wait for.
    pub(crate) wait: Cell<Option<Wait>>,
    pub(crate) depth: Cell<u32>,
    pub(crate) stopping: Cell<bool>,
    /// `moonport.run` runs, and not inside a handler.
    pub(crate) sleeps_in_tasks: Cell<bool>,
    /// A signal has ended such a sleep.
    pub(crate) signalled: Cell<bool>,
    /// The last `moonport.run()` ended by `moonport.stop()`.
    pub(crate) stopped: Cell<bool>,
    pub(crate) on_error: Cell<Option<Anchor>>,
    /// Messages that are being shown to Lua.
    pub(crate) in_hand: Scratch<Option<Box<Message>>>,
    /// Answers that are being shown to Lua.
    pub(crate) answers: Scratch<Option<Payload>>,
    /// Buffers for encoding and decoding.
    pub(crate) scratch: Scratch<Vec<u8>>,
    pub(crate) tapes: Scratch<Tape>,
    /// Keys of documents.
    pub(crate) keys: Keys,
    /// Texts that are being shown to Lua.
    pub(crate) texts: Scratch<String>,
    /// The message that the next task fetches, and who waits for its answer.
    pub(crate) incoming: Cell<Option<Incoming>>,
    pub(crate) asking: Cell<Option<Question>>,
    /// What tasks for messages and native calls run.
    pub(crate) starters: Starters,
    /// Lua functions around the FFI library, once they were needed.
    pub(crate) ffi_helpers: Cell<Option<crate::ffi::Helpers>>,
    /// How many stubs each place of the program has used.
    pub(crate) stubs: RefCell<HashMap<String, usize>>,
    /// The function behind `Owner::protect`, and what it is to run next.
    pub(crate) runner: Anchor,
    pub(crate) protected: Cell<*mut c_void>,
    pub(crate) descriptor: RefCell<Option<Descriptor>>,
    /// Other loops that run this owner's turns.
    pub(crate) attachments: RefCell<Vec<Rc<Attached>>>,
    /// Who holds it runs Lua; the mailbox's.
    lock: Cell<Option<StateLock>>,
    /// Locked callbacks that are open.
    pub(crate) locked: Cell<u32>,
    /// Native code that runs Lua at once, on this thread or another one.
    pub(crate) visits: RefCell<Vec<Visit>>,
    /// The running code must not wait: the owner's thread, or one that holds its lock, would wait in vain.
    pub(crate) may_not_wait: Cell<bool>,
    /// Something has changed that a sleeping owner has to look at.
    pub(crate) disturbed: Cell<bool>,
    /// Where visits begin, and threads that no native code uses now.
    pub(crate) entry: Cell<Option<Stack>>,
    pub(crate) lent_threads: RefCell<Vec<(Stack, Anchor)>>,
    pub(crate) refusals: Cell<Refusals>,
    /// While it is attached to a loop that is woken by something else than the descriptor.
    pub(crate) waker: RefCell<Option<Rc<Waker>>>,
    /// Ports with a lane.
    pub(crate) lanes: RefCell<Vec<Rc<Endpoint>>>,
    /// Questions that wait for their answers.
    pub(crate) calls: RefCell<HashMap<u64, Calling>>,
    /// Keys of ports whose objects and messages are all gone.
    returned: RefCell<Option<Returned>>,
    /// The main thread of the state, once it was seen.
    main: Cell<Option<Stack>>,
    /// A private thread for turns that nobody's Lua code asked for.
    base: Stack,
    /// Set from any thread: the process was asked to end.
    interrupted: RefCell<Option<Arc<AtomicBool>>>,
    objects: Cell<u64>,
    /// Tells that compiled code runs, where such a word was found.
    #[cfg(feature = "luajit")]
    pub(crate) trace_word: Cell<Option<TraceWord>>,
    #[cfg(feature = "luajit")]
    pub(crate) stream: Stream,
    #[cfg(feature = "luajit")]
    pub(crate) int64: Cell<Option<crate::int64::Helpers>>,
}

/// Its address is the owner's key in the registry.
static KEY: u8 = 0;

impl Owner {
    /// Pushes the state's owner, made at the first call, and gives it.
    pub(crate) fn of<'a>(stack: Stack) -> Result<&'a Self, std::io::Error> {
        stack.push_pointer((&raw const KEY).cast_mut().cast());
        if stack.raw_get(lua::LUA_REGISTRYINDEX) != lua::LUA_TUSERDATA {
            stack.pop(1);
            Self::make(stack)?;
        }
        let owner: *const Self = stack.userdata(-1).cast_const().cast();
        // SAFETY: only this function puts a userdata there, and the registry holds it as long as the state lives.
        let owner = unsafe { &*owner };
        owner.note_main(stack);
        Ok(owner)
    }

    /// Pushes a new owner. Whatever may raise comes before the mailbox is there, the registry's place for it too.
    fn make(stack: Stack) -> Result<(), std::io::Error> {
        let register = |value: c_int| {
            stack.push_pointer((&raw const KEY).cast_mut().cast());
            stack.copy(value);
            stack.raw_set(lua::LUA_REGISTRYINDEX);
        };
        let place: *mut Self = stack.new_userdata(size_of::<Self>()).cast();
        let userdata = stack.top();
        stack.new_table(0, 1);
        stack.push_closure(collect, 0);
        stack.set_field(-2, "__gc");
        stack.push_boolean(false);
        register(stack.top());
        stack.pop(1);
        stack.prepare_anchors();
        let runner = protect::anchor_runner(stack, place);
        let starters = task::anchor_starters(stack, place);
        // SAFETY: the new thread belongs to this state, and the anchor, never released, keeps it alive.
        let base = unsafe { Stack::new(stack.new_thread()) };
        let thread = stack.anchor();
        let mailbox = Mailbox::new().inspect_err(|_| {
            stack.release(runner);
            starters.release(stack);
            stack.release(thread);
            stack.set_top(userdata - 1);
        })?;
        // SAFETY: the place is large enough, and Lua aligns userdata for every fundamental type.
        unsafe { place.write(Self::new(mailbox, starters, runner, base)) };
        stack.set_metatable(userdata);
        register(userdata);
        // SAFETY: it was written above.
        unsafe { &*place }.offer_lock();
        capi::add(place);
        Ok(())
    }

    /// The state's owner, if it has one. The stack is as before.
    pub(crate) fn existing<'a>(stack: Stack) -> Option<&'a Self> {
        stack.push_pointer((&raw const KEY).cast_mut().cast());
        stack.raw_get(lua::LUA_REGISTRYINDEX);
        let owner: *const Self = stack.userdata(-1).cast_const().cast();
        stack.pop(1);
        // SAFETY: only `of` puts a userdata there, and the registry holds it as long as the state lives.
        unsafe { owner.as_ref() }
    }

    /// Remembers the main thread when it is met: the guard looks at what runs there.
    pub(crate) fn note_main(&self, stack: Stack) {
        if self.main.get().is_none() && stack.is_main() {
            self.main.set(Some(stack));
        }
    }

    /// From now on C code may call us from compiled loops: learns to tell. At the first need, and not before: LuaJIT itself
    /// crashes if memory ends while it begins to compile.
    pub(crate) fn watch_traces(&self, stack: Stack) {
        #[cfg(feature = "luajit")]
        if self.trace_word.get().is_none() {
            self.trace_word.set(crate::trace::find(self.main.get(), self.base, stack));
        }
        #[cfg(not(feature = "luajit"))]
        let _ = stack;
    }

    /// The stack for a turn that nobody's Lua code asked for: the main thread's, where the guard sees what runs.
    pub(crate) fn base(&self) -> Stack {
        self.main.get().unwrap_or(self.base)
    }

    /// The mailbox's handle; 0 when the state is closed.
    pub(crate) fn handle(&self) -> u64 {
        self.mailbox(|mailbox| mailbox.handle()).unwrap_or(0)
    }

    /// In a forked child everything belongs to the parent; what is made from now on belongs to a mailbox of the child's.
    pub(crate) fn renew_if_forked(&self) {
        if self.mailbox(|mailbox| mailbox.is_forked()) != Some(true) {
            return;
        }
        let Ok(mailbox) = Mailbox::new() else { return };
        self.receivers.take();
        self.lanes.take();
        self.returned().take();
        self.forget_attachments();
        self.descriptor.take();
        self.mailbox.replace(Some(mailbox));
        self.locked.set(0);
        self.offer_lock();
    }

    /// Those who get the lock find the owner by it.
    fn offer_lock(&self) {
        let lock = self.mailbox(|mailbox| mailbox.state_lock());
        self.lock.set(lock);
        if let Some(lock) = lock {
            lock.set_context(std::ptr::from_ref(self).cast_mut().cast());
        }
    }

    /// `None` when the state is closed.
    pub(crate) fn lock(&self) -> Option<StateLock> {
        self.lock.get()
    }

    fn new(mailbox: Mailbox, starters: Starters, runner: Anchor, base: Stack) -> Self {
        Self {
            thread: std::thread::current().id(),
            mailbox: RefCell::new(Some(mailbox)),
            receivers: RefCell::default(),
            sites: RefCell::default(),
            timers: RefCell::default(),
            tasks: RefCell::default(),
            last_task: Cell::new(0),
            ready: RefCell::default(),
            idle: RefCell::default(),
            running: Cell::new(None),
            origin: Cell::default(),
            fetches: Cell::default(),
            in_stream: Cell::default(),
            handler: Cell::default(),
            round: RefCell::new(Round::over()),
            wait: Cell::new(None),
            depth: Cell::new(0),
            stopping: Cell::new(false),
            sleeps_in_tasks: Cell::new(false),
            signalled: Cell::new(false),
            stopped: Cell::new(false),
            on_error: Cell::new(None),
            in_hand: Scratch::default(),
            answers: Scratch::default(),
            scratch: Scratch::default(),
            tapes: Scratch::default(),
            keys: Keys::default(),
            texts: Scratch::default(),
            incoming: Cell::new(None),
            asking: Cell::new(None),
            starters,
            ffi_helpers: Cell::new(None),
            stubs: RefCell::default(),
            runner,
            protected: Cell::new(std::ptr::null_mut()),
            descriptor: RefCell::default(),
            attachments: RefCell::default(),
            lock: Cell::default(),
            locked: Cell::default(),
            visits: RefCell::default(),
            may_not_wait: Cell::default(),
            disturbed: Cell::default(),
            entry: Cell::default(),
            lent_threads: RefCell::default(),
            refusals: Cell::default(),
            waker: RefCell::default(),
            lanes: RefCell::default(),
            calls: RefCell::default(),
            returned: RefCell::new(Some(Rc::default())),
            main: Cell::new(None),
            base,
            interrupted: RefCell::new(Some(Arc::default())),
            objects: Cell::new(0),
            #[cfg(feature = "luajit")]
            trace_word: Cell::new(None),
            #[cfg(feature = "luajit")]
            stream: Stream::default(),
            #[cfg(feature = "luajit")]
            int64: Cell::new(None),
        }
    }

    pub(crate) fn is_owner(&self) -> bool {
        self.thread == std::thread::current().id()
    }

    /// Uses the mailbox, if the state is open. `with` must not enter Lua.
    pub(crate) fn mailbox<R>(&self, with: impl FnOnce(&mut Mailbox) -> R) -> Option<R> {
        self.mailbox.borrow_mut().as_mut().map(with)
    }

    /// A C function of ours, with the owner as its upvalue.
    pub(crate) fn push_function(&self, stack: Stack, function: lua::lua_CFunction) {
        stack.push_pointer(std::ptr::from_ref(self).cast_mut().cast());
        stack.push_closure(function, 1);
    }

    pub(crate) fn set_receiver(&self, key: PortKey, receiver: Option<Receiver>) {
        let mut receivers = self.receivers.borrow_mut();
        if receivers.len() <= key.index() {
            receivers.resize_with(key.index() + 1, || None);
        }
        receivers[key.index()] = receiver;
        self.disturb();
    }

    /// What a sleeping owner waits for may be something else now: who runs Lua in its place wakes it.
    pub(crate) fn disturb(&self) {
        self.disturbed.set(true);
    }

    /// Who gets the messages of this port, unless it is closed.
    pub(crate) fn receiver(&self, key: PortKey) -> Option<Receiver> {
        let receiver = self.receivers.borrow().get(key.index()).cloned().flatten()?;
        let theirs = match &receiver {
            Receiver::Port(endpoint) => Some(endpoint.key),
            Receiver::Site(site) => site.key(),
        };
        (theirs == Some(key)).then_some(receiver)
    }

    /// The open port of Lua's with this key.
    pub(crate) fn endpoint(&self, key: PortKey) -> Option<Rc<Endpoint>> {
        match self.receiver(key)? {
            Receiver::Port(endpoint) => Some(endpoint),
            Receiver::Site(_) => None,
        }
    }

    /// Numbers the objects of a state in the order in which they are made.
    pub(crate) fn count_object(&self) -> u64 {
        self.objects.set(self.objects.get() + 1);
        self.objects.get()
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.borrow().as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// The flag that asks the process to end.
    #[cfg(feature = "embed")]
    pub(crate) fn interrupted(&self) -> Arc<AtomicBool> {
        self.interrupted.borrow().clone().unwrap_or_default()
    }

    /// Where ports put their keys when they are gone.
    pub(crate) fn returned(&self) -> Returned {
        self.returned.borrow().clone().unwrap_or_default()
    }

    /// The deadline of the next timer, or now if a handler is ready to go on.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if self.ready.borrow().is_empty() { self.timers.borrow_mut().next_due() } else { Some(Instant::now()) }
    }

    /// Is a message, or an event of the mailbox, all that can give this owner something to do?
    pub(crate) fn waits_for_messages_alone(&self) -> bool {
        let ends = self.stopping.get() || self.is_interrupted() || !self.is_alive();
        let other =
            !self.timers.borrow().is_empty() || !self.ready.borrow().is_empty() || !self.lanes.borrow().is_empty();
        let watched = self.descriptor.borrow().is_some();
        !ends && !other && !watched && !self.has_stopping_sites()
    }

    /// Does anything referenced remain that could still produce a message?
    pub(crate) fn is_alive(&self) -> bool {
        let ports = self.receivers.borrow().iter().flatten().any(|receiver| match receiver {
            Receiver::Port(endpoint) => endpoint.referenced.get(),
            Receiver::Site(_) => true,
        });
        ports || !self.tasks.borrow().is_empty() || !self.timers.borrow().is_empty()
    }

    /// Closes everything and joins every thread, cutting the connections that are left.
    pub(crate) fn close(&self, stack: Stack) {
        for site in self.sites.take() {
            site.abort(self, stack);
        }
        for receiver in self.receivers.take().into_iter().flatten() {
            if let Receiver::Port(endpoint) = receiver {
                if endpoint.is_locked() {
                    self.end_locked();
                }
                endpoint.forget(stack);
                self.mailbox(|mailbox| mailbox.close(endpoint.key));
                lanes::shut(self, &endpoint);
            }
        }
        self.calls.take();
        self.lanes.take();
        for anchor in self.timers.take().anchors() {
            stack.release(anchor);
        }
        for task in self.tasks.take().into_values() {
            stack.release(task.anchor);
        }
        self.ready.take();
        for (_, anchor) in self.idle.take().into_iter().chain(self.lent_threads.take()) {
            stack.release(anchor);
        }
    }
}

unsafe extern "C-unwind" fn collect(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with its own state.
    let stack = unsafe { Stack::new(state) };
    let owner: *const Owner = stack.userdata(1).cast_const().cast();
    // SAFETY: only `Owner::of` gives a userdata this finaliser.
    let owner = unsafe { &*owner };
    capi::remove(owner);
    // Loops of Lua libraries may be finalised already: their adapters are not told.
    owner.forget_attachments();
    owner.close(stack);
    // The mailbox first: from then on nobody is told to watch the descriptor, and who waits for the lock is sent away.
    owner.lock.take();
    drop(owner.mailbox.take());
    owner.descriptor.take();
    // No destructor runs for the rest: finalisers that come later may still call us.
    owner.returned.take();
    owner.interrupted.take();
    owner.incoming.take();
    owner.origin.take();
    owner.visits.take();
    owner.asking.take();
    owner.in_hand.clear();
    owner.scratch.clear();
    owner.tapes.clear();
    owner.answers.clear();
    owner.texts.clear();
    owner.stubs.take();
    0
}

/// How long until then, never negative.
pub(crate) fn until(then: Instant) -> Duration {
    then.saturating_duration_since(Instant::now())
}
