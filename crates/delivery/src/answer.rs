//! What an attempt brings beside its outcome: what the response asks for and sets, lines of the log, and whether the
//! message goes on to the next of its chain.

use crate::attempt::Tools;
use crate::compose::Subject;
use crate::log::{Variables, lines};
use crate::state::{settings, view};
use bytes::Bytes;
use postrider_contract::{Asking, Contract, Reply as Asked};
use postrider_store::message::Setting;
use serde_json::{Value, json};

/// See the module.
#[derive(Debug, Default)]
pub struct Brought {
    /// As it is stored: `{"actions": […]}`, with `error` if the response is wrong and `log` if there are lines.
    pub reply: Option<String>,
    pub settings: Vec<Setting>,
    /// Nobody else in the chain gets the message.
    pub ends_chain: bool,
}

/// A response that was a success.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    pub content_type: Option<&'a str>,
    pub body: &'a Bytes,
    /// Why not all of the body came.
    pub incomplete: Option<&'a str>,
}

/// Reads what an attempt brought; `taken`: the response, if it was a success.
pub async fn read(tools: &Tools, contract: &Contract, subject: &Subject<'_>, taken: Option<Taken<'_>>) -> Brought {
    let message = subject.message;
    let id = tools.store.ids().text(message.id);
    let asked = taken.and_then(|taken| {
        let asking = Asking { message: view(&id, message), content_type: taken.content_type, body: taken.body };
        let reply = contract.reply(&asking)?;
        // Half of what it asks for may be the opposite of all of it.
        Some(taken.incomplete.map_or(reply, |reason| Asked::Wrong(format!("only part of the response came: {reason}"))))
    });
    let log = log(tools, subject, taken.is_some(), asked.as_ref()).await;
    let ends_chain =
        taken.is_some() && (message.chain.is_empty() || contract.ends_chain(&view(&id, message), asked.as_ref()));
    let reply = stored(asked.as_ref(), &log);
    let settings = match asked {
        Some(Asked::Actions { settings: set, .. }) => {
            let set = (set, tools.clock.wall_ms());
            settings(&tools.store, contract, (subject.app, subject.endpoint), message, set)
        }
        Some(Asked::Wrong(_)) | None => vec![],
    };
    Brought { reply, settings, ends_chain }
}

/// The lines that the endpoint's actions write at this attempt: those before the request at the first, those after
/// it when it succeeds.
async fn log(tools: &Tools, subject: &Subject<'_>, success: bool, asked: Option<&Asked>) -> Vec<String> {
    let actions = &subject.endpoint.settings.actions;
    if actions.is_empty() {
        return vec![];
    }
    let mut variables = Variables::new(subject.kept, &subject.message.payload);
    if !subject.message.chain.is_empty() {
        // What is temporary is known to those further down the chain.
        match tools.store.replies(subject.message.id).await {
            Ok(replies) => {
                let replies = replies.iter().filter_map(|reply| serde_json::from_str::<Value>(&reply.json).ok());
                replies.for_each(|reply| variables.add(&reply["actions"]));
            }
            Err(error) => tracing::debug!(%error, "could not read what earlier responses set"),
        }
    }
    let mut log = if subject.attempt == 1 { lines(actions, false, &variables) } else { vec![] };
    if success {
        if let Some(Asked::Actions { json, .. }) = asked {
            variables.add(&serde_json::from_slice(json).unwrap_or_default());
        }
        log.extend(lines(actions, true, &variables));
    }
    log
}

fn stored(asked: Option<&Asked>, log: &[String]) -> Option<String> {
    let (actions, error) = match asked {
        None if log.is_empty() => return None,
        None => ("[]".to_owned(), None),
        Some(Asked::Actions { json, not_kept, .. }) => (String::from_utf8_lossy(json).into_owned(), not_kept.as_ref()),
        Some(Asked::Wrong(reason)) => ("[]".to_owned(), Some(reason)),
    };
    let error = error.map(|reason| format!(",\"error\":{}", json!(reason))).unwrap_or_default();
    let log = if log.is_empty() { String::new() } else { format!(",\"log\":{}", json!(log)) };
    Some(format!("{{\"actions\":{actions}{error}{log}}}"))
}
