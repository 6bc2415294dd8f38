// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes: `check`, `decode` and serde_json agree on accepting and on the value; what is read can be written.
//!
//! Differences allowed: depth, which serde_json counts differently.

#![no_main]

use libfuzzer_sys::fuzz_target;
use moonport_codec::json::{self, DEFAULT_DEPTH, ErrorKind};
use serde_json::Value;

#[path = "../../crates/moonport-codec/tests/tree/mod.rs"]
mod tree;

fuzz_target!(|bytes: &[u8]| {
    write(bytes);
    let theirs = serde_json::from_slice::<Value>(bytes);
    match (tree::decode(bytes, DEFAULT_DEPTH), theirs) {
        // Debug, because equality does not tell -0.0 from 0.0.
        (Ok(ours), Ok(theirs)) => assert_eq!(format!("{ours:?}"), format!("{theirs:?}")),
        (Err(error), Err(_)) => assert!(error.offset <= bytes.len()),
        (Err(error), Ok(_)) => assert!(matches!(error.kind, ErrorKind::TooDeep { .. }), "{error}"),
        (Ok(_), Err(error)) => assert!(error.to_string().starts_with("recursion limit"), "{error}"),
    }
});

fn write(bytes: &[u8]) {
    let (mut out, mut unchecked) = (Vec::new(), Vec::new());
    json::write_unchecked(&mut unchecked, bytes);
    assert_eq!(json::is_text(&unchecked), str::from_utf8(bytes).is_ok());
    match json::write_string(&mut out, bytes) {
        Ok(()) => {
            assert_eq!(out, unchecked);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap().as_bytes(), bytes);
        }
        Err(offset) => assert!(out.is_empty() && offset < bytes.len()),
    }
    if let Some(bits) = bytes.first_chunk() {
        let value = f64::from_le_bytes(*bits);
        out.clear();
        if json::write_number(&mut out, value) {
            assert_eq!(serde_json::from_slice::<f64>(&out).unwrap().to_bits(), value.to_bits());
        }
    }
}
