// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a server is told before it starts, and why it did not start.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
#[cfg(feature = "tls")]
use std::sync::{Arc, OnceLock};
use std::time::Duration;

#[cfg(feature = "tls")]
use tokio_rustls::rustls::ServerConfig;

/// How a server listens, whom it trusts and what it bears.
#[derive(Clone, Debug)]
pub struct Config {
    /// An IP address (or `localhost`) and a port; port 0 picks one. Or `unix:` and the path of a Unix socket, which is
    /// made with mode 0600 and removed when the server stops.
    pub address: String,
    /// Needed to listen on anything but loopback.
    pub allow_remote: bool,
    /// What clients must know, see [`crate::check_token`]; `None`: nothing.
    pub token: Option<String>,
    /// What the cookie of the server's own pages holds, of the same characters; `None`: random at each start, so that
    /// pages need a new link after it.
    pub session: Option<String>,
    /// Further Host values: with a port only that port, without one any port.
    pub hosts: Vec<String>,
    /// Web origins that may call, exact: `chrome-extension://<id>`, `http://localhost:3000`.
    pub origins: Vec<String>,
    /// Bytes of a request's body, unless its route says otherwise.
    pub max_body: usize,
    /// Connections served at once. One more takes the place of one that waits for its client: the one that has waited
    /// longest for a head, else for the next request, a second at least. Where there is none it is answered 503 and closed.
    pub max_connections: usize,
    /// From the request's sending to Lua until it is answered 504, unless its route says otherwise.
    pub deadline: Duration,
    /// Sizes and times of heads and bodies.
    pub limits: Limits,
    /// Speak TLS alone, not on a Unix socket.
    pub tls: Option<Tls>,
    /// Serve `/moonport.js`, which pages speak to this server with, and `/moonport.d.ts`, its types. Neither needs the token.
    pub client: bool,
}

/// Where a server has its certificate from.
#[derive(Clone, Debug)]
pub enum Tls {
    /// Signed by itself, for localhost, 127.0.0.1 and ::1.
    SelfSigned(SelfSigned),
    /// Two PEM files, read at the start.
    Files {
        /// The certificate, then those between it and its root.
        certificate: PathBuf,
        /// Its private key, not encrypted.
        key: PathBuf,
    },
}

/// A certificate that is made, in memory, when a server first starts with it, and kept by its clones.
#[derive(Clone, Debug, Default)]
pub struct SelfSigned(#[cfg(feature = "tls")] pub(crate) Arc<OnceLock<Arc<ServerConfig>>>);

impl Default for Config {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:0".to_owned(),
            allow_remote: false,
            token: None,
            session: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            max_body: 1 << 20,
            max_connections: 256,
            deadline: Duration::from_secs(30),
            limits: Limits::default(),
            tls: None,
            client: false,
        }
    }
}

/// Sizes and times of heads and bodies.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of request line and headers.
    pub head: usize,
    /// Header lines.
    pub headers: usize,
    /// Bytes of the request target; more than 65,534 counts as that.
    pub uri: usize,
    /// Nesting of JSON.
    pub depth: usize,
    /// Bytes of one WebSocket message.
    pub message: usize,
    /// From connecting, or from the first byte on a kept connection, to the end of the head.
    pub head_time: Duration,
    /// From the end of the head to the end of the body.
    pub body_time: Duration,
    /// Silence on a kept connection, and silence of a client that does not read its answer. WebSockets are pinged after
    /// half of it, and closed when the next ping is due without a sign of life.
    pub idle_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 16_384,
            headers: 64,
            uri: 8192,
            depth: 128,
            message: 1 << 20,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(60),
        }
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Somebody else listens there.
    #[error("{address} is in use")]
    AddressInUse {
        /// The address that was asked for.
        address: String,
    },
    /// Other machines could connect, and `allow_remote` was not set.
    #[error("{address} is not a loopback address; set allow_remote to let other machines connect")]
    NotLoopback {
        /// The address that was asked for.
        address: String,
    },
    /// Not an IP address and a port.
    #[error("expected an address like \"127.0.0.1:8787\", got {address:?}")]
    InvalidAddress {
        /// The address that was asked for.
        address: String,
    },
    /// Not an origin as browsers send it.
    #[error("expected an origin like \"http://localhost:3000\" for the server on {address}, got {origin:?}")]
    InvalidOrigin {
        /// The address that was asked for.
        address: String,
        /// The entry.
        origin: String,
    },
    /// Not a host name, with or without a port.
    #[error("expected a host like \"example.org\" or \"example.org:8787\" for the server on {address}, got {host:?}")]
    InvalidHost {
        /// The address that was asked for.
        address: String,
        /// The entry.
        host: String,
    },
    /// A Unix socket cannot be made there.
    #[error("cannot listen on {address}: {reason}")]
    SocketPath {
        /// The address that was asked for.
        address: String,
        /// What is wrong with its path.
        reason: &'static str,
        /// What [`StartError::name`] gives.
        name: &'static str,
    },
    /// There is something wrong with a certificate or its key.
    #[error("cannot speak TLS on {address}: {reason}")]
    Tls {
        /// The address that was asked for.
        address: String,
        /// Which file, and what is wrong with it.
        reason: String,
        /// What [`StartError::name`] gives.
        name: &'static str,
    },
    /// A route of the program's has a path of the client's.
    #[error(
        "the server on {address} cannot serve its client: {source}; leave client out, or give that route another path"
    )]
    Client {
        /// The address that was asked for.
        address: String,
        /// Which path.
        source: crate::RouteError,
    },
    /// The token is short or has other characters.
    #[error("the server on {address} was given a bad token: {source}")]
    InvalidToken {
        /// The address that was asked for.
        address: String,
        /// What is wrong with it.
        source: crate::TokenError,
    },
    /// The system refused.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// The address that was asked for.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The routes were made before this process was forked.
    #[error("the server on {address} belongs to the parent of this forked process")]
    Forked {
        /// The address that was asked for.
        address: String,
    },
}

