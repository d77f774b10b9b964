//! Where a template finds its variables.
//!
//! As Shopify's Liquid does, and other than the crate's own runtime: what isn't there is nil, not an error.

use crate::budget::{Budget, size};
use liquid_core::model::{KString, KStringCow, KStringRef, ScalarCow, try_find};
use liquid_core::runtime::{Interrupt, InterruptRegister, PartialStore, Registers, RuntimeCore};
use liquid_core::{Object, ObjectView, Result, Runtime, Value, ValueCow, ValueView};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Header names are looked up in lower case.
const HEADERS: &str = "headers";

/// The outermost scope: what was given, what the template assigned, and its budget.
pub struct Root<'a> {
    given: &'a Object,
    assigned: RefCell<Object>,
    indexes: RefCell<Object>,
    core: RuntimeCore<'static>,
}

impl<'a> Root<'a> {
    pub fn new(given: &'a Object, budget: Budget) -> Root<'a> {
        let core = RuntimeCore::new();
        *core.registers().get_mut::<Budget>() = budget;
        Root { given, assigned: RefCell::default(), indexes: RefCell::default(), core }
    }
}

impl Runtime for Root<'_> {
    fn partials(&self) -> &dyn PartialStore {
        self.core.partials()
    }

    fn name(&self) -> Option<KStringRef<'_>> {
        None
    }

    fn roots(&self) -> BTreeSet<KStringCow<'_>> {
        self.given.keys().map(|key| KStringCow::from(key.clone())).collect()
    }

    fn try_get(&self, path: &[ScalarCow<'_>]) -> Option<ValueCow<'_>> {
        let first = path.first()?.to_kstr();
        let assigned = self.assigned.borrow();
        if assigned.contains_key(first.as_str()) {
            let found = try_find(assigned.as_value(), path)?.into_owned();
            return self.pay(found).map(ValueCow::Owned);
        }
        if let (HEADERS, [_, name, ..]) = (first.as_str(), path) {
            let name = ScalarCow::new(name.to_kstr().to_ascii_lowercase());
            return try_find(self.given.as_value(), &[ScalarCow::new(HEADERS), name]);
        }
        try_find(self.given.as_value(), path)
    }

    fn get(&self, path: &[ScalarCow<'_>]) -> Result<ValueCow<'_>> {
        Ok(self.try_get(path).unwrap_or(ValueCow::Owned(Value::Nil)))
    }

    fn set_global(&self, name: KString, value: Value) -> Option<Value> {
        let value = self.pay(value)?;
        self.assigned.borrow_mut().insert(name, value)
    }

    fn set_index(&self, name: KString, value: Value) -> Option<Value> {
        self.indexes.borrow_mut().insert(name, value)
    }

    fn get_index<'a>(&'a self, name: &str) -> Option<ValueCow<'a>> {
        self.indexes.borrow().get(name).map(|value| ValueCow::Owned(value.clone()))
    }

    fn registers(&self) -> &Registers {
        self.core.registers()
    }
}

impl Root<'_> {
    /// The value, if the budget has room for it. Nothing here may fail, so the rest of the template is left out
    /// instead; whoever runs it sees that the budget was exhausted.
    fn pay(&self, value: Value) -> Option<Value> {
        if self.registers().get_mut::<Budget>().spend(1, size(&value)).is_ok() {
            return Some(value);
        }
        self.registers().get_mut::<InterruptRegister>().set(Interrupt::Break);
        None
    }
}

/// The scope of one iteration: a few names on top of what is around it.
pub struct Inner<'a> {
    pub parent: &'a dyn Runtime,
    pub names: [(&'a str, &'a dyn ValueView); 2],
}

impl Runtime for Inner<'_> {
    fn partials(&self) -> &dyn PartialStore {
        self.parent.partials()
    }

    fn name(&self) -> Option<KStringRef<'_>> {
        None
    }

    fn roots(&self) -> BTreeSet<KStringCow<'_>> {
        self.parent.roots()
    }

    fn try_get(&self, path: &[ScalarCow<'_>]) -> Option<ValueCow<'_>> {
        let first = path.first()?.to_kstr();
        match self.names.iter().find(|(name, _)| *name == first.as_str()) {
            Some((_, value)) => try_find(*value, &path[1..]),
            None => self.parent.try_get(path),
        }
    }

    fn get(&self, path: &[ScalarCow<'_>]) -> Result<ValueCow<'_>> {
        Ok(self.try_get(path).unwrap_or(ValueCow::Owned(Value::Nil)))
    }

    fn set_global(&self, name: KString, value: Value) -> Option<Value> {
        self.parent.set_global(name, value)
    }

    fn set_index(&self, name: KString, value: Value) -> Option<Value> {
        self.parent.set_index(name, value)
    }

    fn get_index<'a>(&'a self, name: &str) -> Option<ValueCow<'a>> {
        self.parent.get_index(name)
    }

    fn registers(&self) -> &Registers {
        self.parent.registers()
    }
}
