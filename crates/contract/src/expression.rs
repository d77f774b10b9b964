//! Expressions: compiled once, evaluated with a limit.

use crate::functions;
use minijinja::value::Object;
use minijinja::{Environment, Error, Expression, Value};
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// Steps that one expression may take. A body over a thousand records takes some ten thousand.
const FUEL: u64 = 2_000_000;

/// All contracts share the functions, so they share the environment.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_fuel(Some(FUEL));
    functions::register(&mut env);
    env
});

/// A compiled expression.
pub struct Compiled {
    expression: Expression<'static, 'static>,
    source: String,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Compiled {
    pub fn new(source: &str) -> Result<Compiled, String> {
        let expression = ENVIRONMENT.compile_expression_owned(source.to_owned()).map_err(|error| words(&error))?;
        Ok(Compiled { expression, source: source.to_owned() })
    }

    pub fn eval(&self, vars: &Value) -> Result<Value, String> {
        self.expression.eval(vars.clone()).map_err(|error| words(&error))
    }

    /// The variables it reads, without what is behind a dot.
    pub fn variables(&self) -> HashSet<String> {
        self.expression.undeclared_variables(false)
    }

    /// Functions are variables too; these are the known ones.
    pub fn is_function(name: &str) -> bool {
        ENVIRONMENT.globals().any(|(known, _)| known == name)
    }
}

/// The variables of a delivery, found by name. They are few, so a list is faster than a map.
#[derive(Debug)]
pub struct Scope(Value);

#[derive(Clone, Debug)]
struct Variables(Vec<(String, Value)>);

impl Object for Variables {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    }
}

impl Scope {
    pub fn new(variables: Vec<(String, Value)>) -> Scope {
        Scope(Value::from_object(Variables(variables)))
    }

    /// The same with one more.
    pub fn with(&self, name: &str, value: Value) -> Scope {
        let mut variables = self.0.downcast_object_ref::<Variables>().cloned().unwrap_or(Variables(vec![]));
        variables.0.push((name.to_owned(), value));
        Scope::new(variables.0)
    }

    pub fn value(&self) -> &Value {
        &self.0
    }
}

/// The kind of error and its detail, without MiniJinja's place (the file's place says more).
fn words(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}
