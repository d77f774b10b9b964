//! What can be asked of a store about what passed through. None of it waits for the writer.

use crate::error::StoreError;
use crate::id::{AppId, AttemptId, EndpointId, EnvId, MessageId, TaskId};
use crate::message::{Attempt, DeliveryState, Due, Message, Reply, Scheduled, Standing, UpTo, Variable};
use crate::query::{AttemptFilter, AttemptsOf, Found, MessageFilter, Page, TaskFilter};
use crate::task::{Failed, Task, TaskInput};
use crate::{Readers, Store, sqlite};

/// Rows among which the front of a line is looked for: a few may have been sent again by hand.
const FRONT: usize = 50;

impl Store {
    pub async fn message(&self, app: AppId, id: MessageId) -> Result<Option<Message>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::read::message(conn, app, id)).await,
            Readers::Postgres(reads) => reads.message(app, id).await,
        }
    }

    /// A message of whichever application, for a delivery that knows only its id.
    pub async fn message_by_id(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::read::message_by_id(conn, id)).await,
            Readers::Postgres(reads) => reads.message_by_id(id).await,
        }
    }

    /// The same where the payload has at most `most` bytes.
    pub async fn message_up_to(&self, id: MessageId, most: usize) -> Result<Option<UpTo>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::read::message_up_to(conn, id, most)).await,
            Readers::Postgres(reads) => reads.message_up_to(id, most).await,
        }
    }

    /// Messages of an application; those of one of its endpoints, if one is given.
    pub async fn messages(
        &self,
        app: AppId,
        endpoint: Option<EndpointId>,
        filter: MessageFilter,
        page: Page,
    ) -> Result<Found<Message>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => {
                threads.read(move |conn| sqlite::read::messages(conn, app, endpoint, &filter, page)).await
            }
            Readers::Postgres(reads) => reads.messages(app, endpoint, &filter, page).await,
        }
    }

    pub async fn attempts(
        &self,
        of: AttemptsOf,
        filter: AttemptFilter,
        page: Page,
    ) -> Result<Found<Attempt>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::read::attempts(conn, of, &filter, page)).await,
            Readers::Postgres(reads) => reads.attempts(of, &filter, page).await,
        }
    }

    pub async fn attempt(&self, message: MessageId, id: AttemptId) -> Result<Option<Attempt>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::read::attempt(conn, message, id)).await,
            Readers::Postgres(reads) => reads.attempt(message, id).await,
        }
    }

    /// What responses to a message asked for, the oldest first.
    pub async fn replies(&self, message: MessageId) -> Result<Vec<Reply>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::read::replies(conn, message)).await,
            Readers::Postgres(reads) => reads.replies(message).await,
        }
    }

    pub async fn variables(
        &self,
        app: AppId,
        endpoint: Option<EndpointId>,
        subject: String,
    ) -> Result<Vec<Variable>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => {
                threads.read(move |conn| sqlite::read::variables(conn, app, endpoint, &subject)).await
            }
            Readers::Postgres(reads) => reads.variables(app, endpoint, &subject).await,
        }
    }

    /// Where messages about an object go, if anybody said so since then, epoch ms.
    pub async fn address(&self, app: AppId, object: String, since_ms: i64) -> Result<Option<EndpointId>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => {
                threads.read(move |conn| sqlite::read::address(conn, app, &object, since_ms)).await
            }
            Readers::Postgres(reads) => reads.address(app, &object, since_ms).await,
        }
    }

    /// Whether an endpoint has nothing in the schedule that waits for it.
    pub async fn has_nothing(&self, endpoint: EndpointId) -> Result<bool, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::read::has_nothing(conn, endpoint)).await,
            Readers::Postgres(reads) => reads.has_nothing(endpoint).await,
        }
    }

    /// Replies that the provider is yet to be told of, the oldest first, at most `limit`; and those among
    /// them that there is nothing to tell of any more.
    pub async fn untold(&self, limit: usize) -> Result<(Vec<Reply>, Vec<AttemptId>), StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::read::untold(conn, limit)).await,
            Readers::Postgres(reads) => reads.untold(limit).await,
        }
    }

    /// How each of these deliveries stands, in their order; times are by the wall clock.
    pub async fn states(&self, deliveries: Vec<(MessageId, EndpointId)>) -> Result<Vec<DeliveryState>, StoreError> {
        let ahead_ms = self.clock.ahead_ms();
        let states = match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::read::states(conn, &deliveries)).await,
            Readers::Postgres(reads) => reads.states(&deliveries).await,
        };
        Ok(states?.into_iter().map(|state| state.ahead(ahead_ms)).collect())
    }

    /// How the deliveries stand that an endpoint got attempts of in this range of ids (the first, and the
    /// first after it), and those that wait.
    pub async fn standing(&self, endpoint: EndpointId, ids: (i64, i64)) -> Result<Standing, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::read::standing(conn, endpoint, ids)).await,
            Readers::Postgres(reads) => reads.standing(endpoint, ids).await,
        }
    }

    /// Deliveries of an endpoint due by `until_ms`, at most `limit`, and when the first one after
    /// that is due. Makes this node the one that works on them, unless another does.
    pub async fn due(&self, endpoint: EndpointId, until_ms: i64, limit: usize) -> Result<Due, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => {
                threads.read(move |conn| sqlite::read::due(conn, endpoint, until_ms, limit)).await
            }
            Readers::Postgres(reads) => reads.due(endpoint, until_ms, limit).await,
        }
    }

    /// What of an endpoint's deliveries is at the front, in the order of commits: all that is due by `until_ms`, and
    /// those that are to be tried again, due or not.
    pub async fn due_in_order(&self, endpoint: EndpointId, until_ms: i64, limit: usize) -> Result<Due, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => {
                threads.read(move |conn| sqlite::read::due_in_order(conn, endpoint, until_ms, limit)).await
            }
            Readers::Postgres(reads) => reads.due_in_order(endpoint, until_ms, limit).await,
        }
    }

    /// The delivery at the front of an ordered endpoint's line, due or not, whichever node works on it.
    pub async fn front(&self, endpoint: EndpointId, now_ms: i64) -> Result<Option<Scheduled>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => {
                let due = threads.read(move |conn| sqlite::read::due_in_order(conn, endpoint, now_ms, FRONT)).await?;
                Ok(due.rows.iter().find(|row| !row.delivery.manual).copied())
            }
            Readers::Postgres(reads) => reads.front(endpoint, now_ms).await,
        }
    }

    /// How many deliveries of an endpoint wait in the schedule, counted up to `most`.
    pub async fn waiting_for(&self, endpoint: EndpointId, most: usize) -> Result<i64, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::read::waiting_for(conn, endpoint, most)).await,
            Readers::Postgres(reads) => reads.waiting_for(endpoint, most).await,
        }
    }

    /// Those of the messages that have a payload, in their order.
    pub async fn with_payload(&self, messages: Vec<MessageId>) -> Result<Vec<MessageId>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::read::with_payload(conn, messages)).await,
            Readers::Postgres(reads) => reads.with_payload(messages).await,
        }
    }

    /// When the first of an endpoint's deliveries in the schedule is due, epoch ms.
    pub async fn next_due(&self, endpoint: EndpointId) -> Result<Option<i64>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => {
                threads.read(move |conn| sqlite::read::next_due(conn, endpoint, i64::MIN)).await
            }
            Readers::Postgres(reads) => reads.next_due(endpoint).await,
        }
    }

    /// Lets other nodes work on these endpoints' schedules.
    pub async fn release(&self, endpoints: Vec<EndpointId>) -> Result<(), StoreError> {
        match &self.readers {
            Readers::Sqlite(_) => Ok(()),
            Readers::Postgres(reads) => reads.release(&endpoints).await,
        }
    }

    /// Deliveries in the schedule.
    pub async fn waiting_count(&self) -> Result<i64, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(sqlite::read::waiting_count).await,
            Readers::Postgres(reads) => reads.waiting_count().await,
        }
    }

    /// Endpoints with waiting deliveries that no other node works on, and when the first of each is
    /// due.
    pub async fn waiting_endpoints(&self) -> Result<Vec<(EndpointId, i64)>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(sqlite::read::waiting_endpoints).await,
            Readers::Postgres(reads) => reads.waiting_endpoints().await,
        }
    }

    pub async fn task(&self, env: EnvId, id: TaskId) -> Result<Option<Task>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::task::task(conn, env, id)).await,
            Readers::Postgres(reads) => reads.task(env, id).await,
        }
    }

    pub async fn tasks(&self, filter: TaskFilter, page: Page) -> Result<Found<Task>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::task::tasks(conn, &filter, page)).await,
            Readers::Postgres(reads) => reads.tasks(&filter, page).await,
        }
    }

    /// Jobs that are not done; those of one application, if one is given.
    pub async fn running_tasks(&self, app: Option<AppId>) -> Result<Vec<Task>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::task::running(conn, app)).await,
            Readers::Postgres(reads) => reads.running_tasks(app).await,
        }
    }

    /// An endpoint's next failures, between two attempts, at most `limit` of them looked at: the messages
    /// of the job's time whose last attempt it was and that wait for no other.
    pub async fn failed(&self, input: TaskInput, between: (i64, i64), limit: usize) -> Result<Failed, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => {
                threads.read(move |conn| sqlite::task::failed(conn, &input, between, limit)).await
            }
            Readers::Postgres(reads) => reads.failed(&input, between, limit).await,
        }
    }

    /// How many failures [`Store::failed`] will look at.
    pub async fn failures(&self, endpoint: EndpointId, between: (i64, i64)) -> Result<i64, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::task::failures(conn, endpoint, between)).await,
            Readers::Postgres(reads) => reads.failures(endpoint, between).await,
        }
    }

    /// To how many endpoints messages of an application went, from one id up to, not with, another.
    pub async fn destinations(&self, app: AppId, ids: (i64, i64)) -> Result<i64, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::task::destinations(conn, app, ids)).await,
            Readers::Postgres(reads) => reads.destinations(app, ids).await,
        }
    }

    /// How an endpoint's attempts ended, from one id up to, not with, another.
    pub async fn attempted(&self, endpoint: EndpointId, ids: (i64, i64)) -> Result<Standing, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::read::attempted(conn, endpoint, ids)).await,
            Readers::Postgres(reads) => reads.attempted(endpoint, ids).await,
        }
    }

    /// How many messages of an application there are from one id up to, not with, another.
    pub async fn messages_between(&self, app: AppId, ids: (i64, i64)) -> Result<i64, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::task::messages_between(conn, app, ids)).await,
            Readers::Postgres(reads) => reads.messages_between(app, ids).await,
        }
    }
}
