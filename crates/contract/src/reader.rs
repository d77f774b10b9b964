//! Reads TOML tables key by key and gathers what is wrong, each with its place.

use crate::judge::Status;
use crate::problem::Problem;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// What was found wrong so far.
#[derive(Debug, Default)]
pub struct Reader {
    problems: Vec<(Range<usize>, String)>,
}

/// A table, and which of its keys were asked for.
pub struct Table<'t> {
    /// `retry.`, or nothing for the whole file.
    prefix: String,
    table: Option<&'t DeTable<'t>>,
    span: Range<usize>,
    asked: Vec<&'static str>,
}

impl<'t> Table<'t> {
    pub fn root(document: &'t Spanned<DeTable<'t>>) -> Table<'t> {
        Table { prefix: String::new(), table: Some(document.get_ref()), span: 0..0, asked: vec![] }
    }

    pub fn exists(&self) -> bool {
        self.table.is_some()
    }

    /// Where the table is, or the file's start if it is missing.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    fn get(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.push(key);
        self.table?.get(key)
    }
}

impl Reader {
    pub fn problem(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.problems.push((span, message.into()));
    }

    /// All that was wrong, in the order of the file.
    pub fn problems(mut self, text: &str) -> Vec<Problem> {
        self.problems.sort_by_key(|(span, _)| span.start);
        self.problems.into_iter().map(|(span, message)| Problem::at(text, span, message)).collect()
    }

