//! How much of a limited quantity each key may hold.
//!
//! A key may never hold more than is still free. One key alone can hold half of the whole, two a third each,
//! and so on: the next key always finds room, and nothing has to be taken back. (Switches share
//! their buffers by this rule, known as dynamic thresholds.)

use std::collections::HashMap;
use std::hash::Hash;

/// A quantity that is shared out by key. See the module.
#[derive(Debug)]
pub struct Shares<K> {
    total: usize,
    used: usize,
    held: HashMap<K, usize>,
}

impl<K: Copy + Eq + Hash> Shares<K> {
    pub fn new(total: usize) -> Shares<K> {
        Shares { total, used: 0, held: HashMap::new() }
    }

    /// Whether `key` may take `amount` more.
    pub fn admits(&self, key: K, amount: usize) -> bool {
        let free = self.total - self.used;
        amount <= free && self.held(key) + amount <= free
    }

    /// Takes `amount` for `key`, or says that it would be more than its share.
    pub fn take(&mut self, key: K, amount: usize) -> bool {
        let admits = self.admits(key, amount);
        if admits && amount > 0 {
            self.used += amount;
            *self.held.entry(key).or_default() += amount;
        }
        admits
    }

    /// Gives back `amount` that `key` took.
    pub fn give_back(&mut self, key: K, amount: usize) {
        let Some(held) = self.held.get_mut(&key) else { return };
        let amount = amount.min(*held);
        *held -= amount;
        self.used -= amount;
        if *held == 0 {
            self.held.remove(&key);
        }
    }

    /// What one key may hold when nobody else holds anything.
    pub fn most(&self) -> usize {
        self.total / 2
    }

    /// What `key` holds.
    pub fn held(&self, key: K) -> usize {
        self.held.get(&key).copied().unwrap_or(0)
    }

    /// What all keys hold together.
    pub fn used(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_gets_half_and_whoever_comes_next_finds_room() {
        let mut shares = Shares::new(1_200);
        let take_all = |shares: &mut Shares<char>, key| while shares.take(key, 1) {};
        take_all(&mut shares, 'a');
        assert_eq!(shares.held('a'), 600);
        take_all(&mut shares, 'b');
        assert_eq!(shares.held('b'), 300);
        assert!(shares.admits('c', 150), "a third key has room while two hold all they can");
        shares.give_back('a', 600);
        take_all(&mut shares, 'b');
        assert_eq!((shares.held('b'), shares.used()), (600, 600), "what one gives back others may take");
    }

    #[test]
    fn nobody_takes_more_than_there_is() {
        let mut shares = Shares::new(10);
        assert!(!shares.take('a', 11) && shares.take('a', 5) && !shares.take('a', 1));
        shares.give_back('a', 100);
        assert_eq!((shares.held('a'), shares.used()), (0, 0), "giving back more than was taken changes nothing else");
    }
}
