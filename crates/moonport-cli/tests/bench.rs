// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `moonport bench` says where it cannot measure, and what it writes where it can.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn an_unknown_benchmark_is_an_error_that_names_the_known_ones() {
    let output = Command::new(env!("CARGO_BIN_EXE_moonport")).args(["bench", "nonsense"]).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("'nonsense'") && text.contains("ports"), "{text}");
}

#[test]
fn without_a_compiler_it_says_what_it_needs() {
    for name in ["ports", "callbacks", "hosts"] {
        let output = Command::new(env!("CARGO_BIN_EXE_moonport"))
            .args(["bench", name])
            .env("PATH", "/bin-that-is-not-there")
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains("compiles its C parts with cc"), "{text}");
    }
}

/// The rows of a benchmark's only table.
fn rows(benchmark: &Value) -> &Vec<Value> {
    benchmark["tables"][0]["rows"].as_array().expect("a table")
}

#[test]
#[ignore = "takes a minute and needs scripts/build luajit, and the hosts: scripts/test"]
fn every_host_is_measured_attached_and_by_its_timer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = tempfile::tempdir().expect("a folder");
    let (json, html) = (folder.path().join("hosts.json"), folder.path().join("hosts.html"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_moonport"));
    command.args(["bench", "hosts", "--json"]).arg(&json).arg("--html").arg(&html);
    // With either way first.
    command.env("MOONPORT_ROUNDS", "2").current_dir(root);
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));

    let all: Value = serde_json::from_slice(&std::fs::read(&json).expect("JSON")).expect("JSON");
    assert_eq!(all["benchmarks"].as_array().map(Vec::len), Some(1), "{all}");
    let benchmark = &all["benchmarks"][0];
    assert_eq!(benchmark["name"], "hosts");
    let hosts = ["moonport.run", "luv", "cqueues", "copas", "LuaSocket", "GLib (GTK 3)", "SDL 2", "LÖVE", "Neovim"];
    assert_eq!(rows(benchmark).len(), 2 * hosts.len(), "{text}");
    for (host, ways) in hosts.iter().zip(rows(benchmark).chunks(2)) {
        assert_eq!((&ways[0][0], &ways[1][0]), (&Value::from(*host), &Value::from(*host)), "{text}");
        assert_eq!(ways[0][1], "attached");
        let time = |way: usize, column: usize| ways[way][column].as_f64().expect("a number");
        for way in [0, 1] {
            let (median, low, high) = (time(way, 2), time(way, 3), time(way, 4));
            assert!(0.0 < low && low <= median && median <= high, "{host}: {low} {median} {high}");
        }
        // A timer of 10 ms takes 5 ms in the median. It is no timer where it takes a fifth of that.
        assert!(time(0, 2) < time(1, 2) && time(1, 2) > 1000.0, "{text}");
        let wake_ups = |way: usize| ways[way][5].as_str().and_then(|count| count.parse::<u32>().ok());
        assert_eq!(wake_ups(0), Some(0), "{host}, attached, while idle");
        assert!(wake_ups(1).is_some_and(|count| count > 10), "{host}, by its timer, while idle: {text}");
    }
    let goals = benchmark["goals"].as_array().expect("goals");
    assert_eq!(goals.len(), hosts.len() + 1, "{text}");
    assert!(goals.iter().all(|goal| goal["value"].is_number()), "{text}");
    let page = std::fs::read_to_string(&html).expect("HTML");
    assert!(hosts.iter().all(|host| page.contains(host)), "{page}");
}
