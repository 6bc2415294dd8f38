// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page of `moonport bench`, with numbers that nobody measured.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/suite")
}

/// What a script prints that finds the suite's modules.
fn run(script: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("main.lua");
    std::fs::write(&file, script).expect("a script");
    let output = Command::new(env!("CARGO_BIN_EXE_moonport"))
        .arg("run")
        .arg(&file)
        .arg(suite())
        .env("LUA_PATH", suite().join("?.lua"))
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_page_shows_whatever_was_measured() {
    let page = run(r#"
        local page = require("page")
        local function bars(title, rows, more)
          local part = { title = title, columns = { "on", "who", "µs", "spread" }, rows = rows, bar = 3 }
          for name, value in pairs(more or {}) do
            part[name] = value
          end
          return part
        end
        local one = { "1", "one & <only>", 5, { 4, 6 } }
        io.write(page({
          machine = { facts = { { "Processor", "a <fast> one" } } },
          benchmarks = {
            {
              name = "odd",
              title = "Odd numbers",
              charts = {
                { title = "Curves", x = "µs", y = "%", series = { { name = "flat", points = { { 3, 0 }, { 3, 100 } } } } },
                { title = "None", x = "µs", y = "%", series = {} },
              },
              tables = {
                bars("one", { one }),
                bars("zeros", { { "1", "a", 0, { 0, 0 } }, { "1", "b", 0, { 0, 0 } } }),
                bars("zero beside much", { { "1", "a", 0, { 0, 1e7 } }, { "2", "a", 1e7, { 1e-7, 1e7 } } }),
                bars("far apart", { { "1", "a", 1e-7, { 1e-9, 1 } }, { "1", "b", 1e7 } }),
                bars("the same in bars", { { "1", "a", 1e-7 }, { "1", "b", 1e7 } }, { linear = true }),
                bars("who is first", { { "a name that is rather long for what it is", "64", 0.31 } }, { who = 1 }),
                bars("some failed", { one, { "1", "b", "it failed" } }),
                bars("nobody came", {}),
                { title = "texts", columns = { "what" }, rows = { { "words" } } },
              },
              goals = {
                { what = "a goal", value = 1e-9, at = "most", limit = 1 },
                { what = "another", at = "least", limit = 2, missing = "koffi is not here" },
              },
              notes = { "A note." },
              missing = { { name = "koffi", reason = "not installed" } },
            },
          },
        }, (...) .. "/page.html"))
    "#);
    support::check_page(&page, &["odd"]);
    // Not for the empty ones.
    assert_eq!(page.matches("<svg ").count(), 2 * 8);
    for text in [
        "a &lt;fast&gt; one",
        "one &amp; &lt;only&gt;",
        "prefers-color-scheme: dark",
        "koffi: not installed",
        "(logarithmic)",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.contains("4.00 to 6.00") && page.contains("who: 64"));
    // Alone: nothing is loaded from anywhere.
    assert!(!page.contains("src=") && !page.contains("href=") && !page.contains("url("));
}
