//! Opening the database: schema, key, what the dead left, configuration, this node, threads.

use super::adopt::{adopt, get};
use super::commit::Postgres;
use super::connect::{Connector, PostgresOptions};
use super::expire::expire;
use super::load;
use super::node::{Introduction, Node};
use super::partition::Partitions;
use super::read::Reads;
use super::refresh::{Follower, Refresh};
use super::schema::migrate;
use super::skew::Skew;
use super::sweep::sweep;
use crate::backend::{Backend, CommitError, Opened};
use crate::directory::Directory;
use crate::error::{OpenError, StoreError};
use crate::event::Event;
use crate::id::{IdSource, Ids, SLOTS};
use crate::lease::Lease;
use crate::migrate::UNFINISHED;
use crate::secret::Sealer;
use crate::{Options, Readers, Retention};
use deadpool_postgres::Pool;
use postrider_clock::Clock;
use rand::Rng;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// How often the living look for the dead.
const WATCH: Duration = Duration::from_secs(1);
/// How often what has expired is removed.
const TIDY_MS: i64 = 60_000;

pub(crate) async fn open(
    options: &Options,
    postgres: PostgresOptions,
    events: mpsc::Sender<Event>,
) -> Result<Opened<Postgres>, OpenError> {
    let connector = Connector::new(&postgres.url)?;
    let (mut client, connection) =
        connector.config.connect(connector.tls.clone()).await.map_err(OpenError::postgres)?;
    tokio::spawn(connection);
    migrate(&mut client).await?;
    let sealer = Sealer::new(&options.secret_key);
    check_key(&client, &sealer).await?;
    let salt = salt(&client).await?;
    drop(client);

    let pool = connector.pool()?;
    let skew = Skew::default();
    skew.measure(&pool, &options.clock).await.map_err(database)?;
    let recovered = adopt(&pool, skew.to_database(options.clock.steady_ms())).await.map_err(database)?;
    let directory = Arc::new(Directory::default());
    let known = load_all(&pool, &sealer, &directory).await?;
    let (pool_, sealer_, directory_) = (pool.clone(), sealer.clone(), directory.clone());
    let refresh = Refresh::start(Follower { pool: pool_, sealer: sealer_, directory: directory_, events, known });

    let ids = Arc::new(IdSource::default());
    let lease = Arc::new(Lease::new(Clock::system(), i64::from(connector.lease_ms)));
    let node = Arc::new(AtomicI64::new(0));
    let reads = Reads {
        pool: pool.clone(),
        refresh: refresh.clone(),
        node: node.clone(),
        skew: skew.clone(),
        alive: Arc::new(()),
    };
    tokio::spawn(watch(pool.clone(), options.clock.clone(), skew.clone(), Arc::downgrade(&reads.alive)));
    tokio::spawn(tidy(pool, options.retention.clone(), options.clock.clone(), Arc::downgrade(&reads.alive)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let backend = Postgres {
        runtime: Arc::new(runtime.map_err(|error| OpenError::Database(error.to_string()))?),
        who: Introduction { name: postgres.node_name, lease_ms: connector.lease_ms },
        connector,
        session: None,
        clock: options.clock.clone(),
        sealer,
        ids: ids.clone(),
        lease: lease.clone(),
        node: Node::default(),
        node_id: node,
        partitions: Partitions::default(),
        retention: options.retention.clone(),
        refresh,
        skew,
        sent: None,
    };
    let backend = join(backend).await?;
    let (ids_text, newest) = (Ids::new(salt), ids.newest());
    let readers = Readers::Postgres(reads);
    Ok(Opened { backend, readers, directory, ids: ids_text, source: ids, newest, recovered, lease, lock: None })
}

fn database(error: StoreError) -> OpenError {
    OpenError::Database(error.to_string())
}

/// Registers this process as a node. On a thread of its own, as the writer's runtime must not run
/// inside another.
async fn join(mut backend: Postgres) -> Result<Postgres, OpenError> {
    let joining = tokio::task::spawn_blocking(move || backend.rejoin().map(|_| backend));
    match joining.await {
        Ok(Ok(backend)) => Ok(backend),
        Ok(Err(CommitError::Full)) => Err(OpenError::TooManyNodes(SLOTS - 1)),
        Ok(Err(error)) => Err(OpenError::Database(format!("could not register this node: {error}"))),
        Err(error) => Err(OpenError::Database(error.to_string())),
    }
}

/// Adopts what dead nodes had, as long as this process lives.
async fn watch(pool: Pool, clock: Clock, skew: Skew, alive: Weak<()>) {
    while alive.strong_count() > 0 {
        tokio::time::sleep(WATCH).await;
        if let Err(error) = skew.measure(&pool, &clock).await {
            tracing::debug!(%error, "could not read the database's clock; trying again");
        }
        let now_ms = skew.to_database(clock.steady_ms());
        match adopt(&pool, now_ms).await {
            Ok(0) => {}
            Ok(found) => tracing::info!(deliveries = found, "deliveries of a node that is gone are scheduled again"),
            Err(error) => tracing::debug!(%error, "could not look after other nodes; trying again"),
        }
        match sweep(&pool, now_ms).await {
            Ok(0) | Err(_) => {}
            Ok(found) => tracing::error!(deliveries = found, "nobody worked on these; they are scheduled again"),
        }
    }
}

/// Removes what has been kept long enough, as long as this process lives.
async fn tidy(pool: Pool, retention: Retention, clock: Clock, alive: Weak<()>) {
    while alive.strong_count() > 0 {
        if let Err(error) = expire(&pool, &retention, clock.wall_ms()).await {
            tracing::debug!(%error, "could not remove what has expired; trying again");
        }
        clock.sleep_until(clock.steady_ms() + TIDY_MS).await;
    }
}

async fn load_all(pool: &Pool, sealer: &Sealer, directory: &Directory) -> Result<i64, OpenError> {
    let mut client = get(pool).await.map_err(database)?;
    let moment = load::moment(&mut client).await.map_err(OpenError::postgres)?;
    let version = moment.query_typed("SELECT version FROM config", &[]).await.map_err(OpenError::postgres)?;
    let loaded = load::all(moment.client(), sealer).await.map_err(database)?;
    moment.commit().await.map_err(OpenError::postgres)?;
    directory.apply_all(&loaded.changes, &loaded.routings);
    Ok(version.first().map_or(0, |row| row.get(0)))
}

/// A known text, sealed when the database was made, tells whether this key is the one.
async fn check_key(client: &Client, sealer: &Sealer) -> Result<(), OpenError> {
    let check = meta(client, "key_check", &sealer.check()).await?;
    match check {
        check if sealer.is_checked_by(&check) => Ok(()),
        check if check == UNFINISHED => Err(OpenError::MigrationUnfinished),
        _ => Err(OpenError::WrongSecretKey),
    }
}

async fn salt(client: &Client) -> Result<[u8; 16], OpenError> {
    let fresh: [u8; 16] = rand::rng().random();
    let salt = meta(client, "id_salt", &fresh).await?;
    salt.try_into().map_err(|_| OpenError::Database("the salt of ids is broken".into()))
}

/// The value under `key`; the first node to ask writes its own.
async fn meta(client: &Client, key: &str, own: &[u8]) -> Result<Vec<u8>, OpenError> {
    let sql = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    client.query_typed(sql, &[(&key, Type::TEXT), (&own, Type::BYTEA)]).await.map_err(OpenError::postgres)?;
    let sql = "SELECT value FROM meta WHERE key = $1";
    let rows = client.query_typed(sql, &[(&key, Type::TEXT)]).await.map_err(OpenError::postgres)?;
    Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
}
