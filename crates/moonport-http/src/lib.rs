// SPDX-License-Identifier: MIT OR Apache-2.0
//! An HTTP/1.1 server on its own thread. Requests become messages for the one thread that runs Lua; everything that
//! can be answered without Lua (limits, framing, security, routes, malformed bodies, files) is answered here.
//!
//! Modules stand in the order in which a request meets them. A client that closes its side of the connection counts
//! as gone: its waiting request is cancelled after 50 ms, in which time a quick answer still reaches one that only
//! half-closed (`nc -N`).

#![forbid(unsafe_code)]

mod config;
mod routes;
mod server;

mod listen;
mod stream;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
#[cfg(unix)]
mod unix;

mod accept;
mod connection;
mod door;
mod gate;
mod pace;
mod wire;

pub mod chunks;
pub mod head;
mod scan;

mod post;
mod service;
mod wakes;

mod paths;
mod security;
mod token;

mod body;
pub mod form;
mod headers;
mod message;
mod sent;

mod room;
mod session;
mod socket;
mod upgrade;

mod answer;
mod client;
mod clock;
mod conditions;
mod events;
mod files;
mod mime;
mod refusal;

mod stats;

pub use bytes::Bytes;
pub use http::{HeaderName, HeaderValue, Method};

pub use config::{Config, Limits, SelfSigned, StartError, Tls};
pub use events::{EventError, Events};
pub use headers::{Headers, Iter};
pub use message::{Body, Content, Request, Response};
pub use routes::{EventsOptions, RouteError, RouteOptions, Routes, WebSocketOptions};
pub use sent::Sent;
pub use server::Server;
pub use socket::{Event, Kind, MOST_BYTES, MOST_WAITING, Socket, SocketError, SocketEvent};
pub use stats::Stats;
pub use token::{TokenError, check_token, random_token};
pub use upgrade::is_protocol;
