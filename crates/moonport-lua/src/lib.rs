// SPDX-License-Identifier: MIT OR Apache-2.0
//! `require "moonport"`: the Lua module, one image for each Lua flavour (feature `luajit`, `lua51` … `lua55`).
//!
//! Built with `module` it is loaded by a Lua that is there already; built with `vendored` it brings LuaJIT along, and
//! [`embed`] runs scripts on it. Modules stand in the order in which a message meets them: the owner's loop, dispatch
//! and its tasks, then the objects that Lua sees.

#[cfg(not(any(
    feature = "luajit",
    feature = "lua51",
    feature = "lua52",
    feature = "lua53",
    feature = "lua54",
    feature = "lua55"
)))]
compile_error!("choose the Lua flavour by a feature: luajit, lua51, lua52, lua53, lua54 or lua55");

mod function;
mod object;
mod options;
mod protect;
mod scratch;
mod stack;

#[cfg(feature = "luajit")]
mod executable;
mod guard;
#[cfg(all(windows, feature = "module"))]
mod host_lua;
#[cfg(not(windows))]
mod pin;
#[cfg(windows)]
#[path = "pin_windows.rs"]
mod pin;
#[cfg(feature = "luajit")]
mod stream;
#[cfg(feature = "luajit")]
mod trace;

mod dispatch;
mod events;
mod fetch;
mod locked;
mod owner;
mod task;

mod attach;
mod host;
mod run;
mod timer;

mod build;
mod crossing;
mod int64;
mod json;
mod keys;
mod msgpack;
mod value;

mod callback;
mod codec;
mod ffi;
mod native;
mod port;
mod question;
mod results;
mod sender;

mod call;
mod lanes;
mod report;

mod exchange;
mod http;
mod pages;
mod request;
mod response;
mod websocket;

#[cfg(feature = "embed")]
mod built_in;
mod capi;
#[cfg(feature = "embed")]
pub mod embed;
mod open;

pub use open::luaopen_moonport;
