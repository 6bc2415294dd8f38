// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.attach`: another loop runs the owner's turns. Which loop, the attachment as a Lua object, and a native loop's
//! turn, which lets no error out.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua_sys as lua;

use crate::dispatch::{self, Budget};
use crate::function::{Outcome, Result, c_function, fail};
use crate::host::native;
use crate::object::{self, Class, Object, Place};
use crate::options;
use crate::owner::Owner;
use crate::report::{self, Kind};
use crate::run;
use crate::stack::{Anchor, Stack};

pub(crate) const FUNCTION: &str = "moonport.attach";

/// What may be attached to, by name.
const NAMES: [&str; 12] =
    ["auto", "glib", "gtk", "wx", "windows", "cocoa", "sdl", "love", "luv", "cqueues", "copas", "neovim"];

/// What to do where no loop can be taken.
const OTHERWISE: &str = "watch moonport.descriptor() in the loop and call moonport.step() when it is readable";

/// Why a loop is no place for locked callbacks.
pub(crate) const CANNOT_LEND: &str = "this loop cannot let go of the state's lock while it waits; use moonport.run, moonport.step or GLib, or mode=\"queued\"";

/// Does this loop let go of the lock of the state while it waits?
fn lends(host: &str) -> bool {
    cfg!(unix) && matches!(host, "glib" | "gtk" | "wx")
}

/// One loop that runs the owner's turns.
pub(crate) struct Attached {
    /// Numbers the attachments of a state; never 0.
    pub(crate) id: u64,
    host: &'static str,
    taken: RefCell<Option<Taken>>,
}

enum Taken {
    Native(native::Taken),
    /// An adapter in Lua: its function that detaches.
    Lua(Anchor),
}

/// `moonport.Attachment`. Without it the loop stays attached.
pub(crate) struct Attachment {
    attached: Rc<Attached>,
    budget: Budget,
}

static CLASS: Class = Class("moonport.Attachment");

impl Object for Attachment {
    const CLASS: &'static Class = &CLASS;

    fn methods() -> &'static [(&'static str, lua::lua_CFunction)] {
        &[("detach", c_function!(detach)), ("host", c_function!(host))]
    }
}

/// `moonport.attach(host, options)`. The module's table is the second upvalue.
pub(crate) fn attach(owner: &Owner, stack: Stack) -> Result {
    if let Some(failed) = run::wrong_thread(owner, stack, FUNCTION) {
        return Ok(failed);
    }
    stack.set_top(2);
    let budget = read_options(stack)?;
    let name = choose(stack)?;
    owner.renew_if_forked();
    if let Some(name) = name.filter(|name| owner.locked.get() > 0 && !lends(name) && !owner.is_attached_to_glib()) {
        let message = format!("{FUNCTION}: locked callbacks are open, and {CANNOT_LEND} ({name})");
        return Ok(fail(stack, &message, "unsupported"));
    }
    let budget = Budget { attachment: owner.count_object(), ..budget };
    match name {
        Some(name @ ("love" | "luv" | "cqueues" | "copas" | "neovim")) => attach_lua(owner, stack, name, budget),
        Some(name) => native::attach(owner, stack, name, budget),
        None => {
            let names = NAMES.join(", ");
            let message = format!("{FUNCTION}: neither GLib nor SDL is loaded; {OTHERWISE}, or name the host: {names}");
            Ok(fail(stack, &message, "not_found"))
        }
    }
}

/// A native loop has been taken: its attachment as the one result.
pub(crate) fn attached(
    owner: &Owner,
    place: Place<Attachment>,
    host: &'static str,
    budget: Budget,
    taken: native::Taken,
) -> Outcome {
    let taken = RefCell::new(Some(Taken::Native(taken)));
    let attached = Rc::new(Attached { id: budget.attachment, host, taken });
    owner.attachments.borrow_mut().push(Rc::clone(&attached));
    place.fill(Attachment { attached, budget });
    Outcome::Values(1)
}

