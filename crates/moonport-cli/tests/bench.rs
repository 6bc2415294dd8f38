// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `moonport bench` says where it cannot measure.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::process::Command;

#[test]
fn an_unknown_benchmark_is_an_error_that_names_the_known_ones() {
    let output = Command::new(env!("CARGO_BIN_EXE_moonport")).args(["bench", "nonsense"]).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("'nonsense'") && text.contains("ports"), "{text}");
}

#[test]
fn without_a_compiler_it_says_what_it_needs() {
    let output = Command::new(env!("CARGO_BIN_EXE_moonport"))
        .args(["bench", "ports"])
        .env("PATH", "/bin-that-is-not-there")
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("compiles its C parts with cc"), "{text}");
}
