//! One try of one delivery: read the endpoint as it is now, render, send, judge.

use crate::answer::{self, Taken};
use crate::compose::{Composer, Stopped, Subject};
use crate::job::Job;
use crate::oauth::{TokenError, Tokens};
use crate::payloads::{Payloads, Shared};
use crate::render::not_loaded;
use crate::state::KeptError;
use crate::tls::TlsProfiles;
use crate::transmit::{Obstacle, transmit};
use bytes::Bytes;
use postrider_clock::Clock;
use postrider_contract::{Answer, Book, Contract, Outcome, Request};
use postrider_egress::{Egress, Incomplete, Reply, SendError};
use postrider_store::config::Endpoint;
use postrider_store::message::{
    self, AttemptOutcome, AttemptRecord, Deliver, DeliveryKey, Message, Retry, SKIPPED, Scheduled,
};
use postrider_store::{AppEntry, Store, StoreError};
use postrider_template::Variables;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How long to wait for a database that is away or busy.
const AGAIN_MS: i64 = 250;

/// Statuses by which a receiver, or what stands before it, says that it gets too much or is not there.
const REFUSALS: [u16; 4] = [429, 502, 503, 504];

/// For so long after its acceptance, a message is tried again without counting if something before the endpoint fails.
const UNCOUNTED_MS: i64 = 86_400_000;

/// How long a delivery waits whose contract is not loaded.
const NOT_LOADED_MS: i64 = 300_000;

/// What an attempt needs of the house.
#[derive(Debug)]
pub struct Tools {
    pub store: Store,
    pub egress: Egress,
    pub contracts: Arc<Book>,
    pub composer: Composer,
    pub clock: Clock,
    pub payloads: Payloads,
    pub tls: TlsProfiles,
    pub tokens: Tokens,
    /// The process is to end: nobody waits any longer.
    pub stopping: AtomicBool,
    /// Attempts under way end here and now.
    pub give_up: watch::Sender<bool>,
}

impl Tools {
    /// A moment, after which the database may be there again, or have time: that it had none is no try of a message.
    /// `None`: the process is to end.
    async fn wait_for_store(&self) -> Option<()> {
        self.clock.sleep_until(self.clock.steady_ms() + AGAIN_MS).await;
        (!self.stopping.load(Ordering::Relaxed)).then_some(())
    }
}

/// An attempt that ended, for the scheduler to act on.
#[derive(Debug)]
pub struct Finished {
    pub record: AttemptRecord,
    /// With this one.
    pub tries: u32,
    pub effect: Effect,
}

/// What an attempt says about its endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    pub success: bool,
    /// Whether a request was really made (or tried): only those speak about the endpoint's health.
    pub real: bool,
    /// The endpoint refused, as it got too much or is not there.
    pub refused: bool,
    /// Send the endpoint nothing for so long.
    pub hold: Option<Duration>,
    /// The endpoint asked not to be called again.
    pub disable: bool,
    /// It was the last of several tries.
    pub exhausted: bool,
    /// A proxy failed: the attempt says nothing about the endpoint, and its deliveries pause for this long.
    pub elsewhere: Option<Duration>,
}

/// How an attempt ended, before it is known what follows.
struct Ended {
    outcome: AttemptOutcome,
    response: Bytes,
    judged: Outcome,
    refused: bool,
    hold: Option<Duration>,
    disable: bool,
    retry_after: Option<Duration>,
    real: bool,
    /// A proxy failed: deliveries pause for this long, and the attempt does not count as a try.
    elsewhere: Option<Duration>,
    reply: Option<String>,
    settings: Vec<message::Setting>,
    /// The message goes no further in its chain, whatever becomes of it here.
    ends_chain: bool,
}

impl Ended {
    fn failed(code: &str, reason: String, judged: Outcome) -> Ended {
        Ended {
            response: Bytes::from(reason.clone()),
            outcome: AttemptOutcome { success: false, status: 0, error: Some((code.to_owned(), reason)) },
            judged,
            refused: false,
            hold: None,
            disable: false,
            retry_after: None,
            real: code != "cancelled",
            elsewhere: None,
            reply: None,
            settings: vec![],
            ends_chain: false,
        }
    }

