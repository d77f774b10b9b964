//! The stream of a connection: it fails when the client does not read its response, and it knows when it is idle.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

/// A client that reads nothing of a response for this long is cut off.
const SILENCE: Duration = Duration::from_secs(30);
/// Before a client must keep up with [`BYTES_PER_SECOND`].
const GRACE: Duration = Duration::from_secs(30);
/// The average that a client must read with while there is something to read.
const BYTES_PER_SECOND: usize = 8 << 10;
/// For [`Activity::idle_since_ms`]: a request is in progress.
const BUSY: u64 = u64::MAX;

/// What a connection does, as others may know it.
#[derive(Debug)]
pub struct Activity {
    began: Instant,
    /// Ms after `began`, or [`BUSY`]. Idle means between two requests, or without a whole request head yet.
    idle_since_ms: AtomicU64,
    /// A handler runs.
    serving: AtomicBool,
    /// Notified when the connection must end.
    pub closing: Notify,
}

impl Activity {
    /// Of a new connection; `began` is one moment for all of them.
    pub fn new(began: Instant) -> Activity {
        let activity = Activity {
            began,
            idle_since_ms: AtomicU64::new(BUSY),
            serving: AtomicBool::new(false),
            closing: Notify::new(),
        };
        activity.idle();
        activity
    }

    /// Since when it is idle; `None`: it is not.
    pub fn idle_since_ms(&self) -> Option<u64> {
        Some(self.idle_since_ms.load(Ordering::Acquire)).filter(|since| *since != BUSY)
    }

    pub fn request_began(&self) {
        self.serving.store(true, Ordering::Release);
        self.idle_since_ms.store(BUSY, Ordering::Release);
    }

    /// There is a response; the connection is idle when that is written.
    pub fn request_ended(&self) {
        self.serving.store(false, Ordering::Release);
    }

    fn written(&self) {
        if !self.serving.load(Ordering::Acquire) && self.idle_since_ms.load(Ordering::Acquire) == BUSY {
            self.idle();
        }
    }

    fn idle(&self) {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(BUSY - 1);
        self.idle_since_ms.store(ms, Ordering::Release);
    }
}

/// A stream with a deadline for what is written to it.
#[derive(Debug)]
pub struct Wire<S> {
    stream: S,
    activity: std::sync::Arc<Activity>,
    blocked: Option<Blocked>,
    /// Written in the place of an answer of the HTTP library's own, and how much of it is.
    instead: Option<(Vec<u8>, usize)>,
}

/// The client has not read all that there is for it.
#[derive(Debug)]
struct Blocked {
    since: Instant,
    last_progress: Instant,
    /// Bytes since then.
    written: usize,
    timer: Pin<Box<Sleep>>,
}

impl Blocked {
    fn deadline(&self) -> Instant {
        let allowed = GRACE + Duration::from_secs((self.written / BYTES_PER_SECOND) as u64);
        (self.last_progress + SILENCE).min(self.since + allowed)
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    pub fn new(stream: S, activity: std::sync::Arc<Activity>) -> Wire<S> {
        Wire { stream, activity, blocked: None, instead: None }
    }

    /// Writes something else in the place of `buf`, if that is an answer of the HTTP library's own: one that no request
    /// is in progress for.
    fn write_instead(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<Option<usize>>> {
        if self.instead.is_none() && self.activity.idle_since_ms().is_some() {
            self.instead = crate::malformed::answered(buf).map(|answer| (answer, 0));
        }
        let Some((answer, written)) = &mut self.instead else { return Poll::Ready(Ok(None)) };
        while *written < answer.len() {
            *written += ready!(Pin::new(&mut self.stream).poll_write(cx, &answer[*written..]))?;
        }
        self.instead = None;
        Poll::Ready(Ok(Some(buf.len())))
    }

    /// After an attempt to write: notes progress, or looks whether the client had its time.
    fn wrote(&mut self, wrote: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Ready(Ok(bytes)) => {
                if let Some(blocked) = &mut self.blocked {
                    blocked.written += bytes;
                    blocked.last_progress = Instant::now();
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let now = Instant::now();
                let blocked = self.blocked.get_or_insert_with(|| Blocked {
                    since: now,
                    last_progress: now,
                    written: 0,
                    timer: Box::pin(tokio::time::sleep_until(now)),
                });
                let deadline = blocked.deadline();
                blocked.timer.as_mut().reset(deadline);
                ready!(blocked.timer.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its response")))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = match self.write_instead(cx, buf) {
            Poll::Ready(Ok(Some(whole))) => Poll::Ready(Ok(whole)),
            Poll::Ready(Ok(None)) => Pin::new(&mut self.stream).poll_write(cx, buf),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        self.wrote(wrote, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let single = match bufs {
            [only] => &only[..],
            _ => &[],
        };
        let wrote = match self.write_instead(cx, single) {
            Poll::Ready(Ok(Some(whole))) => Poll::Ready(Ok(whole)),
            Poll::Ready(Ok(None)) => Pin::new(&mut self.stream).poll_write_vectored(cx, bufs),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        self.wrote(wrote, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called when all that there is was written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.blocked = None;
        self.activity.written();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A wire whose other side holds so many unread bytes.
    fn wire(capacity: usize) -> (Wire<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(capacity);
        (Wire::new(near, Arc::new(Activity::new(Instant::now()))), far)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_cut_off_after_30_seconds() {
        let (mut wire, _far) = wire(1_024);
        let began = Instant::now();
        let error = wire.write_all(&[0; 2_048]).await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, 30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_a_byte_now_and_then_is_cut_off_too() {
        let (mut wire, mut far) = wire(1_024);
        let reads = tokio::spawn(async move {
            while far.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        });
        let began = Instant::now();
        wire.write_all(&[0; 100_000]).await.unwrap_err();
        assert!(began.elapsed().as_secs() <= 40, "{:?}", began.elapsed());
        reads.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_that_keeps_up_gets_all_of_it() {
        let (mut wire, mut far) = wire(16 << 10);
        let reads = tokio::spawn(async move {
            let (mut buffer, mut total) = ([0; 16 << 10], 0);
            while let Ok(read @ 1..) = far.read(&mut buffer).await {
                total += read;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            total
        });
        wire.write_all(&vec![0; 4 << 20]).await.unwrap();
        drop(wire);
        assert_eq!(reads.await.unwrap(), 4 << 20);
    }
}
