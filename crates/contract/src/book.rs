//! The contracts that a server has.

use crate::{Contract, Problem};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The contracts that come with Postrider: name and file.
pub const SHIPPED: &[(&str, &str)] = &[
    ("standard", include_str!("../../../contracts/standard.toml")),
    ("svix", include_str!("../../../contracts/svix.toml")),
    ("tellescope", include_str!("../../../contracts/tellescope.toml")),
    ("tiledesk", include_str!("../../../contracts/tiledesk.toml")),
    ("scope", include_str!("../../../contracts/scope.toml")),
    ("uplodr", include_str!("../../../contracts/uplodr.toml")),
    ("telerivet", include_str!("../../../contracts/telerivet.toml")),
];

/// Contracts by name.
#[derive(Debug, Default)]
pub struct Book(BTreeMap<String, Arc<Contract>>);

impl Book {
    /// The shipped ones. Each is parsed by a test, so none is missing.
    pub fn shipped() -> Book {
        let mut book = Book::default();
        for (_, text) in SHIPPED {
            let _ = book.add(text);
        }
        book
    }

    /// Adds a contract, replacing one of the same name; its name, or all that is wrong with it.
    pub fn add(&mut self, text: &str) -> Result<String, Vec<Problem>> {
        let contract = Contract::parse(text)?;
        let name = contract.name().to_owned();
        self.0.insert(name.clone(), Arc::new(contract));
        Ok(name)
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Contract>> {
        self.0.get(name)
    }

    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}
