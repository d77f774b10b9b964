//! The request of an attempt on its way: through the environment's proxy, with the endpoint's own certificates and its
//! access token.

use crate::attempt::Tools;
use crate::compose::Subject;
use crate::oauth::TokenError;
use http::StatusCode;
use postrider_contract::{Contract, Request};
use postrider_egress::{Call, ProxySettings, Reply, SendError, TlsProblem};
use postrider_store::config::{Endpoint, EnvironmentSettings};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Why there is no response.
#[derive(Debug)]
pub enum Obstacle {
    /// Nothing was sent: the endpoint's own certificates can't be used.
    Tls(TlsProblem),
    /// Nothing was sent: there is no access token.
    Token(TokenError),
    Unanswered(SendError),
}

/// Makes the request, with the certificates and the access token that the endpoint wants.
pub async fn transmit(
    tools: &Tools,
    contract: &Contract,
    Subject { app, endpoint, .. }: Subject<'_>,
    mut request: Request,
) -> Result<Reply, Obstacle> {
    let environment = tools.store.directory().environment(app.app.env);
    let proxy = environment.as_ref().and_then(|environment| proxy(&environment.settings));
    let url = endpoint.call_url();
    let tls = tools.tls.of(&tools.egress, endpoint).map_err(Obstacle::Tls)?;
    let Some(client) = &endpoint.secrets.oauth else {
        let call = Call { tls, proxy: proxy.as_ref(), ..call(contract, endpoint, &url, &request) };
        return tools.egress.send(call).await.map_err(Obstacle::Unanswered);
    };
    // One deadline for all of it.
    let total = timeout(contract, endpoint);
    let began = Instant::now();
    let mut fresh = false;
    loop {
        let late = Obstacle::Unanswered(SendError::Timeout { seconds: total.as_secs() });
        let token = tools.tokens.get((&tools.egress, proxy.as_ref()), endpoint, client);
        let token = timeout_at(began + total, token).await.map_err(|_| late)?.map_err(Obstacle::Token)?;
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
        request.headers.push(("Authorization".to_owned(), format!("Bearer {}", token.value)));
        let deadline = total.saturating_sub(began.elapsed());
        let call =
            Call { tls: tls.clone(), proxy: proxy.as_ref(), deadline, ..call(contract, endpoint, &url, &request) };
        let sent = tools.egress.send(call).await;
        let is_refused = sent.as_ref().is_ok_and(|reply| reply.status == StatusCode::UNAUTHORIZED);
        if !is_refused || fresh {
            return sent.map_err(Obstacle::Unanswered);
        }
        // It may have been withdrawn before its time.
        tools.tokens.forget(endpoint, client, &token).await;
        fresh = true;
    }
}

fn call<'a>(contract: &Contract, endpoint: &Endpoint, url: &'a str, request: &'a Request) -> Call<'a> {
    let (headers, body) = (&request.headers, request.body.clone());
    Call { url, headers, body, tls: None, proxy: None, deadline: timeout(contract, endpoint) }
}

fn timeout(contract: &Contract, endpoint: &Endpoint) -> Duration {
    let seconds = match contract.timeout() {
        rule if rule.fixed => rule.seconds,
        rule => endpoint.settings.timeout_seconds.unwrap_or(rule.seconds),
    };
    Duration::from_secs(u64::from(seconds))
}

/// The proxy that an environment has of its own.
fn proxy(settings: &EnvironmentSettings) -> Option<ProxySettings> {
    let proxy = settings.proxy.as_ref()?;
    Some(ProxySettings::all(proxy.url.reveal(), proxy.no_proxy.clone()))
}
