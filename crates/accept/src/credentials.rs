//! What connections to an endpoint show of themselves: certificates, and where access tokens come from.

use crate::check::Problems;
use crate::{Accept, Caller, Refusal};
use postrider_egress::{TlsParts, TlsProblem, TlsProfile};
use postrider_store::config::{Endpoint, EndpointSecrets, EndpointTls, OAuthClient};
use url::Url;

/// PEM, in bytes.
const MAX_PEM: usize = 64 << 10;
const MAX_URL: usize = 2_048;
const MAX_TEXT: usize = 1_024;
const MAX_SECRET: usize = 4_096;
const MAX_SCOPES: usize = 50;

impl Accept {
    /// Sets or removes an endpoint's own certificates.
    pub async fn set_tls(
        &self,
        caller: Caller,
        app: &str,
        endpoint: &str,
        tls: Option<EndpointTls>,
    ) -> Result<Endpoint, Refusal> {
        if let Some(tls) = &tls {
            check_tls(tls)?;
        }
        self.edit_secrets(caller, app, endpoint, |secrets| EndpointSecrets { tls: tls.clone(), ..secrets }).await
    }

    /// Sets or removes where an endpoint's access tokens come from.
    pub async fn set_oauth(
        &self,
        caller: Caller,
        app: &str,
        endpoint: &str,
        oauth: Option<OAuthClient>,
    ) -> Result<Endpoint, Refusal> {
        if let Some(client) = &oauth {
            check_oauth(client)?;
        }
        self.edit_secrets(caller, app, endpoint, |secrets| EndpointSecrets { oauth: oauth.clone(), ..secrets }).await
    }

    async fn edit_secrets(
        &self,
        caller: Caller,
        app: &str,
        endpoint: &str,
        edit: impl Fn(EndpointSecrets) -> EndpointSecrets,
    ) -> Result<Endpoint, Refusal> {
        let edited = self.edit_endpoint(caller, app, endpoint, None, |_, row| {
            Ok(Endpoint { secrets: edit(row.secrets.clone()), ..row.clone() })
        });
        edited.await
    }
}

fn check_tls(tls: &EndpointTls) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    let client = tls.client.as_ref();
    let parts = TlsParts {
        chain: client.map(|client| client.chain.as_str()),
        key: client.map(|client| client.key.reveal()),
        authorities: tls.authorities.as_deref(),
    };
    let fields = [("clientCertificate", parts.chain), ("clientKey", parts.key), ("caCertificates", parts.authorities)];
    for (field, pem) in fields {
        if pem.is_some_and(|pem| pem.len() > MAX_PEM) {
            problems.add(field, format!("has more than {} KiB", MAX_PEM >> 10));
        }
    }
    problems.done()?;
    let mut problems = Problems::default();
    match TlsProfile::check(parts) {
        Ok(()) => {}
        Err(TlsProblem::Chain(reason)) => problems.add("clientCertificate", reason),
        Err(TlsProblem::Key(reason)) => problems.add("clientKey", reason),
        Err(TlsProblem::Authorities(reason)) => problems.add("caCertificates", reason),
    }
    problems.done()
}

fn check_oauth(client: &OAuthClient) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    problems.check("tokenUrl", check_token_url(&client.token_url));
    let texts = [
        ("clientId", client.client_id.as_str(), MAX_TEXT),
        ("clientSecret", client.client_secret.reveal(), MAX_SECRET),
        ("audience", client.audience.as_deref().unwrap_or("-"), MAX_TEXT),
    ];
    for (field, text, longest) in texts {
        problems.check(field, check_text(text, longest));
    }
    if client.scopes.len() > MAX_SCOPES {
        problems.add("scopes", format!("has {} entries; at most {MAX_SCOPES} are allowed", client.scopes.len()));
    }
    for (n, scope) in client.scopes.iter().enumerate() {
        problems.check(&format!("scopes.{n}"), check_scope(scope));
    }
    problems.done()
}

fn check_token_url(text: &str) -> Result<(), String> {
    if text.len() > MAX_URL {
        return Err(format!("has more than {MAX_URL} bytes"));
    }
    let example = "use a URL such as https://auth.example.com/oauth/token";
    let url = Url::parse(text).map_err(|_| format!("is not a URL; {example}"))?;
    match url.scheme() {
        _ if url.host_str().is_none_or(str::is_empty) => Err(format!("names no host; {example}")),
        "https" | "http" if url.username().is_empty() && url.password().is_none() => Ok(()),
        "https" | "http" => Err("has a user or a password; give them as clientId and clientSecret".to_owned()),
        other => Err(format!("has the scheme {other:?}; use https or http")),
    }
}

fn check_text(text: &str, longest: usize) -> Result<(), String> {
    let length = text.chars().count();
    match text.chars().find(|c| c.is_control()) {
        _ if !(1..=longest).contains(&length) => Err(format!("has {length} characters; 1 to {longest} are allowed")),
        Some(control) => Err(format!("has the control character {control:?}; remove it")),
        None => Ok(()),
    }
}

/// RFC 6749, section 3.3.
fn check_scope(scope: &str) -> Result<(), String> {
    check_text(scope, MAX_TEXT)?;
    match scope.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '"' | '\\')) {
        Some(' ') => Err("has a space; give each scope as an entry of its own".to_owned()),
        Some(c) => Err(format!("{c:?} is not allowed in a scope")),
        None => Ok(()),
    }
}
