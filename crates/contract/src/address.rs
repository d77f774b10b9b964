//! What a message is about, so that later ones about the same go where the first was sent to.

use crate::contract::Contract;
use crate::expression::{Compiled, Scope};
use crate::payload::Json;
use crate::render::RenderError;
use crate::reply::message;
use crate::state::is_name;
use crate::view::MessageView;

/// The `[address]` table of a contract.
#[derive(Debug)]
pub struct AddressRules {
    pub object: Compiled,
    pub optional_secret: bool,
}

impl Contract {
    /// Whether an address that a message names needs a secret: where endpoints have one, unless the contract says
    /// otherwise.
    pub fn address_needs_secret(&self) -> bool {
        self.secrets().is_needed() && !self.address.as_ref().is_some_and(|rules| rules.optional_secret)
    }

    /// The name of what the message is about; `None`: nothing that an address is remembered for.
    ///
    /// # Errors
    /// When the expression fails.
    pub fn object(&self, view: &MessageView<'_>) -> Result<Option<String>, RenderError> {
        let Some(rules) = &self.address else { return Ok(None) };
        let vars = Scope::new(vec![
            ("payload".to_owned(), Json::whole(view.payload.clone())),
            ("message".to_owned(), message(view)),
        ]);
        let object = rules
            .object
            .eval(vars.value())
            .map_err(|reason| RenderError::Expression { part: "address.object".to_owned(), reason })?;
        if object.is_undefined() || object.is_none() {
            return Ok(None);
        }
        let name = object.to_string();
        if !is_name(&name) {
            let reason = "what the message is about has no name of 1 to 256 characters".to_owned();
            return Err(RenderError::Expression { part: "address.object".to_owned(), reason });
        }
        Ok(Some(name))
    }
}
