//! How long listings take of an application with very many messages and attempts.

use super::{Bench, through};
use crate::api::Api;
use crate::board::Board;
use crate::clock::now_ns;
use crate::database::Database;
use crate::failure::Failure;
use crate::load::{Load, Pace};
use crate::progress::Progress;
use crate::report::{LISTS, Listed, Lists};
use crate::server::Server;
use crate::sink::Sink;
use crate::stats::spread;
use std::sync::Arc;

/// Many at once fill the server's shared commits.
const CONNECTIONS: u32 = 256;
/// Times that each listing is asked for.
const TIMES: usize = 100;

/// See the module.
pub async fn measure(bench: &Bench<'_>) -> Result<Lists, Failure> {
    let scratch = bench.scratch()?;
    let database = bench.database().await?;
    let url = database.as_ref().map(Database::url);
    let (mut server, _) = Server::start(scratch.path(), url.as_deref(), 1).await?;
    let api = server.api.clone();
    let (name, app) = (bench.name(), api.create_application().await?);
    let receiver = format!("http://{}{}", bench.sink.address(), Sink::path(&name, 0));
    let endpoint = api.create_endpoint(&app, &receiver, None).await?;
    let board = Arc::new(Board::new(1, bench.args.pending, false));
    bench.sink.count(&name, board.clone());
    let load = Load {
        addresses: vec![api.address],
        recipe: api.recipe(&app, bench.args.body_bytes as usize, format!("{name}-"))?,
        board: board.clone(),
        connections: CONNECTIONS,
        pace: Pace::Closed,
        lasts: None,
    };
    let progress = Progress::start(LISTS, board.clone(), None);
    let posted = load.run().await;
    server.check()?;
    posted?;
    through::drain(&board, &mut server).await?;
    drop(progress);

    let mut listed = Vec::new();
    for (what, path) in paths(&api, &app, &endpoint).await? {
        listed.push(Listed { what, took: ask(&api, &path).await? });
    }
    server.stop().await?;
    if let Some(database) = database {
        database.drop().await?;
    }
    Ok(Lists { messages: board.accepted_count(), listed })
}

/// What is asked for: the newest page, one from long ago, and those that have to look for what they show.
async fn paths(api: &Api, app: &str, endpoint: &str) -> Result<Vec<(&'static str, String)>, Failure> {
    let base = format!("/api/v1/app/{app}");
    let oldest = api.get(&format!("{base}/msg?limit=1&order=ascending")).await?;
    let oldest = oldest["data"][0]["id"].as_str().unwrap_or_default().to_owned();
    let attempts = format!("{base}/attempt/endpoint/{endpoint}");
    Ok(vec![
        ("attempts, newest 50", format!("{attempts}?with_content=false")),
        ("with responses", attempts.clone()),
        ("that failed: none", format!("{attempts}?status=2")),
        ("of a rare type: none", format!("{attempts}?event_types=rare")),
        ("attempts of a message", format!("{base}/attempt/msg/{oldest}")),
        ("messages, newest 50", format!("{base}/msg")),
        ("with a tag: none", format!("{base}/msg?tag=rare")),
        ("messages at an endpoint", format!("{base}/endpoint/{endpoint}/msg")),
    ])
}

async fn ask(api: &Api, path: &str) -> Result<Option<crate::stats::Spread>, Failure> {
    let mut took = Vec::new();
    for _ in 0..TIMES {
        let started = now_ns();
        api.get(path).await?;
        took.push(now_ns() - started);
    }
    Ok(spread(took))
}
