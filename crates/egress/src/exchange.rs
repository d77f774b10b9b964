//! A request on a connection, until the head of its response has come.

use crate::error::SendError;
use crate::head::{Head, HeadReader};
use crate::request::Outgoing;
use crate::stream::Stream;
use bytes::BytesMut;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What one read takes, on the stack, so that an attempt that waits has no buffer.
const CHUNK: usize = 8 << 10;

/// A response whose head has come.
#[derive(Debug)]
pub struct Begun {
    pub head: Head,
    /// What came with the head of what follows it.
    pub rest: BytesMut,
    /// Whether the whole request was written: a receiver may answer before that.
    pub sent: bool,
}

/// There is no response.
#[derive(Debug)]
pub struct Failure {
    pub error: SendError,
    /// Not a byte of a response came.
    silent: bool,
}

impl Failure {
    /// On a connection that had served another request, whether it was closed before this one came.
    pub fn is_stale(&self) -> bool {
        self.silent && matches!(self.error, SendError::Reset { .. })
    }
}

/// Writes the request and reads the response's head at the same time: a receiver may answer before it has read all.
pub async fn begin(stream: &mut Stream, outgoing: &Outgoing) -> Result<Begun, Failure> {
    let mut exchange = Exchange { stream, outgoing, written: 0, sent: false, reader: HeadReader::default() };
    let result = poll_fn(|cx| exchange.poll(cx)).await;
    let (silent, sent) = (exchange.reader.is_empty(), exchange.sent);
    match result {
        Ok(head) => Ok(Begun { head, rest: exchange.reader.rest(), sent }),
        Err(error) => Err(Failure { error, silent }),
    }
}

struct Exchange<'a> {
    stream: &'a mut Stream,
    outgoing: &'a Outgoing,
    /// Bytes.
    written: usize,
    sent: bool,
    reader: HeadReader,
}

impl Exchange<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, SendError>> {
        // A receiver that has answered may have closed its side: what it said counts.
        let broken = if self.sent { None } else { self.poll_write(cx) };
        loop {
            match poll_read(self.stream, cx, |bytes| self.reader.push(bytes)) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.reader.closed())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.broken_off(&error))),
                Poll::Pending => match broken {
                    Some(error) => return Poll::Ready(Err(self.broken_off(&error))),
                    None => return Poll::Pending,
                },
            }
            if let Some(head) = self.reader.head()? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// Writes what the connection takes. An error, if it takes no more.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        match self.poll_write_all(cx) {
            Poll::Ready(Ok(())) => self.sent = true,
            Poll::Ready(Err(error)) => return Some(error),
            Poll::Pending => {}
        }
        None
    }

    fn poll_write_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Outgoing { head, body, .. } = self.outgoing;
        let mut stream = Pin::new(&mut *self.stream);
        while self.written < self.outgoing.len() {
            let of_body = self.written.saturating_sub(head.len());
            let slices = [IoSlice::new(&head[self.written.min(head.len())..]), IoSlice::new(&body[of_body..])];
            let slices = if slices[0].is_empty() { &slices[1..] } else { &slices[..] };
            match ready!(stream.as_mut().poll_write_vectored(cx, slices))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        stream.poll_flush(cx)
    }

    /// An error of the connection, in our terms.
    fn broken_off(&self, error: &io::Error) -> SendError {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<SendError>()) {
            Some(known) => known.clone(),
            None => SendError::Reset { reason: error.to_string() },
        }
    }
}

/// Reads what is there, at most one chunk. `Ok(0)`: the other side has closed.
pub fn poll_read(stream: &mut Stream, cx: &mut Context<'_>, keep: impl FnOnce(&[u8])) -> Poll<io::Result<usize>> {
    let mut chunk = [MaybeUninit::<u8>::uninit(); CHUNK];
    let mut chunk = ReadBuf::uninit(&mut chunk);
    ready!(Pin::new(stream).poll_read(cx, &mut chunk))?;
    keep(chunk.filled());
    Poll::Ready(Ok(chunk.filled().len()))
}
