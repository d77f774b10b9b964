//! What every storage driver must do, told through the store's own door.
//!
//! A driver is one entry in [`Place::of_each_driver`]; each test runs on all of them.
#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use postrider_clock::Clock;
use postrider_store::access::Access;
use postrider_store::config::{
    ApiKey, Application, ApplicationSettings, Change, Endpoint, EndpointSecrets, EndpointSettings, EnvId, Environment,
    EnvironmentSettings,
};
use postrider_store::id::{AppId, EndpointId, KeyId, MessageId, TaskId};
use postrider_store::message::{
    Appended, AttemptOutcome, AttemptRecord, Deliver, DeliveryKey, DeliveryState, Due, IdempotencyKey, NewMessage,
    Retry, Scheduled, Standing,
};
use postrider_store::query::{AttemptFilter, AttemptsOf, MessageFilter, Page, TaskFilter};
use postrider_store::task::{Progress, Task, TaskInput, TaskKind, TaskStatus};
use postrider_store::{
    AppendError, ChangeError, Changed, Database, Event, Feed, OpenError, Options, PostgresOptions, Retention, Secret,
    Store, StoreMetrics,
};
use prometheus_client::registry::Registry;
use tempfile::TempDir;

const NOW: i64 = 1_700_000_000_000;

/// A place for data, on one of the drivers.
struct Place {
    database: Database,
    /// Kept as long as the place is used.
    _dir: TempDir,
}

impl Place {
    /// One of each driver that is there.
    async fn of_each_driver() -> Vec<Place> {
        let dir = TempDir::new().unwrap();
        let mut places = vec![Place { database: Database::Embedded(dir.path().to_owned()), _dir: dir }];
        if let Some(url) = postrider_testdb::fresh().await {
            let node_name = "a test".to_owned();
            let database = Database::Postgres(PostgresOptions { url, node_name });
            places.push(Place { database, _dir: TempDir::new().unwrap() });
        }
        places
    }

    async fn open(&self, secret_key: [u8; 32]) -> Result<(Store, Feed), OpenError> {
        let metrics = StoreMetrics::register(&mut Registry::default());
        let (database, clock) = (self.database.clone(), Clock::manual(NOW));
        Store::open(Options { database, secret_key, clock, metrics, retention: Retention::default() }).await
    }

    fn is_embedded(&self) -> bool {
        matches!(self.database, Database::Embedded(_))
    }

    /// Everything that is stored, as bytes.
    async fn bytes(&self) -> Vec<u8> {
        match &self.database {
            Database::Embedded(dir) => {
                let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
                files.flat_map(|path| std::fs::read(path).unwrap()).collect()
            }
            Database::Postgres(postgres) => {
                let client = postrider_testdb::connect(&postgres.url).await.unwrap();
                let rows = client.query("SELECT secrets, headers, settings FROM endpoints", &[]).await.unwrap();
                rows.iter()
                    .flat_map(|row| [row.get::<_, Vec<u8>>(0), row.get(1), row.get::<_, String>(2).into_bytes()])
                    .flatten()
                    .collect()
            }
        }
    }
}

/// A store with one application and two endpoints.
struct World {
    store: Store,
    feed: Feed,
    app: AppId,
    endpoints: Vec<EndpointId>,
}

impl World {
    async fn new(place: &Place) -> World {
        let (store, feed) = place.open([1; 32]).await.unwrap();
        let id = store.new_id();
        let application = Application {
            id: AppId(id),
            env: EnvId(1),
            uid: Some("acme".into()),
            settings: ApplicationSettings { name: "Acme".into(), ..ApplicationSettings::default() },
            created_ms: NOW,
            updated_ms: NOW,
            version: id,
        };
        let app = application.id;
        store.change(app, Change::CreateApplication(application), None).await.unwrap();
        let mut endpoints = Vec::new();
        for _ in 0..2 {
            let endpoint = endpoint(&store, app);
            endpoints.push(endpoint.id);
            store.change(app, Change::CreateEndpoint(endpoint), None).await.unwrap();
        }
        World { store, feed, app, endpoints }
    }

    fn message(&self, payload: &str) -> NewMessage {
        NewMessage {
            app: self.app,
            event_type: "a".into(),
            event_id: None,
            channels: vec!["blue".into(), "red".into()],
            tags: vec!["vip".into()],
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            endpoints: self.endpoints.clone(),
            deliver: Deliver::AtOnce,
            class: 90,
            routing: self.store.directory().app(self.app).unwrap().routing,
            created_ms: NOW,
            idempotency: None,
            credential: None,
        }
    }

