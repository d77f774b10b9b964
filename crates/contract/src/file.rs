//! A contract file as it is written: the tables, their keys, and what each may hold.
//!
//! Reading goes on after a mistake, so that one look shows them all.

use crate::answers::AnswersFile;
use crate::encode::Encoding;
use crate::judge::Status;
use crate::problem::Problem;
use crate::reader::{Reader, Table};
use crate::retry::LONGEST;
use crate::secrets::{Generate, SecretKind};
use std::collections::BTreeMap;
use toml::Spanned;

/// The whole file.
#[derive(Debug)]
pub struct ContractFile {
    pub name: Spanned<String>,
    pub title: String,
    pub description: String,
    pub events: EventsFile,
    /// Values that the operator may set, with their defaults.
    pub settings: BTreeMap<String, String>,
    /// Named values, computed in the order they are written, each seeing those before it.
    pub values: Expressions,
    pub body: BodyFile,
    /// The variables of payload queries; none: endpoints can't have one.
    pub query: Expressions,
    pub headers: Expressions,
    pub secret: SecretFile,
    pub response: ResponseFile,
    pub answers: AnswersFile,
    /// By error code or status, what is said of a failure.
    pub reasons: BTreeMap<String, String>,
    pub retry: RetryFile,
    pub timeout: TimeoutFile,
    pub disable: DisableFile,
    pub url: UrlFile,
}

/// Names and expressions in the order they were written.
pub type Expressions = Vec<(Spanned<String>, Spanned<String>)>;

#[derive(Debug)]
pub struct EventsFile {
    pub open: bool,
    pub patterns: bool,
    pub catalogue: Vec<String>,
    pub except: Vec<String>,
    pub always: Vec<String>,
    /// The versions of each event type, the latest last.
    pub versions: Vec<String>,
    /// By entry, the event type that such an event goes out as, too.
    pub also: Expressions,
}

#[derive(Debug)]
pub struct BodyFile {
    pub value: Spanned<String>,
    pub encoding: Encoding,
    /// Lets an endpoint choose XML instead of JSON.
    pub xml: bool,
    pub content_type: Option<String>,
}

#[derive(Debug)]
pub struct SecretFile {
    pub kind: SecretKind,
    pub min: usize,
    pub max: usize,
    pub generate: Generate,
    pub overlap: bool,
}

#[derive(Debug)]
pub struct ResponseFile {
    pub success: Vec<Status>,
    pub retry: Option<Vec<Status>>,
    pub disable: Vec<Status>,
    pub slow_down: Vec<Status>,
    pub retry_after: bool,
    pub delivery_control: bool,
}

#[derive(Debug)]
pub struct RetryFile {
    /// Seconds from and to.
    pub schedule: Option<Vec<(f64, f64)>>,
    pub delay: Option<Spanned<String>>,
    pub count: Option<u32>,
    pub jitter: f64,
}

#[derive(Debug)]
pub struct TimeoutFile {
    pub seconds: u8,
    pub fixed: bool,
}

#[derive(Debug)]
pub struct DisableFile {
    /// Seconds of nothing but failures.
    pub failing_for: Option<u64>,
    pub on_exhausted: bool,
    /// More than so many within so many seconds.
    pub errors: Option<(u32, u64)>,
}

#[derive(Debug)]
pub struct UrlFile {
    pub https: bool,
    pub ports: Option<Vec<u16>>,
}

const DAY: f64 = 86_400.0;
/// A year in seconds: the bound of what is counted in days.
const YEAR: f64 = 365.0 * DAY;

impl ContractFile {
    /// Reads the text; what could not be read stands with its default beside the problems. `Err` is
    /// for what is no TOML: what follows from that would only hide where the mistake is.
    pub fn read(text: &str) -> Result<(ContractFile, Vec<Problem>), Vec<Problem>> {
        let mut reader = Reader::default();
        let Some(document) = reader.document(text) else { return Err(reader.problems(text)) };
        let mut root = Table::root(&document);
        let file = ContractFile {
            name: reader.required_text(&mut root, "name"),
            title: reader.text(&mut root, "title").unwrap_or_default(),
            description: reader.text(&mut root, "description").unwrap_or_default(),
            events: events(&mut reader, &mut root),
            settings: settings(&mut reader, &mut root),
            values: reader.expressions(&mut root, "let"),
            body: body(&mut reader, &mut root),
            query: reader.expressions(&mut root, "query"),
            headers: reader.expressions(&mut root, "headers"),
            secret: secret(&mut reader, &mut root),
            response: response(&mut reader, &mut root),
            answers: AnswersFile::read(&mut reader, &mut root),
            reasons: reasons(&mut reader, &mut root),
            retry: retry(&mut reader, &mut root),
            timeout: timeout(&mut reader, &mut root),
            disable: disable(&mut reader, &mut root),
            url: url(&mut reader, &mut root),
        };
        reader.close(root);
        Ok((file, reader.problems(text)))
    }
}

