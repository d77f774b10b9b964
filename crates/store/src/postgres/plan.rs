//! A batch as columns, for statements that take all of its rows at once.

use super::address::Addresses;
use super::append::Columns;
use super::chain::Links;
use super::ordered::OfMessages;
use super::partition::Partition;
use super::record::{Attempts, Rows};
use super::setting::Settings;
use super::skew::Skew;
use crate::batch::{Batch, ChangeRequest, Item, Parked};
use crate::id::{AttemptId, IdSource, MessageId};
use crate::message::Scheduled;
use std::collections::BTreeSet;

/// See the module.
pub struct Plan<'a> {
    pub messages: Columns<'a>,
    pub attempts: Attempts<'a>,
    pub settings: Settings<'a>,
    pub addresses: Addresses<'a>,
    pub links: Links,
    pub ordered: OfMessages,
    pub polled: OfMessages,
    pub parked: Rows,
    pub retried: Rows,
    pub done: Rows,
    pub changes: Vec<&'a ChangeRequest>,
    pub partitions: BTreeSet<Partition>,
}

/// The batch as columns, with ids for its messages and attempts.
pub fn plan<'a>(batch: &'a Batch, ids: &IdSource, skew: &Skew, (now_ms, node): (i64, i64)) -> Plan<'a> {
    let mut plan = Plan {
        messages: Columns::default(),
        attempts: Attempts::default(),
        settings: Settings::default(),
        addresses: Addresses::default(),
        links: Links::default(),
        ordered: OfMessages::default(),
        polled: OfMessages::default(),
        parked: Rows::default(),
        retried: Rows::default(),
        done: Rows::default(),
        changes: Vec::new(),
        partitions: BTreeSet::new(),
    };
    for item in &batch.items {
        match item {
            Item::Append(..) | Item::AppendMany(..) => {
                for message in item.messages() {
                    let id = MessageId(ids.next(now_ms));
                    plan.partitions.insert(Partition::of_message(message.class, id.0));
                    plan.messages.push(id, message);
                    plan.addresses.push(id.0, message);
                    plan.ordered.push_ordered(id.0, message, skew);
                    plan.polled.push_polled(id.0, message);
                }
            }
            Item::Change(request, _) => plan.changes.push(request),
            Item::Attempts(records) => {
                for record in records {
                    plan.partitions.insert(Partition::of_attempt(record.delivery.message.0));
                    plan.attempts.push(AttemptId(ids.next(now_ms)), record);
                    record.settings.iter().for_each(|setting| plan.settings.push(setting));
                    let row = |due_ms, attempts| Scheduled {
                        delivery: record.delivery,
                        due_ms: skew.to_database(due_ms),
                        attempts,
                    };
                    if let Some(next) = &record.next {
                        plan.links.push(next);
                        plan.retried.push(&Scheduled { due_ms: skew.to_database(next.due_ms), ..*next }, None);
                    }
                    match record.retry {
                        Some(retry) => plan.retried.push(&row(retry.due_ms, retry.attempts), None),
                        None if record.stored => plan.done.push_key(record.delivery),
                        None => {}
                    }
                }
            }
            Item::Park(Parked { rows, held }) => {
                for row in rows {
                    let row = Scheduled { due_ms: skew.to_database(row.due_ms), ..*row };
                    plan.parked.push(&row, held.then_some(node));
                }
            }
            Item::Forget(deliveries) => {
                for delivery in deliveries {
                    plan.done.push_key(*delivery);
                }
            }
            Item::Flush(_) => {}
        }
    }
    plan
}
