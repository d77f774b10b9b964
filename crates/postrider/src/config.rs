//! What the server runs with: flags, then environment, then `postrider.toml`, then defaults.

use crate::cli::ServeArgs;
use crate::proxy;
use ipnet::IpNet;
use postrider_egress::ProxySettings;
use postrider_store::Retention;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

const DEFAULT_FILE: &str = "postrider.toml";

/// Everything decided.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    /// Where people reach the server, for the links it makes; `None`: where a request did.
    pub public_url: Option<String>,
    pub data: PathBuf,
    /// `postgres://…`; `None`: the embedded database in `data`.
    pub database: Option<String>,
    pub allow_networks: Vec<IpNet>,
    pub relax_contracts: bool,
    pub default_contract: String,
    pub contracts: Option<PathBuf>,
    pub dns: Option<SocketAddr>,
    pub ca_file: Option<PathBuf>,
    /// How long things are kept.
    pub retention: Retention,
    /// The operator's settings for contracts, by contract.
    pub contract_settings: BTreeMap<String, BTreeMap<String, String>>,
    /// `None`: there are no payload queries.
    pub graphql: Option<GraphQlConfig>,
    /// `None`: nobody is told of failures by mail.
    pub mail: Option<MailConfig>,
    /// Connections that the API has open at once.
    pub max_connections: usize,
    /// How long requests in progress may take when the server ends.
    pub drain_seconds: u64,
    /// How long a connection to an endpoint may be used for new requests.
    pub connection_seconds: u64,
    /// What deliveries go through.
    pub proxy: ProxySettings,
}

/// [`Config::max_connections`] where nothing is said.
pub const MAX_CONNECTIONS: usize = 8_192;
/// [`Config::drain_seconds`] where nothing is said.
pub const DRAIN_SECONDS: u64 = 20;
/// [`Config::connection_seconds`] where nothing is said.
pub const CONNECTION_SECONDS: u64 = 30;

/// How people are told of failures.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// `smtp://…` or `smtps://…`
    pub url: String,
    pub from: String,
    /// Between two mails about one endpoint.
    pub interval: Duration,
}

/// The provider's GraphQL API, which payload queries are asked of.
#[derive(Clone, Debug)]
pub struct GraphQlConfig {
    pub url: String,
    /// Sent as a bearer token.
    pub token: Option<String>,
    pub dns: Option<SocketAddr>,
    pub ca_file: Option<PathBuf>,
}

