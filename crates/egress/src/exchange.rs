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
    pub sending: Sending,
}

/// How much of a request was written: a receiver may answer before it has read all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sending {
    /// Bytes.
    written: usize,
    state: SendingState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SendingState {
    #[default]
    UnderWay,
    Done,
    /// The connection takes no more.
    Broken,
}

impl Sending {
    pub fn is_done(self) -> bool {
        self.state == SendingState::Done
    }
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

/// Writes the request and reads the response's head at the same time.
pub async fn begin(stream: &mut Stream, outgoing: &Outgoing) -> Result<Begun, Failure> {
    let mut exchange = Exchange { stream, outgoing, sending: Sending::default() };
    let mut reader = HeadReader::default();
    let result = poll_fn(|cx| exchange.poll_head(cx, &mut reader)).await;
    match result {
        Ok(head) => Ok(Begun { head, rest: reader.rest(), sending: exchange.sending }),
        Err(error) => Err(Failure { error, silent: reader.is_empty() }),
    }
}

/// A request and its response on a connection.
#[derive(Debug)]
pub struct Exchange<'a> {
    pub stream: &'a mut Stream,
    pub outgoing: &'a Outgoing,
    pub sending: Sending,
}

impl Exchange<'_> {
    fn poll_head(&mut self, cx: &mut Context<'_>, reader: &mut HeadReader) -> Poll<Result<Head, SendError>> {
        // A receiver that has answered may have closed its side: what it said counts.
        let broken = self.poll_send(cx);
        loop {
            match poll_read(self.stream, cx, |bytes| reader.push(bytes)) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(reader.closed())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(broken_off(&error))),
                Poll::Pending => match broken {
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(broken_off(&error))),
                    Poll::Ready(Ok(())) | Poll::Pending => return Poll::Pending,
                },
            }
            if let Some(head) = reader.head()? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// Reads more of the response, and goes on sending meanwhile.
    pub async fn read(&mut self, mut keep: impl FnMut(&[u8])) -> io::Result<usize> {
        poll_fn(|cx| {
            // Whatever becomes of the request: the response has begun.
            let _ = self.poll_send(cx);
            poll_read(self.stream, cx, &mut keep)
        })
        .await
    }

    /// Sends the rest of the request, as far as the receiver takes it.
    pub async fn send_rest(&mut self) {
        let _ = poll_fn(|cx| self.poll_send(cx)).await;
    }

    /// Writes what the connection takes; ready when all of it is written, or nothing more can be.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.sending.state != SendingState::UnderWay {
            return Poll::Ready(Ok(()));
        }
        let sent = ready!(self.poll_write_all(cx));
        self.sending.state = if sent.is_ok() { SendingState::Done } else { SendingState::Broken };
        Poll::Ready(sent)
    }

    fn poll_write_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Outgoing { head, body, .. } = self.outgoing;
        let mut stream = Pin::new(&mut *self.stream);
        let written = &mut self.sending.written;
        while *written < self.outgoing.len() {
            let of_body = written.saturating_sub(head.len());
            let slices = [IoSlice::new(&head[(*written).min(head.len())..]), IoSlice::new(&body[of_body..])];
            let slices = if slices[0].is_empty() { &slices[1..] } else { &slices[..] };
            match ready!(stream.as_mut().poll_write_vectored(cx, slices))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                more => *written += more,
            }
        }
        stream.poll_flush(cx)
    }
}

/// An error of the connection, in our terms.
fn broken_off(error: &io::Error) -> SendError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<SendError>()) {
        Some(known) => known.clone(),
        None => SendError::Reset { reason: error.to_string() },
    }
}

/// Reads what is there, at most one chunk. `Ok(0)`: the other side has closed.
fn poll_read(stream: &mut Stream, cx: &mut Context<'_>, keep: impl FnOnce(&[u8])) -> Poll<io::Result<usize>> {
    let mut chunk = [MaybeUninit::<u8>::uninit(); CHUNK];
    let mut chunk = ReadBuf::uninit(&mut chunk);
    ready!(Pin::new(stream).poll_read(cx, &mut chunk))?;
    keep(chunk.filled());
    Poll::Ready(Ok(chunk.filled().len()))
}
