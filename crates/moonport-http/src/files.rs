// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files as answers: found below their directory and nowhere else, read in pieces on the runtime's blocking threads.

use std::fs::{File, Metadata, OpenOptions};
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::answer::{self, Content};
use crate::conditions::{Conditions, Range, Version};
use crate::mime;
use crate::refusal::Refusal;

/// Bytes read at once, and so held for each answer; a smaller file takes one trip to a blocking thread.
const PIECE: usize = 65_536;

/// Answers with a file below `root`, or with index.html of a directory. `rest` is the part of the path below the
/// directory's prefix as [`crate::paths::normalize`] leaves it; `path` and `query` are what the client sent.
pub(crate) async fn below(
    root: &Path,
    rest: &str,
    path: &str,
    query: &str,
    conditions: Conditions,
) -> Result<Response<Content>, Refusal> {
    let relative = relative(rest).ok_or_else(Refusal::not_found)?;
    let has_slash = rest.ends_with('/');
    let root = root.to_owned();
    let found = run(move || {
        let found = find(&root, &relative, has_slash)?;
        let Some(found) = found else { return Ok(None) };
        let mut headers = HeaderMap::with_capacity(10);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        deliver(found, StatusCode::OK, headers, &conditions).map(Some)
    });
    match found.await? {
        Some(response) => Ok(response.map(Content::from)),
        None => answer::redirect(StatusCode::MOVED_PERMANENTLY, &format!("{path}/"), query),
    }
}

/// Answers with the file that the owner named.
pub(crate) async fn answer(
    path: PathBuf,
    status: StatusCode,
    headers: HeaderMap,
    conditions: Conditions,
) -> Result<Response<Content>, Refusal> {
    run(move || {
        let found = open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Refusal::not_found(),
            _ => Refusal::internal(),
        })?;
        deliver(found, status, headers, &conditions)
    })
    .await
    .map(|response| response.map(Content::from))
}

async fn run<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    spawn_blocking(work).await.unwrap_or_else(|_| Err(Refusal::internal()))
}

/// The segments below the directory. `None`: one that is empty, goes up, or means something to a file system.
fn relative(rest: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    let inside = rest.strip_prefix('/').unwrap_or(rest);
    let inside = inside.strip_suffix('/').unwrap_or(inside);
    if inside.is_empty() {
        return (rest != "//").then_some(path);
    }
    for segment in inside.split('/') {
        let segment = crate::paths::unescape(segment);
        let strange = |character: char| matches!(character, '/' | '\\' | '\0') || (cfg!(windows) && character == ':');
        if segment.is_empty() || segment == "." || segment == ".." || segment.contains(strange) {
            return None;
        }
        path.push(segment);
    }
    Some(path)
}

struct Found {
    file: File,
    metadata: Metadata,
    path: PathBuf,
}

/// The file, or `None` for a directory that is asked for without its slash.
fn find(root: &Path, relative: &Path, has_slash: bool) -> Result<Option<Found>, Refusal> {
    let missing = |_| Refusal::not_found();
    let inside = |path: PathBuf| {
        // Symbolic links are resolved now; one that leads out of the directory leads nowhere.
        let path = path.canonicalize().map_err(missing)?;
        if path.starts_with(root) { Ok(path) } else { Err(Refusal::not_found()) }
    };
    let mut path = inside(root.join(relative))?;
    match (path.is_dir(), has_slash) {
        (true, false) => return Ok(None),
        (true, true) => path = inside(path.join("index.html"))?,
        (false, true) => return Err(Refusal::not_found()),
        (false, false) => {}
    }
    open(path).map(Some).map_err(missing)
}

fn open(path: PathBuf) -> io::Result<Found> {
    let mut options = OpenOptions::new();
    options.read(true);
    // A named pipe must not hold the thread until somebody writes.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(&path);
    // Windows does not even open a directory.
    if file.is_err() && path.is_dir() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = file?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(Found { file, metadata, path })
}