    async fn append(&self, message: NewMessage) -> MessageId {
        match self.store.append(message).await.unwrap() {
            Appended::New(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn record(&self, delivery: DeliveryKey, success: bool, retry: Option<Retry>, stored: bool) {
        let error = (!success).then(|| ("status".to_owned(), "500".to_owned()));
        let outcome = AttemptOutcome { success, status: if success { 200 } else { 500 }, error };
        let record = AttemptRecord {
            delivery,
            outcome,
            url: "http://example.com".into(),
            response: Bytes::from_static(b"body"),
            started_ms: NOW,
            duration_ms: 5,
            retry,
            stored,
        };
        self.store.record(0, vec![record]);
    }

    /// Closes the store and opens it again, as after a crash or a restart.
    async fn reopen(self, place: &Place) -> World {
        let World { store, feed, app, endpoints } = self;
        drop(store);
        drop(feed.events);
        tokio::task::spawn_blocking(|| feed.writer.join().unwrap()).await.unwrap();
        let (store, feed) = place.open([1; 32]).await.unwrap();
        World { store, feed, app, endpoints }
    }
}

fn endpoint(store: &Store, app: AppId) -> Endpoint {
    let id = store.new_id();
    Endpoint {
        id: EndpointId(id),
        app,
        uid: None,
        settings: EndpointSettings {
            url: "http://example.com".into(),
            contract: "standard".into(),
            ..EndpointSettings::default()
        },
        secrets: EndpointSecrets { current: Some(Secret::new("whsec_very_secret")), old: vec![] },
        headers: [("authorization".to_owned(), "Bearer hidden".to_owned())].into(),
        failing_since_ms: None,
        created_ms: NOW,
        updated_ms: NOW,
        version: id,
    }
}

fn key(world: &World, app: Option<AppId>, hash: u8) -> ApiKey {
    ApiKey {
        id: KeyId(world.store.new_id()),
        env: EnvId(1),
        name: "one".into(),
        hash: [hash; 32],
        access: Access::default(),
        app,
        session: None,
        created_ms: NOW,
        expires_ms: app.map(|_| NOW + 1_000),
        revoked_ms: None,
    }
}

fn due(rows: Vec<Scheduled>, next_ms: Option<i64>) -> Due {
    Due { rows, next_ms, owned: true }
}

fn delivery(message: MessageId, endpoint: EndpointId) -> DeliveryKey {
    DeliveryKey { message, endpoint, manual: false }
}

fn all() -> Page {
    Page { limit: 100, after: None, ascending: false, content: true }
}

macro_rules! on_every_driver {
    ($(#[$doc:meta])* async fn $name:ident($place:ident) $body:block) => {
        $(#[$doc])*
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            async fn on($place: &Place) {
                println!("on {:?}", $place.database);
                $body
            }
            for place in Place::of_each_driver().await {
                on(&place).await;
            }
        }
    };
}

on_every_driver! {
    async fn a_message_is_read_back_byte_for_byte_and_told_to_delivery_after_its_commit(place) {
        let mut world = World::new(place).await;
        let payload = "{\"a\" :1.50}\u{1f680}";
        let id = world.append(world.message(payload)).await;
        let stored = world.store.message(world.app, id).await.unwrap().unwrap();
        assert_eq!(stored.payload, payload.as_bytes());
        assert_eq!((stored.channels, stored.endpoints), (vec!["blue".to_owned(), "red".to_owned()], world.endpoints.clone()));
        assert_eq!(world.store.message(AppId(1), id).await.unwrap(), None, "another application's");
        let told = loop {
            if let Event::Accepted(messages) = world.feed.events.recv().await.unwrap() {
                break messages;
            }
        };
        assert_eq!(told.iter().map(|message| message.id).collect::<Vec<_>>(), [id]);
    }
}

on_every_driver! {
    async fn a_message_routed_by_an_outdated_routing_is_not_accepted(place) {
        let world = World::new(place).await;
        let routed_before = world.message("{}");
        world.store.change(world.app, Change::CreateEndpoint(endpoint(&world.store, world.app)), None).await.unwrap();
        assert!(matches!(world.store.append(routed_before).await, Err(AppendError::StaleRouting)));
        world.append(world.message("{}")).await;
    }
}

on_every_driver! {
    async fn an_idempotency_key_stands_for_one_answer_and_an_event_id_for_one_message(place) {
        let world = World::new(place).await;
        let key = |body: u8| Some(IdempotencyKey { key: [1; 16], body: [body; 16] });
        let first = world.append(NewMessage { idempotency: key(1), ..world.message("{}") }).await;
        let again = world.store.append(NewMessage { idempotency: key(1), ..world.message("{}") }).await.unwrap();
        assert_eq!(again, Appended::Repeat(first));
        let other = world.store.append(NewMessage { idempotency: key(2), ..world.message("{}") }).await;
        assert!(matches!(other, Err(AppendError::IdempotencyMismatch)));

        let named = || NewMessage { event_id: Some("order-1".into()), ..world.message("{}") };
        world.append(named()).await;
        assert!(matches!(world.store.append(named()).await, Err(AppendError::EventIdTaken)));
        // One refused message did not take its neighbours with it.
        assert_eq!(world.store.messages(world.app, None, MessageFilter::default(), all()).await.unwrap().rows.len(), 2);
    }
}

on_every_driver! {
    async fn a_change_based_on_an_old_version_is_refused_and_names_are_taken_once(place) {
        let world = World::new(place).await;
        let row = world.store.directory().app(world.app).unwrap().app.clone();
        let renamed = |name: &str, version: i64| {
            let settings = ApplicationSettings { name: name.into(), ..row.settings.clone() };
            Change::UpdateApplication { row: Application { settings, version, ..row.clone() }, based_on: row.version }
        };
        assert_eq!(world.store.change(world.app, renamed("one", world.store.new_id()), None).await.unwrap(), Changed::Applied);
        let late = world.store.change(world.app, renamed("two", world.store.new_id()), None).await;
        assert!(matches!(late, Err(ChangeError::Outdated)));
        assert_eq!(world.store.directory().app(world.app).unwrap().app.settings.name, "one");

        let id = world.store.new_id();
        let twin = Application { id: AppId(id), version: id, ..row.clone() };
        let taken = world.store.change(twin.id, Change::CreateApplication(twin), None).await;
        assert!(matches!(taken, Err(ChangeError::Taken)));
    }
}

on_every_driver! {
    async fn where_a_delivery_stands_follows_from_its_attempts_and_its_schedule(place) {
        let world = World::new(place).await;
        let id = world.append(world.message("{}")).await;
        let [first, second] = [world.endpoints[0], world.endpoints[1]];
        let states = async || world.store.states(vec![(id, first), (id, second)]).await.unwrap();
        assert_eq!(states().await, [DeliveryState::Pending { next_ms: None }, DeliveryState::Pending { next_ms: None }]);

        world.record(delivery(id, first), true, None, false);
        world.record(delivery(id, second), false, Some(Retry { due_ms: NOW + 5_000, attempts: 1 }), false);
        world.store.flush().await;
        assert_eq!(states().await, [DeliveryState::Success, DeliveryState::Pending { next_ms: Some(NOW + 5_000) }]);
        assert_eq!(world.store.due(second, NOW, 10).await.unwrap(), due(vec![], Some(NOW + 5_000)));
        let scheduled = Scheduled { delivery: delivery(id, second), due_ms: NOW + 5_000, attempts: 1 };
        assert_eq!(world.store.due(second, NOW + 5_000, 10).await.unwrap(), due(vec![scheduled], None));
        assert_eq!(world.store.waiting_endpoints().await.unwrap(), [(second, NOW + 5_000)]);

        world.record(delivery(id, second), false, None, true);
        world.store.flush().await;
        assert_eq!(states().await[1], DeliveryState::Fail);
        assert_eq!(world.store.waiting_count().await.unwrap(), 0);
        let attempts = world.store.attempts(AttemptsOf::Message(id), AttemptFilter::default(), all()).await.unwrap().rows;
        assert_eq!(attempts.len(), 3);
        assert!(attempts.is_sorted_by(|newer, older| newer.id > older.id));
        let failed = AttemptFilter { success: Some(false), status_class: Some(500), ..AttemptFilter::default() };
        assert_eq!(world.store.attempts(AttemptsOf::Endpoint(second), failed, all()).await.unwrap().rows.len(), 2);
    }
}

on_every_driver! {
    async fn after_a_crash_exactly_what_was_open_is_scheduled_again(place) {
        let world = World::new(place).await;
        let done = world.append(world.message("1")).await;
        let half = world.append(world.message("2")).await;
        let untried = world.append(world.message("3")).await;
        let [first, second] = [world.endpoints[0], world.endpoints[1]];
        world.record(delivery(done, first), true, None, false);
        world.record(delivery(done, second), true, None, false);
        world.record(delivery(half, first), false, None, false);
        world.store.park(0, vec![Scheduled { delivery: delivery(half, second), due_ms: NOW + 9, attempts: 0 }], false);
        world.store.flush().await;

        let world = world.reopen(place).await;
        assert_eq!(world.feed.recovered, 2, "the untried message's two deliveries");
        let at_first = world.store.due(first, NOW, 10).await.unwrap();
        assert_eq!(at_first.rows.iter().map(|row| row.delivery.message).collect::<Vec<_>>(), [untried]);
        let at_second = world.store.due(second, NOW, 10).await.unwrap();
        assert_eq!(at_second.rows.iter().map(|row| row.delivery.message).collect::<Vec<_>>(), [untried]);
        assert_eq!(at_second.next_ms, Some(NOW + 9), "what was parked waits where it was");
        assert_eq!(world.reopen(place).await.feed.recovered, 0, "once is enough");
    }
}

on_every_driver! {
    async fn pages_go_through_all_in_both_directions(place) {
        let world = World::new(place).await;
        let mut ids = Vec::new();
        for n in 0..7 {
            ids.push(world.append(world.message(&n.to_string())).await);
        }
        let page = async |after: Option<MessageId>, ascending: bool| {
            let page = Page { limit: 3, after: after.map(|id| id.0), ascending, content: true };
            let found = world.store.messages(world.app, None, MessageFilter::default(), page).await.unwrap();
            found.rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(page(None, true).await, ids[..3]);
        assert_eq!(page(Some(ids[2]), true).await, ids[3..6]);
        assert_eq!(page(Some(ids[5]), true).await, ids[6..]);
        assert_eq!(page(Some(ids[2]), false).await, [ids[1], ids[0]]);
        let filter = |channel: &str| MessageFilter { channel: Some(channel.into()), ..MessageFilter::default() };
        assert_eq!(world.store.messages(world.app, None, filter("red"), all()).await.unwrap().rows.len(), 7);
        assert_eq!(world.store.messages(world.app, None, filter("re"), all()).await.unwrap().rows.len(), 0);
    }
}

on_every_driver! {
    async fn secrets_lie_encrypted_and_another_key_opens_nothing(place) {
        let world = World::new(place).await;
        let reopened = world.reopen(place).await;
        let (_, endpoint) = reopened.store.directory().endpoint(reopened.endpoints[0]).unwrap();
        assert_eq!(endpoint.secrets.in_force(NOW), ["whsec_very_secret"]);
        assert_eq!(endpoint.headers["authorization"], "Bearer hidden");
        assert!(!format!("{endpoint:?}").contains("very_secret"));
        let reopened = reopened.reopen(place).await;
        drop(reopened.store);
        drop(reopened.feed.events);
        tokio::task::spawn_blocking(|| reopened.feed.writer.join().unwrap()).await.unwrap();
        let bytes = place.bytes().await;
        assert!(!bytes.is_empty());
        assert!(!bytes.windows(11).any(|window| window == b"very_secret" || window == b"earer hidde"));
        assert!(matches!(place.open([2; 32]).await, Err(OpenError::WrongSecretKey)));
    }
}

on_every_driver! {
    async fn a_second_process_is_kept_off_the_embedded_database_and_welcome_on_the_other(place) {
        let _world = World::new(place).await;
        match place.open([1; 32]).await {
            Err(OpenError::InUse) => assert!(place.is_embedded()),
            result => assert!(result.is_ok() && !place.is_embedded()),
        }
    }
}

on_every_driver! {
    async fn a_message_with_a_key_that_was_revoked_on_its_way_is_not_accepted(place) {
        let world = World::new(place).await;
        let key = key(&world, None, 9);
        world.store.change(AppId(0), Change::CreateKey(key.clone()), None).await.unwrap();
        let message = || NewMessage { credential: Some(key.id), ..world.message("{}") };
        world.append(message()).await;
        world.store.change(AppId(0), Change::RevokeKey { key: key.id, at_ms: NOW }, None).await.unwrap();
        assert!(matches!(world.store.append(message()).await, Err(AppendError::Revoked)));
    }
}

on_every_driver! {
    async fn a_job_goes_on_from_where_its_last_slice_ended_and_sends_what_failed_once(place) {
        let world = World::new(place).await;
        let [first, second] = [world.endpoints[0], world.endpoints[1]];
        let mut ids = Vec::new();
        for n in 0..4 {
            ids.push(world.append(world.message(&n.to_string())).await);
        }
        // To the first endpoint: failed and then delivered, failed for good, failed and waiting, failed and emptied.
        world.record(delivery(ids[0], first), false, None, false);
        world.record(delivery(ids[0], first), true, None, false);
        world.record(delivery(ids[1], first), false, None, false);
        world.record(delivery(ids[2], first), false, Some(Retry { due_ms: NOW + 5_000, attempts: 1 }), false);
        world.record(delivery(ids[3], first), false, None, false);
        world.store.flush().await;
        let empty = Change::ExpungeMessage { message: ids[3] };
        world.store.change(world.app, empty, None).await.unwrap();
        let input = TaskInput { endpoint: first, since_ms: 0, until_ms: NOW + 365 * 86_400_000 };
        let end = world.store.new_id();
        assert_eq!(world.store.failures(first, (0, end)).await.unwrap(), 4);
        let found = world.store.failed(input.clone(), (0, end), 3).await.unwrap();
        assert_eq!((&found.messages[..], found.looked_at), (&ids[1..2], 3));
        let rest = world.store.failed(input.clone(), (found.cursor, end), 3).await.unwrap();
        assert_eq!((rest.messages.len(), rest.looked_at), (0, 1));

        let task = Task {
            id: TaskId(end),
            env: EnvId(1),
            app: world.app,
            kind: TaskKind::Recover,
            status: TaskStatus::Running,
            input,
            progress: Progress::default(),
            cursor: 0,
            updated_ms: NOW,
        };
        world.store.change(world.app, Change::CreateTask(task.clone()), None).await.unwrap();
        assert_eq!(world.store.running_tasks(None).await.unwrap(), std::slice::from_ref(&task));
        let slice = |based_on, status, messages: &[MessageId]| Change::AdvanceTask {
            row: Task { cursor: found.cursor, status, ..task.clone() },
            based_on,
            messages: messages.to_vec(),
            due_ms: NOW,
        };
        world.store.change(world.app, slice(0, TaskStatus::Running, &ids[1..2]), None).await.unwrap();
        let late = world.store.change(world.app, slice(0, TaskStatus::Running, &ids[1..2]), None).await;
        assert!(matches!(late, Err(ChangeError::Outdated)), "the place has moved on");
        let waiting = world.store.due(first, NOW, 10).await.unwrap();
        assert_eq!(waiting.rows.len(), 1);
        assert_eq!(waiting.rows[0].delivery, DeliveryKey { manual: true, ..delivery(ids[1], first) });
        let done = slice(found.cursor, TaskStatus::Finished, &[]);
        world.store.change(world.app, done, None).await.unwrap();
        assert_eq!(world.store.running_tasks(None).await.unwrap(), []);
        let filter = TaskFilter { env: EnvId(1), kind: Some(TaskKind::Recover), status: Some(TaskStatus::Finished) };
        assert_eq!(world.store.tasks(filter, all()).await.unwrap().len(), 1);
        assert_eq!(world.store.task(EnvId(2), task.id).await.unwrap(), None, "another environment's");
        assert_eq!(world.store.due(second, i64::MAX, 10).await.unwrap().rows, []);
    }
}

on_every_driver! {
    async fn a_resend_makes_the_endpoint_one_that_the_message_goes_to(place) {
        let world = World::new(place).await;
        let only_first = NewMessage { endpoints: vec![world.endpoints[0]], ..world.message("{}") };
        let id = world.append(only_first).await;
        for _ in 0..2 {
            let resend = Change::Resend { message: id, endpoint: world.endpoints[1], due_ms: NOW };
            world.store.change(world.app, resend, None).await.unwrap();
        }
        let message = world.store.message(world.app, id).await.unwrap().unwrap();
        assert_eq!((message.endpoints, &message.tags[..]), (world.endpoints.clone(), &["vip".to_owned()][..]));
        let expunge = Change::ExpungeMessage { message: id };
        world.store.change(world.app, expunge, None).await.unwrap();
        assert!(world.store.message(world.app, id).await.unwrap().unwrap().payload.is_empty());
        let resend = Change::Resend { message: id, endpoint: world.endpoints[1], due_ms: NOW };
        assert!(matches!(world.store.change(world.app, resend, None).await, Err(ChangeError::NotFound)));
    }
}

on_every_driver! {
    async fn an_endpoint_s_deliveries_are_counted_by_how_they_stand(place) {
        let world = World::new(place).await;
        let endpoint = world.endpoints[0];
        let mut ids = Vec::new();
        for n in 0..5 {
            ids.push(world.append(world.message(&n.to_string())).await);
        }
        world.record(delivery(ids[0], endpoint), false, None, false);
        world.record(delivery(ids[0], endpoint), true, None, false);
        world.record(delivery(ids[1], endpoint), false, None, false);
        world.record(delivery(ids[2], endpoint), false, Some(Retry { due_ms: NOW + 5_000, attempts: 1 }), false);
        world.store.park(0, vec![Scheduled { delivery: delivery(ids[3], endpoint), due_ms: NOW, attempts: 0 }], false);
        world.store.flush().await;
        let counted = world.store.standing(endpoint, (0, i64::MAX)).await.unwrap();
        assert_eq!(counted, Standing { success: 1, pending: 2, fail: 1, cancelled: 0 });
        let earlier = world.store.standing(endpoint, (0, ids[0].0)).await.unwrap();
        assert_eq!(earlier, Standing::default());
    }
}

on_every_driver! {
    async fn tokens_end_together_by_session_and_with_their_application(place) {
        let world = World::new(place).await;
        let mut keys = Vec::new();
        for (hash, session) in [(1, None), (2, Some("one")), (3, Some("two"))] {
            let row = ApiKey { session: session.map(str::to_owned), ..key(&world, Some(world.app), hash) };
            world.store.change(AppId(0), Change::CreateKey(row.clone()), None).await.unwrap();
            keys.push(row);
        }
        let in_force = |store: &Store| -> Vec<u8> {
            let rows = keys.iter().filter_map(|key| store.directory().key(&key.hash));
            rows.filter(|key| key.is_in_force(NOW)).map(|key| key.hash[0]).collect()
        };
        assert_eq!(in_force(&world.store), [1, 2, 3]);
        let of_one = Change::ExpireTokens { app: world.app, sessions: vec!["one".into()], at_ms: NOW };
        world.store.change(world.app, of_one, None).await.unwrap();
        assert_eq!(in_force(&world.store), [1, 3]);
        let world = world.reopen(place).await;
        assert_eq!(in_force(&world.store), [1, 3]);
        world.store.change(AppId(0), Change::ForgetTokens { before_ms: NOW }, None).await.unwrap();
        assert_eq!(world.store.directory().token_count(world.app), 2);
        let delete = Change::DeleteApplication { app: world.app, version: world.store.new_id() };
        world.store.change(world.app, delete, None).await.unwrap();
        assert_eq!(in_force(&world.store), [0_u8; 0]);
        assert!(world.reopen(place).await.store.directory().key(&[1; 32]).is_none());
    }
}

on_every_driver! {
    async fn an_environment_goes_only_when_it_is_empty(place) {
        let world = World::new(place).await;
        let id = EnvId(world.store.new_id());
        let row = Environment {
            id,
            name: "staging".into(),
            settings: EnvironmentSettings { retention_days: Some(7) },
            created_ms: NOW,
            updated_ms: NOW,
            version: id.0,
        };
        world.store.change(AppId(0), Change::PutEnvironment { row: row.clone(), based_on: None }, None).await.unwrap();
        let again = Environment { id: EnvId(world.store.new_id()), ..row.clone() };
        let again = world.store.change(AppId(0), Change::PutEnvironment { row: again, based_on: None }, None).await;
        assert!(matches!(again, Err(ChangeError::Taken)));
        let world = world.reopen(place).await;
        assert_eq!(world.store.directory().environment(id).as_deref(), Some(&row));
        let full = world.store.change(AppId(0), Change::DeleteEnvironment(EnvId(1)), None).await;
        assert!(matches!(full, Err(ChangeError::NotEmpty)));
        world.store.change(AppId(0), Change::DeleteEnvironment(id), None).await.unwrap();
        assert_eq!(world.store.directory().environments().len(), 1);
    }
}
