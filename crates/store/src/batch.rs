//! What waits for the writer, and one batch of it.

use crate::config::Change;
use crate::error::{AppendError, ChangeError, StoreError};
use crate::id::AppId;
use crate::message::{Appended, AttemptRecord, DeliveryKey, IdempotencyKey, NewMessage, Scheduled};
use crate::{Changed, RememberedAnswer, Tenure};
use tokio::sync::oneshot;

/// What callers ask for.
#[expect(clippy::large_enum_variant, reason = "most of what comes is a message, which a box would allocate for")]
pub enum Command {
    Append(NewMessage, oneshot::Sender<Result<Appended, AppendError>>),
    /// Of one application, in one commit.
    AppendMany(Vec<NewMessage>, oneshot::Sender<ManyAppended>),
    Change(Box<ChangeRequest>, oneshot::Sender<Result<Changed, ChangeError>>),
}

/// What became of each message, in their order.
pub type ManyAppended = Vec<Result<Appended, AppendError>>;

/// What delivery reports, with the tenure in which it did it: never refused, in order.
pub enum Report {
    Attempts(Tenure, Vec<AttemptRecord>),
    Park(Tenure, Parked),
    /// Deliveries of which the database takes no outcome: they leave the schedule.
    Forget(Tenure, Vec<DeliveryKey>),
    /// Answered when all before it is on disk.
    Flush(oneshot::Sender<()>),
}

/// Deliveries that get a row in the schedule.
pub struct Parked {
    pub rows: Vec<Scheduled>,
    /// Memory keeps them as well and will send them.
    pub held: bool,
}

impl Report {
    /// The tenure it was done in; `None` where it doesn't matter.
    pub fn tenure(&self) -> Option<Tenure> {
        match self {
            Report::Attempts(tenure, _) | Report::Park(tenure, _) | Report::Forget(tenure, _) => Some(*tenure),
            Report::Flush(_) => None,
        }
    }

    pub fn rows(&self) -> usize {
        match self {
            Report::Attempts(_, attempts) => attempts.len(),
            Report::Park(_, parked) => parked.rows.len(),
            Report::Forget(_, deliveries) => deliveries.len(),
            Report::Flush(_) => 0,
        }
    }

    pub fn can_wait(&self) -> bool {
        !matches!(self, Report::Flush(_))
    }
}

/// A change with the answer to keep for its idempotency key.
pub struct ChangeRequest {
    /// Whose turn it takes; 0 for changes outside applications.
    pub app: AppId,
    pub change: Change,
    pub idempotency: Option<(IdempotencyKey, RememberedAnswer)>,
    pub now_ms: i64,
}

#[expect(clippy::large_enum_variant, reason = "most of what comes is a message, which a box would allocate for")]
pub enum Item {
    Append(NewMessage, oneshot::Sender<Result<Appended, AppendError>>),
    AppendMany(Vec<NewMessage>, oneshot::Sender<ManyAppended>),
    Change(Box<ChangeRequest>, oneshot::Sender<Result<Changed, ChangeError>>),
    Attempts(Vec<AttemptRecord>),
    Park(Parked),
    Forget(Vec<DeliveryKey>),
    Flush(oneshot::Sender<()>),
}

impl Item {
    /// Whether it says what this node did; nobody waits for it.
    pub fn is_report(&self) -> bool {
        match self {
            Item::Attempts(_) | Item::Park(_) | Item::Forget(_) => true,
            Item::Append(..) | Item::AppendMany(..) | Item::Change(..) | Item::Flush(_) => false,
        }
    }

    /// The messages that it adds.
    pub fn messages(&self) -> &[NewMessage] {
        match self {
            Item::Append(message, _) => std::slice::from_ref(message),
            Item::AppendMany(messages, _) => messages,
            Item::Change(..) | Item::Attempts(_) | Item::Park(_) | Item::Forget(_) | Item::Flush(_) => &[],
        }
    }
}

impl From<Command> for Item {
    fn from(command: Command) -> Item {
        match command {
            Command::Append(message, reply) => Item::Append(message, reply),
            Command::AppendMany(messages, reply) => Item::AppendMany(messages, reply),
            Command::Change(request, reply) => Item::Change(request, reply),
        }
    }
}

impl From<Report> for Item {
    fn from(report: Report) -> Item {
        match report {
            Report::Attempts(_, records) => Item::Attempts(records),
            Report::Park(_, parked) => Item::Park(parked),
            Report::Forget(_, deliveries) => Item::Forget(deliveries),
            Report::Flush(reply) => Item::Flush(reply),
        }
    }
}

/// An item's result, known before the commit and told after it.
pub enum Outcome {
    Appended(Result<Appended, AppendError>),
    AppendedMany(ManyAppended),
    Changed(Result<Changed, ChangeError>),
    Done,
}

#[derive(Default)]
pub struct Batch {
    pub items: Vec<Item>,
}