    /// Nothing was sent. That a message is not wanted is no failure, and says nothing about the endpoint; nor
    /// does a query that the provider's own API could not answer.
    fn stopped(stopped: &Stopped) -> Ended {
        match stopped {
            Stopped::Unwanted => Ended {
                outcome: AttemptOutcome { success: true, status: 0, error: None },
                response: Bytes::from(stopped.to_string()),
                real: false,
                ..Ended::failed("unwanted", String::new(), Outcome::Success)
            },
            Stopped::Query(reason) => Ended { real: false, ..Ended::failed("query", reason.clone(), Outcome::Retry) },
            Stopped::Template(reason) => Ended::failed("template", reason.clone(), Outcome::Fail),
        }
    }

    fn cancelled(reason: &str) -> Ended {
        Ended::failed("cancelled", reason.to_owned(), Outcome::Fail)
    }

    /// There is nothing to send, to nobody.
    fn over(reason: &str) -> Ended {
        Ended { ends_chain: true, ..Ended::cancelled(reason) }
    }
}

/// Makes one attempt, unless the process can wait for it no longer.
pub async fn attempt_or_give_up(tools: &Tools, job: &Job, random: u64) -> Option<Finished> {
    let mut give_up = tools.give_up.subscribe();
    tokio::select! {
        finished = attempt(tools, job, random) => finished,
        _ = give_up.wait_for(|given_up| *given_up) => None,
    }
}

/// Makes one attempt. `random` decides the jitter of its retry. `None`: the database gives nothing and the process is to
/// end, so nothing was done, and the delivery is there at the next start.
async fn attempt(tools: &Tools, job: &Job, random: u64) -> Option<Finished> {
    let source = message(tools, job).await?;
    let message = source.as_ref().map(Source::message);
    let started_ms = tools.clock.wall_ms();
    let started = tools.clock.steady_ms();
    let found = tools.store.directory().endpoint(job.delivery.endpoint);
    let ended = match &found {
        None => Ended::cancelled("the endpoint was deleted"),
        Some((_, endpoint)) if endpoint.settings.disabled || job.gone => Ended::cancelled("the endpoint is disabled"),
        // Before the next: what was cancelled is left out, too.
        Some(_) if is_cancelled(message.as_ref().ok().copied().flatten()) => Ended::over("the message was cancelled"),
        Some(_) if job.attempts == SKIPPED => Ended::cancelled("it was left out by hand"),
        Some((app, endpoint)) => match &message {
            Ok(Some(message)) => run(tools, job, (app, endpoint), message).await?,
            Ok(None) => Ended::over("the message is no longer kept"),
            // Nothing was sent: this is our own trouble, and worth another try.
            Err(error) => Ended::failed("cancelled", error.to_string(), Outcome::Retry),
        },
    };
    let now = tools.clock.steady_ms();
    let tries = job.attempts.saturating_add(1);
    let message_age_ms = message.as_ref().ok().copied().flatten().map_or(0, |message| started_ms - message.created_ms);
    let retry = match (&found, ended.judged) {
        (Some((_, endpoint)), Outcome::Retry) if ended.elsewhere.is_some() && message_age_ms < UNCOUNTED_MS => {
            // In order it stays at the front, where the lane's pause holds it: later, others would pass it.
            let pause_ms = if endpoint.settings.ordered { 0 } else { ended.elsewhere.map_or(0, ms) };
            let jitter_ms = i64::try_from(random % 1_000).unwrap_or(0) * pause_ms / 1_000;
            Some(Retry { due_ms: now + pause_ms + jitter_ms, attempts: job.attempts })
        }
        (Some((_, endpoint)), Outcome::Retry) => retry(tools, endpoint, tries, random, ended.retry_after, now),
        _ => None,
    };
    let message = message.ok().flatten().filter(|_| retry.is_none() && !ended.ends_chain);
    let next = message.and_then(|message| next(job, message, now));
    let effect = Effect {
        success: ended.outcome.success,
        real: ended.real,
        refused: ended.refused,
        hold: ended.hold,
        disable: ended.disable,
        exhausted: ended.judged == Outcome::Retry && retry.is_none() && tries > 1,
        elsewhere: ended.elsewhere,
    };
    let record = AttemptRecord {
        delivery: job.delivery,
        outcome: ended.outcome,
        url: found.map(|(_, endpoint)| endpoint.settings.url.clone()).unwrap_or_default(),
        response: ended.response,
        started_ms,
        duration_ms: now - started,
        retry,
        stored: job.stored,
        next,
        reply: ended.reply,
        settings: ended.settings,
    };
    Some(Finished { record, tries, effect })
}

