//! The wiring: which room gets which door.

use crate::config::{CONNECTION_SECONDS, Config, GraphQlConfig};
use crate::keys::{KeyError, check_api_key};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use postrider_accept::{Accept, AcceptMetrics, Compute, FIRST_ENV, MadeKey, Refusal, Rules, Workers};
use postrider_api::{Api, Limits, Listener, serve};
use postrider_clock::Clock;
use postrider_contract::{Book, Problem};
use postrider_delivery::{Composer, Delivery, DeliveryMetrics, GraphQl, NoticeOptions, Notices, Renderer};
use postrider_egress::{AddressRules, Egress, MailSetupError, Mailer, ProxySettings, SetupError};
use postrider_jobs::{Jobs, Operations};
use postrider_store::access::Scope;
use postrider_store::{Database, OpenError, PostgresOptions, Store, StoreMetrics};
use postrider_template::Templates;
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// Things that happened and that the provider is yet to be told of; more are not told.
const HAPPENINGS: usize = 4_096;
/// Attempts under way at once: each that waits for a response costs about 11 KB and a file descriptor.
const ATTEMPTS: usize = 10_000;
/// Response bytes that are kept of an attempt.
const RESPONSE_CAP: usize = 64 << 10;
/// Bytes that the answer to a payload query may have.
const QUERY_CAP: usize = 4 << 20;