impl Batch {
    /// Rows, about.
    pub fn len(&self) -> usize {
        let rows = |item: &Item| match item {
            Item::Attempts(records) => records.len(),
            Item::Park(parked) => parked.rows.len(),
            Item::AppendMany(messages, _) => messages.len(),
            Item::Forget(deliveries) => deliveries.len(),
            Item::Append(..) | Item::Change(..) | Item::Flush(_) => 1,
        };
        self.items.iter().map(rows).sum()
    }

    /// Messages in it.
    pub fn messages(&self) -> usize {
        self.items.iter().map(|item| item.messages().len()).sum()
    }

    /// Bytes in the log, about: what decides when to checkpoint.
    pub fn bytes(&self) -> usize {
        let bytes = |item: &Item| match item {
            Item::Append(..) | Item::AppendMany(..) => item.messages().iter().map(NewMessage::bytes).sum(),
            Item::Attempts(records) => records.iter().map(|record| record.response.len() + 500).sum(),
            Item::Park(parked) => parked.rows.len() * 200,
            Item::Forget(deliveries) => deliveries.len() * 200,
            Item::Change(..) | Item::Flush(_) => 8_000,
        };
        self.items.iter().map(bytes).sum()
    }

    /// Whether there is nothing to split.
    pub fn is_single(&self) -> bool {
        match self.items.as_slice() {
            [] => true,
            [Item::Attempts(records)] => records.len() <= 1,
            [Item::Park(parked)] => parked.rows.len() <= 1,
            items => items.len() == 1,
        }
    }

    /// Those who wait for all that came before them.
    pub fn take_flushes(&mut self) -> impl Iterator<Item = oneshot::Sender<()>> {
        let (flushes, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.items).into_iter().partition(|item| matches!(item, Item::Flush(_)));
        self.items = others;
        flushes.into_iter().filter_map(|item| if let Item::Flush(reply) = item { Some(reply) } else { None })
    }

    /// The same in two batches, to find the item that is refused in few commits: the others share theirs.
    pub fn halves(mut self) -> [Batch; 2] {
        let second = match self.items.as_mut_slice() {
            [Item::Attempts(records)] => vec![Item::Attempts(records.split_off(records.len() / 2))],
            [Item::Park(Parked { rows, held })] => {
                vec![Item::Park(Parked { rows: rows.split_off(rows.len() / 2), held: *held })]
            }
            items => {
                let half = items.len() / 2;
                self.items.split_off(half)
            }
        };
        [self, Batch { items: second }]
    }

    /// Takes out what reports what this node did.
    pub fn take_reports(&mut self) -> Batch {
        Batch { items: self.items.extract_if(.., |item| item.is_report()).collect() }
    }

    /// What of it is not a report of what this node did.
    pub fn without_reports(mut self) -> Batch {
        self.items.retain(|item| !item.is_report());
        self
    }

    /// Answers the callers, who will learn by their next try what became of it.
    pub fn answer_unavailable(&mut self) {
        for item in &mut self.items {
            match item {
                Item::Append(_, reply) => {
                    let reply = std::mem::replace(reply, oneshot::channel().0);
                    drop(reply.send(Err(AppendError::Store(StoreError::Unavailable))));
                }
                Item::AppendMany(messages, reply) => {
                    let reply = std::mem::replace(reply, oneshot::channel().0);
                    drop(reply.send(refused(messages.len(), || StoreError::Unavailable)));
                }
                Item::Change(_, reply) => {
                    let reply = std::mem::replace(reply, oneshot::channel().0);
                    drop(reply.send(Err(ChangeError::Store(StoreError::Unavailable))));
                }
                Item::Attempts(_) | Item::Park(_) | Item::Forget(_) | Item::Flush(_) => {}
            }
        }
    }

    /// Refuses the callers, and gives back the reports, which must be kept.
    pub fn refuse(self, tenure: Tenure, why: impl Fn() -> StoreError) -> Vec<Report> {
        let mut kept = Vec::new();
        for item in self.items {
            match item {
                Item::Append(message, reply) => refuse(Command::Append(message, reply), &why),
                Item::AppendMany(messages, reply) => refuse(Command::AppendMany(messages, reply), &why),
                Item::Change(request, reply) => refuse(Command::Change(request, reply), &why),
                Item::Attempts(records) => kept.push(Report::Attempts(tenure, records)),
                Item::Park(parked) => kept.push(Report::Park(tenure, parked)),
                Item::Forget(deliveries) => kept.push(Report::Forget(tenure, deliveries)),
                Item::Flush(reply) => kept.push(Report::Flush(reply)),
            }
        }
        kept
    }
}

pub fn refuse(command: Command, why: impl Fn() -> StoreError) {
    match command {
        Command::Append(_, reply) => drop(reply.send(Err(AppendError::Store(why())))),
        Command::AppendMany(messages, reply) => drop(reply.send(refused(messages.len(), why))),
        Command::Change(_, reply) => drop(reply.send(Err(ChangeError::Store(why())))),
    }
}

/// The same refusal for each of so many.
fn refused(count: usize, why: impl Fn() -> StoreError) -> ManyAppended {
    (0..count).map(|_| Err(AppendError::Store(why()))).collect()
}
