// SPDX-License-Identifier: MIT OR Apache-2.0
//! Unix sockets (unix(7)): the file of one outlives a server that was killed, so a file that nobody listens on is
//! replaced, and only our own is ever removed. Servers that start at the same time take turns by a lock on the folder:
//! between the look and the replacing another one could come, and of two that listen clients would reach one.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::StartError;
use crate::listen::BACKLOG;

/// How long a folder that another program keeps locked is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The file of a listening socket. Dropping it removes the file, if it is still this one.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn is_there(&self) -> bool {
        id(&self.path).is_ok_and(|id| id == self.id)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_there() {
            // Nobody is left who could be told.
            drop(fs::remove_file(&self.path));
        }
    }
}

fn id(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Listens on `path`; only the user of this process may connect.
///
/// Blocks: while another server starts in the same folder, a second at most.
pub(crate) fn bind(address: &str, path: &Path) -> Result<(SocketFile, UnixListener), StartError> {
    let refused = |reason, name| StartError::SocketPath { address: address.to_owned(), reason, name };
    let failed = |error| StartError::from_io(address, error);
    if path.as_os_str().is_empty() {
        return Err(refused("the path is empty", "invalid"));
    }
    // A change of the working directory must not lead to another file.
    let path = std::path::absolute(path).map_err(failed)?;
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(refused("the path has a NUL byte", "invalid"));
    }
    let target = SockAddr::unix(&path).map_err(|_| refused("the path is too long", "invalid"))?;
    let _turn = lock(path.parent().unwrap_or(&path));
    match fs::symlink_metadata(&path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(refused("another file is there, not a socket", "exists"));
        }
        Ok(_) if is_live(&path).map_err(failed)? => return Err(failed(ErrorKind::AddrInUse.into())),
        Ok(_) => fs::remove_file(&path).map_err(failed)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    socket.bind(&target).map_err(failed)?;
    let id = id(&path).map_err(failed)?;
    let file = SocketFile { path, id };
    // Nobody can connect before it listens.
    fs::set_permissions(&file.path, Permissions::from_mode(0o600)).map_err(failed)?;
    socket.listen(BACKLOG).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    Ok((file, socket.into()))
}

/// Locks a folder until the file is dropped (flock(2)). `None`, and nobody is kept out: it may not be read or locked, or
/// another program keeps it locked.
fn lock(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    let end = Instant::now() + PATIENCE;
    loop {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(folder),
            Err(Errno::WOULDBLOCK) if Instant::now() < end => thread::sleep(Duration::from_millis(1)),
            Err(_) => return None,
        }
    }
}

/// Does somebody listen there?
fn is_live(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A server whose backlog is full must not be waited for.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}
