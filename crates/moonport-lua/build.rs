// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lists the modules of `lua/moonport` for `built_in.rs`, by name and file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> io::Result<()> {
    let root = Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../lua");
    writeln!(io::stdout(), "cargo::rerun-if-changed={}", root.display())?;
    let mut files = Vec::new();
    find(&root, &mut files)?;
    files.sort();
    let mut list = "&[\n".to_owned();
    for file in files {
        let name = file.strip_prefix(&root).unwrap_or(&file).with_extension("");
        let name = name.to_string_lossy().replace('/', ".");
        list += &format!("(c\"={name}\", include_bytes!({:?})),\n", file.canonicalize()?);
    }
    list += "]\n";
    let made = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("built_in.rs");
    fs::write(made, list)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "lua") {
            files.push(path);
        }
    }
    Ok(())
}
