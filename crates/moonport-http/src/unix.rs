// SPDX-License-Identifier: MIT OR Apache-2.0
//! Unix sockets (unix(7)): the file of one outlives a server that was killed, so a file that nobody listens on is
//! replaced, and only our own is ever removed.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::StartError;
use crate::listen::BACKLOG;

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
    match fs::symlink_metadata(&path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(refused("another file is there, not a socket", "exists"));
        }
        Ok(_) if is_live(&path).map_err(failed)? => return Err(failed(ErrorKind::AddrInUse.into())),
        Ok(_) => remove_stale(&path).map_err(failed)?,
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
    if !file.is_there() {
        // A server that starts at the same time took it for stale before it listened.
        return Err(failed(ErrorKind::AddrInUse.into()));
    }
    Ok((file, socket.into()))
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

/// Removes the file of a dead server, and not that of one which has taken its place meanwhile: it is moved aside and
/// looked at once more.
fn remove_stale(path: &Path) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}", std::process::id()));
    let aside = PathBuf::from(aside);
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        result => result?,
    }
    let live = UnixStream::connect(&aside).is_ok();
    if live {
        // Where yet another one has come, this fails, and that one stays.
        drop(fs::hard_link(&aside, path));
    }
    fs::remove_file(&aside)?;
    if live { Err(ErrorKind::AddrInUse.into()) } else { Ok(()) }
}
