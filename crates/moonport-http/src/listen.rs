// SPDX-License-Identifier: MIT OR Apache-2.0
//! The socket that a server listens on: bound on the owner's thread, so that errors come at once, and then accepted from
//! on the server's.

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
#[cfg(unix)]
use std::os::unix::net::UnixListener as StdUnixListener;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use crate::config::{Config, StartError};
use crate::stream::Stream;
#[cfg(unix)]
use crate::unix::{self, SocketFile};

/// Connections that the system keeps until they are accepted.
pub(crate) const BACKLOG: i32 = 1024;

/// Bytes of one connection that the system takes before they can be sent (tcp(7), `TCP_NOTSENT_LOWAT`). Without this bound
/// clients that read slowly, or not at all, would each hold megabytes of its memory.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 131_072;

/// A socket that listens, not yet in a runtime.
pub(crate) enum Bound {
    Tcp(StdTcpListener),
    #[cfg(unix)]
    Unix(SocketFile, StdUnixListener),
}

/// A bound socket and its address: with the port that was picked for TCP, `0.0.0.0:0` for a Unix socket.
pub(crate) fn bind(config: &Config) -> Result<(Bound, String, SocketAddr), StartError> {
    let failed = |error| StartError::from_io(&config.address, error);
    if let Some(path) = config.address.strip_prefix("unix:") {
        return bind_path(&config.address, path);
    }
    let listener = listen(config.socket_address()?).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    Ok((Bound::Tcp(listener), format!("{scheme}://{address}"), address))
}

#[cfg(unix)]
fn bind_path(address: &str, path: &str) -> Result<(Bound, String, SocketAddr), StartError> {
    unix::bind(address, path.as_ref()).map(|(file, listener)| {
        let url = format!("unix:{}", file.path().display());
        (Bound::Unix(file, listener), url, SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, 0)))
    })
}

#[cfg(not(unix))]
fn bind_path(address: &str, _: &str) -> Result<(Bound, String, SocketAddr), StartError> {
    let reason = "servers on Unix sockets need a Unix system";
    Err(StartError::SocketPath { address: address.to_owned(), reason, name: "unsupported" })
}

fn listen(address: SocketAddr) -> io::Result<StdTcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// A socket that connections are accepted from. Dropping a Unix one removes its file first.
pub(crate) enum Listener {
    Tcp(TcpListener, Duration),
    #[cfg(unix)]
    Unix(#[expect(dead_code, reason = "it removes the file")] SocketFile, UnixListener),
}

impl Listener {
    /// Inside a runtime. A client that does not acknowledge what was sent to it for `silence` is gone (tcp(7),
    /// `TCP_USER_TIMEOUT`).
    pub(crate) fn new(bound: Bound, silence: Duration) -> io::Result<Self> {
        Ok(match bound {
            Bound::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?, silence),
            #[cfg(unix)]
            Bound::Unix(file, listener) => Self::Unix(file, UnixListener::from_std(listener)?),
        })
    }

    /// The next connection and its peer's address; `unix` where it has none.
    pub(crate) fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Stream, String)>> {
        match self {
            Self::Tcp(listener, silence) => listener.poll_accept(context).map_ok(|(stream, peer)| {
                // Where the system refuses, answers come later, and clients without a network stay longer.
                drop(stream.set_nodelay(true));
                #[cfg(target_os = "linux")]
                {
                    let socket = socket2::SockRef::from(&stream);
                    drop(socket.set_tcp_user_timeout(Some(*silence)));
                    drop(socket.set_tcp_notsent_lowat(UNSENT));
                }
                #[cfg(not(target_os = "linux"))]
                let _ = silence;
                (Stream::Tcp(stream), peer.to_string())
            }),
            #[cfg(unix)]
            Self::Unix(_, listener) => {
                listener.poll_accept(context).map_ok(|(stream, _)| (Stream::Unix(stream), "unix".to_owned()))
            }
        }
    }
}
