//! Tells the provider what responses asked for, until it is told of every one.
//!
//! A reply is stored with its attempt and a mark that it is to be told. The mark goes when its message to the
//! provider is accepted; that message has an id of its own, so that a reply told twice is sent once.

use postrider_accept::Accept;
use postrider_store::StoreError;
use postrider_store::config::Change;
use postrider_store::id::{AppId, AttemptId};
use postrider_store::message::Reply;
use serde_json::{Value, json};

/// Replies told between two looks.
const SLICE: usize = 100;

/// Tells of all that wait.
pub async fn tell(accept: &Accept) {
    loop {
        match slice(accept).await {
            Ok(told) if told >= SLICE => {}
            Ok(_) => return,
            Err(reason) => {
                tracing::warn!(reason, "could not tell the provider of replies; trying again");
                return;
            }
        }
    }
}

async fn slice(accept: &Accept) -> Result<usize, String> {
    let text = |error: StoreError| error.to_string();
    let (replies, mut done) = accept.store().untold(SLICE).await.map_err(text)?;
    let found = replies.len() + done.len();
    for reply in replies {
        told(accept, &reply).await?;
        done.push(reply.attempt);
    }
    if found > 0 {
        mark(accept, done).await?;
    }
    Ok(found)
}

async fn told(accept: &Accept, reply: &Reply) -> Result<(), String> {
    let Some(app) = accept.store().directory().app(reply.app) else { return Ok(()) };
    let ids = accept.store().ids();
    let mut data = json!({
        "msgId": ids.text(reply.message),
        "endpointId": ids.text(reply.endpoint),
        "attemptId": ids.text(reply.attempt),
    });
    let asked: Value = match serde_json::from_str(&reply.json) {
        Ok(asked) => asked,
        Err(error) => {
            // It will not become readable, and the others must not wait for it.
            tracing::error!(%error, attempt = ids.text(reply.attempt), "a reply can't be read, so nobody is told of it");
            return Ok(());
        }
    };
    data["actions"] = asked["actions"].clone();
    if let Some(error) = asked.get("error") {
        data["error"] = error.clone();
    }
    if let Some(log) = asked.get("log") {
        data["log"] = log.clone();
    }
    let id = format!("reply_{}", ids.text(reply.attempt));
    accept.tell_once(&app, "message.reply", data, Some(id)).await.map_err(|error| error.to_string())
}

async fn mark(accept: &Accept, done: Vec<AttemptId>) -> Result<(), String> {
    let changed = accept.store().change(AppId(0), Change::RepliesTold(done), None).await;
    changed.map(drop).map_err(|error| error.to_string())
}
