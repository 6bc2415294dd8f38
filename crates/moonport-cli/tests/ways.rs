// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport bench ways ports callbacks`: what is measured, the page and the plots.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::process::Command;

use serde_json::Value;

#[test]
#[ignore = "takes two minutes and needs GLib, luv and libuv's headers: scripts/test"]
fn ways_ports_and_callbacks_are_measured_and_drawn() {
    let folder = tempfile::tempdir().expect("a folder");
    let (json, html) = (folder.path().join("all.json"), folder.path().join("all.html"));
    let plots = folder.path().join("new/plots");
    let mut command = Command::new(env!("CARGO_BIN_EXE_moonport"));
    command.args(["bench", "ways", "ports", "callbacks", "--json"]).arg(&json).arg("--html").arg(&html);
    command.arg("--plots").arg(&plots).env("MOONPORT_ROUNDS", "1");
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    // It is no terminal.
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));

    let all: Value = serde_json::from_slice(&std::fs::read(&json).expect("JSON")).expect("JSON");
    check_ways(&all["benchmarks"][0], &text);
    let page = std::fs::read_to_string(&html).expect("HTML");
    support::check_page(&page, &["ways", "ports", "callbacks"]);
    assert!(page.contains("MOONPORT_ROUNDS=1 moonport bench ways ports callbacks --html FILE"), "{page}");
    for name in [
        "ways-distribution",
        "ways-delay",
        "ways-held",
        "ways-throughput",
        "ways-cpu",
        "ways-idle",
        "ports-1",
        "callbacks-1",
    ] {
        let picture = std::fs::read_to_string(plots.join(format!("{name}.svg"))).expect("a picture");
        support::check_picture(&picture);
        assert!(picture.contains("prefers-color-scheme: dark"), "{picture}");
    }
}

const WAYS: [&str; 5] = ["queue", "lock", "lock by hand", "polling step", "polling a ring"];

fn rows(benchmark: &Value, table: usize) -> Vec<&Vec<Value>> {
    let rows = benchmark["tables"][table]["rows"].as_array().expect("a table");
    rows.iter().map(|row| row.as_array().expect("a row")).collect()
}

fn check_ways(benchmark: &Value, text: &str) {
    let value = |cell: &Value| cell.as_f64().expect("a number");
    for table in [0, 1, 4] {
        assert_eq!(rows(benchmark, table).iter().map(|row| &row[0]).collect::<Vec<_>>(), WAYS, "{text}");
    }
    let delays = rows(benchmark, 0);
    for (way, row) in delays.iter().enumerate() {
        let (median, high) = (value(&row[1]), value(&row[3]));
        assert!(0.0 < median && median <= high, "{row:?}");
        // A timer of 10 ms takes 5 ms in the median. It is no timer where it takes a fifth of that.
        assert_eq!(median > 1000.0, way > 2, "{text}");
    }
    for (table, threads) in [(2, ["1 thread", "4 threads"]), (3, ["1 thread", "4 threads"])] {
        let floods = rows(benchmark, table);
        let expected = threads.iter().flat_map(|threads| WAYS.iter().map(move |way| (*threads, *way)));
        assert_eq!(floods.len(), 2 * WAYS.len(), "{text}");
        for (row, (threads, way)) in floods.iter().zip(expected) {
            assert!(row[0] == threads && row[1] == way && value(&row[2]) > 0.0, "{row:?}");
        }
    }
    for (way, row) in rows(benchmark, 4).iter().enumerate() {
        let wake_ups: u32 = row[3].as_str().and_then(|count| count.parse().ok()).expect("a count");
        assert!(if way > 2 { wake_ups > 10 } else { wake_ups == 0 }, "{text}");
    }
    let ends = rows(benchmark, 5);
    let runs: u32 = ends.iter().filter_map(|row| row[1].as_str()?.parse::<u32>().ok()).sum();
    assert_eq!(runs, 20, "{text}");
    let goals = benchmark["goals"].as_array().expect("goals");
    assert!(goals.len() == 4 && goals.iter().all(|goal| goal["value"].is_number()), "{text}");
    assert_eq!(benchmark["charts"][0]["series"].as_array().map(Vec::len), Some(WAYS.len()), "{text}");
}
