//! The body of a response: what comes before the deadline, up to a cap.

use crate::chunked::Chunks;
use crate::exchange::Exchange;
use crate::head::Framing;
use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

/// Why not all of a body came, or went.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Incomplete {
    #[error("the connection was closed after {received} of {announced} bytes of the body")]
    Short { received: u64, announced: u64 },
    #[error("the connection was closed before the last chunk of the body")]
    NoLastChunk,
    #[error("the body did not end in time")]
    Late,
    #[error("the body is not correctly chunked")]
    BadChunk,
    #[error("the body can't be decompressed")]
    BadCompression,
    #[error("the endpoint answered before it had read the whole request, and read no further")]
    RequestUnread,
}

/// What was read of a body.
#[derive(Debug)]
pub struct Read {
    pub bytes: Bytes,
    /// All was read and nothing follows.
    pub is_at_end: bool,
    pub incomplete: Option<Incomplete>,
}

/// Reads a body whose beginning may have come with the head. What is beyond `cap` is never read.
pub async fn read(
    exchange: &mut Exchange<'_>,
    (framing, rest): (Framing, BytesMut),
    cap: usize,
    ends: Instant,
) -> Read {
    let mut body = Body { kept: BytesMut::new(), cap, input: rest, state: State::new(framing) };
    let end = loop {
        match body.advance() {
            Step::More => {}
            Step::End(end) => break end,
        }
        match timeout_at(ends, exchange.read(|bytes| body.input.extend_from_slice(bytes))).await {
            Ok(Ok(0)) | Ok(Err(_)) => break body.closed(),
            Ok(Ok(_)) => {}
            Err(_) => break End::Incomplete(Incomplete::Late),
        }
    };
    let is_at_end = matches!(end, End::Complete) && body.input.is_empty();
    let incomplete = match end {
        End::Incomplete(why) => Some(why),
        End::Complete | End::Closed | End::Cap => None,
    };
    Read { bytes: body.kept.freeze(), is_at_end, incomplete }
}

struct Body {
    kept: BytesMut,
    cap: usize,
    /// Bytes that came and are not yet looked at.
    input: BytesMut,
    state: State,
}

enum State {
    Length { received: u64, announced: u64 },
    Chunks(Chunks),
    UntilClosed,
}

enum Step {
    More,
    End(End),
}

enum End {
    Complete,
    /// The body was to end with the connection.
    Closed,
    Cap,
    Incomplete(Incomplete),
}

impl State {
    fn new(framing: Framing) -> State {
        match framing {
            Framing::Length(announced) => State::Length { received: 0, announced },
            Framing::Chunked => State::Chunks(Chunks::default()),
            Framing::Close => State::UntilClosed,
        }
    }
}

impl Body {
    /// Takes what has come.
    fn advance(&mut self) -> Step {
        loop {
            let content = match &mut self.state {
                State::Length { received, announced } if received == announced => return Step::End(End::Complete),
                State::Length { received, announced } => {
                    let content = fitting(self.input.len(), *announced - *received);
                    *received += content as u64;
                    content
                }
                State::Chunks(chunks) => match chunks.next(&mut self.input) {
                    Ok(Some(0)) => return Step::End(End::Complete),
                    Ok(Some(content)) => content,
                    Ok(None) => return Step::More,
                    Err(()) => return Step::End(End::Incomplete(Incomplete::BadChunk)),
                },
                State::UntilClosed => self.input.len(),
            };
            let room = self.cap - self.kept.len();
            self.kept.extend_from_slice(&self.input[..content.min(room)]);
            if content > room {
                return Step::End(End::Cap);
            }
            self.input.advance(content);
            if content == 0 {
                return Step::More;
            }
        }
    }

    /// An error of the connection counts as its end: the head has come, and so has what was read.
    fn closed(&self) -> End {
        match self.state {
            State::Length { received, announced } => End::Incomplete(Incomplete::Short { received, announced }),
            State::Chunks(_) => End::Incomplete(Incomplete::NoLastChunk),
            State::UntilClosed => End::Closed,
        }
    }
}

/// How many of `available` bytes are part of `remaining`.
pub fn fitting(available: usize, remaining: u64) -> usize {
    usize::try_from(remaining).map_or(available, |remaining| remaining.min(available))
}
