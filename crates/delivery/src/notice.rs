//! Telling people by mail that an endpoint fails: at most once in a while for each, however many nodes there are.

use postrider_clock::Clock;
use postrider_egress::{Mail, Mailer};
use postrider_store::config::{Application, Change, Endpoint};
use postrider_store::id::{EndpointId, MessageId};
use postrider_store::message::AttemptRecord;
use postrider_store::{ChangeError, Store};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::sync::mpsc;

/// Failures that wait to be told; more are not told of.
const WAITING: usize = 1_024;
/// Endpoints of which it is remembered when they were told of.
const REMEMBERED: usize = 10_000;
/// How often a mail is tried, and how long to wait between.
const TRIES: usize = 3;
const BETWEEN: Duration = Duration::from_secs(5);
/// How much of a response is quoted, in characters.
const QUOTED: usize = 500;

/// What mails are made of.
#[derive(Debug)]
pub struct NoticeOptions {
    pub mailer: Mailer,
    /// Between two mails about one endpoint.
    pub interval: Duration,
    /// Where people reach this server.
    pub public_url: Option<String>,
    pub store: Store,
    pub clock: Clock,
}

/// Takes failures. The task ends with the last clone.
#[derive(Clone, Debug)]
pub struct Notices(mpsc::Sender<Failure>);

/// One attempt that failed.
#[derive(Debug)]
struct Failure {
    endpoint: EndpointId,
    message: MessageId,
    reason: String,
    /// What came back, or nothing.
    response: String,
    at_ms: i64,
    is_retried: bool,
}

impl Notices {
    pub fn start(options: NoticeOptions) -> Notices {
        let (sender, failures) = mpsc::channel(WAITING);
        tokio::spawn(Teller { options, told: HashMap::new() }.run(failures));
        Notices(sender)
    }

    /// Never waits: a mail less is better than a delivery later.
    pub fn failed(&self, record: &AttemptRecord) {
        let Some((code, reason)) = &record.outcome.error else { return };
        // A proxy's failure is nothing that the endpoint's people could mend.
        if code == "cancelled" || (code == "proxy" && record.retry.is_some()) {
            return;
        }
        let quoted = if record.outcome.status == 0 { 0 } else { QUOTED };
        let response = String::from_utf8_lossy(&record.response).chars().take(quoted).collect();
        let failure = Failure {
            endpoint: record.delivery.endpoint,
            message: record.delivery.message,
            reason: reason.clone(),
            response,
            at_ms: record.started_ms,
            is_retried: record.retry.is_some(),
        };
        if self.0.try_send(failure).is_err() {
            tracing::debug!("too many failures to tell people of all");
        }
    }
}

struct Teller {
    options: NoticeOptions,
    /// When each endpoint may be told of again, epoch ms.
    told: HashMap<EndpointId, i64>,
}

impl Teller {
    async fn run(mut self, mut failures: mpsc::Receiver<Failure>) {
        while let Some(failure) = failures.recv().await {
            let now_ms = self.options.clock.wall_ms();
            if self.told.get(&failure.endpoint).is_some_and(|again_ms| now_ms < *again_ms) {
                continue;
            }
            let Some((entry, endpoint)) = self.options.store.directory().endpoint(failure.endpoint) else { continue };
            let to = recipients(&entry.app, &endpoint);
            if !to.is_empty() && self.claim(&failure, entry.app.id, now_ms).await {
                let mail = self.mail(&failure, &entry.app, &endpoint, to).await;
                self.send(mail).await;
            }
        }
    }

    /// Whether it is this one's to tell: no other node did within the interval, nor this one before it was
    /// started anew.
    async fn claim(&mut self, failure: &Failure, app: postrider_store::id::AppId, now_ms: i64) -> bool {
        let interval = i64::try_from(self.options.interval.as_millis()).unwrap_or(i64::MAX);
        let change = Change::ClaimNotice { endpoint: failure.endpoint, now_ms, before_ms: now_ms - interval };
        let claimed = self.options.store.change(app, change, None).await;
        if let Err(error) = &claimed
            && !matches!(error, ChangeError::Outdated)
        {
            tracing::warn!(%error, "could not tell people of a failure");
            return false;
        }
        if self.told.len() >= REMEMBERED {
            self.told.retain(|_, again_ms| now_ms < *again_ms);
        }
        if self.told.len() < REMEMBERED {
            // Where another told of it, it is asked again after a part of the time.
            let again_ms = if claimed.is_ok() { now_ms + interval } else { now_ms + interval / 8 };
            self.told.insert(failure.endpoint, again_ms);
        }
        claimed.is_ok()
    }

    async fn mail(&self, failure: &Failure, app: &Application, endpoint: &Endpoint, to: Vec<String>) -> Mail {
        let ids = self.options.store.ids();
        let (app_id, endpoint_id) = (ids.text(app.id), ids.text(endpoint.id));
        let message = self.options.store.message_by_id(failure.message).await.ok().flatten();
        let event_type = message.map(|message| message.event_type).unwrap_or_default();
        let mut text = format!(
            "A webhook of {} failed.\n\nURL: {}\nEvent type: {event_type}\nMessage: {}\nTime: {}\nReason: {}\n",
            app.settings.name,
            endpoint.settings.url,
            ids.text(failure.message),
            utc(failure.at_ms),
            failure.reason,
        );
        if !failure.response.is_empty() {
            text.push_str(&format!("Response: {}\n", failure.response));
        }
        text.push_str(if failure.is_retried {
            "\nIt will be tried again.\n"
        } else {
            "\nIt will not be tried again by itself.\n"
        });
        let base = self.options.public_url.as_deref().unwrap_or_default().trim_end_matches('/');
        text.push_str(&format!(
            "\nAll errors of this webhook: GET {base}/api/v1/app/{app_id}/endpoint/{endpoint_id}/error\n\
             There will be no other mail about it within {}.\n",
            spelled(self.options.interval)
        ));
        Mail { to, subject: format!("A webhook of {} failed: {}", app.settings.name, failure.reason), text }
    }

    async fn send(&self, mail: Mail) {
        for n in 1..=TRIES {
            match self.options.mailer.send(mail.clone()).await {
                Ok(()) => return,
                Err(error) if error.is_transient && n < TRIES => {
                    tracing::debug!(%error, "a mail was not taken; trying again");
                    tokio::time::sleep(BETWEEN).await;
                }
                Err(error) => {
                    tracing::warn!(%error, to = mail.to.join(", "), "people could not be told of a failure");
                    return;
                }
            }
        }
    }
}

fn recipients(app: &Application, endpoint: &Endpoint) -> Vec<String> {
    let all = app.settings.notify_emails.iter().chain(&endpoint.settings.notify_emails);
    all.cloned().collect::<BTreeSet<String>>().into_iter().collect()
}

fn utc(ms: i64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    let time = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1_000)).ok();
    time.and_then(|time| time.format(format).ok()).unwrap_or_default()
}

fn spelled(interval: Duration) -> String {
    match interval.as_secs() / 60 {
        1 => "a minute".into(),
        60 => "an hour".into(),
        minutes => format!("{minutes} minutes"),
    }
}
