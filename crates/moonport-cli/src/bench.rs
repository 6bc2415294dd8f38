// SPDX-License-Identifier: MIT OR Apache-2.0
//! The benchmarks: Lua and C sources, carried inside the executable, that measure in the LuaJIT that runs them.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use include_dir::{Dir, include_dir};

/// Each is a Lua module of the suite.
pub(crate) const NAMES: [&str; 6] = ["ways", "ports", "callbacks", "hosts", "http", "json"];

static SUITE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../bench/suite");

/// For the C programs of the suite.
static HEADER: &str = include_str!("../../../include/moonport.h");

/// Runs the named benchmarks, or all. `files` are where to write JSON, HTML and the folder of plots, where wanted.
pub(crate) fn run(names: &[String], files: [Option<&Path>; 3]) -> ExitCode {
    let path = |file: Option<&Path>| file.map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
    let mut arguments = files.map(path).to_vec();
    if names.is_empty() {
        arguments.extend(NAMES.map(str::to_owned));
    } else {
        arguments.extend_from_slice(names);
    }
    crate::files::with(&SUITE, |folder| {
        if let Err(error) = std::fs::write(folder.join("moonport.h"), HEADER) {
            drop(writeln!(io::stderr(), "moonport: cannot lay out its files: {error}"));
            return ExitCode::FAILURE;
        }
        crate::script::run(&folder.join("main.lua"), &arguments)
    })
}
