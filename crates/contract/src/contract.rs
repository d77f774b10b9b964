//! A contract: parsed once, then used for every delivery.

use crate::encode::{self, Encoding};
use crate::events::Events;
use crate::expression::{Compiled, Scope};
use crate::file::{ContractFile, DelayFile, Expressions, RetryFile};
use crate::functions::Blob;
use crate::judge::{Answer, JudgeRules, Judgement};
use crate::payload::Json;
use crate::problem::Problem;
use crate::retry::{Delays, RetryRules};
use crate::secrets::SecretRules;
use crate::tree::Tree;
use crate::view::{ContentType, Outgoing};
use bytes::Bytes;
use minijinja::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use thiserror::Error;
use toml::Spanned;

/// The largest body that a contract may make.
const LARGEST_BODY: usize = 64 << 20;
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
    "body",
];

/// A wire format and its rules. See the crate's page and `docs/contracts.md`.
#[derive(Debug)]
pub struct Contract {
    name: String,
    title: String,
    description: String,
    events: Events,
    settings: BTreeMap<String, String>,
    values: Vec<(String, Compiled)>,
    body: Compiled,
    encoding: Encoding,
    content_type: Option<String>,
    headers: Vec<(String, Compiled)>,
    reserved: Vec<String>,
    content_types: Vec<ContentType>,
    secrets: SecretRules,
    judge: JudgeRules,
    retry: RetryRules,
    timeout: TimeoutRule,
    disable: DisableRules,
    urls: UrlRules,
    /// The variables that any of the expressions reads; the others are never made.
    used: BTreeSet<String>,
}

/// How long an attempt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutRule {
    pub seconds: u8,
    /// An endpoint can't choose another.
    pub fixed: bool,
}

/// When an endpoint is disabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DisableRules {
    /// After nothing but failures for so long.
    pub failing_for: Option<Duration>,
    /// When every retry of one message failed.
    pub on_exhausted: bool,
    /// After more than so many failures within so long.
    pub errors_within: Option<(u32, Duration)>,
}

/// What URLs an endpoint may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlRules {
    pub https_only: bool,
    pub ports: Option<Vec<u16>>,
}

/// What goes out, by POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// Why a request could not be made. Says what was wrong, never a secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RenderError {
    #[error("the contract's {part}: {reason}")]
    Expression { part: String, reason: String },
    #[error("the body: {0}")]
    Body(String),
    #[error("the body has more than {LARGEST_BODY} bytes")]
    TooLarge,
    #[error("the header {0} has a value that HTTP can't carry")]
    Header(String),
}

