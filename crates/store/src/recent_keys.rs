//! The idempotency keys of the newest messages, in memory.
//!
//! Keys are random, so writing each into an index of its own would touch a page of its own: half of
//! what a message costs. Instead a key is committed in its message's row, which appends, and found in
//! memory. When there are many, the older half moves into the index, sorted, a slice with each
//! commit: neighbours then share a page. After a restart, memory is filled again from the rows that
//! came after the mark.

use crate::id::MessageId;
use crate::message::IdempotencyKey;
use std::collections::{HashMap, VecDeque};

/// Keys in memory before the older half starts to move: about 10 MB.
const MOST: usize = 100_000;
/// Keys that move with one commit.
const SLICE: usize = 256;

/// A key with the message it was answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentKey {
    pub key: IdempotencyKey,
    pub message: MessageId,
}

/// See the module.
#[derive(Debug)]
pub struct RecentKeys {
    /// The body and the message by key.
    by_key: HashMap<[u8; 16], ([u8; 16], MessageId)>,
    /// Oldest first; those that are moving are still here.
    order: VecDeque<([u8; 16], MessageId)>,
    /// Sorted, the next slice at the end.
    moving: Vec<RecentKey>,
    /// How many of `order` the move is about.
    moving_total: usize,
    most: usize,
}

impl Default for RecentKeys {
    fn default() -> RecentKeys {
        RecentKeys::with_limit(MOST)
    }
}

impl RecentKeys {
    fn with_limit(most: usize) -> RecentKeys {
        RecentKeys { by_key: HashMap::new(), order: VecDeque::new(), moving: vec![], moving_total: 0, most }
    }

    pub fn get(&self, key: &[u8; 16]) -> Option<RecentKey> {
        let (body, message) = *self.by_key.get(key)?;
        Some(RecentKey { key: IdempotencyKey { key: *key, body }, message })
    }

    /// A key that is on disk, in its message's row.
    pub fn add(&mut self, recent: RecentKey) {
        self.by_key.insert(recent.key.key, (recent.key.body, recent.message));
        self.order.push_back((recent.key.key, recent.message));
        if self.moving_total == 0 && self.order.len() >= self.most {
            self.moving_total = self.order.len() / 2;
            let older = self.order.range(..self.moving_total);
            // One that was used again since, after its time, stands for its newer message alone.
            let current = older.filter_map(|(key, message)| self.get(key).filter(|recent| recent.message == *message));
            self.moving = current.collect();
            self.moving.sort_unstable_by_key(|recent| recent.key.key);
            self.forget_moved();
        }
    }

    /// The keys to move with the next commit.
    pub fn slice(&self) -> Vec<RecentKey> {
        let from = self.moving.len().saturating_sub(SLICE);
        self.moving[from..].to_vec()
    }

    /// The slice is in the index.
    pub fn moved(&mut self, slice: usize) {
        self.moving.truncate(self.moving.len() - slice);
        self.forget_moved();
    }

    /// Forgets what moved, when all of it has.
    fn forget_moved(&mut self) {
        if !self.moving.is_empty() {
            return;
        }
        for (key, message) in self.order.drain(..self.moving_total) {
            if self.by_key.get(&key).is_some_and(|(_, newest)| *newest == message) {
                self.by_key.remove(&key);
            }
        }
        self.moving_total = 0;
    }

    /// Keys of messages up to this id are in the index. `None`: all that there are.
    pub fn mark(&self) -> Option<i64> {
        self.order.front().map(|(_, message)| message.0 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(n: i64) -> RecentKey {
        let mut key = [0; 16];
        // Spread over the key space, as hashes are.
        key[..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed()).to_be_bytes());
        RecentKey { key: IdempotencyKey { key, body: [1; 16] }, message: MessageId(n) }
    }

    #[test]
    fn the_older_half_moves_slice_by_slice_and_is_found_until_it_has() {
        let mut keys = RecentKeys::with_limit(2_000);
        (1..=2_000).for_each(|n| keys.add(recent(n)));
        assert_eq!(keys.mark(), Some(0));
        let mut moved = Vec::new();
        loop {
            let slice = keys.slice();
            assert!(slice.is_sorted_by_key(|recent| recent.key.key) && slice.len() <= SLICE);
            if slice.is_empty() {
                break;
            }
            assert!(slice.iter().all(|recent| keys.get(&recent.key.key) == Some(*recent)), "found while it moves");
            keys.moved(slice.len());
            moved.extend(slice);
        }
        moved.sort_by_key(|recent| recent.message);
        assert_eq!(moved, (1..=1_000).map(recent).collect::<Vec<_>>());
        assert_eq!(keys.get(&recent(1).key.key), None);
        assert_eq!(keys.get(&recent(1_001).key.key), Some(recent(1_001)));
        assert_eq!(keys.mark(), Some(1_000));
        assert_eq!(RecentKeys::default().mark(), None);
    }

    #[test]
    fn a_key_that_is_used_again_after_its_time_stands_for_the_newer_message_and_is_never_in_the_way() {
        let mut keys = RecentKeys::with_limit(8);
        let again = |message: i64| RecentKey { message: MessageId(message), ..recent(1) };
        // The same key all the time, and nothing but it to move.
        for message in 1..=100 {
            keys.add(again(message));
            assert_eq!(keys.get(&recent(1).key.key), Some(again(message)));
            let slice = keys.slice();
            if !slice.is_empty() {
                keys.moved(slice.len());
            }
            assert!(keys.order.len() <= 8, "{}", keys.order.len());
        }
        assert!(keys.mark().unwrap() < 100);
        // Used again while the older one moves.
        let mut keys = RecentKeys::with_limit(2);
        [recent(1), recent(2), again(3)].into_iter().for_each(|recent| keys.add(recent));
        assert_eq!(keys.slice(), [recent(1)]);
        keys.moved(1);
        assert_eq!((keys.get(&recent(1).key.key), keys.mark()), (Some(again(3)), Some(1)));
    }
}