/// `None` as [`attempt`] says it.
async fn run(tools: &Tools, job: &Job, (app, endpoint): (&AppEntry, &Endpoint), message: &Message) -> Option<Ended> {
    let Some(contract) = tools.contracts.get(&endpoint.settings.contract) else {
        // A server that was started without it, or before it came: nobody's fault but ours.
        let ended = Ended::failed("template", not_loaded(&endpoint.settings.contract), Outcome::Retry);
        return Some(Ended { real: false, ..ended });
    };
    if message.payload.is_empty() {
        return Some(Ended::over("the message's payload was removed"));
    }
    let kept = loop {
        match tools.composer.renderer.kept(app, endpoint, message).await {
            Ok(kept) => break kept,
            Err(KeptError::Store(StoreError::Unavailable | StoreError::Busy)) => tools.wait_for_store().await?,
            Err(KeptError::Store(error)) => {
                tracing::error!(%error, "could not read what earlier responses set");
                let reason = "what earlier responses set could not be read".to_owned();
                return Some(Ended::failed("cancelled", reason, Outcome::Retry));
            }
            Err(KeptError::Contract(reason)) => return Some(Ended::failed("cancelled", reason, Outcome::Retry)),
        }
    };
    let now_ms = tools.clock.wall_ms();
    let subject = Subject { app, endpoint, message, kept: &kept, attempt: job.attempts + 1, now_ms };
    Some(match tools.composer.compose(subject).await {
        Ok(request) => send(tools, contract, subject, request).await,
        Err(stopped) => Ended::stopped(&stopped),
    })
}

async fn send(tools: &Tools, contract: &Contract, subject: Subject<'_>, request: Request) -> Ended {
    let Subject { endpoint, message, .. } = subject;
    match Box::pin(transmit(tools, contract, subject, request)).await {
        Ok(reply) => {
            let response = response(endpoint, &reply);
            let content_type = reply.headers.get(http::header::CONTENT_TYPE).cloned();
            let incomplete = reply.incomplete.as_ref().map(Incomplete::to_string);
            let ended = judge(contract, reply, tools.clock.wall_ms());
            let mut ended = match response.filter(|_| ended.outcome.success) {
                Some(response) => Box::pin(complain(tools, endpoint, response, ended)).await,
                None => ended,
            };
            if wants_more(contract, endpoint, message) {
                let content_type = content_type.as_ref().and_then(|value| value.to_str().ok());
                let body = ended.response.clone();
                let incomplete = incomplete.as_deref();
                let taken = ended.outcome.success.then_some(Taken { content_type, body: &body, incomplete });
                let brought = Box::pin(answer::read(tools, contract, &subject, taken)).await;
                (ended.reply, ended.settings, ended.ends_chain) = (brought.reply, brought.settings, brought.ends_chain);
            }
            ended
        }
        Err(Obstacle::Tls(problem)) => Ended::failed("tls", problem.to_string(), Outcome::Retry),
        Err(Obstacle::Token(error)) => without_token(contract, error),
        Err(Obstacle::Unanswered(error)) => {
            let mut ended = unanswered(contract, error);
            if !endpoint.settings.actions.is_empty() {
                ended.reply = Box::pin(answer::read(tools, contract, &subject, None)).await.reply;
            }
            ended
        }
    }
}

/// Whether more than the status of a response counts.
fn wants_more(contract: &Contract, endpoint: &Endpoint, message: &Message) -> bool {
    contract.may_ask() || !endpoint.settings.actions.is_empty() || !message.chain.is_empty()
}

/// The delivery that begins when this one has ended and let the message pass on. A resend by hand is nobody's turn.
fn next(job: &Job, message: &Message, now_ms: i64) -> Option<Scheduled> {
    if job.delivery.manual {
        return None;
    }
    let place = message.chain.iter().position(|endpoint| *endpoint == job.delivery.endpoint)?;
    let endpoint = *message.chain.get(place + 1)?;
    let delivery = DeliveryKey { message: message.id, endpoint, manual: false };
    Some(Scheduled { delivery, due_ms: now_ms, attempts: 0 })
}

/// What an error template gets to see, where there is one.
fn response(endpoint: &Endpoint, reply: &Reply) -> Option<Variables> {
    endpoint.settings.error_template.as_ref()?;
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = reply.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    Some(Variables::Response { body: reply.body.clone(), headers: headers.collect() })
}

/// A response that looked like success is an error if the endpoint's template says so. It is final: what was
/// sent has arrived.
async fn complain(tools: &Tools, endpoint: &Endpoint, response: Variables, ended: Ended) -> Ended {
    let Some(complaint) = tools.composer.complaint(endpoint, response).await else { return ended };
    let error = Some(("template".to_owned(), complaint));
    let outcome = AttemptOutcome { success: false, error, ..ended.outcome };
    Ended { outcome, judged: Outcome::Fail, ends_chain: false, ..ended }
}