impl Contract {
    /// Reads a contract file; every problem at once, each with its place.
    pub fn parse(text: &str) -> Result<Contract, Vec<Problem>> {
        let file: ContractFile = toml::from_str(text).map_err(|error| {
            vec![Problem::at(text, error.span().unwrap_or(0..0), error.message().replace('\n', " "))]
        })?;
        let mut compiler = Compiler {
            text,
            known: VARIABLES.iter().map(|name| (*name).to_owned()).collect(),
            problems: vec![],
            used: BTreeSet::new(),
        };
        compiler.check_name(&file.name);
        let values = compiler.table(&file.values, true);
        let body = compiler.compile(&file.body.value);
        let headers = compiler.table(&file.headers, false);
        let retry = compiler.retry(&file.retry);
        let Compiler { problems, used, .. } = compiler;
        let (Some(body), Some(retry), true) = (body, retry, problems.is_empty()) else { return Err(problems) };

        let mut reserved: Vec<String> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        reserved.push("content-type".to_owned());
        let content_types =
            if file.body.xml { vec![ContentType::Json, ContentType::Xml] } else { vec![ContentType::Json] };
        let events = file.events;
        let secret = file.secret;
        Ok(Contract {
            name: file.name.into_inner(),
            title: file.title,
            description: file.description,
            events: Events {
                catalogue: events.catalogue,
                open: events.open,
                patterns: events.patterns,
                always: events.always,
            },
            settings: file.settings,
            values,
            body,
            encoding: file.body.encoding,
            content_type: file.body.content_type,
            headers,
            reserved,
            content_types,
            secrets: SecretRules {
                kind: secret.kind,
                min: secret.min,
                max: secret.max,
                generate: secret.generate,
                overlap: secret.overlap,
            },
            judge: JudgeRules {
                success: file.response.success,
                retry: file.response.retry,
                disable: file.response.disable,
                slow_down: file.response.slow_down,
                retry_after: file.response.retry_after,
            },
            retry,
            timeout: TimeoutRule { seconds: file.timeout.seconds, fixed: file.timeout.fixed },
            disable: DisableRules {
                failing_for: file.disable.failing_for.map(Duration::from_secs),
                on_exhausted: file.disable.on_exhausted,
                errors_within: file.disable.errors.map(|errors| (errors.more_than, Duration::from_secs(errors.within))),
            },
            urls: UrlRules { https_only: file.url.https, ports: file.url.ports },
            used,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn title(&self) -> &str {
        &self.title
    }

    pub fn description(&self) -> &str {
        &self.description
    }

    pub fn events(&self) -> &Events {
        &self.events
    }

    pub fn secrets(&self) -> &SecretRules {
        &self.secrets
    }

    pub fn urls(&self) -> &UrlRules {
        &self.urls
    }

    pub fn timeout(&self) -> TimeoutRule {
        self.timeout
    }

    pub fn disable(&self) -> &DisableRules {
        &self.disable
    }

    /// What an endpoint may choose from; the first is what it gets otherwise.
    pub fn content_types(&self) -> &[ContentType] {
        &self.content_types
    }

    /// Headers that the contract itself sets, in lower case.
    pub fn reserved_headers(&self) -> &[String] {
        &self.reserved
    }

    /// What the operator may set, with the defaults.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// What a response means.
    pub fn judge(&self, answer: &Answer<'_>) -> Judgement {
        self.judge.judge(answer)
    }

    /// The delay before the next try after `attempts` failed ones (1: the first try failed); `None`:
    /// no more. `schedule` is the endpoint's own, in seconds; `random` is uniform.
    pub fn retry_delay(&self, schedule: Option<&[u32]>, attempts: u32, random: u64) -> Option<Duration> {
        self.retry.delay(schedule, attempts, random)
    }

    /// The request for a delivery. The same input gives the same bytes.
    pub fn render(&self, out: &Outgoing<'_>) -> Result<Request, RenderError> {
        let mut vars = Scope::new(self.variables(out));
        for (name, expression) in &self.values {
            let value = eval(expression, &vars, name)?;
            vars = vars.with(name, value);
        }
        let tree = Tree::from_value(&eval(&self.body, &vars, "body")?).map_err(RenderError::Body)?;
        let as_xml = out.endpoint.content_type == ContentType::Xml && self.content_types.contains(&ContentType::Xml);
        let body = if as_xml { encode::xml(tree) } else { self.encoding.encode(tree) }.map_err(RenderError::Body)?;
        if body.len() > LARGEST_BODY {
            return Err(RenderError::TooLarge);
        }
        let vars = vars.with("body", Value::from_object(Blob(body.clone())));
        let headers = self.headers(out, &vars, as_xml)?;
        Ok(Request { headers, body })
    }

    fn headers(&self, out: &Outgoing<'_>, vars: &Scope, as_xml: bool) -> Result<Vec<(String, String)>, RenderError> {
        let content_type = match &self.content_type {
            _ if as_xml => ContentType::Xml.as_str(),
            Some(own) => own,
            None => self.encoding.content_type(),
        };
        let mut headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        for (name, expression) in &self.headers {
            let value = eval(expression, vars, name)?;
            // What is undefined or none is left out: an unsigned request has no signature header.
            if !value.is_undefined() && !value.is_none() {
                headers.push((name.clone(), value.to_string()));
            }
        }
        let is_free = |name: &str| !self.reserved.iter().any(|reserved| reserved.eq_ignore_ascii_case(name));
        headers.extend(out.headers.iter().filter(|(name, _)| is_free(name)).cloned());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
            headers.push(("User-Agent".to_owned(), concat!("Postrider/", env!("CARGO_PKG_VERSION")).to_owned()));
        }
        let carries = |value: &str| value.bytes().all(|byte| (byte >= b' ' && byte != 0x7f) || byte == b'\t');
        match headers.iter().find(|(_, value)| !carries(value)) {
            Some((name, _)) => Err(RenderError::Header(name.clone())),
            None => Ok(headers),
        }
    }

    /// The variables that the contract reads.
    fn variables(&self, out: &Outgoing<'_>) -> Vec<(String, Value)> {
        let text = |text: &str| Value::from(text);
        let optional = |text: Option<&str>| text.map_or(Value::from(()), Value::from);
        let texts =
            |texts: &BTreeMap<String, String>| Value::from_pairs(texts.iter().map(|(k, v)| (k.clone(), v.clone())));
        let mut vars: Vec<(String, Value)> = Vec::with_capacity(8);
        let mut add = |name: &str, make: &dyn Fn() -> Value| {
            if self.used.contains(name) {
                vars.push((name.to_owned(), make()));
            }
        };
        add("payload", &|| Json::value(out.message.payload.clone()));
        add("message", &|| {
            Value::from_pairs([
                ("id", text(out.message.id)),
                ("event_type", text(out.message.event_type)),
                ("event_id", optional(out.message.event_id)),
                ("created_ms", Value::from(out.message.created_ms)),
            ])
        });
        add("endpoint", &|| {
            Value::from_pairs([
                ("id", text(out.endpoint.id)),
                ("uid", optional(out.endpoint.uid)),
                ("url", text(out.endpoint.url)),
                ("event_types", Value::from_iter(out.endpoint.event_types.iter().map(String::as_str))),
                ("metadata", texts(out.endpoint.metadata)),
                ("content_type", text(out.endpoint.content_type.as_str())),
                ("created_ms", Value::from(out.endpoint.created_ms)),
                ("updated_ms", Value::from(out.endpoint.updated_ms)),
            ])
        });
        add("application", &|| {
            Value::from_pairs([
                ("id", text(out.application.id)),
                ("uid", optional(out.application.uid)),
                ("name", text(out.application.name)),
                ("metadata", texts(out.application.metadata)),
            ])
        });
        add("secret", &|| optional(out.secrets.first().map(String::as_str)));
        add("secrets", &|| Value::from_iter(out.secrets.iter().map(String::as_str)));
        add("settings", &|| {
            let mut settings = self.settings.clone();
            settings.extend(out.settings.iter().map(|(name, value)| (name.clone(), value.clone())));
            texts(&settings)
        });
        add("attempt", &|| Value::from(out.attempt));
        add("now_ms", &|| Value::from(out.now_ms));
        add("timestamp", &|| Value::from(out.now_ms.div_euclid(1_000)));
        vars
    }
}

fn eval(expression: &Compiled, vars: &Scope, part: &str) -> Result<Value, RenderError> {
    expression.eval(vars.value()).map_err(|reason| RenderError::Expression { part: part.to_owned(), reason })
}

/// Compiles a file's expressions and gathers what is wrong with them.
struct Compiler<'a> {
    text: &'a str,
    known: BTreeSet<String>,
    problems: Vec<Problem>,
    used: BTreeSet<String>,
}

impl Compiler<'_> {
    fn problem(&mut self, at: &Spanned<String>, message: impl Into<String>) {
        self.problems.push(Problem::at(self.text, at.span(), message));
    }