    /// `None` if the text is no TOML.
    pub fn document<'t>(&mut self, text: &'t str) -> Option<Spanned<DeTable<'t>>> {
        let (document, errors) = DeTable::parse_recoverable(text);
        let whole = errors.is_empty();
        for error in errors {
            self.problem(error.span().unwrap_or(0..0), error.message().replace('\n', ", "));
        }
        whole.then_some(document)
    }

    /// The end of a table: keys that nothing asked for are mistakes.
    pub fn close(&mut self, table: Table<'_>) {
        for key in table.table.into_iter().flat_map(DeTable::keys) {
            if !table.asked.contains(&key.get_ref().as_ref()) {
                let known = table.asked.join(", ");
                let place = if table.prefix.is_empty() { "a contract" } else { table.prefix.trim_end_matches('.') };
                self.problem(key.span(), format!("unknown key {:?}; {place} has {known}", key.get_ref()));
            }
        }
    }

    pub fn table<'t>(&mut self, parent: &mut Table<'t>, key: &'static str) -> Table<'t> {
        let value = parent.get(key);
        let table = value.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (value, table) {
            self.expected(value, &parent.prefix, key, "a table");
        }
        Table {
            prefix: format!("{}{key}.", parent.prefix),
            table,
            span: value.map_or(0..0, Spanned::span),
            asked: vec![],
        }
    }

    pub fn required_table<'t>(&mut self, parent: &mut Table<'t>, key: &'static str, right: &str) -> Table<'t> {
        if parent.table.is_some_and(|table| !table.contains_key(key)) {
            self.problem(parent.span(), format!("{}{key} is missing; {right}", parent.prefix));
        }
        self.table(parent, key)
    }

    pub fn spanned_text(&mut self, table: &mut Table<'_>, key: &'static str) -> Option<Spanned<String>> {
        let value = table.get(key)?;
        let text = value.get_ref().as_str().map(|text| Spanned::new(value.span(), text.to_owned()));
        if text.is_none() {
            self.expected(value, &table.prefix, key, "a text");
        }
        text
    }

    pub fn text(&mut self, table: &mut Table<'_>, key: &'static str) -> Option<String> {
        self.spanned_text(table, key).map(Spanned::into_inner)
    }

    pub fn required_text(&mut self, table: &mut Table<'_>, key: &'static str) -> Spanned<String> {
        if table.table.is_some_and(|table| !table.contains_key(key)) {
            self.problem(table.span(), format!("{}{key} is missing; a text is needed", table.prefix));
        }
        self.spanned_text(table, key).unwrap_or_else(|| Spanned::new(0..0, String::new()))
    }

    pub fn flag(&mut self, table: &mut Table<'_>, key: &'static str) -> bool {
        let Some(value) = table.get(key) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.expected(value, &table.prefix, key, "true or false");
            false
        })
    }

    pub fn choice<T: Copy>(&mut self, table: &mut Table<'_>, key: &'static str, names: &[(&str, T)]) -> Option<T> {
        let text = self.spanned_text(table, key)?;
        let found = names.iter().find(|(name, _)| name == text.get_ref()).map(|(_, value)| *value);
        if found.is_none() {
            let known = names.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            self.problem(text.span(), format!("{}{key} is one of {known}, not {:?}", table.prefix, text.get_ref()));
        }
        found
    }

    pub fn integer<T>(&mut self, table: &mut Table<'_>, key: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<u64> + PartialOrd + Display,
    {
        let value = table.get(key)?;
        let found = whole(value.get_ref()).and_then(|number| T::try_from(number).ok()).filter(|n| range.contains(n));
        if found.is_none() {
            let right = format!("a whole number from {} to {}", range.start(), range.end());
            self.expected(value, &table.prefix, key, &right);
        }
        found
    }

    pub fn number(&mut self, table: &mut Table<'_>, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let value = table.get(key)?;
        let found = seconds(value.get_ref()).filter(|number| range.contains(number));
        if found.is_none() {
            self.expected(value, &table.prefix, key, &format!("a number from {} to {}", range.start(), range.end()));
        }
        found
    }

    pub fn texts(&mut self, table: &mut Table<'_>, key: &'static str) -> Vec<Spanned<String>> {
        let text = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
        self.list(table, key, "a list of texts", text).unwrap_or_default()
    }

    pub fn ports(&mut self, table: &mut Table<'_>, key: &'static str) -> Option<Vec<u16>> {
        let port =
            |value: &DeValue<'_>| whole(value).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        let ports = self.list(table, key, "a list of ports, 1 to 65535", port)?;
        Some(ports.into_iter().map(Spanned::into_inner).collect())
    }

    pub fn statuses(&mut self, table: &mut Table<'_>, key: &'static str) -> Option<Vec<Status>> {
        let status = |value: &DeValue<'_>| match value {
            DeValue::String(text) => Status::class(text),
            other => {
                whole(other).filter(|status| (100..=599).contains(status)).map(|status| Status::One(status as u16))
            }
        };
        let statuses = self.list(table, key, "a list of statuses such as [200, \"5xx\"]", status)?;
        Some(statuses.into_iter().map(Spanned::into_inner).collect())
    }

    /// Each in seconds, or two: from and to.
    pub fn delays(&mut self, table: &mut Table<'_>, key: &'static str, longest: f64) -> Option<Vec<(f64, f64)>> {
        let one = |value: &DeValue<'_>| seconds(value).filter(|seconds| (0.0..=longest).contains(seconds));
        let delay = |value: &DeValue<'_>| match value.as_array() {
            Some(pair) if pair.len() == 2 => {
                let (from, to) = (one(pair.first()?.get_ref())?, one(pair.last()?.get_ref())?);
                (from <= to).then_some((from, to))
            }
            Some(_) => None,
            None => one(value).map(|seconds| (seconds, seconds)),
        };
        let right = "a list of seconds, or of [from, to], of at most 30 days each";
        Some(self.list(table, key, right, delay)?.into_iter().map(Spanned::into_inner).collect())
    }

    fn list<T>(
        &mut self,
        table: &mut Table<'_>,
        key: &'static str,
        right: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Option<Vec<Spanned<T>>> {
        let value = table.get(key)?;
        let Some(items) = value.get_ref().as_array() else {
            self.expected(value, &table.prefix, key, right);
            return None;
        };
        let mut list = Vec::new();
        for item in items.iter() {
            match read(item.get_ref()) {
                Some(found) => list.push(Spanned::new(item.span(), found)),
                None => self.expected(item, &table.prefix, key, right),
            }
        }
        Some(list)
    }

    /// A table of names and texts, in the order they were written.
    pub fn expressions(
        &mut self,
        parent: &mut Table<'_>,
        key: &'static str,
    ) -> Vec<(Spanned<String>, Spanned<String>)> {
        let table = self.table(parent, key);
        let mut pairs = Vec::new();
        for (name, value) in table.table.into_iter().flatten() {
            let name: &Spanned<DeString<'_>> = name;
            match value.get_ref().as_str() {
                Some(text) => pairs.push((
                    Spanned::new(name.span(), name.get_ref().to_string()),
                    Spanned::new(value.span(), text.to_owned()),
                )),
                None => self.expected(value, &table.prefix, name.get_ref(), "a text"),
            }
        }
        // The reader sorts keys; the order in the file is that of their places.
        pairs.sort_by_key(|(name, _)| name.span().start);
        pairs
    }

    /// The tables of a table, in the order they were written.
    pub fn tables<'t>(&mut self, parent: &mut Table<'t>, key: &'static str) -> Vec<(Spanned<String>, Table<'t>)> {
        let table = self.table(parent, key);
        let mut tables = Vec::new();
        for (name, value) in table.table.into_iter().flatten() {
            let name: &Spanned<DeString<'_>> = name;
            let prefix = format!("{}{}.", table.prefix, name.get_ref());
            match value.get_ref().as_table() {
                Some(inner) => tables.push((
                    Spanned::new(name.span(), name.get_ref().to_string()),
                    Table { prefix, table: Some(inner), span: name.span(), asked: vec![] },
                )),
                None => self.expected(value, &table.prefix, name.get_ref(), "a table"),
            }
        }
        tables.sort_by_key(|(name, _)| name.span().start);
        tables
    }

    /// A table as the JSON that it spells.
    pub fn json(&mut self, table: &mut Table<'_>, key: &'static str) -> Option<Spanned<serde_json::Value>> {
        let value = table.get(key)?;
        if value.get_ref().as_table().is_none() {
            self.expected(value, &table.prefix, key, "a table");
            return None;
        }
        Some(Spanned::new(value.span(), json(value.get_ref())))
    }

    fn expected(&mut self, value: &Spanned<DeValue<'_>>, prefix: &str, key: &str, right: &str) {
        let found = match value.get_ref() {
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            other => format!("a value of type {}", other.type_str()),
        };
        self.problem(value.span(), format!("{prefix}{key} is {right}, not {found}"));
    }
}

fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(_) => match whole(value) {
            Some(number) => number.into(),
            None => value.as_integer().and_then(|text| text.as_str().parse::<i64>().ok()).into(),
        },
        DeValue::Float(number) => number.as_str().parse::<f64>().ok().into(),
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref()))).collect()
        }
    }
}

fn whole(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn seconds(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(number) => number.as_str().parse().ok(),
        other => whole(other).map(|number| number as f64),
    }
}
