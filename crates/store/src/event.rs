//! What the store tells delivery, after each commit.

use crate::Tenure;
use crate::config::Change;
use crate::message::{DeliveryKey, Message, Retry, Scheduled};
use std::sync::Arc;

/// Something that was committed. Events come in the order of the commits.
#[derive(Clone, Debug)]
pub enum Event {
    /// Messages to send, straight from memory.
    Accepted(Vec<Arc<Message>>),
    /// Attempts that are on disk, each with its retry.
    Recorded(Vec<(DeliveryKey, Option<Retry>)>),
    /// Deliveries that are in the schedule now and not in memory: it gave them up, or they have just begun.
    Parked(Vec<Scheduled>),
    /// A change that the directory already shows.
    Changed(Box<Change>),
    /// This process is a new node: what it had in memory belongs to others now.
    Reset(Tenure),
}
