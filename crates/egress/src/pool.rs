//! Connections that wait for the next request to the same place.

use crate::connect::Target;
use crate::stream::Stream;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

/// Idle connections to one place. Many endpoints may share a host, so this is as high as their attempts can be under
/// way: opening anew costs more than keeping.
const MAX_PER_TARGET: usize = 1_024;
/// Idle connections altogether.
const MAX_IDLE: usize = 8_192;
/// How often connections whose life has ended are closed.
const SWEEP: Duration = Duration::from_secs(5);

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    pub stream: Stream,
    /// Until when it is used for new requests.
    ends: Instant,
}

/// See the module.
#[derive(Debug)]
pub struct Pool {
    idle: Arc<Mutex<Idle>>,
    life: Duration,
    opened: AtomicU32,
}

#[derive(Debug, Default)]
struct Idle {
    /// The one used last is at the end.
    by_target: HashMap<Target, Vec<Connection>>,
    count: usize,
    /// A task closes those whose life has ended.
    is_swept: bool,
}

impl Connection {
    /// Neither closed by the other side nor with bytes on it that nobody asked for.
    fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_pending()
    }
}

impl Pool {
    /// `life`: how long a connection is used since it was opened.
    pub fn new(life: Duration) -> Pool {
        Pool { idle: Arc::default(), life, opened: AtomicU32::new(0) }
    }

    /// A connection that was opened now. Each lives up to an eighth shorter than the one before, in turn: those that were
    /// opened together are not renewed together.
    pub fn opened(&self, stream: Stream) -> Connection {
        let turn = self.opened.fetch_add(1, Ordering::Relaxed) % 16;
        Connection { stream, ends: Instant::now() + self.life - self.life / 128 * turn }
    }

    /// A connection to this place, if there is one.
    pub fn take(&self, target: &Target) -> Option<Connection> {
        let now = Instant::now();
        loop {
            let mut connection = lock(&self.idle).take(target)?;
            if now < connection.ends && connection.is_quiet() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection on which nothing is under way.
    pub fn put(&self, target: Target, connection: Connection) {
        if Instant::now() < connection.ends && lock(&self.idle).put(target, connection) {
            tokio::spawn(sweep(Arc::downgrade(&self.idle)));
        }
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Idle {
    fn take(&mut self, target: &Target) -> Option<Connection> {
        let connection = self.by_target.get_mut(target)?.pop()?;
        self.count -= 1;
        Some(connection)
    }

    /// Whether a task must be started that sweeps.
    fn put(&mut self, target: Target, connection: Connection) -> bool {
        let same = self.by_target.entry(target).or_default();
        if same.len() < MAX_PER_TARGET && self.count < MAX_IDLE {
            same.push(connection);
            self.count += 1;
        }
        !std::mem::replace(&mut self.is_swept, true)
    }

    /// Takes out the connections whose life has ended; the task ends with the last connection.
    fn ended(&mut self, now: Instant) -> (Vec<Connection>, bool) {
        let mut old = Vec::new();
        self.by_target.retain(|_, same| {
            old.extend(same.extract_if(.., |connection| connection.ends <= now));
            !same.is_empty()
        });
        self.count -= old.len();
        self.is_swept = self.count > 0;
        (old, !self.is_swept)
    }
}

/// Closes old connections until there are none, or nobody needs them any more.
async fn sweep(idle: Weak<Mutex<Idle>>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(idle) = idle.upgrade() else { return };
        // Closed after the lock is given back.
        let (old, is_over) = lock(&idle).ended(Instant::now());
        drop(old);
        if is_over {
            return;
        }
    }
}
