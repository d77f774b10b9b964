//! Who posted what, and what of it arrived: arrays of atomics, so that nobody waits for anybody.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One bit for each sequence number.
#[derive(Debug)]
struct Bits(Vec<AtomicU64>);

impl Bits {
    fn new(len: usize) -> Bits {
        Bits((0..len.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Sets a bit and says whether it was set; `None`: there is no such bit.
    fn set(&self, n: usize) -> Option<bool> {
        let mask = 1 << (n % 64);
        Some(self.0.get(n / 64)?.fetch_or(mask, Relaxed) & mask != 0)
    }

    /// How many bits are set here and not in `other`.
    fn missing_in(&self, other: &Bits) -> u64 {
        let pairs = self.0.iter().zip(&other.0);
        pairs.map(|(mine, theirs)| u64::from((mine.load(Relaxed) & !theirs.load(Relaxed)).count_ones())).sum()
    }
}

/// When each message was posted, accepted and delivered; 0: not yet.
#[derive(Debug)]
struct Times {
    posted: Vec<AtomicU64>,
    accepted: Vec<AtomicU64>,
    arrived: Vec<AtomicU64>,
}

/// The moments of one message, in nanoseconds on the shared clock.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    pub posted: u64,
    pub accepted: u64,
    /// The first arrival.
    pub arrived: u64,
}

/// Everything that one phase counts.
#[derive(Debug)]
pub struct Board {
    accepted: Bits,
    /// By target.
    arrived: Vec<Bits>,
    times: Option<Times>,
    capacity: u64,
    accepted_count: AtomicU64,
    arrived_count: AtomicU64,
    duplicates: AtomicU64,
    strays: AtomicU64,
    first_post: AtomicU64,
    last_accepted: AtomicU64,
    last_arrived: AtomicU64,
}

impl Board {
    /// For `capacity` messages to each of `targets`; `timed` keeps the moments of each.
    pub fn new(targets: usize, capacity: u64, timed: bool) -> Board {
        let len = usize::try_from(capacity).unwrap_or(usize::MAX);
        let moments = || (0..len).map(|_| AtomicU64::new(0)).collect();
        Board {
            accepted: Bits::new(len),
            arrived: (0..targets).map(|_| Bits::new(len)).collect(),
            times: timed.then(|| Times { posted: moments(), accepted: moments(), arrived: moments() }),
            capacity,
            accepted_count: AtomicU64::new(0),
            arrived_count: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            strays: AtomicU64::new(0),
            first_post: AtomicU64::new(u64::MAX),
            last_accepted: AtomicU64::new(0),
            last_arrived: AtomicU64::new(0),
        }
    }

    /// How many sequence numbers there is room for.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// A message goes out.
    pub fn posted(&self, seq: u64, at: u64) {
        self.first_post.fetch_min(at, Relaxed);
        if let Some(times) = &self.times {
            note(&times.posted, seq, at);
        }
    }

    /// The server has taken responsibility for a message.
    pub fn accepted(&self, seq: u64, at: u64) {
        self.accepted.set(seq as usize);
        self.accepted_count.fetch_add(1, Relaxed);
        self.last_accepted.fetch_max(at, Relaxed);
        if let Some(times) = &self.times {
            note(&times.accepted, seq, at);
        }
    }

    /// A delivery came in.
    pub fn arrived(&self, target: usize, seq: u64, at: u64) {
        match self.arrived.get(target).and_then(|bits| bits.set(seq as usize)) {
            None => self.stray(),
            Some(true) => {
                self.duplicates.fetch_add(1, Relaxed);
            }
            Some(false) => {
                self.arrived_count.fetch_add(1, Relaxed);
                self.last_arrived.fetch_max(at, Relaxed);
                if let Some(times) = &self.times {
                    note(&times.arrived, seq, at);
                }
            }
        }
    }

    /// A request came in that belongs to no message of this phase.
    pub fn stray(&self) {
        self.strays.fetch_add(1, Relaxed);
    }

    /// Messages that were accepted.
    pub fn accepted_count(&self) -> u64 {
        self.accepted_count.load(Relaxed)
    }

    /// Deliveries that arrived, each counted once.
    pub fn arrived_count(&self) -> u64 {
        self.arrived_count.load(Relaxed)
    }

    /// Deliveries that the accepted messages promise.
    pub fn expected_count(&self) -> u64 {
        self.accepted_count() * self.arrived.len() as u64
    }

    /// Deliveries that arrived again.
    pub fn duplicates(&self) -> u64 {
        self.duplicates.load(Relaxed)
    }

    /// Requests that belong to nothing.
    pub fn strays(&self) -> u64 {
        self.strays.load(Relaxed)
    }

    /// Deliveries of accepted messages that have not arrived.
    pub fn lost(&self) -> u64 {
        self.arrived.iter().map(|arrived| self.accepted.missing_in(arrived)).sum()
    }

    /// When the first message went out.
    pub fn first_post(&self) -> u64 {
        self.first_post.load(Relaxed)
    }

    /// When the last message was accepted.
    pub fn last_accepted(&self) -> u64 {
        self.last_accepted.load(Relaxed)
    }

    /// When the last delivery arrived.
    pub fn last_arrived(&self) -> u64 {
        self.last_arrived.load(Relaxed)
    }

    /// The moments of every message that was accepted and arrived.
    pub fn moments(&self) -> Vec<Moments> {
        let Some(times) = &self.times else { return vec![] };
        let rows = times.posted.iter().zip(&times.accepted).zip(&times.arrived);
        rows.map(|((posted, accepted), arrived)| Moments {
            posted: posted.load(Relaxed),
            accepted: accepted.load(Relaxed),
            arrived: arrived.load(Relaxed),
        })
        .filter(|moments| moments.accepted != 0 && moments.arrived != 0)
        .collect()
    }
}

fn note(times: &[AtomicU64], seq: u64, at: u64) {
    if let Some(time) = times.get(seq as usize) {
        time.store(at, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_duplicated_are_counted_by_target_and_number() {
        let board = Board::new(2, 100, false);
        for seq in [0, 63, 64, 99] {
            board.accepted(seq, 1);
            board.arrived(0, seq, 2);
        }
        board.arrived(1, 64, 3);
        board.arrived(1, 64, 4);
        board.arrived(2, 0, 5);
        board.arrived(0, 1_000, 5);
        // Arrived, though its answer got lost: not accepted as far as we know, so not lost either.
        board.arrived(0, 5, 6);
        let counts = (board.expected_count(), board.arrived_count(), board.lost(), board.duplicates(), board.strays());
        assert_eq!(counts, (8, 6, 3, 1, 2));
        assert_eq!(board.last_arrived(), 6);
    }

    #[test]
    fn moments_are_of_what_arrived() {
        let board = Board::new(1, 3, true);
        board.posted(1, 10);
        board.accepted(1, 20);
        board.posted(2, 11);
        board.arrived(0, 1, 30);
        let moments: Vec<_> = board.moments().iter().map(|m| (m.posted, m.accepted, m.arrived)).collect();
        assert_eq!(moments, [(10, 20, 30)]);
    }
}
