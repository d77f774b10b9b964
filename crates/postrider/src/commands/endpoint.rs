//! `postrider endpoint`: how connections to an endpoint are secured.

use super::CommandResult;
use crate::client::{Client, ServerArgs};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Set how connections to an endpoint are secured.
#[derive(Debug, Args)]
pub struct EndpointArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show, set or remove an endpoint's client certificate and certificate authorities
    #[command(after_help = "\
Without a file it shows what is set. The private key is never shown.

Examples:
  postrider endpoint tls --app acme --endpoint main --certificate client.pem --key client-key.pem
  postrider endpoint tls --app acme --endpoint main --ca authority.pem
  postrider endpoint tls --app acme --endpoint main --remove")]
    Tls(TlsArgs),
    /// Show, set or remove the OAuth 2.0 client credentials of an endpoint
    #[command(
        name = "oauth",
        after_help = "\
Without a token URL it shows what is set. The client's secret is read from a file, or from the variable
POSTRIDER_CLIENT_SECRET, and is never shown.

Examples:
  postrider endpoint oauth --app acme --endpoint main --token-url https://auth.example.com/token \\
    --client-id postrider --client-secret-file secret.txt --scope hooks
  postrider endpoint oauth --app acme --endpoint main --remove"
    )]
    OAuth(OAuthArgs),
}

/// Which endpoint, and where.
#[derive(Debug, Args)]
struct Which {
    /// The application's id or uid
    #[arg(long, value_name = "APP")]
    app: String,
    /// The endpoint's id or uid
    #[arg(long, value_name = "ID")]
    endpoint: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct TlsArgs {
    /// The client certificate, then the certificates that it was issued by (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// The private key of the certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// The authorities that the endpoint's certificate may come from, instead of the public ones (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Remove all of it
    #[arg(long, conflicts_with_all = ["certificate", "key", "ca"])]
    remove: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct OAuthArgs {
    /// Where access tokens come from
    #[arg(long, value_name = "URL", requires = "client_id")]
    token_url: Option<String>,
    #[arg(long, value_name = "ID", requires = "token_url", help = "The client's id")]
    client_id: Option<String>,
    /// A file with the client's secret
    #[arg(long, value_name = "FILE", requires = "token_url")]
    client_secret_file: Option<PathBuf>,
    /// A scope to ask for; several are possible
    #[arg(long = "scope", value_name = "SCOPE", requires = "token_url")]
    scopes: Vec<String>,
    /// Whom the token is for, if the token server wants to know
    #[arg(long, value_name = "AUDIENCE", requires = "token_url")]
    audience: Option<String>,
    /// Send the client's id and secret as fields of the request instead of in a header
    #[arg(long, requires = "token_url")]
    client_secret_post: bool,
    /// Remove it
    #[arg(long, conflicts_with = "token_url")]
    remove: bool,
    #[command(flatten)]
    which: Which,
}

/// Does what was asked for.
pub fn run(args: &EndpointArgs) -> CommandResult {
    match &args.action {
        Action::Tls(args) => tls(args),
        Action::OAuth(args) => oauth(args),
    }
}

fn tls(args: &TlsArgs) -> CommandResult {
    let client = Client::new(&args.which.server)?;
    let path = ["app", &args.which.app, "endpoint", &args.which.endpoint, "tls"];
    if args.remove {
        client.delete(&path)?;
        return Ok(format!("{} has no certificates of its own any more.\n", args.which.endpoint));
    }
    let files = [("clientCertificate", &args.certificate), ("clientKey", &args.key), ("caCertificates", &args.ca)];
    let mut body = serde_json::Map::new();
    for (field, file) in files {
        if let Some(file) = file {
            body.insert(field.to_owned(), read(file)?.into());
        }
    }
    let answer =
        if body.is_empty() { client.get(&path, &[])? } else { client.put(&path, Value::from(body).to_string())? };
    if args.which.server.json {
        return Ok(answer + "\n");
    }
    let shown: Value = client.read(&answer)?;
    let one = |field: &str, name: &str| match shown[field].as_str() {
        Some(pem) => format!("{name}:\n{}\n", pem.trim_end()),
        None => format!("{name}: none of its own\n"),
    };
    Ok(one("clientCertificate", "Client certificate") + &one("caCertificates", "Authorities"))
}

fn oauth(args: &OAuthArgs) -> CommandResult {
    let client = Client::new(&args.which.server)?;
    let path = ["app", &args.which.app, "endpoint", &args.which.endpoint, "oauth"];
    if args.remove {
        client.delete(&path)?;
        return Ok(format!("Requests to {} carry no access token any more.\n", args.which.endpoint));
    }
    let answer = match (&args.token_url, &args.client_id) {
        (Some(token_url), Some(client_id)) => {
            let method = if args.client_secret_post { "client_secret_post" } else { "client_secret_basic" };
            let body = json!({
                "tokenUrl": token_url, "clientId": client_id, "clientSecret": secret(args)?, "scopes": args.scopes,
                "audience": args.audience, "authentication": method,
            });
            client.put(&path, body.to_string())?
        }
        (_, _) => client.get(&path, &[])?,
    };
    if args.which.server.json {
        return Ok(answer + "\n");
    }
    let shown: Value = client.read(&answer)?;
    let Some(token_url) = shown["tokenUrl"].as_str() else {
        return Ok(format!("Requests to {} carry no access token.\n", args.which.endpoint));
    };
    let scopes: Vec<&str> = shown["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let scopes = if scopes.is_empty() { "none".to_owned() } else { scopes.join(" ") };
    let id = shown["clientId"].as_str().unwrap_or_default();
    Ok(format!("Token URL: {token_url}\nClient: {id}\nScopes: {scopes}\n"))
}

/// `None`: the one that is set stays.
fn secret(args: &OAuthArgs) -> Result<Option<String>, std::io::Error> {
    match &args.client_secret_file {
        Some(file) => Ok(Some(read(file)?.trim_end_matches(['\r', '\n']).to_owned())),
        None => Ok(std::env::var("POSTRIDER_CLIENT_SECRET").ok().filter(|secret| !secret.is_empty())),
    }
}

fn read(file: &Path) -> Result<String, std::io::Error> {
    let named = |error: std::io::Error| std::io::Error::new(error.kind(), format!("{}: {error}", file.display()));
    std::fs::read_to_string(file).map_err(named)
}
