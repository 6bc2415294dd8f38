// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the test table stands on: a client that sends any bytes, and a real server with an owner behind it.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

pub(crate) mod client;
pub(crate) mod fixture;
pub(crate) mod row;
pub(crate) mod rows;

use std::time::{Duration, Instant};

/// How long anything may take before it counts as never coming.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// Looks again and again until `done`; `Err` names what did not come about within [`LIMIT`].
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) -> Result<(), String> {
    let end = Instant::now() + LIMIT;
    while !done() {
        if Instant::now() >= end {
            return Err(format!("{what}: not within {LIMIT:?}"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Bytes as they are shown in a report: escaped, and cut where they are long.
pub(crate) fn show(bytes: &[u8]) -> String {
    let cut = bytes.len().min(300);
    let dots = if cut < bytes.len() { " ..." } else { "" };
    format!("\"{}\"{dots}", bytes[..cut].escape_ascii())
}
