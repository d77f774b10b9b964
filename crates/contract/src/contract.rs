//! A contract: parsed once, then used for every delivery.

use crate::address::AddressRules;
use crate::chain::ChainRules;
use crate::compile::Compiler;
use crate::encode::Encoding;
use crate::events::{Events, is_of};
use crate::expression::{Compiled, Scope};
use crate::file::ContractFile;
use crate::judge::{Answer, JudgeRules, Judgement};
use crate::payload::Json;
use crate::problem::Problem;
use crate::reply::ReplyRules;
use crate::retry::RetryRules;
use crate::secrets::SecretRules;
use crate::simulation::SimulationRules;
use crate::state::StateRules;
use crate::view::ContentType;
use bytes::Bytes;
use minijinja::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A wire format and its rules. See the crate's page and `docs/contracts.md`.
#[derive(Debug)]
pub struct Contract {
    name: String,
    title: String,
    description: String,
    events: Events,
    also: Vec<(String, Compiled)>,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) values: Vec<(String, Compiled)>,
    pub(crate) body: Compiled,
    pub(crate) query: Vec<(String, Compiled)>,
    pub(crate) encoding: Encoding,
    pub(crate) content_type: Option<String>,
    pub(crate) headers: Vec<(String, Compiled)>,
    pub(crate) reserved: Vec<String>,
    pub(crate) content_types: Vec<ContentType>,
    secrets: SecretRules,
    judge: JudgeRules,
    pub(crate) replies: Option<ReplyRules>,
    pub(crate) state: Option<StateRules>,
    pub(crate) chain: Option<ChainRules>,
    pub(crate) address: Option<AddressRules>,
    pub(crate) simulation: Option<SimulationRules>,
    reasons: BTreeMap<String, String>,
    retry: RetryRules,
    timeout: TimeoutRule,
    disable: DisableRules,
    urls: UrlRules,
    /// The variables that any of the expressions reads; the others are never made.
    pub(crate) used: BTreeSet<String>,
}

/// How long an attempt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutRule {
    /// From name resolution to the last byte of the response.
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
    /// `http://` is refused.
    pub https_only: bool,
    /// `None`: any.
    pub ports: Option<Vec<u16>>,
}

impl Contract {
    /// Reads a contract file.
    ///
    /// # Errors
    /// Every problem at once, in the order of the file, each with its place and what would be right.
    pub fn parse(text: &str) -> Result<Contract, Vec<Problem>> {
        let (file, problems) = ContractFile::read(text)?;
        let mut compiler = Compiler::new(text, problems);
        compiler.check_name(&file.name);
        let also = compiler.also(&file.events.also);
        let values = compiler.definitions(&file.values);
        let body = compiler.without("body", |compiler| compiler.compile(&file.body.value));
        let query = compiler.without("body", |compiler| compiler.query(&file.query));
        let headers = compiler.headers(&file.headers);
        let replies = compiler.reply(file.answers.reply);
        let state = compiler.state(file.answers.state);
        let chain = compiler.chain(file.answers.chain);
        let address = compiler.address(file.answers.address);
        let simulation = compiler.simulation(file.answers.simulation);
        let retry = compiler.retry(&file.retry);
        let Compiler { mut problems, used, .. } = compiler;
        let (Some(body), Some(retry), true) = (body, retry, problems.is_empty()) else {
            problems.sort_by_key(|problem| (problem.line, problem.column));
            return Err(problems);
        };

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
                except: events.except,
                open: events.open,
                patterns: events.patterns,
                always: events.always,
                versions: events.versions,
            },
            also,
            settings: file.settings,
            values,
            body,
            query,
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
                delivery_control: file.response.delivery_control,
            },
            replies,
            state,
            chain,
            address,
            simulation,
            reasons: file.reasons,
            retry,
            timeout: TimeoutRule { seconds: file.timeout.seconds, fixed: file.timeout.fixed },
            disable: DisableRules {
                failing_for: file.disable.failing_for.map(Duration::from_secs),
                on_exhausted: file.disable.on_exhausted,
                errors_within: file.disable.errors.map(|(more_than, within)| (more_than, Duration::from_secs(within))),
            },
            urls: UrlRules { https_only: file.url.https, ports: file.url.ports },
            used,
        })
    }

    /// The name that endpoints know it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What it sends, in a sentence.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether a subscription takes an event, under its own name or one that it goes out as, too.
    pub fn wants(&self, filters: &[String], event_type: &str, payload: &Bytes) -> bool {
        if self.events.matches(filters, event_type) {
            return true;
        }
        let mut also = self.also.iter().filter(|(entry, _)| is_of(entry, event_type));
        also.any(|(_, name)| {
            let message = Value::from_pairs([("event_type", Value::from(event_type))]);
            let vars =
                Scope::new(vec![("payload".to_owned(), Json::whole(payload.clone())), ("message".to_owned(), message)]);
            // An event that has no other name goes out as itself alone.
            name.eval(vars.value()).is_ok_and(|name| self.events.matches(filters, &name.to_string()))
        })
    }

    /// Its event types, and how subscriptions match.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Which secrets it takes, and how one is made.
    pub fn secrets(&self) -> &SecretRules {
        &self.secrets
    }

    /// Which URLs an endpoint may have.
    pub fn urls(&self) -> &UrlRules {
        &self.urls
    }

    /// How long an attempt may take.
    pub fn timeout(&self) -> TimeoutRule {
        self.timeout
    }

    /// When an endpoint is disabled.
    pub fn disable(&self) -> &DisableRules {
        &self.disable
    }

    /// What an endpoint may choose from; the first is what it gets otherwise.
    pub fn content_types(&self) -> &[ContentType] {
        &self.content_types
    }

    /// The variables that an endpoint's payload query is given; none: the contract has no payload queries.
    pub fn query_variables(&self) -> Vec<&str> {
        self.query.iter().map(|(name, _)| name.as_str()).collect()
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

    /// What the contract's own words are for a failure with this code, and this status if there was a response;
    /// `None`: it has none of its own.
    pub fn reason(&self, code: &str, status: u16) -> Option<String> {
        let by_status = self.reasons.get(&status.to_string()).filter(|_| code == "status");
        let words = by_status.or_else(|| self.reasons.get(code))?;
        Some(words.replace("{status}", &status.to_string()))
    }

    /// The delay before the next try after `attempts` failed ones (1: the first try failed); `None`:
    /// no more. `schedule` is the endpoint's own, in seconds; `random` is uniform.
    pub fn retry_delay(&self, schedule: Option<&[u32]>, attempts: u32, random: u64) -> Option<Duration> {
        self.retry.delay(schedule, attempts, random)
    }
}
