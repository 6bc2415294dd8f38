// SPDX-License-Identifier: MIT OR Apache-2.0
//! The demo: its Lua program and page, carried inside the executable, laid into a temporary folder and run from there.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use include_dir::{Dir, include_dir};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../examples/demo");

pub(crate) fn run(address: &str) -> ExitCode {
    match unpack() {
        Ok(folder) => {
            let page = folder.path().join("page").to_string_lossy().into_owned();
            crate::script::run(&folder.path().join("main.lua"), &[address.to_owned(), page])
        }
        Err(error) => {
            drop(writeln!(io::stderr(), "moonport: cannot lay out the demo's files: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn unpack() -> io::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("moonport-demo-").tempdir()?;
    lay(&FILES, folder.path())?;
    Ok(folder)
}

fn lay(files: &Dir<'_>, folder: &Path) -> io::Result<()> {
    for file in files.files() {
        let Some(name) = file.path().file_name() else { continue };
        std::fs::write(folder.join(name), file.contents())?;
    }
    for inner in files.dirs() {
        let Some(name) = inner.path().file_name() else { continue };
        std::fs::create_dir(folder.join(name))?;
        lay(inner, &folder.join(name))?;
    }
    Ok(())
}