impl StartError {
    /// `"address_in_use"`, `"exists"`, `"invalid"`, `"unsupported"`, `"forked"`, or the system's name of the error, such as `"EACCES"`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AddressInUse { .. } => "address_in_use",
            Self::NotLoopback { .. }
            | Self::InvalidAddress { .. }
            | Self::InvalidOrigin { .. }
            | Self::InvalidHost { .. }
            | Self::InvalidToken { .. } => "invalid",
            Self::Client { .. } => "exists",
            Self::SocketPath { name, .. } | Self::Tls { name, .. } => name,
            Self::Io { source, .. } => system_name(source),
            Self::Forked { .. } => "forked",
        }
    }

    pub(crate) fn from_io(address: &str, source: io::Error) -> Self {
        let address = address.to_owned();
        if source.kind() == io::ErrorKind::AddrInUse {
            return Self::AddressInUse { address };
        }
        Self::Io { address, source }
    }
}

#[cfg(unix)]
pub(crate) fn system_name(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EACCES) => "EACCES",
        Some(libc::EPERM) => "EPERM",
        Some(libc::EADDRNOTAVAIL) => "EADDRNOTAVAIL",
        Some(libc::EAFNOSUPPORT) => "EAFNOSUPPORT",
        Some(libc::EAGAIN) => "EAGAIN",
        Some(libc::EINVAL) => "EINVAL",
        Some(libc::ENOENT) => "ENOENT",
        Some(libc::EISDIR) => "EISDIR",
        Some(libc::ENOTDIR) => "ENOTDIR",
        Some(libc::EROFS) => "EROFS",
        Some(libc::EMFILE) => "EMFILE",
        Some(libc::ENFILE) => "ENFILE",
        Some(libc::ENOBUFS) => "ENOBUFS",
        Some(libc::ENOMEM) => "ENOMEM",
        _ => "EIO",
    }
}

#[cfg(not(unix))]
pub(crate) fn system_name(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "EACCES",
        io::ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        io::ErrorKind::WouldBlock => "EAGAIN",
        io::ErrorKind::InvalidInput => "EINVAL",
        io::ErrorKind::NotFound => "ENOENT",
        io::ErrorKind::IsADirectory => "EISDIR",
        io::ErrorKind::NotADirectory => "ENOTDIR",
        io::ErrorKind::ReadOnlyFilesystem => "EROFS",
        io::ErrorKind::OutOfMemory => "ENOMEM",
        _ => "EIO",
    }
}

impl Config {
    /// The address to listen on. Names other than `localhost` are refused, so that nothing is looked up.
    pub(crate) fn socket_address(&self) -> Result<SocketAddr, StartError> {
        let address = &self.address;
        let invalid = || StartError::InvalidAddress { address: address.clone() };
        let socket = match address.strip_prefix("localhost:") {
            Some(port) => {
                let port = port.parse().map_err(|_| invalid())?;
                SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
            }
            None => address.parse().map_err(|_| invalid())?,
        };
        if !socket.ip().is_loopback() && !self.allow_remote {
            return Err(StartError::NotLoopback { address: address.clone() });
        }
        Ok(socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        let at = |address: &str, allow_remote| {
            Config { address: address.to_owned(), allow_remote, ..Config::default() }.socket_address()
        };
        assert_eq!(at("127.0.0.1:80", false).unwrap().port(), 80);
        assert!(at("localhost:0", false).unwrap().ip().is_loopback());
        assert!(at("[::1]:0", false).unwrap().is_ipv6());
        assert!(matches!(at("0.0.0.0:0", false), Err(StartError::NotLoopback { .. })));
        assert!(at("0.0.0.0:0", true).is_ok());
        for bad in ["", "127.0.0.1", "example.org:80", "127.0.0.1:99999", "localhost", "unix:/x"] {
            let error = at(bad, true).unwrap_err();
            assert_eq!(error.name(), "invalid");
            assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
        }
    }
}
