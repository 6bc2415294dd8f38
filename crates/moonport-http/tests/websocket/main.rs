// SPDX-License-Identifier: MIT OR Apache-2.0
//! WebSocket against the real server by raw sockets: the frames of RFC 6455 as a table of named cases, the handshake, and
//! what becomes of sockets whose client or owner misbehaves or leaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod client;
mod frames;
mod handshake;
mod life;
mod owner;
