// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that the executable carries, laid into a temporary folder for as long as they are used.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use include_dir::Dir;

/// Runs `use_them` with the folder in which the files lie.
pub(crate) fn with(files: &Dir<'_>, use_them: impl FnOnce(&Path) -> ExitCode) -> ExitCode {
    match unpack(files) {
        Ok(folder) => use_them(folder.path()),
        Err(error) => {
            drop(writeln!(io::stderr(), "moonport: cannot lay out its files: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn unpack(files: &Dir<'_>) -> io::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("moonport-").tempdir()?;
    lay(files, folder.path())?;
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
