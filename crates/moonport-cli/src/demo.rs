// SPDX-License-Identifier: MIT OR Apache-2.0
//! The demo: its Lua program and page, carried inside the executable.

use std::process::ExitCode;

use include_dir::{Dir, include_dir};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../examples/demo");

pub(crate) fn run(address: &str, tls: bool) -> ExitCode {
    crate::files::with(&FILES, |folder| {
        let page = folder.join("page").to_string_lossy().into_owned();
        let mut arguments = vec![address.to_owned(), page];
        if tls {
            arguments.push("tls".to_owned());
        }
        crate::script::run(&folder.join("main.lua"), &arguments)
    })
}