/// What is wrong with the configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("can't read {file}: {reason}")]
    File { file: String, reason: String },
    #[error(
        "{0:?} is not a database: give postgres://USER:PASSWORD@HOST/NAME, or leave --database out for the embedded one in the data directory"
    )]
    Database(String),
    #[error("{0:?} is not a public URL: give http:// or https://, a host, and maybe a path")]
    PublicUrl(String),
    #[error("{0:?} is not the URL of a GraphQL API: give http:// or https://, a host, and a path")]
    GraphQlUrl(String),
    #[error("mail needs a sender: give --mail-from 'Hooks <hooks@example.com>' beside --smtp")]
    NoSender,
    #[error("[mail] interval_minutes in postrider.toml must be 1 to 10080 (a week)")]
    MailInterval,
    #[error("max connections must be 16 to 1000000, not {0}")]
    MaxConnections(usize),
    #[error("drain seconds must be at most 3600, not {0}")]
    DrainSeconds(u64),
    #[error("connection seconds must be 1 to 3600, not {0}")]
    ConnectionSeconds(u64),
    #[error("{name}: this proxy can't be used: {reason}")]
    Proxy { name: String, reason: String },
    #[error("[retention] in postrider.toml: {0}")]
    Retention(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    public_url: Option<String>,
    data: Option<PathBuf>,
    database: Option<String>,
    allow_networks: Vec<IpNet>,
    relax_contracts: Option<bool>,
    default_contract: Option<String>,
    contracts: Option<PathBuf>,
    dns: Option<SocketAddr>,
    ca_file: Option<PathBuf>,
    max_connections: Option<usize>,
    drain_seconds: Option<u64>,
    connection_seconds: Option<u64>,
    egress_proxy: Option<String>,
    no_proxy: Vec<String>,
    contract: BTreeMap<String, BTreeMap<String, String>>,
    graphql: GraphQlFile,
    mail: MailFile,
    retention: RetentionFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GraphQlFile {
    url: Option<String>,
    token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MailFile {
    smtp: Option<String>,
    from: Option<String>,
    interval_minutes: Option<u64>,
}

impl MailFile {
    fn decided(self) -> Result<Option<MailConfig>, ConfigError> {
        let Some(url) = self.smtp else { return Ok(None) };
        let from = self.from.ok_or(ConfigError::NoSender)?;
        match self.interval_minutes.unwrap_or(60) {
            minutes @ 1..=10_080 => Ok(Some(MailConfig { url, from, interval: Duration::from_secs(minutes * 60) })),
            _ => Err(ConfigError::MailInterval),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RetentionFile {
    message_days: Option<Vec<u16>>,
    default_days: Option<u16>,
    attempt_days: Option<u16>,
    key_hours: Option<u16>,
}

impl RetentionFile {
    fn decided(self) -> Result<Retention, ConfigError> {
        let usual = Retention::default();
        let message_days = self.message_days.unwrap_or(usual.message_days);
        let longest = message_days.iter().copied().max().unwrap_or(0);
        let retention = Retention {
            default_days: self.default_days.unwrap_or(longest),
            attempt_days: self.attempt_days.unwrap_or(longest),
            key_hours: self.key_hours.unwrap_or(usual.key_hours),
            message_days,
        };
        if retention.message_days.iter().any(|days| *days == 0 || *days > 3_650) || retention.message_days.len() > 16 {
            return Err(ConfigError::Retention("message_days takes up to 16 numbers of days, 1 to 3650".into()));
        }
        if !retention.message_days.contains(&retention.default_days) {
            return Err(ConfigError::Retention("default_days must be one of message_days".into()));
        }
        if retention.attempt_days < longest {
            return Err(ConfigError::Retention(format!(
                "attempt_days must be at least {longest}, the longest of message_days: without its attempts, nobody could say what became of a message"
            )));
        }
        if retention.key_hours == 0 {
            return Err(ConfigError::Retention("key_hours must be at least 1".into()));
        }
        Ok(retention)
    }
}

impl Config {
    /// Reads the file that `args` name, or the one in the working directory.
    pub fn load(args: ServeArgs) -> Result<Config, ConfigError> {
        let file = match &args.config {
            Some(path) => read(path)?,
            None if Path::new(DEFAULT_FILE).exists() => read(Path::new(DEFAULT_FILE))?,
            None => File::default(),
        };
        let database = args.database.or(file.database);
        if let Some(url) = database.as_ref().filter(|url| !is_postgres(url)) {
            return Err(ConfigError::Database(without_password(url)));
        }
        let public_url = args.public_url.or(file.public_url);
        if let Some(url) = public_url.as_ref().filter(|url| !is_web(url)) {
            return Err(ConfigError::PublicUrl(url.clone()));
        }
        let mail = MailFile {
            smtp: args.smtp.or(file.mail.smtp),
            from: args.mail_from.or(file.mail.from),
            interval_minutes: file.mail.interval_minutes,
        };
        let max_connections = args.max_connections.or(file.max_connections).unwrap_or(MAX_CONNECTIONS);
        if !(16..=1_000_000).contains(&max_connections) {
            return Err(ConfigError::MaxConnections(max_connections));
        }
        let drain_seconds = args.drain_seconds.or(file.drain_seconds).unwrap_or(DRAIN_SECONDS);
        if drain_seconds > 3_600 {
            return Err(ConfigError::DrainSeconds(drain_seconds));
        }
        let connection_seconds = args.connection_seconds.or(file.connection_seconds).unwrap_or(CONNECTION_SECONDS);
        if !(1..=3_600).contains(&connection_seconds) {
            return Err(ConfigError::ConnectionSeconds(connection_seconds));
        }
        let no_proxy = if args.no_proxy.is_empty() { file.no_proxy } else { args.no_proxy };
        let proxy = proxy::decide(args.egress_proxy.or(file.egress_proxy), no_proxy, |name| std::env::var(name).ok())
            .map_err(|(name, reason)| ConfigError::Proxy { name, reason })?;
        let graphql_url = args.graphql_url.or(file.graphql.url);
        if let Some(url) = graphql_url.as_ref().filter(|url| !is_web(url)) {
            return Err(ConfigError::GraphQlUrl(url.clone()));
        }
        let (dns, ca_file) = (args.dns.or(file.dns), args.ca_file.or(file.ca_file));
        let token = args.graphql_token.or(file.graphql.token);
        let graphql = graphql_url.map(|url| GraphQlConfig { url, token, dns, ca_file: ca_file.clone() });
        let allow_networks = if args.allow_networks.is_empty() { file.allow_networks } else { args.allow_networks };
        Ok(Config {
            listen: args.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8071))),
            public_url,
            data: args.data.or(file.data).unwrap_or_else(|| PathBuf::from("postrider-data")),
            database,
            allow_networks,
            relax_contracts: args.relax_contracts.or(file.relax_contracts).unwrap_or(false),
            default_contract: args.default_contract.or(file.default_contract).unwrap_or_else(|| "standard".to_owned()),
            contracts: args.contracts.or(file.contracts),
            dns,
            ca_file,
            graphql,
            mail: mail.decided()?,
            max_connections,
            drain_seconds,
            connection_seconds,
            proxy,
            retention: file.retention.decided()?,
            contract_settings: file.contract,
        })
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let fail = |reason: String| ConfigError::File { file: path.display().to_string(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    toml::from_str(&text).map_err(|error| fail(error.to_string()))
}

fn is_web(url: &str) -> bool {
    let plain = |url: &url::Url| url.query().is_none() && url.fragment().is_none();
    url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && plain(&url))
}

fn is_postgres(url: &str) -> bool {
    ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme))
}

/// The URL as it may be shown.
fn without_password(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, place)) => format!("…@{place}"),
        None => url.to_owned(),
    }
}