fn read_options(stack: Stack) -> Result<Budget> {
    let mut budget = Budget::default();
    options::read(stack, 2, FUNCTION, |key, value| {
        match key {
            "budget" => budget.time = value.seconds()?,
            "max_messages" => budget.messages = u32::try_from(value.count()?).unwrap_or(u32::MAX),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(budget)
}

/// The host that is wanted; `None`: none is there. Leaves the function that starts adapters on top of the stack.
fn choose(stack: Stack) -> Result<Option<&'static str>> {
    let code = include_str!("host/choose.lua");
    // SAFETY: the code lives through the call.
    let loaded =
        unsafe { lua::luaL_loadbuffer(stack.state(), code.as_ptr().cast(), code.len(), c"=moonport.attach".as_ptr()) };
    if loaded != lua::LUA_OK {
        return Err(report::describe(stack, -1).into());
    }
    stack.call(0, 3);
    let (embedder, host_of) = (stack.top() - 2, stack.top() - 1);
    let name = match stack.kind(1) {
        lua::LUA_TSTRING => named(stack, 1)?,
        lua::LUA_TNIL => "auto",
        _ => {
            stack.copy(host_of);
            stack.copy(1);
            stack.call(1, 1);
            let name = stack.text(-1).and_then(known);
            stack.pop(1);
            name.ok_or_else(|| {
                let kind = stack.type_name(1);
                format!("{FUNCTION}: this {kind} is no host that is known; pass a name: {}", NAMES.join(", "))
            })?
        }
    };
    if name != "auto" {
        return Ok(Some(name));
    }
    stack.copy(embedder);
    stack.call(0, 1);
    let name = stack.text(-1).and_then(known);
    stack.pop(1);
    Ok(name.or_else(native::found))
}

fn known(name: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|known| *known == name)
}

fn named(stack: Stack, index: i32) -> Result<&'static str> {
    stack.text(index).and_then(known).ok_or_else(|| {
        let name = String::from_utf8_lossy(stack.bytes(index).unwrap_or_default());
        format!("{FUNCTION}: unknown host {name:?}; known are {}", NAMES.join(", ")).into()
    })
}

/// An adapter in Lua gets the module, the object, a function that runs one turn, and one that tells whether anything keeps
/// `moonport.run` running.
fn attach_lua(owner: &Owner, stack: Stack, host: &'static str, budget: Budget) -> Result {
    let start = stack.top();
    let place = object::reserve(owner, stack);
    place.fill(Attachment {
        attached: Rc::new(Attached { id: budget.attachment, host, taken: RefCell::default() }),
        budget,
    });
    let object = stack.top();
    stack.copy(start);
    stack.push_str(host);
    stack.copy(lua::lua_upvalueindex(2));
    if stack.kind(1) == lua::LUA_TSTRING || stack.kind(1) == lua::LUA_TNIL {
        stack.push_nil();
    } else {
        stack.copy(1);
    }
    stack.push_pointer(std::ptr::from_ref(owner).cast_mut().cast());
    stack.copy(object);
    stack.push_closure(c_function!(step), 2);
    owner.push_function(stack, c_function!(referenced));
    stack.call(5, 3);
    if stack.kind(-3) == lua::LUA_TNIL {
        return Ok(Outcome::Values(3));
    }
    stack.set_top(object + 1);
    let anchor = stack.anchor();
    let attached = &object::check::<Attachment>(stack, object, FUNCTION)?.attached;
    attached.taken.replace(Some(Taken::Lua(anchor)));
    owner.attachments.borrow_mut().push(Rc::clone(attached));
    Ok(Outcome::Values(1))
}

/// What an adapter calls: one turn. The attachment is the second upvalue.
fn step(owner: &Owner, stack: Stack) -> Result {
    if let Some(failed) = run::wrong_thread(owner, stack, "the step of moonport.attach") {
        return Ok(failed);
    }
    let attachment = object::check::<Attachment>(stack, lua::lua_upvalueindex(2), FUNCTION)?;
    let budget = attachment.budget;
    let delivered =
        if owner.is_attached(budget.attachment) { dispatch::turn_for_host(owner, stack, budget) } else { 0 };
    stack.push_integer(delivered.into());
    Ok(Outcome::Values(1))
}

/// What an adapter asks, for loops that end when nothing is left.
fn referenced(owner: &Owner, stack: Stack) -> Result {
    stack.push_boolean(owner.is_alive());
    Ok(Outcome::Values(1))
}

/// `attachment:detach()`.
fn detach(owner: &Owner, stack: Stack) -> Result {
    if let Some(failed) = run::wrong_thread(owner, stack, "attachment:detach") {
        return Ok(failed);
    }
    let attached = &object::check::<Attachment>(stack, 1, "attachment:detach")?.attached;
    let taken = attached.taken.take();
    let id = attached.id;
    owner.attachments.borrow_mut().retain(|other| other.id != id);
    owner.round.borrow_mut().end_if_detached(owner);
    match taken {
        Some(Taken::Native(taken)) => taken.end(owner),
        Some(Taken::Lua(anchor)) => {
            stack.push_anchored(anchor);
            stack.release(anchor);
            stack.call(0, 0);
        }
        None => {}
    }
    Ok(Outcome::Values(0))
}

