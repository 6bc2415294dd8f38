// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C ABI. `include/moonport.h` is generated from this crate, and its comments are the manual for C.
//!
//! Every export goes through [`guard`]: no panic leaves it, and errno stays as it was. What needs the Lua state is
//! done by `moonport-lua` through [`host::Host`].

#![allow(non_camel_case_types, reason = "the names are those of C")]

mod guard;
mod types;

mod convert;

mod ports;
mod replies;

pub mod host;
mod state;

mod callbacks;

mod table;

pub use callbacks::{moonport_callback_close, moonport_callback_destroy};
pub use convert::{check, status_of};
pub use ports::{
    moonport_close, moonport_find, moonport_port_stats_get, moonport_send, moonport_send_owned, moonport_send_within,
    moonport_signal, moonport_status_name,
};
pub use replies::{moonport_call, moonport_reply_free};
pub use state::{
    moonport_lock, moonport_set_waker, moonport_state_of, moonport_step, moonport_unlock, moonport_wake_descriptor,
};
pub use table::{moonport_api, moonport_api_v1};
pub use types::{
    moonport_codec, moonport_free_fn, moonport_port, moonport_port_stats, moonport_reply, moonport_state,
    moonport_status,
};
