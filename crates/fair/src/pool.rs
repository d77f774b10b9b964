//! [`Shares`] for many tasks at once.

use crate::Shares;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A quantity that tasks take from by key; clones share it.
#[derive(Debug)]
pub struct Pool<K>(Arc<Inner<K>>);

#[derive(Debug)]
struct Inner<K> {
    shares: Mutex<Shares<K>>,
    given_back: Notify,
}

impl<K> Clone for Pool<K> {
    fn clone(&self) -> Pool<K> {
        Pool(self.0.clone())
    }
}

/// What a task took, given back when it is dropped.
#[derive(Debug)]
pub struct Taken<K: Copy + Eq + Hash> {
    pool: Pool<K>,
    key: K,
    amount: usize,
}

impl<K: Copy + Eq + Hash> Pool<K> {
    pub fn new(total: usize) -> Pool<K> {
        Pool(Arc::new(Inner { shares: Mutex::new(Shares::new(total)), given_back: Notify::new() }))
    }

    /// Takes `amount` for `key`; `None`: that would be more than its share.
    pub fn try_take(&self, key: K, amount: usize) -> Option<Taken<K>> {
        self.shares().take(key, amount).then(|| Taken { pool: self.clone(), key, amount })
    }

    /// Takes `amount` for `key` as soon as its share allows it. More than the pool ever has for one key counts as
    /// that much, so that it is had at some time.
    pub async fn take(&self, key: K, amount: usize) -> Taken<K> {
        loop {
            let given_back = self.0.given_back.notified();
            let mut given_back = std::pin::pin!(given_back);
            // Registered before the look, so that what is given back in between is not missed.
            given_back.as_mut().enable();
            if let Some(taken) = self.try_take(key, amount.min(self.most())) {
                return taken;
            }
            given_back.await;
        }
    }

    /// What one key may hold when nobody else holds anything.
    pub fn most(&self) -> usize {
        self.shares().most()
    }

    /// What all keys hold together.
    pub fn used(&self) -> usize {
        self.shares().used()
    }

    fn shares(&self) -> MutexGuard<'_, Shares<K>> {
        self.0.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Taken<K> {
    /// Takes `more` in addition, or says that it would be more than the key's share.
    pub fn grow(&mut self, more: usize) -> bool {
        let grown = self.pool.shares().take(self.key, more);
        if grown {
            self.amount += more;
        }
        grown
    }

    pub fn amount(&self) -> usize {
        self.amount
    }
}

impl<K: Copy + Eq + Hash> Drop for Taken<K> {
    fn drop(&mut self) {
        self.pool.shares().give_back(self.key, self.amount);
        self.pool.0.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_gets_it_when_it_is_given_back() {
        let pool = Pool::new(8);
        let mut first = pool.try_take('a', 3).unwrap();
        assert!(first.grow(1) && !first.grow(1) && pool.try_take('a', 1).is_none());
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.take('a', 100).await.amount() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        assert_eq!(waiting.await.unwrap(), 4, "all that one key may hold");
        assert_eq!(pool.used(), 0);
    }
}
