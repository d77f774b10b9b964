//! Chains: endpoints that see a message one after the other, and which response keeps it from the next.

use crate::contract::Contract;
use crate::expression::{Compiled, Scope};
use crate::payload::Json;
use crate::reply::{Reply, message};
use crate::view::MessageView;
use bytes::Bytes;

/// The `[chain]` table of a contract.
#[derive(Debug)]
pub struct ChainRules {
    pub ends: Compiled,
}

impl Contract {
    /// Whether a message that was delivered, and whose response asked for this, goes no further. Where the
    /// contract does not say, every message that arrived has found its place.
    pub fn ends_chain(&self, view: &MessageView<'_>, reply: Option<&Reply>) -> bool {
        let Some(rules) = &self.chain else { return true };
        let actions = match reply {
            Some(Reply::Actions { json, .. }) => json.clone(),
            Some(Reply::Wrong(_)) | None => Bytes::from_static(b"[]"),
        };
        let vars = Scope::new(vec![
            ("payload".to_owned(), Json::whole(view.payload.clone())),
            ("message".to_owned(), message(view)),
            ("actions".to_owned(), Json::value(actions)),
        ]);
        // What can't be told must not keep a message from those who wait for it.
        rules.ends.eval(vars.value()).is_ok_and(|ends| ends.is_true())
    }
}
