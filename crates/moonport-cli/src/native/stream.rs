// SPDX-License-Identifier: MIT OR Apache-2.0
//! The socket to the program. A server that refuses a request answers and closes before it has read all of it
//! (RFC 9112, section 9.6): a write that fails for that is no reason to leave the answer unread, as hyper would.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

pub(super) struct Stream(pub(super) UnixStream);

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, space)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes).map(|result| match result {
            // Nobody reads on. What was answered can be read, and then the end, which is an error where nothing was.
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => Ok(bytes.len()),
            result => result,
        })
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;

    use super::*;

    async fn write(stream: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|context| Pin::new(&mut *stream).poll_write(context, bytes)).await
    }

    async fn read(stream: &mut Stream) -> io::Result<Vec<u8>> {
        let mut space = [0; 100];
        let mut space = ReadBuf::new(&mut space);
        poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut space)).await?;
        Ok(space.filled().to_vec())
    }

    #[test]
    fn an_answer_is_read_although_nobody_reads_the_request() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let mut stream = Stream(UnixStream::from_std(ours).unwrap());
            theirs.write_all(b"answer").unwrap();
            drop(theirs);
            assert_eq!(write(&mut stream, b"request").await.unwrap(), 7);
            assert_eq!(read(&mut stream).await.unwrap(), b"answer");
            assert_eq!(write(&mut stream, b"more").await.unwrap(), 4);
            assert_eq!(read(&mut stream).await.unwrap(), b"");
        });
    }
}
