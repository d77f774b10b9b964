//! The tables of a contract file about what comes back, and what follows from it: `reply`, `state`, `chain`,
//! `address`, `simulation`.

use crate::file::Expressions;
use crate::reader::{Reader, Table};
use serde_json::Value;
use toml::Spanned;

/// All of them; `None`: the file has no such table.
#[derive(Debug)]
pub struct AnswersFile {
    pub reply: Option<ReplyFile>,
    pub state: Option<StateFile>,
    pub chain: Option<ChainFile>,
    pub address: Option<AddressFile>,
    pub simulation: Option<SimulationFile>,
}

/// What a response may ask for.
#[derive(Debug)]
pub struct ReplyFile {
    pub events: Vec<String>,
    pub content_type: Option<String>,
    /// With its place.
    pub schema: Option<Spanned<Value>>,
    pub actions: Vec<ActionFile>,
}

/// One kind of action, named by its table.
#[derive(Debug)]
pub struct ActionFile {
    pub kind: String,
    pub when: Option<Spanned<String>>,
    pub each: Option<Spanned<String>>,
    pub fields: Expressions,
}

/// What is kept from one message to the next.
#[derive(Debug)]
pub struct StateFile {
    pub subject: Spanned<String>,
    pub action: String,
    pub application: Vec<String>,
    pub endpoint: Vec<String>,
}

/// When the next endpoint of a chain does not get the message any more.
#[derive(Debug)]
pub struct ChainFile {
    pub ends: Spanned<String>,
}

/// What messages are about, for those that go to an address of their own.
#[derive(Debug)]
pub struct AddressFile {
    pub object: Spanned<String>,
    /// An address may have no secret.
    pub optional_secret: bool,
}

/// What test numbers produce.
#[derive(Debug)]
pub struct SimulationFile {
    pub event: String,
    pub when: Option<Spanned<String>>,
    pub number: Spanned<String>,
    /// By number, the fields of each message in turn; `*`: all other numbers.
    pub numbers: Vec<(String, Vec<Value>)>,
}

impl AnswersFile {
    pub fn read(reader: &mut Reader, root: &mut Table<'_>) -> AnswersFile {
        AnswersFile {
            reply: reply(reader, root),
            state: state(reader, root),
            chain: chain(reader, root),
            address: address(reader, root),
            simulation: simulation(reader, root),
        }
    }
}

fn reply(reader: &mut Reader, root: &mut Table<'_>) -> Option<ReplyFile> {
    let mut table = reader.table(root, "reply");
    let events = reader.texts(&mut table, "events");
    let content_type = reader.text(&mut table, "content_type");
    let schema = reader.json(&mut table, "schema");
    let actions = reader.tables(&mut table, "actions");
    let actions = actions.into_iter().map(|(kind, mut action)| {
        let file = ActionFile {
            kind: kind.into_inner(),
            when: reader.spanned_text(&mut action, "when"),
            each: reader.spanned_text(&mut action, "each"),
            fields: reader.expressions(&mut action, "fields"),
        };
        reader.close(action);
        file
    });
    let actions: Vec<ActionFile> = actions.collect();
    if table.exists() && actions.is_empty() {
        reader.problem(table.span(), "a reply needs an action, as in [reply.actions.send_message]");
    }
    let file = table.exists().then(|| ReplyFile { events: plain(events), content_type, schema, actions });
    reader.close(table);
    file
}

fn state(reader: &mut Reader, root: &mut Table<'_>) -> Option<StateFile> {
    let mut table = reader.table(root, "state");
    let file = table.exists().then(|| StateFile {
        subject: reader.required_text(&mut table, "subject"),
        action: reader.required_text(&mut table, "action").into_inner(),
        application: plain(reader.texts(&mut table, "application")),
        endpoint: plain(reader.texts(&mut table, "endpoint")),
    });
    reader.close(table);
    file
}

fn chain(reader: &mut Reader, root: &mut Table<'_>) -> Option<ChainFile> {
    let mut table = reader.table(root, "chain");
    let file = table.exists().then(|| ChainFile { ends: reader.required_text(&mut table, "ends") });
    reader.close(table);
    file
}

fn address(reader: &mut Reader, root: &mut Table<'_>) -> Option<AddressFile> {
    let mut table = reader.table(root, "address");
    let file = table.exists().then(|| AddressFile {
        object: reader.required_text(&mut table, "object"),
        optional_secret: reader.flag(&mut table, "optional_secret"),
    });
    reader.close(table);
    file
}

fn simulation(reader: &mut Reader, root: &mut Table<'_>) -> Option<SimulationFile> {
    let mut table = reader.table(root, "simulation");
    if !table.exists() {
        return None;
    }
    let event = reader.required_text(&mut table, "event").into_inner();
    let when = reader.spanned_text(&mut table, "when");
    let number = reader.required_text(&mut table, "number");
    let mut numbers = Vec::new();
    if let Some(given) = reader.json(&mut table, "numbers") {
        for (name, steps) in given.get_ref().as_object().into_iter().flatten() {
            match steps.as_array().filter(|steps| !steps.is_empty() && steps.iter().all(Value::is_object)) {
                Some(steps) => numbers.push((name.clone(), steps.clone())),
                None => {
                    let right = r#"write "+1500" = [{ status = "sent" }], the fields of each message in turn"#;
                    reader.problem(given.span(), format!("simulation.numbers.{name}: {right}"));
                }
            }
        }
    } else {
        reader.problem(table.span(), "simulation.numbers is missing; it says what each test number produces");
    }
    reader.close(table);
    Some(SimulationFile { event, when, number, numbers })
}

fn plain(texts: Vec<Spanned<String>>) -> Vec<String> {
    texts.into_iter().map(Spanned::into_inner).collect()
}
