//! A queue of queues that are served in turn, so that who floods waits behind itself alone.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Items by key; [`FairQueue::pop`] takes one of each key in turn.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    queues: HashMap<K, VecDeque<T>>,
    turn: VecDeque<K>,
    limit: usize,
}

impl<K: Copy + Eq + Hash, T> FairQueue<K, T> {
    /// At most `limit` items wait for each key.
    pub fn new(limit: usize) -> Self {
        FairQueue { queues: HashMap::new(), turn: VecDeque::new(), limit }
    }

    /// Adds an item, or gives it back when its key has too many.
    pub fn push(&mut self, key: K, item: T) -> Result<(), T> {
        let queue = self.queues.entry(key).or_default();
        if queue.len() >= self.limit {
            return Err(item);
        }
        if queue.is_empty() {
            self.turn.push_back(key);
        }
        queue.push_back(item);
        Ok(())
    }

    /// The next item of whoever's turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let key = self.turn.pop_front()?;
        let queue = self.queues.get_mut(&key)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&key);
        } else {
            self.turn.push_back(key);
        }
        item
    }

    /// The next item of the first key in turn that may have it.
    pub fn pop_if(&mut self, may: impl Fn(&K) -> bool) -> Option<T> {
        let place = self.turn.iter().position(may)?;
        // The others keep their places.
        let key = self.turn.remove(place)?;
        self.turn.push_front(key);
        self.pop()
    }

    pub fn is_empty(&self) -> bool {
        self.turn.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_waits_behind_itself() {
        let mut queue = FairQueue::new(3);
        for n in 0..3 {
            queue.push("flood", n).unwrap();
        }
        assert_eq!(queue.push("flood", 3), Err(3));
        queue.push("quiet", 100).unwrap();
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [0, 100, 1, 2]);
        assert!(queue.is_empty());
    }
}
