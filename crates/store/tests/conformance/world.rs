//! A place for data on each driver, a store in it, and what tests put there.

use bytes::Bytes;
use postrider_clock::Clock;
use postrider_store::access::Access;
use postrider_store::config::{
    ApiKey, Application, ApplicationSettings, Change, Endpoint, EndpointSecrets, EndpointSettings, EnvId,
};
use postrider_store::id::{AppId, EndpointId, KeyId, MessageId};
use postrider_store::message::{
    Appended, AttemptOutcome, AttemptRecord, Deliver, DeliveryKey, Due, NewMessage, Retry, Scheduled,
};
use postrider_store::query::Page;
use postrider_store::{Database, Feed, OpenError, Options, PostgresOptions, Retention, Secret, Store, StoreMetrics};
use prometheus_client::registry::Registry;
use tempfile::TempDir;

pub const NOW: i64 = 1_700_000_000_000;

/// A place for data, on one of the drivers.
pub struct Place {
    pub database: Database,
    pub clock: Clock,
    /// Kept as long as the place is used.
    _dir: TempDir,
}

impl Place {
    /// One of each driver that is there.
    pub async fn of_each_driver() -> Vec<Place> {
        let dir = TempDir::new().unwrap();
        let mut places =
            vec![Place { database: Database::Embedded(dir.path().to_owned()), clock: Clock::manual(NOW), _dir: dir }];
        if let Some(url) = postrider_testdb::fresh().await {
            let node_name = "a test".to_owned();
            let database = Database::Postgres(PostgresOptions { url, node_name });
            places.push(Place { database, clock: Clock::manual(NOW), _dir: TempDir::new().unwrap() });
        }
        places
    }

    pub async fn open(&self, secret_key: [u8; 32]) -> Result<(Store, Feed), OpenError> {
        let metrics = StoreMetrics::register(&mut Registry::default());
        let (database, clock) = (self.database.clone(), self.clock.clone());
        Store::open(Options { database, secret_key, clock, metrics, retention: Retention::default() }).await
    }

    pub fn is_embedded(&self) -> bool {
        matches!(self.database, Database::Embedded(_))
    }

    /// From now on the database refuses attempts of which this holds, which is an expression in SQL.
    pub async fn refuse_attempts(&self, which: &str) {
        match &self.database {
            Database::Embedded(dir) => {
                let columns = ["url", "endpoint"]
                    .iter()
                    .fold(which.to_owned(), |sql, name| sql.replace(name, &format!("NEW.{name}")));
                let conn = rusqlite::Connection::open(dir.join("postrider.db")).unwrap();
                let name = which.len();
                let sql = format!(
                    "CREATE TRIGGER refused_{name} BEFORE INSERT ON attempts WHEN {columns} BEGIN SELECT raise(ABORT, 'refused'); END"
                );
                conn.execute_batch(&sql).unwrap();
            }
            Database::Postgres(postgres) => {
                let client = postrider_testdb::connect(&postgres.url).await.unwrap();
                client.batch_execute(&format!("ALTER TABLE attempts ADD CHECK (NOT ({which}))")).await.unwrap();
            }
        }
    }

    /// Everything that is stored, as bytes.
    pub async fn bytes(&self) -> Vec<u8> {
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
pub struct World {
    pub store: Store,
    pub feed: Feed,
    pub app: AppId,
    pub endpoints: Vec<EndpointId>,
}

impl World {
    pub async fn new(place: &Place) -> World {
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

    pub fn message(&self, payload: &str) -> NewMessage {
        NewMessage {
            app: self.app,
            event_type: "a".into(),
            event_id: None,
            channels: vec!["blue".into(), "red".into()],
            tags: vec!["vip".into()],
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            endpoints: self.endpoints.clone(),
            chain: vec![],
            object: None,
            ordered: vec![],
            polled: vec![],
            deliver: Deliver::AtOnce,
            class: 90,
            routing: self.store.directory().app(self.app).unwrap().routing,
            created_ms: NOW,
            due_ms: NOW,
            idempotency: None,
            credential: None,
        }
    }

    pub async fn append(&self, message: NewMessage) -> MessageId {
        match self.store.append(message).await.unwrap() {
            Appended::New(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub fn record(&self, delivery: DeliveryKey, success: bool, retry: Option<Retry>, stored: bool) {
        let error = (!success).then(|| ("status".to_owned(), "500".to_owned()));
        let outcome = AttemptOutcome { success, status: if success { 200 } else { 500 }, error };
        self.store.record(0, vec![AttemptRecord { outcome, retry, stored, ..attempt(delivery) }]);
    }

    /// A success that lets the message pass on.
    pub fn record_with_next(&self, delivery: DeliveryKey, next: Scheduled) {
        self.store.record(0, vec![AttemptRecord { next: Some(next), ..attempt(delivery) }]);
    }

    /// Closes the store and opens it again, as after a crash or a restart.
    pub async fn reopen(self, place: &Place) -> World {
        let World { store, feed, app, endpoints } = self;
        drop(store);
        drop(feed.events);
        tokio::task::spawn_blocking(|| feed.writer.join().unwrap()).await.unwrap();
        let (store, feed) = place.open([1; 32]).await.unwrap();
        World { store, feed, app, endpoints }
    }
}

/// One that succeeded.
fn attempt(delivery: DeliveryKey) -> AttemptRecord {
    AttemptRecord {
        delivery,
        outcome: AttemptOutcome { success: true, status: 200, error: None },
        url: "http://example.com".into(),
        response: Bytes::from_static(b"body"),
        started_ms: NOW,
        duration_ms: 5,
        retry: None,
        stored: false,
        next: None,
        reply: None,
        settings: vec![],
    }
}

/// One that was answered with 500.
pub fn failed(delivery: DeliveryKey) -> AttemptRecord {
    let error = Some(("status".to_owned(), "500".to_owned()));
    AttemptRecord { outcome: AttemptOutcome { success: false, status: 500, error }, ..attempt(delivery) }
}

pub fn endpoint(store: &Store, app: AppId) -> Endpoint {
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
        secrets: EndpointSecrets { current: Some(Secret::new("whsec_very_secret")), ..EndpointSecrets::default() },
        headers: [("authorization".to_owned(), "Bearer hidden".to_owned())].into(),
        failing_since_ms: None,
        created_ms: NOW,
        updated_ms: NOW,
        version: id,
    }
}

pub fn key(world: &World, app: Option<AppId>, hash: u8) -> ApiKey {
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

pub fn due(rows: Vec<Scheduled>, next_ms: Option<i64>) -> Due {
    Due { rows, next_ms, owned: true }
}

pub fn delivery(message: MessageId, endpoint: EndpointId) -> DeliveryKey {
    DeliveryKey { message, endpoint, manual: false }
}

pub fn all() -> Page {
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
