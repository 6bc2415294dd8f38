// SPDX-License-Identifier: MIT OR Apache-2.0
//! `port:descriptor`: lanes, whose datagrams the owner moves into its mailbox while the port has room.

use std::rc::Rc;
use std::sync::Arc;

use moonport_core::lane::Lane;
use moonport_core::reply::ReplyTo;
use moonport_core::{Bytes, Payload};

use crate::function::{Outcome, Result, fail};
use crate::object;
use crate::owner::Owner;
use crate::port::{CLOSED, Endpoint, Port};
use crate::report::{self, Kind};
use crate::stack::Stack;

/// Datagrams moved at one time from one lane.
const AT_ONCE: u32 = 64;

/// A lane in use.
pub(crate) struct Opened {
    lane: Arc<Lane>,
    /// Does the owner's set of descriptors have it?
    armed: bool,
}

/// `port:descriptor()`.
pub(crate) fn descriptor(owner: &Owner, stack: Stack) -> Result {
    let endpoint = &object::check::<Port>(stack, 1, "port:descriptor")?.endpoint;
    let number = endpoint.lane.borrow().as_ref().map(|opened| opened.lane.far());
    if let Some(number) = number {
        stack.push_integer(number.into());
        return Ok(Outcome::Values(1));
    }
    if owner.endpoint(endpoint.key).is_none() {
        return Ok(fail(stack, &format!("port:descriptor: {CLOSED}"), "closed"));
    }
    let opened = Lane::new().and_then(|lane| owner.prepare_to_watch().map(|()| lane));
    let lane = match opened {
        Ok(lane) => Arc::new(lane),
        Err(error) => return Ok(fail(stack, &format!("port:descriptor: {error}"), report::errno_name(&error))),
    };
    stack.push_integer(lane.far().into());
    *endpoint.lane.borrow_mut() = Some(Opened { lane, armed: false });
    owner.lanes.borrow_mut().push(Rc::clone(endpoint));
    owner.watch_lanes();
    Ok(Outcome::Values(1))
}

/// The port is closed: its senders get EPIPE from now on, and what they had sent is discarded and counted.
pub(crate) fn shut(owner: &Owner, endpoint: &Endpoint) {
    let Some(opened) = &mut *endpoint.lane.borrow_mut() else { return };
    if opened.armed {
        owner.unwatch(opened.lane.near());
        opened.armed = false;
    }
    endpoint.sender.count_dropped(opened.lane.shut());
    owner.lanes.borrow_mut().retain(|other| other.key != endpoint.key);
}

/// Moves what all lanes hold for ports that are listened to.
pub(crate) fn pump_all(owner: &Owner, stack: Stack) {
    if owner.lanes.borrow().is_empty() {
        return;
    }
    let lanes = owner.lanes.borrow().clone();
    for endpoint in lanes.iter().filter(|endpoint| endpoint.is_wanted()) {
        pump_one(owner, stack, endpoint);
    }
}

/// Moves what this port's lane holds, as long as there is room.
pub(crate) fn pump_one(owner: &Owner, stack: Stack, endpoint: &Endpoint) {
    let lane = endpoint.lane.borrow().as_ref().map(|opened| Arc::clone(&opened.lane));
    let Some(lane) = lane else { return };
    for _ in 0..AT_ONCE {
        let Ok(Some(size)) = lane.peek() else { return };
        if size <= endpoint.sender.capacity_bytes() && endpoint.holds_back(size) {
            return;
        }
        let moved = owner.scratch.with_buffer(|buffer| match lane.receive(buffer) {
            Ok(true) => Some(post(endpoint, &lane, buffer)),
            _ => None,
        });
        match moved {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                endpoint.sender.count_dropped(1);
                let name = endpoint.name.as_deref();
                report::tell(owner, stack, Kind::Lane, name, &endpoint.describe(&error), None);
            }
            None => return,
        }
    }
}

fn post(endpoint: &Endpoint, lane: &Arc<Lane>, bytes: &[u8]) -> std::result::Result<(), String> {
    let encoding = endpoint.key.encoding();
    moonport_capi::check(encoding, bytes)?;
    let bytes = Bytes::try_copy(bytes).ok_or("there is no memory for the message")?;
    let reply = ReplyTo::lane(Arc::clone(lane), encoding);
    let sent = endpoint.sender.ask(Payload::Bytes { encoding, bytes }, 0, reply);
    sent.map(|_| ()).map_err(|error| error.to_string())
}

impl Endpoint {
    /// Does somebody want this port's messages now?
    fn is_wanted(&self) -> bool {
        (self.handler.get().is_some() && !self.busy.get()) || !self.receivers.borrow().is_empty()
    }

    /// Is the port so full that the kernel must hold the lane's senders back? Where the policy discards, it never is.
    fn holds_back(&self, size: usize) -> bool {
        use moonport_core::Overflow;
        matches!(self.sender.overflow(), Overflow::Error | Overflow::Block) && !self.sender.has_room(size)
    }

    /// A message about this port, or callback.
    pub(crate) fn describe(&self, what: &str) -> String {
        let kind = if self.callback.get().is_some() { "callback" } else { "port" };
        match &self.name {
            Some(name) => format!("{kind} {name:?}: {what}"),
            None => format!("{kind} made at {}: {what}", self.created),
        }
    }
}

impl Owner {
    /// Lets the owner's set of descriptors cover just the lanes that could be moved from. Before the owner sleeps.
    pub(crate) fn watch_lanes(&self) {
        for endpoint in &*self.lanes.borrow() {
            let Some(opened) = &mut *endpoint.lane.borrow_mut() else { continue };
            let wanted = endpoint.is_wanted() && !opened.lane.has_ended() && !endpoint.holds_back(0);
            if wanted != opened.armed {
                opened.armed = wanted;
                if wanted { self.watch(opened.lane.near()) } else { self.unwatch(opened.lane.near()) }
            }
        }
    }
}
