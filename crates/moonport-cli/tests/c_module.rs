// SPDX-License-Identifier: MIT OR Apache-2.0
//! A script requires a C module, which finds the Lua C API in the executable.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

fn moonport(script: &Path, argument: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moonport"));
    command.arg("run").arg(script).arg(argument);
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_c_module_finds_the_lua_api_in_the_executable() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c_module");
    let folder = tempfile::tempdir().expect("a folder");
    let compiled = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
        .arg(folder.path().join("probe.so"))
        .arg(sources.join("probe.c"))
        .output()
        .expect("a C compiler");
    assert!(compiled.status.success(), "{}", text(&compiled));
    let ran = moonport(&sources.join("probe.lua"), folder.path())
        .env_remove("LUA_PATH")
        .env_remove("LUA_CPATH")
        .output()
        .expect("it runs");
    assert!(ran.status.success(), "{}", text(&ran));
    assert_eq!(text(&ran), "the module says ok ok ok \n");
}

#[test]
fn a_path_without_the_standard_places_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("paths.lua");
    std::fs::write(&script, "io.write(package.path, ' ', package.cpath)").expect("written");
    let ran = moonport(&script, folder.path())
        .env("LUA_PATH", "/here/?.lua")
        .env("LUA_CPATH", "/here/?.so")
        .output()
        .expect("it runs");
    assert_eq!(text(&ran), "/here/?.lua /here/?.so");
}
