// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the mailbox tells beside its messages: overflow, ports closed by other threads, answers that have come.

use moonport_core::{Event, PortKey};

use crate::call;
use crate::lanes;
use crate::owner::Owner;
use crate::port;
use crate::report::{self, Kind};
use crate::stack::Stack;

/// Handles all events; gives how many tasks went on.
pub(crate) fn handle_all(owner: &Owner, stack: Stack) -> u32 {
    let mut went_on = 0;
    let mut look = false;
    while let Some(event) = owner.mailbox(|mailbox| mailbox.event()).flatten() {
        match event {
            Event::Overflow { port } => overflow(owner, stack, port, "full: messages are dropped from now on"),
            Event::Recovered { port, dropped } => {
                let plural = if dropped == 1 { "message was" } else { "messages were" };
                overflow(owner, stack, port, &format!("{dropped} {plural} dropped"));
            }
            Event::Closed { port } => {
                if let Some(endpoint) = owner.endpoint(port) {
                    port::closed(owner, stack, &endpoint);
                }
            }
            Event::Watch(line) => report::tell(owner, stack, Kind::Watch, None, &line, None),
            Event::Notified(call::NOBODY) => look = true,
            Event::Notified(call) => went_on += u32::from(call::notified(owner, stack, call)),
            _ => {}
        }
    }
    if look {
        // A lane has something, which may have come after this turn has looked, and is told once. After the loop: who floods a
        // lane tells again and again.
        lanes::pump_all(owner, stack);
    }
    went_on
}

fn overflow(owner: &Owner, stack: Stack, port: PortKey, what: &str) {
    if let Some(endpoint) = owner.endpoint(port) {
        report::tell(owner, stack, Kind::Overflow, endpoint.name.as_deref(), &endpoint.describe(what), None);
    }
}