fn is_cancelled(message: Option<&Arc<Message>>) -> bool {
    message.is_some_and(|message| message.deliver == Deliver::Cancelled)
}

/// A message for as long as its attempt lasts.
enum Source<'a> {
    Accepted(&'a Arc<Message>),
    Read(Shared),
}

impl Source<'_> {
    fn message(&self) -> Option<&Arc<Message>> {
        match self {
            Source::Accepted(message) => Some(message),
            Source::Read(shared) => shared.message(),
        }
    }
}

/// `None` as [`attempt`] says it.
async fn message<'a>(tools: &Tools, job: &'a Job) -> Option<Result<Source<'a>, StoreError>> {
    if let Some(held) = &job.message {
        return Some(Ok(Source::Accepted(&held.message)));
    }
    loop {
        match tools.payloads.get(&tools.store, job.app, job.delivery.message).await {
            Err(StoreError::Unavailable | StoreError::Busy) => tools.wait_for_store().await?,
            read => return Some(read.map(Source::Read)),
        }
    }
}

/// The status counts, whatever became of the body.
fn judge(contract: &Contract, reply: Reply, now_ms: i64) -> Ended {
    let status = reply.status.as_u16();
    let header = |name: &str| reply.headers.get(name).and_then(|value| value.to_str().ok());
    let (retry_after, delivery) = (header("retry-after"), header("webhook-delivery"));
    let judgement = contract.judge(&Answer { status, retry_after, delivery, now_ms });
    let success = judgement.outcome == Outcome::Success;
    let reason = || {
        if let Some(words) = contract.reason("status", status) {
            return words;
        }
        let name = reply.status.canonical_reason().unwrap_or("not a known status");
        format!("the endpoint answered {status} ({name})")
    };
    let error = match (success, &reply.incomplete) {
        (true, None) => None,
        (true, Some(incomplete)) => Some(("incomplete_response".to_owned(), incomplete.to_string())),
        (false, None) => Some(("status".to_owned(), reason())),
        (false, Some(incomplete)) => Some(("status".to_owned(), format!("{}; {incomplete}", reason()))),
    };
    Ended {
        outcome: AttemptOutcome { success, status, error },
        response: reply.body,
        judged: judgement.outcome,
        refused: judgement.overloaded || REFUSALS.contains(&status),
        hold: judgement.hold,
        disable: judgement.disable,
        retry_after: judgement.retry_after,
        real: true,
        elsewhere: None,
        reply: None,
        settings: vec![],
        ends_chain: success,
    }
}

fn without_token(contract: &Contract, error: TokenError) -> Ended {
    match error {
        TokenError::Unanswered(error @ SendError::Proxy { .. }) => unanswered(contract, error),
        error => Ended { refused: true, ..Ended::failed("oauth", error.to_string(), Outcome::Retry) },
    }
}

fn unanswered(contract: &Contract, error: SendError) -> Ended {
    if let SendError::Proxy { pause, .. } = error {
        let ended = Ended::failed(error.code(), error.to_string(), Outcome::Retry);
        return Ended { real: false, elsewhere: Some(pause), ..ended };
    }
    if let SendError::RefusedAddress { host, address } = &error {
        tracing::info!(host, %address, "address refused; --allow-network opens networks");
    }
    let judged = if error.is_final() { Outcome::Fail } else { Outcome::Retry };
    let words = contract.reason(error.code(), 0);
    let refused = error.is_absence();
    Ended { refused, ..Ended::failed(error.code(), words.unwrap_or_else(|| error.to_string()), judged) }
}

fn retry(
    tools: &Tools,
    endpoint: &Endpoint,
    tries: u32,
    random: u64,
    retry_after: Option<Duration>,
    now_ms: i64,
) -> Option<Retry> {
    let Some(contract) = tools.contracts.get(&endpoint.settings.contract) else {
        // No try: it waits until there is a server that has the contract.
        return Some(Retry { due_ms: now_ms + NOT_LOADED_MS, attempts: tries - 1 });
    };
    let delay = contract.retry_delay(endpoint.settings.retry_schedule.as_deref(), tries, random)?;
    let delay = delay.max(retry_after.unwrap_or_default());
    Some(Retry { due_ms: now_ms + ms(delay), attempts: tries })
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