/// `attachment:host()`.
fn host(_: &Owner, stack: Stack) -> Result {
    let host = object::check::<Attachment>(stack, 1, "attachment:host")?.attached.host;
    stack.push_str(host);
    Ok(Outcome::Values(1))
}

/// How a turn for a native loop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Run,
    /// Lua cannot be entered now.
    Refused,
}

/// What a native loop calls, on the owner's thread. Raises nothing.
pub(crate) fn turn(owner: &Owner, budget: Budget) -> Turn {
    let stack = owner.base();
    if !dispatch::may_enter_from_c(owner, stack) {
        turn_refused(owner);
        return Turn::Refused;
    }
    if !stack.reserve(16) {
        return Turn::Run;
    }
    if let Refusals::Since(_) = owner.refusals.get() {
        owner.refusals.set(Refusals::Told);
        report::tell(owner, stack, Kind::Unsafe, None, COMPILED, None);
    }
    let ended = owner.protect(stack, 0, &mut |stack| {
        dispatch::turn_for_host(owner, stack, budget);
        0
    });
    if ended.is_err() {
        dispatch::rest(owner);
        let message = format!("a turn of {FUNCTION} failed: {}", report::describe(stack, -1));
        stack.pop(1);
        report::tell(owner, stack, Kind::Handler, None, &message, None);
    }
    Turn::Run
}

const COMPILED: &str = "moonport.attach: the loop is called by code that LuaJIT has compiled, where Lua cannot be entered; \
     messages wait until that code ends. Call the loop through moonport.call(fn, ...)";

/// So long may on_error's handler be waited for, which cannot be called where a turn is refused.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was said of turns that were refused. It is said once in a state's life.
#[derive(Clone, Copy, Default)]
pub(crate) enum Refusals {
    #[default]
    None,
    Since(Instant),
    Told,
}

/// A turn was refused, or still would be.
pub(crate) fn turn_refused(owner: &Owner) {
    let since = match owner.refusals.get() {
        Refusals::None => Instant::now(),
        Refusals::Since(since) => since,
        Refusals::Told => return,
    };
    owner.refusals.set(Refusals::Since(since));
    if owner.on_error.get().is_none() || since.elapsed() > PATIENCE {
        owner.refusals.set(Refusals::Told);
        report::print(None, COMPILED);
    }
}

impl Owner {
    /// Is one of its loops one that lets go of the lock while it waits, or has it none but its own?
    pub(crate) fn lends_in_loop(&self) -> bool {
        let attachments = self.attachments.borrow();
        attachments.is_empty() || attachments.iter().any(|attached| lends(attached.host))
    }

    pub(crate) fn is_attached_to_glib(&self) -> bool {
        self.attachments.borrow().iter().any(|attached| attached.host == "glib")
    }

    pub(crate) fn is_attached(&self, id: u64) -> bool {
        self.attachments.borrow().iter().any(|attached| attached.id == id)
    }

    /// Was there an attachment of this number, and is it over?
    pub(crate) fn is_detached(&self, id: u64) -> bool {
        id != 0 && !self.is_attached(id)
    }

    /// Lets go of all loops while the state lives on.
    pub(crate) fn detach_all(&self, stack: Stack) {
        for adapter in self.forget_attachments() {
            stack.push_anchored(adapter);
            stack.release(adapter);
            if stack.call_protected(0, 0) != lua::LUA_OK {
                let message = format!("detaching failed: {}", report::describe(stack, -1));
                stack.pop(1);
                report::tell(self, stack, Kind::Handler, None, &message, None);
            }
        }
    }

    /// Does any attachment but the adapters in Lua satisfy this?
    #[cfg(unix)]
    pub(crate) fn has_native(&self, wanted: impl Fn(&native::Taken) -> bool) -> bool {
        let fits =
            |attached: &Rc<Attached>| matches!(&*attached.taken.borrow(), Some(Taken::Native(taken)) if wanted(taken));
        self.attachments.borrow().iter().any(fits)
    }

    /// Lets go of the native loops; gives what adapters in Lua would have to be told.
    pub(crate) fn forget_attachments(&self) -> Vec<Anchor> {
        let mut adapters = Vec::new();
        for attached in self.attachments.take() {
            match attached.taken.take() {
                Some(Taken::Native(taken)) => taken.end(self),
                Some(Taken::Lua(anchor)) => adapters.push(anchor),
                None => {}
            }
        }
        self.round.borrow_mut().end_if_detached(self);
        adapters
    }
}
