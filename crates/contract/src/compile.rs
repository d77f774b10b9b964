//! A file's expressions, compiled, and what is wrong with them.

use crate::address::AddressRules;
use crate::answers::{ActionFile, AddressFile, ChainFile, ReplyFile, SimulationFile, StateFile};
use crate::chain::ChainRules;
use crate::expression::Compiled;
use crate::file::{Expressions, RetryFile};
use crate::problem::{self, Problem};
use crate::reply::{ActionRule, ReplyRules};
use crate::retry::{Delays, RetryRules};
use crate::simulation::SimulationRules;
use crate::state::StateRules;
use std::collections::BTreeSet;
use toml::Spanned;

/// What expressions can read.
const VARIABLES: &[&str] = &[
    "payload",
    "message",
    "endpoint",
    "application",
    "secret",
    "secrets",
    "settings",
    "attempt",
    "now_ms",
    "timestamp",
    "kept",
    "kept_since",
    "body",
];

/// Compiles a file's expressions and gathers what is wrong with them.
pub struct Compiler<'a> {
    pub text: &'a str,
    pub known: BTreeSet<String>,
    pub problems: Vec<Problem>,
    pub used: BTreeSet<String>,
}

impl<'a> Compiler<'a> {
    pub fn new(text: &'a str, problems: Vec<Problem>) -> Compiler<'a> {
        let known = VARIABLES.iter().map(|name| (*name).to_owned()).collect();
        Compiler { text, known, problems, used: BTreeSet::new() }
    }

    fn problem(&mut self, at: &Spanned<String>, message: impl Into<String>) {
        self.problems.push(Problem::at(self.text, at.span(), message));
    }

    pub fn check_name(&mut self, name: &Spanned<String>) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let text = name.get_ref();
        if name.span().is_empty() {
            // Missing: that was said already.
            return;
        }
        if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
            self.problem(name, "a name has 1 to 64 lower-case letters, digits, - or _");
        }
    }

    /// Does something while one of the variables is not there yet.
    pub fn without<T>(&mut self, name: &str, act: impl FnOnce(&mut Self) -> T) -> T {
        let known = self.known.take(name);
        let result = act(self);
        self.known.extend(known);
        result
    }

    /// The named values, each of which the next may read.
    pub fn definitions(&mut self, table: &Expressions) -> Vec<(String, Compiled)> {
        let mut compiled = Vec::new();
        for (name, source) in table {
            let text = name.get_ref();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !text.chars().all(plain) || text.starts_with(|c: char| c.is_ascii_digit()) || text.is_empty() {
                self.problem(name, format!("{text:?} is no name; use letters, digits and _"));
            } else if self.known.contains(text) || Compiled::is_function(text) {
                self.problem(name, format!("{text:?} is taken already; use another name"));
            }
            let expression = self.without("body", |compiler| compiler.compile(source));
            compiled.extend(expression.map(|expression| (text.clone(), expression)));
            self.known.insert(text.clone());
        }
        compiled
    }

    /// What an event goes out as, too; told from the message alone.
    pub fn also(&mut self, table: &Expressions) -> Vec<(String, Compiled)> {
        let known = std::mem::replace(&mut self.known, ["payload".to_owned(), "message".to_owned()].into());
        let compile = |(entry, source): &(Spanned<String>, Spanned<String>)| {
            Some((entry.get_ref().clone(), self.compile(source)?))
        };
        let compiled = table.iter().filter_map(compile).collect();
        self.known = known;
        compiled
    }

    /// What a payload query is given.
    pub fn query(&mut self, table: &Expressions) -> Vec<(String, Compiled)> {
        let mut compiled = Vec::new();
        for (name, source) in table {
            let text = name.get_ref();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !text.chars().all(plain) || text.starts_with(|c: char| c.is_ascii_digit()) || text.is_empty() {
                self.problem(name, format!("{text:?} is no name of a GraphQL variable; use letters, digits and _"));
            }
            compiled.extend(self.compile(source).map(|expression| (text.clone(), expression)));
        }
        compiled
    }

    /// Does something where expressions see only these variables. They have a scope of their own, so nothing has
    /// to be made for them in a delivery's.
    fn apart<T>(&mut self, variables: &[&str], act: impl FnOnce(&mut Self) -> T) -> T {
        let known = variables.iter().map(|name| (*name).to_owned()).collect();
        let (known, used) = (std::mem::replace(&mut self.known, known), self.used.clone());
        let result = act(self);
        (self.known, self.used) = (known, used);
        result
    }

    /// What a response may ask for; told from the response and what it answers.
    pub fn reply(&mut self, file: Option<ReplyFile>) -> Option<ReplyRules> {
        let file = file?;
        let schema = file.schema.and_then(|schema| match jsonschema::validator_for(schema.get_ref()) {
            Ok(validator) => Some(validator),
            Err(wrong) => {
                self.problems.push(Problem::at(self.text, schema.span(), format!("reply.schema: {wrong}")));
                None
            }
        });
        let actions = self.apart(&["payload", "message", "response"], |compiler| {
            file.actions.into_iter().map(|action| compiler.action(action)).collect()
        });
        Some(ReplyRules { events: file.events, content_type: file.content_type, schema, actions })
    }

    /// Whose variables are kept; told from the message alone.
    pub fn state(&mut self, file: Option<StateFile>) -> Option<StateRules> {
        let file = file?;
        let subject = self.apart(&["payload", "message"], |compiler| compiler.compile(&file.subject))?;
        Some(StateRules { subject, action: file.action, application: file.application, endpoint: file.endpoint })
    }

    /// Which response ends a chain; told from what it asks for.
    pub fn chain(&mut self, file: Option<ChainFile>) -> Option<ChainRules> {
        let ends = self.apart(&["payload", "message", "actions"], |compiler| compiler.compile(&file?.ends))?;
        Some(ChainRules { ends })
    }

    /// What a message is about; told from the message alone.
    pub fn address(&mut self, file: Option<AddressFile>) -> Option<AddressRules> {
        let file = file?;
        let object = self.apart(&["payload", "message"], |compiler| compiler.compile(&file.object))?;
        Some(AddressRules { object, optional_secret: file.optional_secret })
    }

    /// What test numbers produce; told from the payload alone.
    pub fn simulation(&mut self, file: Option<SimulationFile>) -> Option<SimulationRules> {
        let file = file?;
        let (when, number) = self.apart(&["payload"], |compiler| {
            (file.when.and_then(|source| compiler.compile(&source)), compiler.compile(&file.number))
        });
        let steps = |steps: Vec<serde_json::Value>| steps.iter().map(|step| step.to_string().into()).collect();
        let numbers = file.numbers.into_iter().map(|(number, given)| (number, steps(given))).collect();
        Some(SimulationRules { event: file.event, when, number: number?, numbers })
    }

    fn action(&mut self, file: ActionFile) -> ActionRule {
        let when = file.when.and_then(|source| self.compile(&source));
        let each = file.each.and_then(|source| self.compile(&source));
        if each.is_some() {
            self.known.extend(["item".to_owned(), "key".to_owned()]);
        }
        let fields =
            file.fields.iter().filter_map(|(name, source)| Some((name.get_ref().clone(), self.compile(source)?)));
        let fields = fields.collect();
        self.known.remove("item");
        self.known.remove("key");
        ActionRule { kind: file.kind, when, each, fields }
    }

    pub fn headers(&mut self, table: &Expressions) -> Vec<(String, Compiled)> {
        let mut compiled: Vec<(String, Compiled)> = Vec::new();
        let mut seen = BTreeSet::new();
        for (name, source) in table {
            let text = name.get_ref();
            let lower = text.to_ascii_lowercase();
            if !is_token(text) {
                self.problem(name, format!("{text:?} is no header name"));
            } else if lower == "content-type" {
                self.problem(name, "set body.content_type instead");
            } else if matches!(lower.as_str(), "host" | "content-length" | "connection" | "transfer-encoding") {
                self.problem(name, format!("{text} is HTTP's own and can't be set"));
            } else if !seen.insert(lower) {
                self.problem(name, format!("{text} is there twice; header names have no case"));
            }
            compiled.extend(self.compile(source).map(|expression| (text.clone(), expression)));
        }
        compiled
    }

    pub fn compile(&mut self, source: &Spanned<String>) -> Option<Compiled> {
        let compiled = match Compiled::new(source.get_ref()) {
            Ok(compiled) => compiled,
            // What is missing altogether was said already.
            Err(_) if source.span().is_empty() => return None,
            Err((reason, offset)) => {
                let place = problem::inside(self.text, source.span(), offset);
                self.problems.push(Problem::at(self.text, place, reason));
                return None;
            }
        };
        for (kind, name, offset) in compiled.unknown() {
            let place = problem::inside(self.text, source.span(), offset);
            self.problems.push(Problem::at(self.text, place, format!("there is no {kind} {name:?}")));
        }
        for variable in compiled.variables() {
            if self.known.contains(&variable) {
                self.used.insert(variable);
            } else if !Compiled::is_function(&variable) {
                let known = self.known.iter().cloned().collect::<Vec<_>>().join(", ");
                let place = problem::inside(self.text, source.span(), find_word(compiled.source(), &variable));
                let wrong = format!("{variable:?} is neither a function nor a variable here; there are {known}");
                self.problems.push(Problem::at(self.text, place, wrong));
            }
        }
        Some(compiled)
    }

    pub fn retry(&mut self, file: &RetryFile) -> Option<RetryRules> {
        let delays = match (&file.schedule, &file.delay) {
            (schedule, None) => Delays::List(schedule.clone().unwrap_or_default()),
            (_, Some(source)) => {
                self.known = ["n".to_owned(), "random".to_owned()].into();
                Delays::Formula { delay: self.compile(source)?, count: file.count.unwrap_or(0) }
            }
        };
        Some(RetryRules { delays, jitter: file.jitter })
    }
}

/// Where a name stands by itself; the start if it is nowhere.
fn find_word(source: &str, word: &str) -> usize {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let alone = |at: &usize| {
        let before = source[..*at].chars().next_back();
        let after = source[at + word.len()..].chars().next();
        !before.is_some_and(|c| part(c) || c == '.') && !after.is_some_and(part)
    };
    source.match_indices(word).map(|(at, _)| at).find(alone).unwrap_or(0)
}

/// Whether it can be the name of a header.
pub fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