fn events(reader: &mut Reader, root: &mut Table<'_>) -> EventsFile {
    let mut table = reader.table(root, "events");
    let names = |reader: &mut Reader, table: &mut Table<'_>, key: &'static str| {
        let names = reader.texts(table, key);
        for name in &names {
            if let Err(wrong) = check_entry(name.get_ref()) {
                reader.problem(name.span(), wrong);
            }
        }
        names.into_iter().map(Spanned::into_inner).collect::<Vec<String>>()
    };
    let file = EventsFile {
        open: reader.flag(&mut table, "open"),
        patterns: reader.flag(&mut table, "patterns"),
        catalogue: names(reader, &mut table, "catalogue"),
        except: names(reader, &mut table, "except"),
        always: names(reader, &mut table, "always"),
        versions: versions(reader, &mut table),
        also: reader.expressions(&mut table, "also"),
    };
    for (entry, _) in &file.also {
        if !file.catalogue.contains(entry.get_ref()) {
            reader.problem(entry.span(), format!("{:?} is not in events.catalogue", entry.get_ref()));
        }
    }
    if !file.open && file.catalogue.is_empty() && file.always.is_empty() {
        let right = "there is no event to send; list them in events.catalogue, or set events.open = true";
        reader.problem(table.span(), right);
    }
    reader.close(table);
    file
}

fn versions(reader: &mut Reader, table: &mut Table<'_>) -> Vec<String> {
    let versions = reader.texts(table, "versions");
    for version in &versions {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if version.get_ref().is_empty() || !version.get_ref().chars().all(plain) {
            reader.problem(version.span(), "a version has letters, digits and any of \"-_.\", as in \"1.1\"");
        }
    }
    versions.into_iter().map(Spanned::into_inner).collect()
}

/// An entry is a name, or a family with one `{name}` in it.
fn check_entry(entry: &str) -> Result<(), String> {
    let wrong = || format!("{entry:?} is no event type; write a name such as user.created or a family, a.{{name}}");
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    let ok = match entry.split_once('{') {
        None => !entry.is_empty() && plain(entry),
        Some((before, rest)) => rest.split_once('}').is_some_and(|(name, after)| {
            let name = name.strip_suffix("...").unwrap_or(name);
            plain(before) && plain(after) && plain(name) && !name.is_empty()
        }),
    };
    if ok { Ok(()) } else { Err(wrong()) }
}

fn settings(reader: &mut Reader, root: &mut Table<'_>) -> BTreeMap<String, String> {
    let settings = reader.expressions(root, "settings");
    settings.into_iter().map(|(name, value)| (name.into_inner(), value.into_inner())).collect()
}

fn body(reader: &mut Reader, root: &mut Table<'_>) -> BodyFile {
    let mut table = reader.required_table(root, "body", "[body] with value = \"payload\" sends the payload");
    let file = BodyFile {
        value: if table.exists() {
            reader.required_text(&mut table, "value")
        } else {
            Spanned::new(0..0, String::new())
        },
        encoding: reader.choice(&mut table, "encoding", Encoding::NAMES).unwrap_or_default(),
        xml: reader.flag(&mut table, "xml"),
        content_type: reader.text(&mut table, "content_type"),
    };
    if file.content_type.as_deref().is_some_and(|text| !text.bytes().all(|byte| (b' '..0x7f).contains(&byte))) {
        reader.problem(table.span(), "body.content_type has characters that HTTP can't carry");
    }
    if file.xml && !matches!(file.encoding, Encoding::Json | Encoding::CanonicalJson) {
        reader.problem(table.span(), "body.xml offers XML beside JSON; the encoding must be json or canonical-json");
    }
    reader.close(table);
    file
}

fn secret(reader: &mut Reader, root: &mut Table<'_>) -> SecretFile {
    let mut table = reader.table(root, "secret");
    let kind = reader.choice(&mut table, "kind", SecretKind::NAMES).unwrap_or_default();
    let file = SecretFile {
        kind,
        min: reader.integer(&mut table, "min", 1..=1024).unwrap_or(1),
        max: reader.integer(&mut table, "max", 1..=1024).unwrap_or(256),
        generate: reader.choice(&mut table, "generate", Generate::NAMES).unwrap_or(match kind {
            SecretKind::Text => Generate::Hex,
            SecretKind::Whsec => Generate::Whsec,
        }),
        overlap: reader.flag(&mut table, "overlap"),
    };
    if file.min > file.max {
        reader.problem(table.span(), format!("secret.min is {}, more than secret.max, {}", file.min, file.max));
    }
    if (kind == SecretKind::Whsec) != (file.generate == Generate::Whsec) && file.generate != Generate::None {
        reader.problem(table.span(), "secret.kind and secret.generate must both be \"whsec\", or neither");
    }
    reader.close(table);
    file
}

