// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exports the Lua C API from the executable, so that C modules find it when a script requires them.

#![expect(clippy::disallowed_macros, reason = "cargo reads what a build script prints")]

/// What Lua's and LuaJIT's headers declare.
const NAMES: [&str; 4] = ["lua_*", "luaL_*", "luaJIT_*", "luaopen_*"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Windows has import libraries instead, and macOS exports what an executable does not hide.
    let unix = std::env::var_os("CARGO_CFG_UNIX").is_some();
    let apple = std::env::var("CARGO_CFG_TARGET_VENDOR").is_ok_and(|vendor| vendor == "apple");
    if unix && !apple {
        for names in NAMES {
            println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol={names}");
        }
    }
}
