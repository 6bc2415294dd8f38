// SPDX-License-Identifier: MIT OR Apache-2.0
//! What went wrong, told to the program (`moonport.on_error`) or to stderr, and what is open (`moonport.report`).

use std::ffi::{CStr, CString, c_int};
use std::io::Write;

use mlua_sys as lua;

use moonport_core::PortKey;

use crate::function::{Outcome, Result};
use crate::owner::{Owner, Receiver};
use crate::port;
use crate::stack::Stack;
use crate::value;

/// What on_error hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An error in a handler.
    Handler,
    /// Messages of a port are dropped, or no more.
    Overflow,
    /// A datagram that cannot become a message.
    Lane,
    /// An argument of a native call that cannot be.
    Argument,
    /// A result of a callback's handler that does not fit.
    Result,
    /// A callback that had to run at once where that is not safe.
    Unsafe,
    /// A native caller has waited for long.
    Watch,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Overflow => "overflow",
            Self::Lane => "lane",
            Self::Argument => "argument",
            Self::Result => "result",
            Self::Unsafe => "unsafe",
            Self::Watch => "watch",
        }
    }
}

/// `moonport.on_error(handler)`.
pub(crate) fn on_error(owner: &Owner, stack: Stack) -> Result {
    if stack.kind(1) != lua::LUA_TFUNCTION && stack.kind(1) > lua::LUA_TNIL {
        return Err(format!("moonport.on_error: expected a function or nil, got {}", stack.type_name(1)).into());
    }
    let handler = (stack.kind(1) == lua::LUA_TFUNCTION).then(|| {
        stack.copy(1);
        stack.anchor()
    });
    if let Some(before) = owner.on_error.replace(handler) {
        stack.release(before);
    }
    Ok(Outcome::Values(0))
}

/// The handler on `thread` raised the error on top of its stack: tells it with a traceback of that thread.
pub(crate) fn handler_failed(owner: &Owner, stack: Stack, thread: Stack, name: Option<&str>) -> String {
    let (message, traceback) = failure_of(owner, stack, thread);
    tell(owner, stack, Kind::Handler, name, &message, Some(&traceback));
    traceback
}

/// The error on top of a thread that has raised it, and the same with a traceback of that thread.
pub(crate) fn failure_of(owner: &Owner, stack: Stack, thread: Stack) -> (String, String) {
    let message = describe(thread, -1);
    let first_line = first_line(&message);
    let mut traced = None;
    let pushed = owner.protect(stack, 0, &mut |stack| {
        traced = Some(traceback(stack, thread, &first_line));
        0
    });
    stack.pop(c_int::from(pushed.is_err()));
    let traceback = traced.unwrap_or_else(|| message.clone());
    (message, traceback)
}

/// A message of the port `name` could not be shown to its handler; the error is on top of the stack, and is popped.
pub(crate) fn not_delivered(owner: &Owner, stack: Stack, name: Option<&str>) -> String {
    let message = format!("a message is lost: {}", describe(stack, -1));
    stack.pop(1);
    tell(owner, stack, Kind::Handler, name, &message, None);
    message
}

/// An error value in words, without calling anything of its own.
pub(crate) fn describe(stack: Stack, index: i32) -> String {
    if let Some(bytes) = stack.bytes(index) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    if let Some(number) = stack.number(index) {
        return value::number_text(number);
    }
    format!("(error object is a {} value)", stack.type_name(index))
}

/// A message as a traceback begins with it.
pub(crate) fn first_line(message: &str) -> CString {
    CString::new(message.replace('\0', "\\0")).unwrap_or_default()
}

/// The message, and where each function of `thread` stood. May raise.
pub(crate) fn traceback(stack: Stack, thread: Stack, message: &CStr) -> String {
    if !stack.reserve(16) {
        return message.to_string_lossy().into_owned();
    }
    stack.push_traceback(thread, message);
    let text = describe(stack, -1);
    stack.pop(1);
    text
}

/// Calls on_error's handler, or writes to stderr. Raises nothing.
pub(crate) fn tell(
    owner: &Owner,
    stack: Stack,
    kind: Kind,
    name: Option<&str>,
    message: &str,
    traceback: Option<&str>,
) {
    let Some(handler) = owner.on_error.get().filter(|_| stack.reserve(8)) else {
        return print(name, traceback.unwrap_or(message));
    };
    let told = owner.protect(stack, 0, &mut |stack| {
        stack.push_anchored(handler);
        stack.push_str(message);
        stack.new_table(0, 3);
        stack.push_str(kind.name());
        stack.set_field(-2, "kind");
        if let Some(name) = name {
            stack.push_str(name);
            stack.set_field(-2, "name");
        }
        if let Some(traceback) = traceback {
            stack.push_str(traceback);
            stack.set_field(-2, "traceback");
        }
        stack.call(2, 0);
        0
    });
    if told.is_err() {
        print(name, traceback.unwrap_or(message));
        print(Some("the handler of moonport.on_error"), &describe(stack, -1));
        stack.pop(1);
    }
}

