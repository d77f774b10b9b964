//! Deliveries that lie in the store come into a lane a page at a time.

use super::{Lane, key};
use crate::job::Job;
use postrider_store::id::MessageId;
use postrider_store::message::{BY_HAND, Due, Scheduled};
use std::collections::HashSet;

/// Below this many, more are paged in.
const READY_LOW: usize = 200;
/// Deliveries that one page brings.
const PAGE: usize = 500;

/// A page on its way; what is recorded meanwhile may still be on it.
#[derive(Debug, Default)]
pub(super) struct Loading {
    pub(super) recorded: HashSet<(MessageId, bool)>,
    /// In line, one is to be tried again: what comes behind it on the page must not go before it.
    pub(super) outdated: bool,
}

/// A page to ask the store for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    pub until_ms: i64,
    pub limit: usize,
    /// In order, from the front of the line.
    pub ordered: bool,
}

impl Lane {
    /// The page to load now, if any.
    pub fn wants_page(&mut self, now_ms: i64) -> Option<PageRequest> {
        let due = self.stored_due?;
        if self.loading.is_some() || self.ready.len() >= self.enough() || (due > now_ms && !self.settings.gone) {
            return None;
        }
        self.stored_due = None;
        self.loading = Some(Loading::default());
        let until_ms = if self.settings.gone { i64::MAX } else { now_ms };
        // What is in memory is in the store's page too, so the page must be longer than that.
        Some(PageRequest { until_ms, limit: PAGE + self.known.len(), ordered: self.is_in_line() })
    }

    /// The page came: what is not in memory yet is ready.
    pub fn page(&mut self, request: PageRequest, due: Due, now_ms: i64) {
        let Some(loading) = self.loading.take() else { return };
        self.owned = due.owned;
        let by_hand = due.rows.iter().filter(|row| row.delivery.manual).count();
        // One may be there several times.
        let more = due.rows.chunk_by(|one, other| one.delivery == other.delivery).count() >= request.limit;
        if loading.outdated || request.ordered != self.is_in_line() {
            // Or it is a line now, or none any more: read it otherwise.
            self.stored_at(now_ms);
            return;
        }
        self.looked_ms = now_ms;
        if request.ordered {
            self.page_in_order(&due.rows, &loading, now_ms);
        }
        if !request.ordered {
            for row in self.unknown(&due.rows, &loading) {
                self.take(row, now_ms);
            }
        }
        // A retry or resend that was recorded meanwhile has told its own due time.
        if more {
            self.stored_at(now_ms);
        }
        if request.ordered && by_hand >= BY_HAND {
            self.due_at(now_ms);
        }
        if let Some(due) = due.next_ms {
            self.stored_at(due);
        }
    }

    /// The page has the whole front of the line, so it stands in the place of what was ready.
    fn page_in_order(&mut self, rows: &[Scheduled], loading: &Loading, now_ms: i64) {
        self.forget_ready();
        self.line.release();
        let mut held = false;
        for row in self.unknown(rows, loading) {
            if !row.delivery.manual && row.due_ms > now_ms && !held {
                held = true;
                self.line.hold(row.due_ms);
                self.stored_at(row.due_ms);
            }
            // What was sent by hand does not stand in line.
            if row.delivery.manual || !held {
                self.take(row, now_ms);
            }
        }
    }

    /// What of a page is not in memory yet, as often as it is not.
    fn unknown(&self, rows: &[Scheduled], loading: &Loading) -> Vec<Scheduled> {
        let mut known = self.known.clone();
        let is_unknown = |row: &&Scheduled| match known.get_mut(&key(row.delivery)) {
            Some(times) if *times > 0 => {
                *times -= 1;
                false
            }
            _ => !loading.recorded.contains(&key(row.delivery)),
        };
        rows.iter().filter(is_unknown).copied().collect()
    }

    /// Takes a row of the schedule into memory.
    fn take(&mut self, row: Scheduled, now_ms: i64) {
        self.know(row.delivery);
        self.ready.push_back(Job::from_store(row, self.settings.app, now_ms));
    }

    /// With so many ready no page is needed. In line, a page stands in the place of the last one, which must be done.
    pub(super) fn enough(&self) -> usize {
        if self.is_in_line() { 1 } else { READY_LOW }
    }
}