fn response(reader: &mut Reader, root: &mut Table<'_>) -> ResponseFile {
    let mut table = reader.table(root, "response");
    let file = ResponseFile {
        success: reader.statuses(&mut table, "success").unwrap_or_else(|| vec![Status::Class(2)]),
        retry: reader.statuses(&mut table, "retry"),
        disable: reader.statuses(&mut table, "disable").unwrap_or_default(),
        slow_down: reader.statuses(&mut table, "slow_down").unwrap_or_default(),
        retry_after: reader.flag(&mut table, "retry_after"),
        delivery_control: reader.flag(&mut table, "delivery_control"),
    };
    if file.success.is_empty() {
        reader.problem(table.span(), "response.success is empty, so nothing would ever be delivered");
    }
    reader.close(table);
    file
}

/// Each key is the code of an error or a status.
fn reasons(reader: &mut Reader, root: &mut Table<'_>) -> BTreeMap<String, String> {
    const CODES: [&str; 7] = ["dns", "connect", "tls", "timeout", "reset", "protocol", "status"];
    let reasons = reader.expressions(root, "reasons");
    for (key, _) in &reasons {
        let text = key.get_ref();
        let is_status =
            text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit()) && ("100"..="599").contains(&text.as_str());
        if !is_status && !CODES.contains(&text.as_str()) {
            reader.problem(
                key.span(),
                format!("{text:?} is no failure; use a status such as 403, or one of {}", CODES.join(", ")),
            );
        }
    }
    reasons.into_iter().map(|(key, text)| (key.into_inner(), text.into_inner())).collect()
}

fn retry(reader: &mut Reader, root: &mut Table<'_>) -> RetryFile {
    let mut table = reader.table(root, "retry");
    let file = RetryFile {
        schedule: reader.delays(&mut table, "schedule", LONGEST.as_secs_f64()),
        delay: reader.spanned_text(&mut table, "delay"),
        count: reader.integer(&mut table, "count", 1..=1_000),
        jitter: reader.number(&mut table, "jitter", 0.0..=1.0).unwrap_or(0.0),
    };
    match (&file.schedule, &file.delay, file.count) {
        (Some(_), Some(_), _) => reader.problem(table.span(), "give retry.schedule or retry.delay, not both"),
        (None, Some(_), None) => reader.problem(table.span(), "retry.delay needs retry.count, how often to try again"),
        (_, None, Some(_)) => reader.problem(table.span(), "retry.count goes with retry.delay; a schedule has its own"),
        _ => {}
    }
    reader.close(table);
    file
}

fn timeout(reader: &mut Reader, root: &mut Table<'_>) -> TimeoutFile {
    let mut table = reader.table(root, "timeout");
    let file = TimeoutFile {
        seconds: reader.integer(&mut table, "seconds", 1..=30).unwrap_or(15),
        fixed: reader.flag(&mut table, "fixed"),
    };
    reader.close(table);
    file
}

fn disable(reader: &mut Reader, root: &mut Table<'_>) -> DisableFile {
    let mut table = reader.table(root, "disable");
    let mut errors = reader.table(&mut table, "errors");
    let limits = errors.exists().then(|| {
        let more_than = reader.integer(&mut errors, "more_than", 1..=1_000_000);
        let within = reader.integer(&mut errors, "within", 1..=YEAR as u64);
        if more_than.is_none() || within.is_none() {
            reader.problem(errors.span(), "write errors = { more_than = 100, within = 3600 }, seconds");
        }
        (more_than.unwrap_or(1), within.unwrap_or(1))
    });
    reader.close(errors);
    let file = DisableFile {
        failing_for: reader.integer(&mut table, "failing_for", 1..=YEAR as u64),
        on_exhausted: reader.flag(&mut table, "on_exhausted"),
        errors: limits,
    };
    reader.close(table);
    file
}

fn url(reader: &mut Reader, root: &mut Table<'_>) -> UrlFile {
    let mut table = reader.table(root, "url");
    let file = UrlFile { https: reader.flag(&mut table, "https"), ports: reader.ports(&mut table, "ports") };
    reader.close(table);
    file
}