pub(crate) fn print(name: Option<&str>, message: &str) {
    let line = match name {
        Some(name) => format!("moonport: {name}: {message}\n"),
        None => format!("moonport: {message}\n"),
    };
    // A closed stderr leaves nobody to tell.
    drop(std::io::stderr().write_all(line.as_bytes()));
}

/// The name of a system's error in the Lua contract, such as "EMFILE".
#[cfg(windows)]
pub(crate) fn errno_name(error: &std::io::Error) -> &'static str {
    use windows_sys::Win32::Networking::WinSock::{WSAEMFILE, WSAENOBUFS};
    match (error.raw_os_error(), error.kind()) {
        (Some(WSAEMFILE), _) => "EMFILE",
        (Some(WSAENOBUFS), _) | (_, std::io::ErrorKind::OutOfMemory) => "no_memory",
        (_, std::io::ErrorKind::PermissionDenied) => "EACCES",
        _ => "unsupported",
    }
}

/// The name of a system's error in the Lua contract, such as "EMFILE".
#[cfg(unix)]
pub(crate) fn errno_name(error: &std::io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EMFILE) => "EMFILE",
        Some(libc::ENFILE) => "ENFILE",
        Some(libc::ENOMEM | libc::ENOBUFS) => "no_memory",
        Some(libc::EACCES) => "EACCES",
        _ => "unsupported",
    }
}

/// Something that is open.
struct Open {
    serial_number: u64,
    kind: &'static str,
    name: Option<String>,
    created: String,
    key: Option<PortKey>,
    referenced: bool,
}

/// All that is open, in the order in which it was made, timers last.
fn all_open(owner: &Owner) -> Vec<Open> {
    let of = |receiver: &Receiver| match receiver {
        Receiver::Port(endpoint) => Open {
            serial_number: endpoint.serial_number,
            kind: if endpoint.callback.get().is_some() { "callback" } else { "port" },
            name: endpoint.name.clone(),
            created: endpoint.created.clone(),
            key: Some(endpoint.key),
            referenced: endpoint.referenced.get(),
        },
        Receiver::Site(site) => Open {
            serial_number: site.serial_number,
            kind: "server",
            name: None,
            created: site.created.clone(),
            key: site.key(),
            referenced: true,
        },
    };
    let mut open: Vec<_> = owner.receivers.borrow().iter().flatten().map(of).collect();
    open.sort_by_key(|entry| entry.serial_number);
    let timer = |created: &str| Open {
        serial_number: u64::MAX,
        kind: "timer",
        name: None,
        created: created.to_owned(),
        key: None,
        referenced: true,
    };
    open.extend(owner.timers.borrow().calls().map(|(_, created)| timer(created)));
    open
}

/// So much is said of what keeps a loop running.
const SAID: usize = 8;

/// What keeps `moonport.run()` running, in words for somebody who has interrupted it.
pub(crate) fn kept_by(owner: &Owner) -> String {
    let open: Vec<_> = all_open(owner).into_iter().filter(|open| open.referenced).collect();
    let mut all: Vec<_> = open
        .iter()
        .take(SAID)
        .map(|Open { kind, name, created, .. }| match name {
            Some(name) => format!("{kind} {name:?} ({created})"),
            None => format!("{kind} ({created})"),
        })
        .collect();
    if open.len() > SAID {
        all.push(format!("{} more", open.len() - SAID));
    }
    match owner.tasks.borrow().len() {
        0 => {}
        1 => all.push("a function that waits".to_owned()),
        count => all.push(format!("{count} functions that wait")),
    }
    if all.is_empty() {
        return "moonport.run was kept by nothing".to_owned();
    }
    format!("moonport.run was kept by: {}", all.join(", "))
}

/// `moonport.report()`.
pub(crate) fn report(owner: &Owner, stack: Stack) -> Result {
    let open = all_open(owner);
    let pushed = owner.protect(stack, 0, &mut |stack| {
        stack.new_table(0, 0);
        for (at, Open { kind, name, created, key, .. }) in open.iter().enumerate() {
            stack.new_table(0, 4);
            stack.push_str(kind);
            stack.set_field(-2, "kind");
            if let Some(name) = name {
                stack.push_str(name);
                stack.set_field(-2, "name");
            }
            stack.push_str(created);
            stack.set_field(-2, "created");
            match key.and_then(|key| owner.mailbox(|mailbox| mailbox.stats(key)).flatten()) {
                Some(stats) => port::push_stats(stack, &stats),
                None => stack.new_table(0, 0),
            }
            stack.set_field(-2, "stats");
            stack.raw_set_at(-2, lua::lua_Integer::try_from(at + 1).unwrap_or(lua::lua_Integer::MAX));
        }
        1
    });
    Ok(if pushed.is_ok() { Outcome::Values(1) } else { Outcome::Raise })
}
