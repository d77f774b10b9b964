//! Endpoints that are pulled: consumers read what came, in the order of commits, each at its own pace.
//!
//! What a consumer was given counts as taken when it comes back with the iterator of that page. One that dies before
//! gets the page again.

use crate::check;
use crate::{Accept, Caller, FieldProblem, Refusal};
use postrider_store::ChangeError;
use postrider_store::config::{Change, Endpoint};
use postrider_store::id::{AppId, MessageId};
use postrider_store::message::Message;
use postrider_store::query::PAGE_BYTES;
use postrider_store::{AppEntry, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// Messages of one page.
pub const MOST_POLLED: usize = 250;
/// Consumers of one endpoint.
const MOST_CONSUMERS: usize = 100;
/// Rows looked at for one page, where a filter leaves some out.
const LOOKED_AT: usize = 2_000;
/// How often to look whether something has come.
const LOOK: Duration = Duration::from_millis(100);
/// Rows forgotten in one go.
const FORGOTTEN: usize = 10_000;

/// What a consumer asks for.
#[derive(Clone, Debug, Default)]
pub struct Poll {
    /// Where the last page ended.
    pub iterator: Option<i64>,
    pub limit: usize,
    pub event_type: Option<String>,
    pub channel: Option<String>,
    /// Only without an iterator: what was accepted at this time or later, epoch ms.
    pub after_ms: Option<i64>,
    /// How long to wait for a first message.
    pub wait: Duration,
}

/// A page of what came.
#[derive(Clone, Debug)]
pub struct Pulled {
    pub endpoint: Arc<Endpoint>,
    pub messages: Vec<Message>,
    /// Where the next page begins.
    pub iterator: i64,
    /// Nothing more is there at the moment.
    pub done: bool,
}

impl Accept {
    /// The endpoint, if it is one that is pulled.
    fn poller(&self, caller: Caller, app: &str, name: &str) -> Result<(Arc<AppEntry>, Arc<Endpoint>), Refusal> {
        let (entry, endpoint) = self.endpoint(caller, app, name)?;
        if !endpoint.settings.poll {
            let detail = "this endpoint is sent its messages; make one with \"poll\": true to pull them".into();
            return Err(Refusal::Conflict { code: "not_polled", detail });
        }
        Ok((entry, endpoint))
    }

    /// The next messages after an iterator that the caller keeps.
    pub async fn poll(&self, caller: Caller, (app, endpoint): (&str, &str), poll: &Poll) -> Result<Pulled, Refusal> {
        let (_, endpoint) = self.poller(caller, app, endpoint)?;
        let from = match (poll.iterator, poll.after_ms) {
            (Some(iterator), _) => iterator,
            (None, Some(after_ms)) => self.store.position_before(endpoint.id, after_ms).await?,
            (None, None) => 0,
        };
        self.pulled(endpoint, from, poll).await
    }

    /// The next messages of a consumer whose place is kept here. An iterator says that all before it is done.
    pub async fn poll_consumer(
        &self,
        caller: Caller,
        (app, endpoint, consumer): (&str, &str, &str),
        poll: &Poll,
    ) -> Result<Pulled, Refusal> {
        let (entry, endpoint) = self.poller(caller, app, endpoint)?;
        check_consumer(consumer)?;
        let known = self.store.consumer(endpoint.id, consumer.to_owned()).await?;
        let from = poll.iterator.or(known).unwrap_or(0);
        if known != Some(from) {
            self.move_consumer(&entry, &endpoint, consumer, from).await?;
        }
        self.pulled(endpoint, from, poll).await
    }

    /// Moves a consumer to a time: it goes on with what was accepted then or later. Returns its iterator.
    pub async fn seek(
        &self,
        caller: Caller,
        (app, endpoint, consumer): (&str, &str, &str),
        after_ms: i64,
    ) -> Result<i64, Refusal> {
        let (entry, endpoint) = self.poller(caller, app, endpoint)?;
        check_consumer(consumer)?;
        // The store's own places begin above 0.
        let position = self.store.position_before(endpoint.id, after_ms).await?.max(0);
        self.move_consumer(&entry, &endpoint, consumer, position).await?;
        Ok(position)
    }

    async fn move_consumer(
        &self,
        entry: &AppEntry,
        endpoint: &Endpoint,
        consumer: &str,
        position: i64,
    ) -> Result<(), Refusal> {
        let change = Change::MoveConsumer {
            endpoint: endpoint.id,
            name: consumer.to_owned(),
            position,
            now_ms: self.clock.wall_ms(),
            most: MOST_CONSUMERS,
        };
        match self.store.change(entry.app.id, change, None).await {
            Ok(_) => Ok(()),
            Err(ChangeError::Outdated) => Err(Refusal::TooMany {
                code: "too_many_consumers",
                detail: format!("the endpoint has {MOST_CONSUMERS} consumers already; use one of them"),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// A page from a position on, waiting for a first message if there is none.
    async fn pulled(&self, endpoint: Arc<Endpoint>, from: i64, poll: &Poll) -> Result<Pulled, Refusal> {
        let limit = poll.limit.clamp(1, MOST_POLLED);
        let until_ms = self.clock.steady_ms() + i64::try_from(poll.wait.as_millis()).unwrap_or(0);
        loop {
            let page = self.page(&endpoint, from, limit, poll).await?;
            if !page.messages.is_empty() || !page.done || self.clock.steady_ms() >= until_ms {
                return Ok(page);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn page(&self, endpoint: &Arc<Endpoint>, from: i64, limit: usize, poll: &Poll) -> Result<Pulled, StoreError> {
        let (mut messages, mut iterator, mut looked_at, mut bytes) = (Vec::new(), from, 0, 0);
        loop {
            let wanted = limit - messages.len();
            let found = self.store.polled(endpoint.id, iterator, wanted).await?;
            let is_cut = found.looked_to.is_some();
            let done = found.rows.len() < wanted && !is_cut;
            looked_at += found.rows.len();
            for polled in found.rows {
                iterator = polled.position;
                let message = polled.message.filter(|message| is_asked_for(message, poll));
                bytes += message.as_ref().map_or(0, |message| message.payload.len());
                messages.extend(message);
            }
            let is_full = messages.len() == limit || bytes > PAGE_BYTES || (is_cut && !messages.is_empty());
            if done || is_full || looked_at >= LOOKED_AT {
                return Ok(Pulled { endpoint: endpoint.clone(), messages, iterator, done });
            }
        }
    }

    /// Forgets what could be pulled and is no longer kept.
    pub async fn forget_polled(&self) -> Result<(), StoreError> {
        let days = self.rules.retention.message_days.iter().max().copied().unwrap_or(self.rules.retention.default_days);
        let before = MessageId(self.rules.retention.first_message(days, self.clock.wall_ms()));
        loop {
            match self.store.change(AppId(0), Change::ForgetPolled { before, limit: FORGOTTEN }, None).await {
                Ok(_) => {}
                // There were none.
                Err(ChangeError::NotFound) => return Ok(()),
                Err(ChangeError::Store(error)) => return Err(error),
                Err(error) => return Err(StoreError::Database(error.to_string())),
            }
        }
    }
}

fn is_asked_for(message: &Message, poll: &Poll) -> bool {
    poll.event_type.as_ref().is_none_or(|wanted| *wanted == message.event_type)
        && poll.channel.as_ref().is_none_or(|wanted| message.channels.contains(wanted))
}

fn check_consumer(name: &str) -> Result<(), Refusal> {
    check::name(name, 128, "").map_err(|msg| {
        let loc = ["path", "consumer_id"].map(str::to_owned).into();
        FieldProblem { loc, msg, kind: "value_error" }.into()
    })
}