/// Why the server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Egress(#[from] SetupError),
    #[error(transparent)]
    Mail(#[from] MailSetupError),
    #[error("can't listen on {address}: {error}; choose another with --listen")]
    Listen { address: SocketAddr, error: std::io::Error },
    #[error("the contract {file} is wrong:\n{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Contract { file: String, problems: Vec<Problem> },
    #[error("can't read contracts from {dir}: {reason}")]
    ContractDir { dir: String, reason: String },
    #[error("{name:?} is not a contract; there are {known}")]
    NoSuchContract { name: String, known: String },
    #[error("could not start threads: {0}")]
    Threads(std::io::Error),
    #[error("the first API key could not be stored: {0}")]
    FirstKey(#[from] Refusal),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    pub accept: Accept,
    /// The first API key, when this start made it.
    pub first_key: Option<MadeKey>,
    stop: oneshot::Sender<()>,
    http: tokio::task::JoinHandle<()>,
    delivery: Delivery,
    jobs: Jobs,
    operations: Operations,
    writer: JoinHandle<()>,
    /// How long all of the end may take, about.
    drain: Duration,
}

impl Server {
    /// Opens the data, binds the port, and starts to deliver.
    pub async fn start(
        config: Config,
        secret_key: [u8; 32],
        api_key: Option<String>,
        clock: Clock,
    ) -> Result<Server, StartError> {
        let contracts = Arc::new(contracts(config.contracts.as_deref())?);
        if contracts.get(&config.default_contract).is_none() {
            let known = contracts.names().join(", ");
            return Err(StartError::NoSuchContract { name: config.default_contract, known });
        }
        if let Some(key) = &api_key {
            check_api_key(key)?;
        }
        if config.proxy.is_used() {
            tracing::info!(proxy = ?config.proxy, "deliveries go through a proxy");
        }
        let addresses = AddressRules::new(config.allow_networks);
        let egress = Egress::new(postrider_egress::Options {
            rules: addresses.clone(),
            dns: config.dns,
            ca_file: config.ca_file,
            response_cap: RESPONSE_CAP,
            connection_life: Duration::from_secs(config.connection_seconds),
            proxy: config.proxy,
        })?;
        let refused = |error| StartError::Listen { address: config.listen, error };
        let listener = Listener::bind(config.listen).await.map_err(refused)?;
        let address = listener.address().map_err(refused)?;

        let mut registry = Registry::with_prefix("postrider");
        let database = match config.database {
            Some(url) => Database::Postgres(PostgresOptions {
                url,
                node_name: format!("{address}, process {}", std::process::id()),
            }),
            None => Database::Embedded(config.data),
        };
        let (store, feed) = Store::open(postrider_store::Options {
            database,
            secret_key,
            clock: clock.clone(),
            metrics: StoreMetrics::register(&mut registry),
            retention: config.retention.clone(),
        })
        .await?;
        if feed.recovered > 0 {
            tracing::info!(deliveries = feed.recovered, "deliveries that the last run left open are scheduled again");
        }
        let templates = Templates::start().map_err(StartError::Threads)?;
        let graphql = config.graphql.map(graphql).transpose()?;
        let payload_queries = graphql.is_some();
        let renderer = Renderer::new(store.clone(), contracts.clone(), config.contract_settings);
        let composer = Composer { renderer, templates: templates.clone(), graphql };
        let mailer = config.mail.as_ref().map(|mail| Mailer::new(&mail.url, &mail.from)).transpose()?;
        let notices = config.mail.zip(mailer).map(|(mail, mailer)| {
            Notices::start(NoticeOptions {
                mailer,
                interval: mail.interval,
                public_url: config.public_url.clone(),
                store: store.clone(),
                clock: clock.clone(),
            })
        });
        let (happenings, happened) = mpsc::channel(HAPPENINGS);
        let delivery = Delivery::start(postrider_delivery::Options {
            store: store.clone(),
            attempts: attempts_at_once(),
            events: feed.events,
            egress,
            contracts: contracts.clone(),
            composer: composer.clone(),
            notices,
            happenings,
            clock: clock.clone(),
            metrics: DeliveryMetrics::register(&mut registry),
        });
        let workers = Workers { templates, compute: Compute::start().map_err(StartError::Threads)? };
        let rules = Rules {
            default_contract: config.default_contract,
            relax_contracts: config.relax_contracts,
            retention: config.retention,
            addresses,
            payload_queries,
        };
        let accept = Accept::new(store, contracts, clock, rules, workers, AcceptMetrics::register(&mut registry));
        let first_key = first_key(&accept, api_key).await?;
        let jobs = Jobs::start(accept.clone());
        let operations = Operations::start(accept.clone(), happened);

        let (stop, stopped) = oneshot::channel();
        let router = Api::new(accept.clone(), composer, delivery.circuits(), Arc::new(registry), config.public_url)
            .router()
            .merge(postrider_dashboard::routes());
        let drain = Duration::from_secs(config.drain_seconds);
        let limits = Limits { max_connections: config.max_connections, drain };
        let http = tokio::spawn(async move {
            serve(listener, router, limits, async { drop(stopped.await) }).await;
        });
        Ok(Server { address, accept, first_key, stop, http, delivery, jobs, operations, writer: feed.writer, drain })
    }

    /// Stops accepting, finishes what is under way, and returns when all of it is on disk. Requests and attempts that do
    /// not finish within [`Config::drain_seconds`] are given up, so that neither a client nor a receiver can hold the
    /// store open.
    pub async fn drain(self) {
        let began = tokio::time::Instant::now();
        let _ = self.stop.send(());
        let _ = self.http.await;
        self.jobs.drain().await;
        self.delivery.drain(self.drain.saturating_sub(began.elapsed())).await;
        self.operations.drain().await;
        // The last handle: the writer ends after what it has.
        drop(self.accept);
        let _ = tokio::task::spawn_blocking(|| self.writer.join()).await;
    }
}

/// As many as the machine's limit of open files allows beside the connections of callers.
fn attempts_at_once() -> usize {
    let files = rlimit::Resource::NOFILE.get().map_or(1_024, |(soft, _)| soft);
    usize::try_from(files / 2).unwrap_or(ATTEMPTS).min(ATTEMPTS)
}

/// The operator's GraphQL API, wherever it is: what the operator names is allowed, for this purpose alone.
fn graphql(config: GraphQlConfig) -> Result<GraphQl, SetupError> {
    let egress = Egress::new(postrider_egress::Options {
        rules: AddressRules::new(vec![IpNet::from(Ipv4Net::default()), IpNet::from(Ipv6Net::default())]),
        dns: config.dns,
        ca_file: config.ca_file,
        response_cap: QUERY_CAP,
        connection_life: Duration::from_secs(CONNECTION_SECONDS),
        proxy: ProxySettings::default(),
    })?;
    Ok(GraphQl { egress, url: config.url, token: config.token })
}

/// The shipped contracts and those of the operator's directory.
pub(crate) fn contracts(dir: Option<&Path>) -> Result<Book, StartError> {
    let mut book = Book::shipped();
    let Some(dir) = dir else { return Ok(book) };
    let fail =
        |error: std::io::Error| StartError::ContractDir { dir: dir.display().to_string(), reason: error.to_string() };
    let mut files: Vec<_> =
        std::fs::read_dir(dir).map_err(fail)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(fail)?;
        let file = path.display().to_string();
        book.add(&text).map_err(|problems| StartError::Contract { file, problems })?;
    }
    Ok(book)
}

async fn first_key(accept: &Accept, api_key: Option<String>) -> Result<Option<MadeKey>, StartError> {
    match api_key {
        Some(key) => {
            accept.ensure_key(FIRST_ENV, "from POSTRIDER_API_KEY", &key).await?;
            Ok(None)
        }
        None if accept.store().directory().keys(FIRST_ENV).is_empty() => {
            Ok(Some(accept.create_key(FIRST_ENV, "first", Scope::All).await?))
        }
        None => Ok(None),
    }
}