    fn check_name(&mut self, name: &Spanned<String>) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let text = name.get_ref();
        if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
            self.problem(name, "a name has 1 to 64 lower-case letters, digits, - or _");
        }
    }

    fn table(&mut self, table: &Expressions, define: bool) -> Vec<(String, Compiled)> {
        let mut compiled = Vec::new();
        for (name, source) in &table.0 {
            let token = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
            if !define && (name.is_empty() || !token) {
                self.problem(source, format!("{name:?} is not a header name"));
            }
            if let Some(expression) = self.compile(source) {
                compiled.push((name.clone(), expression));
            }
            if define {
                self.known.insert(name.clone());
            }
        }
        compiled
    }

    fn compile(&mut self, source: &Spanned<String>) -> Option<Compiled> {
        let compiled = match Compiled::new(source.get_ref()) {
            Ok(compiled) => compiled,
            Err(reason) => {
                self.problem(source, reason);
                return None;
            }
        };
        for variable in compiled.variables() {
            if self.known.contains(&variable) {
                self.used.insert(variable);
            } else if !Compiled::is_function(&variable) {
                let known = self.known.iter().cloned().collect::<Vec<_>>().join(", ");
                self.problem(source, format!("{variable:?} is neither a function nor a variable; there are {known}"));
            }
        }
        Some(compiled)
    }

    fn retry(&mut self, file: &RetryFile) -> Option<RetryRules> {
        let delays = match (&file.schedule, &file.delay) {
            (None, None) => Delays::List(vec![]),
            (Some(schedule), None) => Delays::List(schedule.iter().map(from_to).collect()),
            (None, Some(source)) => {
                self.known.extend(["n".to_owned(), "random".to_owned()]);
                let Some(count) = file.count else {
                    self.problem(source, "a delay needs a count of retries beside it");
                    return None;
                };
                Delays::Formula { delay: self.compile(source)?, count }
            }
            (Some(_), Some(source)) => {
                self.problem(source, "give a schedule or a delay, not both");
                return None;
            }
        };
        Some(RetryRules { delays, jitter: file.jitter.clamp(0.0, 1.0) })
    }
}

fn from_to(delay: &DelayFile) -> (f64, f64) {
    match delay {
        DelayFile::Seconds(seconds) => (*seconds, *seconds),
        DelayFile::Between([from, to]) => (*from, *to),
    }
}
