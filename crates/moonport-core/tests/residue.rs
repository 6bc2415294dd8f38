// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a mailbox leaves behind. Alone in its process, since it looks at the memory of all of it.
#![cfg(all(target_os = "linux", not(loom), not(miri)))]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use moonport_core::{Mailbox, Payload, PortOptions, SendError};

#[test]
fn ten_thousand_mailboxes_leave_nothing_behind() {
    fn resident() -> u64 {
        let pages = std::fs::read_to_string("/proc/self/statm").expect("procfs");
        pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number")
    }
    let use_one = || {
        let mut mailbox = Mailbox::new().expect("a mailbox");
        let port = mailbox.open(PortOptions::default()).expect("a port");
        mailbox.listen(port, true);
        let sender = mailbox.sender(port).expect("open");
        for _ in 0..10 {
            sender.send(Payload::raw(&[0; 500]), 0).expect("room");
        }
        assert!(mailbox.next().is_some());
        drop(mailbox);
        assert_eq!(sender.send(Payload::raw(b""), 0), Err(SendError::Closed));
    };
    (0..1000).for_each(|_| use_one());
    let before = resident();
    (0..10_000).for_each(|_| use_one());
    let grown = resident().saturating_sub(before);
    assert!(grown < 256, "{grown} pages more");
}
