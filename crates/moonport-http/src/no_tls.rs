// SPDX-License-Identifier: MIT OR Apache-2.0
//! In place of `tls.rs` where the crate is built without TLS.

use crate::accept::Site;
use crate::config::Tls;
use crate::connection::Link;
use crate::stream::Stream;

/// There is none.
pub(crate) enum Acceptor {}

pub(crate) type Fault = (String, &'static str);

pub(crate) fn acceptor(_: &Tls) -> Result<Acceptor, Fault> {
    Err(("this Moonport was built without TLS".to_owned(), "unsupported"))
}

#[expect(clippy::unused_async, reason = "the other one waits")]
pub(crate) async fn handshake(_: &Site, stream: Stream, _: &Link, _: u64) -> Option<Stream> {
    Some(stream)
}
