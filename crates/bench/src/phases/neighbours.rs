//! How long one tenant's sends take while another one attacks the server with nothing but its portal token.

use super::Bench;
use super::attacks::{Attack, Attacker};
use super::elsewhere::Elsewhere;
use crate::api::Api;
use crate::clock::now_ns;
use crate::database::Database;
use crate::failure::Failure;
use crate::report::{Attacked, Neighbours};
use crate::server::Server;
use crate::stats::spread;
use serde_json::json;
use std::time::Duration;

/// Sends that are timed before an attack and during it, one after the other.
const SENDS: usize = 500;
/// A send that takes longer counts as failed.
const LONGEST: Duration = Duration::from_secs(10);
/// Failed sends after which no more are tried.
const MOST_FAILED: u64 = 10;
/// After the sends, before the peak memory is read: the attack goes on meanwhile.
const SETTLE: Duration = Duration::from_secs(5);

/// Each attack on a server of its own.
pub async fn measure(bench: &Bench<'_>) -> Result<Neighbours, Failure> {
    let elsewhere = Elsewhere::start()?;
    let mut attacks = Vec::new();
    for attack in Attack::ALL {
        attacks.push(one(bench, attack, &elsewhere).await?);
    }
    Ok(Neighbours { sends: SENDS, attacks })
}

async fn one(bench: &Bench<'_>, attack: Attack, elsewhere: &Elsewhere) -> Result<Attacked, Failure> {
    let scratch = bench.scratch()?;
    let database = bench.database().await?;
    let url = database.as_ref().map(Database::url);
    let (mut server, _) = Server::start(scratch.path(), url.as_deref(), 1).await?;
    let api = server.api.clone();
    let (neighbour, app) = (api.create_application().await?, api.create_application().await?);
    let access = api.post(&format!("/api/v1/auth/app-portal-access/{app}"), json!({})).await?;
    let token = api.with_token(access["token"].as_str().unwrap_or_default())?;
    let attacker = Attacker { provider: api.clone(), token, app };
    attack.prepare(&attacker).await?;
    let (before, _) = sends(&api, &neighbour).await;
    let attacking = attack.begin(&attacker, elsewhere).await?;
    let (during, failed) = sends(&api, &neighbour).await;
    tokio::time::sleep(SETTLE).await;
    server.check()?;
    let peak_memory_bytes = server.peak_memory();
    drop(attacking);
    drop(server);
    if let Some(database) = database {
        database.drop().await?;
    }
    Ok(Attacked { attack: attack.name(), before: spread(before), during: spread(during), failed, peak_memory_bytes })
}

/// How long each send took, and how many failed.
async fn sends(api: &Api, app: &str) -> (Vec<u64>, u64) {
    let (path, message) = (format!("/api/v1/app/{app}/msg"), json!({"eventType": "bench.event", "payload": {"a": 1}}));
    let (mut took, mut failed) = (Vec::new(), 0);
    while took.len() < SENDS && failed < MOST_FAILED {
        let began = now_ns();
        match tokio::time::timeout(LONGEST, api.post(&path, message.clone())).await {
            Ok(Ok(_)) => took.push(now_ns() - began),
            Ok(Err(_)) | Err(_) => failed += 1,
        }
    }
    (took, failed)
}
