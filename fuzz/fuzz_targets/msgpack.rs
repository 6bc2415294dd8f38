// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes: `check`, `decode` and rmpv agree on accepting and on the value, except for what we refuse on purpose; what
//! is read is written as rmpv writes it, and reads back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use moonport_codec::msgpack;

#[path = "../../crates/moonport-codec/tests/rmpv_tree/mod.rs"]
mod rmpv_tree;

fuzz_target!(|bytes: &[u8]| {
    rmpv_tree::agree(bytes);
    write(bytes);
});

/// A string is text if it can be; both readers see the same bytes in it.
fn write(bytes: &[u8]) {
    let mut out = Vec::new();
    assert!(msgpack::write_string(&mut out, bytes));
    let theirs = rmpv::decode::read_value(&mut out.as_slice()).expect("a string");
    assert_eq!(theirs.as_slice(), Some(bytes));
    assert_eq!(theirs.is_str(), str::from_utf8(bytes).is_ok());
    assert!(rmpv_tree::agree(&out));
}
