// SPDX-License-Identifier: MIT OR Apache-2.0
//! One request to the program's server over its Unix socket, on a connection of its own.

use std::io::{self, ErrorKind};
use std::path::Path;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::frames::TO_BROWSER;
use super::stream::Stream;

/// Why there is no answer of the program: a word for the extension and a sentence for people.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) name: &'static str,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, text: text.into() }
    }

    pub(super) fn too_big() -> Self {
        Self::new("too_big", format!("the answer is larger than the {TO_BROWSER} bytes that browsers take"))
    }

    fn connect(socket: &Path, error: &io::Error) -> Self {
        let socket = socket.display();
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                Self::new("not_running", format!("the program is not running: nothing listens on {socket}"))
            }
            ErrorKind::PermissionDenied => Self::new("not_permitted", format!("{socket} belongs to another user")),
            // connect(2) of a socket that does not wait: the backlog is full.
            ErrorKind::WouldBlock => Self::new("full", "too many connections wait for the program"),
            _ => Self::new("io", format!("cannot connect to {socket}: {error}")),
        }
    }

    fn lost(error: &hyper::Error) -> Self {
        Self::new("io", format!("the connection to the program broke: {error}"))
    }
}

/// The program's answer, with its whole body.
pub(super) async fn send(socket: &Path, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Failure> {
    let stream = UnixStream::connect(socket).await.map_err(|error| Failure::connect(socket, &error))?;
    if !is_of_this_user(&stream).map_err(|error| Failure::connect(socket, &error))? {
        // Who may write in the socket's directory could have put one there to listen to the user.
        return Err(Failure::connect(socket, &ErrorKind::PermissionDenied.into()));
    }
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(Stream(stream))).await.map_err(|error| Failure::lost(&error))?;
    // It ends with the sender. What fails there fails here too.
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.map_err(|error| Failure::lost(&error))?.into_parts();
    let body =
        Limited::new(body, TO_BROWSER).collect().await.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => Failure::lost(&error),
            Err(error) if error.is::<LengthLimitError>() => Failure::too_big(),
            Err(error) => Failure::new("io", error.to_string()),
        })?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

fn is_of_this_user(stream: &UnixStream) -> io::Result<bool> {
    let (own, _other_end) = UnixStream::pair()?;
    Ok(stream.peer_cred()?.uid() == own.peer_cred()?.uid())
}
