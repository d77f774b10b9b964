//! Expressions: compiled once, evaluated with a limit.

use crate::functions;
use minijinja::value::Object;
use minijinja::{Environment, Error, ErrorKind, Expression, Value};
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// Steps that one expression may take. A body over a thousand records takes some ten thousand.
const FUEL: u64 = 2_000_000;

/// All contracts share the functions, so they share the environment.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_fuel(Some(FUEL));
    // Errors tell their place without it; with it each would carry a copy of what it was made from.
    env.set_debug(false);
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
    /// `Err` has what is wrong, and at which byte of the source.
    pub fn new(source: &str) -> Result<Compiled, (String, usize)> {
        let expression = ENVIRONMENT
            .compile_expression_owned(source.to_owned())
            .map_err(|error| (words(&error), error.range().map_or(0, |range| range.start)))?;
        Ok(Compiled { expression, source: source.to_owned() })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn eval(&self, vars: &Value) -> Result<Value, String> {
        self.expression.eval(vars.clone()).map_err(|error| words(&error))
    }

    /// The variables it reads, without what is behind a dot.
    pub fn variables(&self) -> HashSet<String> {
        self.expression.undeclared_variables(false)
    }

    /// The filters and tests it names that there are none of, each with its place. They are looked up
    /// only when they are used, which is too late for a file that is being checked.
    pub fn unknown(&self) -> Vec<(&'static str, String, usize)> {
        let mut unknown = Vec::new();
        let words = words_of(&self.source);
        for (n, (at, word)) in words.iter().enumerate() {
            let before = |back: usize| n.checked_sub(back).map(|n| words[n].1);
            let (kind, probe) = match (before(1), before(2)) {
                (Some("|"), _) => ("filter", format!("1 | {word}")),
                (Some("is"), _) if *word != "not" => ("test", format!("1 is {word}")),
                (Some("not"), Some("is")) => ("test", format!("1 is {word}")),
                _ => continue,
            };
            let told = ENVIRONMENT.compile_expression_owned(probe).and_then(|expression| expression.eval(()));
            let kinds = [ErrorKind::UnknownFilter, ErrorKind::UnknownTest];
            if told.is_err_and(|error| kinds.contains(&error.kind())) {
                unknown.push((kind, (*word).to_owned(), *at));
            }
        }
        unknown
    }

    /// Functions are variables too; these are the known ones.
    pub fn is_function(name: &str) -> bool {
        ENVIRONMENT.globals().any(|(known, _)| known == name)
    }
}

/// The words and signs of a source, without what stands in quotes.
fn words_of(source: &str) -> Vec<(usize, &str)> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        let length = match c {
            '"' | '\'' => {
                let mut escaped = false;
                let end = rest[1..].find(|next| {
                    let ends = next == c && !escaped;
                    escaped = next == '\\' && !escaped;
                    ends
                });
                end.map_or(rest.len(), |end| end + 2)
            }
            c if part(c) => rest.find(|c| !part(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        if !c.is_whitespace() {
            words.push((at, &rest[..length]));
        }
        at += length;
    }
    words
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