/// The answer with a file. Headers that are there already stay; conditions are for status 200 alone.
fn deliver(
    found: Found,
    status: StatusCode,
    mut headers: HeaderMap,
    conditions: &Conditions,
) -> Result<Response<Part>, Refusal> {
    let Found { mut file, metadata, path } = found;
    let length = metadata.len();
    let mut status = status;
    let mut start = 0;
    let mut left = length;
    headers.entry(CONTENT_TYPE).or_insert_with(|| mime::of(&path));
    if status == StatusCode::OK && !headers.contains_key(ETAG) {
        let version = Version::of_file(&metadata);
        version.set(&mut headers);
        if version.is_unwanted(conditions) {
            return Err(Refusal::another_version());
        }
        if version.is_known(conditions) {
            headers.remove(CONTENT_TYPE);
            return Ok(respond(StatusCode::NOT_MODIFIED, headers, Part::All(Bytes::new())));
        }
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let range = conditions.range.as_ref().filter(|_| version.allows_range(conditions));
        match range.map_or(Range::All, |range| Range::parse(range.as_bytes(), length)) {
            Range::All => {}
            Range::Part(from, to) => {
                status = StatusCode::PARTIAL_CONTENT;
                start = from;
                left = to - from + 1;
                let value = HeaderValue::try_from(format!("bytes {from}-{to}/{length}"));
                headers.insert(CONTENT_RANGE, value.map_err(|_| Refusal::internal())?);
            }
            Range::Nowhere => return Err(Refusal::range(length)),
        }
    }
    let failed = |_| Refusal::internal();
    if start > 0 {
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
    }
    let mut pieces = Pieces { file: Some(file), left, reading: None };
    let part = if left <= PIECE as u64 { Part::All(pieces.read_all().map_err(failed)?) } else { Part::Rest(pieces) };
    Ok(respond(status, headers, part))
}

/// What is sent of a file, as the blocking threads give it.
enum Part {
    All(Bytes),
    Rest(Pieces),
}

impl From<Part> for Content {
    fn from(part: Part) -> Self {
        match part {
            Part::All(bytes) => Self::Bytes(bytes),
            Part::Rest(pieces) => Self::File(pieces),
        }
    }
}

fn respond(status: StatusCode, headers: HeaderMap, part: Part) -> Response<Part> {
    let mut response = Response::new(part);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Bytes of a file, and the file for the next ones.
type Piece = (File, Vec<u8>);

/// A file on its way out. One piece is in memory at a time.
pub(crate) struct Pieces {
    file: Option<File>,
    left: u64,
    reading: Option<JoinHandle<io::Result<Piece>>>,
}

impl Pieces {
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    fn read_all(&mut self) -> io::Result<Bytes> {
        let Some(file) = self.file.take() else { return Ok(Bytes::new()) };
        read_piece(file, self.left).map(|(_, piece)| piece.into())
    }

    /// The next piece; `None` after the last.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let left = self.left;
        if let Some(file) = self.file.take() {
            self.reading = Some(spawn_blocking(move || read_piece(file, left.min(PIECE as u64))));
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let result = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let (file, piece) = result.map_err(io::Error::other)??;
        self.left -= piece.len() as u64;
        self.file = (self.left > 0).then_some(file);
        Poll::Ready(Some(Ok(piece.into())))
    }
}

/// Exactly so many bytes: a file that has become shorter cannot be answered with its former length.
fn read_piece(mut file: File, length: u64) -> io::Result<Piece> {
    let mut piece = vec![0; usize::try_from(length).unwrap_or(PIECE)];
    file.read_exact(&mut piece)?;
    Ok((file, piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below() {
        assert_eq!(relative("").unwrap(), Path::new(""));
        assert_eq!(relative("/").unwrap(), Path::new(""));
        assert_eq!(relative("/a/b.c").unwrap(), Path::new("a/b.c"));
        assert_eq!(relative("/a/").unwrap(), Path::new("a"));
        for bad in ["//", "/..", "/a/../b", "/./a", "/a//b", "/a%2Fb", "/a\\b", "/a\0", "//etc", "/..%2F.."] {
            assert_eq!(relative(bad), None, "{bad}");
        }
        assert_eq!(relative("/a%252F").unwrap(), Path::new("a%2F"));
    }
}
