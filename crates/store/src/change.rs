//! One change, committed and then seen by all at once.

use crate::config::{ApiKey, Application, Endpoint, Environment, EventType};
use crate::id::{AppId, AttemptId, EndpointId, EnvId, KeyId, MessageId, TaskId};
use crate::task::{Task, TaskStatus, Work};

/// See the module. `version` of a row is its new one, `based_on` the one that was read.
#[derive(Clone, Debug)]
pub enum Change {
    PutEnvironment {
        row: Environment,
        based_on: Option<i64>,
    },
    /// With its keys and event types; refused while it has applications.
    DeleteEnvironment(EnvId),
    CreateApplication(Application),
    UpdateApplication {
        row: Application,
        based_on: i64,
    },
    /// With its endpoints and tokens.
    DeleteApplication {
        app: AppId,
        version: i64,
    },
    CreateEndpoint(Endpoint),
    UpdateEndpoint {
        row: Endpoint,
        based_on: i64,
    },
    DeleteEndpoint {
        endpoint: EndpointId,
        version: i64,
    },
    PutEventType {
        row: EventType,
        based_on: Option<i64>,
    },
    DeleteEventType {
        env: EnvId,
        name: String,
    },
    /// Since when an endpoint fails; says nothing about routing.
    SetFailing {
        endpoint: EndpointId,
        since_ms: Option<i64>,
    },
    CreateKey(ApiKey),
    RevokeKey {
        key: KeyId,
        at_ms: i64,
    },
    /// The tokens of an application (of these sessions, or if none are named, all but those whose session is
    /// [lasting](crate::access::LASTING)) are not in force from `at_ms` on.
    ExpireTokens {
        app: AppId,
        sessions: Vec<String>,
        at_ms: i64,
    },
    /// Tokens of applications that have not been in force since before this time are forgotten.
    ForgetTokens {
        before_ms: i64,
    },
    /// Send a message to an endpoint again, now: one request for each of these.
    Resend {
        message: MessageId,
        endpoint: EndpointId,
        due_ms: i64,
        /// By the node that commits this, whoever works on the endpoint's schedule.
        at_once: bool,
    },
    CreateTask(Task),
    /// A slice of a job: it is at `row.cursor` now, was at `based_on`, and this is done.
    AdvanceTask {
        row: Task,
        based_on: i64,
        work: Work,
        due_ms: i64,
    },
    /// A job that runs or is paused stands otherwise now.
    SetTaskStatus {
        env: EnvId,
        task: TaskId,
        status: TaskStatus,
        now_ms: i64,
    },
    /// What still waits of a message ends now, visibly.
    CancelMessage {
        message: MessageId,
        /// Of those it goes to.
        endpoints: Vec<EndpointId>,
        due_ms: i64,
    },
    /// Removes a message's payload for good.
    ExpungeMessage {
        message: MessageId,
    },
    /// A failure that somebody has done with.
    ClearAttempt {
        message: MessageId,
        attempt: AttemptId,
    },
    /// Removes an attempt's response for good.
    ExpungeAttempt {
        message: MessageId,
        attempt: AttemptId,
    },
    /// People are told now that an endpoint fails, unless somebody told them after `before_ms`.
    ClaimNotice {
        endpoint: EndpointId,
        now_ms: i64,
        before_ms: i64,
    },
    /// What responses set of a subject is kept no more.
    ForgetVariables {
        app: AppId,
        subject: String,
    },
    /// A delivery that waits ends now, as one that was left out.
    SkipDelivery {
        message: MessageId,
        endpoint: EndpointId,
        due_ms: i64,
    },
    /// A consumer of an endpoint that is pulled has come to here; a new one, only while there are fewer than `most`.
    MoveConsumer {
        endpoint: EndpointId,
        name: String,
        position: i64,
        now_ms: i64,
        most: usize,
    },
    /// What could be pulled and is no longer kept: messages with lower ids; so many at once.
    ForgetPolled {
        before: MessageId,
        limit: usize,
    },
    /// Where messages about objects go is forgotten if nobody has said it since this time; so many objects at once.
    ForgetAddresses {
        before_ms: i64,
        limit: usize,
    },
    /// Nothing but that the idempotency key that comes with it is taken.
    ClaimKey,
    /// The provider has been told what these responses asked for.
    RepliesTold(Vec<AttemptId>),
}

impl Change {
    /// The same by another clock.
    pub(crate) fn due_at(&self, clock: impl Fn(i64) -> i64) -> Change {
        let mut change = self.clone();
        if let Change::Resend { due_ms, .. }
        | Change::AdvanceTask { due_ms, .. }
        | Change::SkipDelivery { due_ms, .. }
        | Change::CancelMessage { due_ms, .. } = &mut change
        {
            *due_ms = clock(*due_ms);
        }
        change
    }

    /// Whether the directory shows it; the others are about what passes through.
    pub(crate) fn is_configuration(&self) -> bool {
        !matches!(
            self,
            Change::Resend { .. }
                | Change::CreateTask(_)
                | Change::AdvanceTask { .. }
                | Change::SetTaskStatus { .. }
                | Change::CancelMessage { .. }
                | Change::ExpungeMessage { .. }
                | Change::ClearAttempt { .. }
                | Change::ExpungeAttempt { .. }
                | Change::ClaimNotice { .. }
                | Change::RepliesTold(_)
                | Change::ClaimKey
                | Change::ForgetAddresses { .. }
                | Change::SkipDelivery { .. }
                | Change::ForgetVariables { .. }
                | Change::MoveConsumer { .. }
                | Change::ForgetPolled { .. }
        )
    }

    /// Whether messages that were routed before it are to be routed again.
    pub(crate) fn reroutes(&self) -> bool {
        self.is_configuration()
            && !matches!(self, Change::SetFailing { .. } | Change::ExpireTokens { .. } | Change::ForgetTokens { .. })
    }
}
