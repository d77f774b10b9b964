//! The command line.

use crate::commands::{attempts, contract, dev, doctor, endpoint, import, key, messages, migrate, portal, send};
use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Sends webhooks: takes messages, delivers each to every endpoint that wants it, shows what happened.
#[derive(Debug, Parser)]
#[command(name = "postrider", version, max_term_width = 100)]
#[command(
    after_help = "Start with `postrider dev`: a demo application and one endpoint for each contract, in seconds."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run with a demo application: an endpoint for each contract, an inbox, and a key
    Dev(dev::DevArgs),
    /// Run the server
    Serve(ServeArgs),
    /// Make, list and revoke API keys
    Key(key::KeyArgs),
    /// Make a link with which a customer looks after its own endpoints
    Portal(portal::PortalArgs),
    /// Set how connections to an endpoint are secured: client certificate, authorities, OAuth
    Endpoint(endpoint::EndpointArgs),
    /// Send a message to an application's endpoints
    Send(send::SendArgs),
    /// List an application's messages, the newest first
    Messages(messages::MessagesArgs),
    /// List the attempts to deliver a message, or to an endpoint, the newest first
    Attempts(attempts::AttemptsArgs),
    /// Check, show and list wire contracts
    Contract(contract::ContractArgs),
    /// Take over what another server has: applications, endpoints, event types
    Import(import::ImportArgs),
    /// Copy everything from the embedded database to PostgreSQL
    Migrate(migrate::MigrateArgs),
    /// Check an installation, and say what to do about what is wrong
    Doctor(Box<doctor::DoctorArgs>),
}

/// How to run the server. Each flag is also an environment variable and a key of postrider.toml;
/// flags win over variables, variables over the file.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
Secrets come from the environment alone:
  POSTRIDER_API_KEY     the first API key (16 to 256 printable characters); without it the first
                        start makes one and prints it once
  POSTRIDER_SECRET_KEY  32 bytes in base64 that encrypt secrets at rest; without it a key file is
                        made in the data directory (not with PostgreSQL: there it must be given)

Example:
  postrider serve --data /var/lib/postrider --listen 0.0.0.0:8071
  postrider serve --database 'postgres://postrider:secret@db/postrider?sslmode=verify-full'

Of a database's URL: sslmode (disable, prefer, require, verify-full), sslrootcert=FILE,
pooler=transaction (PgBouncer stands between), lease=SECONDS (after which a silent server's
deliveries are taken over; 8)")]
pub struct ServeArgs {
    /// Configuration file [default: postrider.toml, where there is one]
    #[arg(long, env = "POSTRIDER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:8071]
    #[arg(long, env = "POSTRIDER_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Where people reach this server, for portal links [default: the host of the request]
    #[arg(long, env = "POSTRIDER_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Where the data lies [default: postrider-data]
    #[arg(long, env = "POSTRIDER_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// PostgreSQL, as postgres://USER:PASSWORD@HOST/NAME; any number of servers may share one
    /// [default: the embedded database in the data directory]
    #[arg(long, env = "POSTRIDER_DATABASE", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,
    /// Let endpoints be in this network too; otherwise only public addresses are connected to
    #[arg(long = "allow-network", env = "POSTRIDER_ALLOW_NETWORKS", value_name = "CIDR", value_delimiter = ',')]
    pub allow_networks: Vec<IpNet>,
    /// For development: lift the contracts' rules on https and ports
    #[arg(long, env = "POSTRIDER_RELAX_CONTRACTS", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub relax_contracts: Option<bool>,
    /// Contract of endpoints whose application names none [default: standard]
    #[arg(long, env = "POSTRIDER_DEFAULT_CONTRACT", value_name = "NAME")]
    pub default_contract: Option<String>,
    /// Directory with contracts of your own, one TOML file each
    #[arg(long, env = "POSTRIDER_CONTRACTS", value_name = "DIR")]
    pub contracts: Option<PathBuf>,
    /// Name server to ask instead of the system's
    #[arg(long, env = "POSTRIDER_DNS", value_name = "ADDR")]
    pub dns: Option<SocketAddr>,
    /// PEM file with extra certificate authorities to trust
    #[arg(long, env = "POSTRIDER_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Your GraphQL API, for the payload queries of endpoints
    #[arg(long, env = "POSTRIDER_GRAPHQL_URL", value_name = "URL")]
    pub graphql_url: Option<String>,
    /// What payload queries authenticate with, as a bearer token
    #[arg(long, env = "POSTRIDER_GRAPHQL_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub graphql_token: Option<String>,
    /// SMTP server for mails about endpoints that fail, as smtps://USER:PASSWORD@HOST
    #[arg(long, env = "POSTRIDER_SMTP", hide_env_values = true, value_name = "URL")]
    pub smtp: Option<String>,
    /// Sender of those mails, as 'Hooks <hooks@example.com>'
    #[arg(long, env = "POSTRIDER_MAIL_FROM", value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// Connections to the API that are open at once, 16 to 1000000; one client address has at most half of them.
    /// At the limit, the connection that is idle for longest is closed [default: 8192]
    #[arg(long, env = "POSTRIDER_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<usize>,
    /// How long requests in progress may take when the server stops, in seconds, up to 3600; those that
    /// take longer are aborted [default: 20]
    #[arg(long, env = "POSTRIDER_DRAIN_SECONDS", value_name = "SECONDS")]
    pub drain_seconds: Option<u64>,
    /// How long a connection to an endpoint is used for new requests after it was opened, in seconds, up to 3600. A
    /// change of a name's addresses is followed after this time [default: 30]
    #[arg(long, env = "POSTRIDER_CONNECTION_SECONDS", value_name = "SECONDS")]
    pub connection_seconds: Option<u64>,
    /// Proxy for deliveries, as http://USER:PASSWORD@HOST:PORT (HTTP CONNECT) or socks5://…; "none": no proxy
    /// [default: the variables HTTPS_PROXY, HTTP_PROXY and ALL_PROXY]
    #[arg(long, env = "POSTRIDER_EGRESS_PROXY", hide_env_values = true, value_name = "URL")]
    pub egress_proxy: Option<String>,
    /// What needs no proxy: host names with those below them, addresses, networks, "*" [default: the variable NO_PROXY]
    #[arg(long, env = "POSTRIDER_NO_PROXY", value_name = "LIST", value_delimiter = ',')]
    pub no_proxy: Vec<String>,
}
