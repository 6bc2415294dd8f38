// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `moonport bench` says where it cannot measure, and what it writes where it can.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

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
    for name in ["ways", "ports", "callbacks", "hosts", "http"] {
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
    support::check_page(&page, &["hosts"]);
    assert!(hosts.iter().all(|host| page.contains(host)), "{page}");
}

#[test]
#[ignore = "takes half a minute and needs node, luv, lua-http and lua-cjson: scripts/test"]
fn servers_are_measured_and_those_that_are_missing_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (json, html) = (folder.path().join("http.json"), folder.path().join("http.html"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_moonport"));
    command.args(["bench", "http", "--json"]).arg(&json).arg("--html").arg(&html);
    // Nothing of what bench/peers/setup would have installed.
    command.env("MOONPORT_ROUNDS", "1").env("MOONPORT_PEERS", folder.path());
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));

    let all: Value = serde_json::from_slice(&std::fs::read(&json).expect("JSON")).expect("JSON");
    let benchmark = &all["benchmarks"][0];
    let tables = benchmark["tables"].as_array().expect("tables");
    let http = ["moonport", "Node", "lua-http", "luv, by hand"];
    let kinds = ["GET, 12 bytes", "POST, JSON of 200 bytes", "POST, JSON of 64 KiB", "WebSocket echo, 200 bytes"];
    for (at, kind) in kinds.iter().enumerate() {
        assert_eq!(tables[at]["title"], *kind);
        let servers = if at < 3 { &http[..] } else { &["moonport", "lua-http"][..] };
        let rows = tables[at]["rows"].as_array().expect("rows");
        let expected: Vec<_> =
            ["64", "1"].iter().flat_map(|count| servers.iter().map(move |name| (*name, *count))).collect();
        let found: Vec<_> =
            rows.iter().map(|row| (row[0].as_str().expect("a name"), row[1].as_str().expect("a count"))).collect();
        assert_eq!(found, expected, "{kind}: {text}");
        for row in rows {
            let number = |column: usize| row[column].as_f64().expect("a number");
            let (cpu, rate, median, high) = (number(2), number(5), number(6), number(7));
            assert!(cpu > 0.0 && rate > 0.0 && 0.0 < median && median <= high, "{kind}: {row}");
        }
    }
    let goals = benchmark["goals"].as_array().expect("goals");
    assert!(
        goals[1]["value"].is_number() && goals[0]["missing"].as_str().is_some_and(|why| why.contains("setup")),
        "{text}"
    );
    support::check_page(&std::fs::read_to_string(&html).expect("HTML"), &["http"]);
    for missing in ["bare hyper", "bare tungstenite", "nginx + lua", "Bun"] {
        assert!(text.contains(&format!("{missing}: not measured (")), "{missing}: {text}");
    }
}

#[test]
#[ignore = "takes half a minute and needs lua-cjson and lua-dkjson: scripts/test"]
fn every_document_is_decoded_and_encoded_by_every_library() {
    let folder = tempfile::tempdir().expect("a folder");
    let (json, html) = (folder.path().join("json.json"), folder.path().join("json.html"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_moonport"));
    command.args(["bench", "json", "--json"]).arg(&json).arg("--html").arg(&html).env("MOONPORT_ROUNDS", "2");
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));

    let all: Value = serde_json::from_slice(&std::fs::read(&json).expect("JSON")).expect("JSON");
    let benchmark = &all["benchmarks"][0];
    let tables = benchmark["tables"].as_array().expect("tables");
    assert_eq!(tables.len(), 2, "{text}");
    for table in tables {
        let rows = table["rows"].as_array().expect("rows");
        for codec in ["moonport", "lua-cjson", "dkjson"] {
            let its: Vec<&Value> = rows.iter().filter(|row| row[2] == codec).collect();
            assert_eq!(its.len(), 6 * 4, "{codec}: six shapes in four sizes: {text}");
            assert!(its.iter().all(|row| row[3].as_f64().is_some_and(|cpu| cpu > 0.0)), "{text}");
        }
        assert!(rows.iter().filter(|row| row[2] == "lua-cjson").all(|row| row[6] == 1.0), "{text}");
    }
    support::check_page(&std::fs::read_to_string(&html).expect("HTML"), &["json"]);
    let goals = benchmark["goals"].as_array().expect("goals");
    assert_eq!(goals.len(), 2 * 2 * 6, "{text}");
    assert!(goals.iter().all(|goal| goal["value"].is_number()), "{text}");
}
