// SPDX-License-Identifier: MIT OR Apache-2.0
//! The native loops of this system that `moonport.attach` takes by itself: GLib's and SDL's, where they are loaded.

use std::rc::Rc;

#[cfg(target_vendor = "apple")]
use super::cocoa;
use super::{glib, sdl};
use crate::attach::{self, FUNCTION};
use crate::dispatch::Budget;
use crate::function::{Outcome, Result, fail};
use crate::object;
use crate::owner::Owner;
use crate::report;
use crate::stack::Stack;

/// A loop that was taken.
pub(crate) enum Taken {
    Glib(glib::Taken),
    #[cfg(target_vendor = "apple")]
    Cocoa(cocoa::Taken),
    /// The state's [`sdl::Waker`], which all its attachments to SDL share.
    Sdl,
}

/// What a program's loop is that has not named it.
pub(crate) fn found() -> Option<&'static str> {
    #[cfg(target_vendor = "apple")]
    if cocoa::is_loaded() {
        return Some("cocoa");
    }
    glib::is_loaded().then_some("glib").or_else(|| sdl::is_loaded().then_some("sdl"))
}

/// `moonport.attach(name)`.
pub(crate) fn attach(owner: &Owner, stack: Stack, name: &str, budget: Budget) -> Result {
    match name {
        "glib" | "gtk" | "wx" => Ok(attach_glib(owner, stack, budget)),
        #[cfg(target_vendor = "apple")]
        "cocoa" => Ok(attach_cocoa(owner, stack, budget)),
        "sdl" => Ok(attach_sdl(owner, stack, budget)),
        _ => Ok(fail(stack, &format!("{FUNCTION}: {name} is not a host of this system"), "unsupported")),
    }
}

fn attach_glib(owner: &Owner, stack: Stack, budget: Budget) -> Outcome {
    if glib::is_loaded() {
        owner.watch_traces(stack);
    }
    let place = object::reserve(owner, stack);
    match glib::take(owner, budget) {
        Ok(taken) => attach::attached(owner, place, "glib", budget, Taken::Glib(taken)),
        Err(refused) => glib_refused(stack, &refused),
    }
}

fn glib_refused(stack: Stack, refused: &glib::Refused) -> Outcome {
    let (why, name) = match refused {
        glib::Refused::NotLoaded => ("GLib is not loaded in this process".to_owned(), "not_found"),
        glib::Refused::OtherThread => ("another thread runs GLib's default main context".to_owned(), "wrong_thread"),
        glib::Refused::NoDescriptor(error) => (format!("no descriptor: {error}"), report::errno_name(error)),
    };
    fail(stack, &format!("{FUNCTION}: glib: {why}"), name)
}

#[cfg(target_vendor = "apple")]
fn attach_cocoa(owner: &Owner, stack: Stack, budget: Budget) -> Outcome {
    owner.watch_traces(stack);
    let place = object::reserve(owner, stack);
    match cocoa::take(owner, budget) {
        Ok(taken) => attach::attached(owner, place, "cocoa", budget, Taken::Cocoa(taken)),
        Err(refused) => cocoa_refused(stack, &refused),
    }
}

#[cfg(target_vendor = "apple")]
fn cocoa_refused(stack: Stack, refused: &cocoa::Refused) -> Outcome {
    let (why, name) = match refused {
        cocoa::Refused::NotLoaded => ("Core Foundation is not loaded in this process".to_owned(), "not_found"),
        cocoa::Refused::NoMemory => ("Core Foundation has no memory".to_owned(), "no_memory"),
        cocoa::Refused::NoDescriptor(error) => (format!("no descriptor: {error}"), report::errno_name(error)),
    };
    fail(stack, &format!("{FUNCTION}: cocoa: {why}"), name)
}

fn attach_sdl(owner: &Owner, stack: Stack, budget: Budget) -> Outcome {
    let place = object::reserve(owner, stack);
    let is_first = owner.waker.borrow().is_none();
    if is_first {
        match sdl::take(owner) {
            Ok(waker) => drop(owner.waker.replace(Some(Rc::new(waker)))),
            Err(refused) => return sdl_refused(stack, &refused),
        }
    }
    attach::attached(owner, place, "sdl", budget, Taken::Sdl)
}

fn sdl_refused(stack: Stack, refused: &sdl::Refused) -> Outcome {
    let (why, name) = match refused {
        sdl::Refused::NotLoaded => ("SDL 2 is not loaded in this process".to_owned(), "not_found"),
        sdl::Refused::NoKind => ("SDL has no type left for events".to_owned(), "unsupported"),
        sdl::Refused::System(error) => (error.to_string(), report::errno_name(error)),
    };
    fail(stack, &format!("{FUNCTION}: sdl: {why}"), name)
}

impl Taken {
    /// Its attachment is over, and not among the owner's any more.
    pub(crate) fn end(self, owner: &Owner) {
        match self {
            Self::Glib(taken) => taken.end(),
            #[cfg(target_vendor = "apple")]
            Self::Cocoa(taken) => taken.end(),
            Self::Sdl if owner.has_native(|taken| matches!(taken, Self::Sdl)) => {}
            Self::Sdl => {
                let waker = owner.waker.take();
                if let Some(waker) = waker {
                    waker.end();
                }
            }
        }
    }
}
