//! The contracts that a server has.

use crate::{Contract, Problem};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A contract that comes with Postrider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// As in the file.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

/// The contracts that come with Postrider, the default first.
pub fn shipped() -> &'static [Shipped] {
    macro_rules! shipped {
        ($($name:literal),*) => {
            &[$(Shipped { name: $name, text: include_str!(concat!("../../../contracts/", $name, ".toml")) }),*]
        };
    }
    shipped!["standard", "svix", "tellescope", "tiledesk", "scope", "uplodr", "telerivet"]
}

/// Contracts by name.
#[derive(Debug, Default)]
pub struct Book(BTreeMap<String, Arc<Contract>>);

impl Book {
    /// The shipped ones. Each is parsed by a test, so none is missing.
    pub fn shipped() -> Book {
        let mut book = Book::default();
        for shipped in shipped() {
            let _ = book.add(shipped.text);
        }
        book
    }

    /// Adds a contract, replacing one of the same name, and answers its name.
    ///
    /// # Errors
    /// All that is wrong with the file; the book stays as it was.
    pub fn add(&mut self, text: &str) -> Result<String, Vec<Problem>> {
        let contract = Contract::parse(text)?;
        let name = contract.name().to_owned();
        self.0.insert(name.clone(), Arc::new(contract));
        Ok(name)
    }

    /// The contract of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Contract>> {
        self.0.get(name)
    }

    /// Their names in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}
