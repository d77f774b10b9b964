//! What changes for a receiver when an event type gets another schema.
//!
//! The two JSON Schemas are compared as somebody sees them who wrote code for the first and now gets
//! payloads of the second. What may come now and could not come before breaks that code: another type, a
//! value that was not listed, a property that is missing. What can't come any more breaks nothing, nor
//! does a new property: receivers pass over what they don't know.
//!
//! - References into the same document are followed, `allOf` is read as one schema, and so is "this or
//!   null" (`anyOf` with one other alternative, OpenAPI's `nullable`).
//! - Limits (`minimum`, `maxLength`, …) break when they get wider. A `format` or a `pattern` breaks when it
//!   goes or becomes another: that can be wider, and nothing here can tell.
//! - Other alternatives (`oneOf`, `anyOf`) are compared as a whole, in any order, and so are the keywords in
//!   [`WHOLE`]: if they differ, that breaks, unless there were none before.
//! - Titles, descriptions, examples and defaults say nothing about payloads and are not compared.
//!
//! A schema that refers to itself is compared once on each way into the payload. There are limits on the
//! depth, the work and the differences; where one is reached, the last difference says so.

use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::ptr;

/// The most that [`compare`] gives, the one that says that there are more included.
const MOST_DIFFERENCES: usize = 1_000;
/// Levels of the payload.
const DEEPEST: usize = 64;
/// Schemas, listed values and looks for a property.
const MOST_STEPS: usize = 1_000_000;
/// Schemas that hold together at one place.
const MOST_PARTS: usize = 1_000;
/// Characters of a name or value in a difference; the rest is cut off.
const LONGEST_SHOWN: usize = 120;

const NULL: u8 = 1;
const BOOLEAN: u8 = 2;
const OBJECT: u8 = 4;
const ARRAY: u8 = 8;
const STRING: u8 = 16;
const INTEGER: u8 = 32;
/// A number that is no integer.
const FRACTION: u8 = 64;
const NUMBER: u8 = INTEGER | FRACTION;
const ANY: u8 = NULL | BOOLEAN | OBJECT | ARRAY | STRING | NUMBER;

/// Limits: the keyword, its exclusive sister, and whether it limits from below.
const LIMITS: [(&str, &str, bool); 8] = [
    ("minimum", "exclusiveMinimum", true),
    ("maximum", "exclusiveMaximum", false),
    ("minLength", "", true),
    ("maxLength", "", false),
    ("minItems", "", true),
    ("maxItems", "", false),
    ("minProperties", "", true),
    ("maxProperties", "", false),
];

/// Keywords that are compared as they are written: what they refer to is not followed.
const WHOLE: [&str; 17] = [
    "multipleOf",
    "uniqueItems",
    "contentEncoding",
    "contentMediaType",
    "not",
    "if",
    "then",
    "else",
    "patternProperties",
    "propertyNames",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
];

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The way into the payload, as a JSON Pointer: `/user/email`; `*` stands for each item of a list and
    /// each value of a map. Empty: the payload itself.
    pub path: String,
    /// What kind of difference it is.
    pub what: What,
    /// Whether code that was written for the first schema may fail on payloads of the second.
    pub breaking: bool,
    /// The same as a sentence.
    pub text: String,
}

/// The kinds of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    PropertyAdded,
    PropertyRemoved,
    /// A property that is always there now.
    RequiredAdded,
    /// A property that may be missing now.
    RequiredRemoved,
    /// Some types can come that could not, and some can't that could.
    TypeChanged,
    TypeWidened,
    TypeNarrowed,
    EnumValueAdded,
    EnumValueRemoved,
    /// Any value before, one of a list now.
    EnumIntroduced,
    /// One of a list before, any value now.
    EnumLifted,
    /// One value before, another one now.
    ConstChanged,
    FormatChanged,
    PatternChanged,
    LimitWidened,
    LimitNarrowed,
    /// Properties that are not described can come now.
    AdditionalAllowed,
    /// Properties that are not described can't come any more.
    AdditionalRefused,
    AlternativesChanged,
    /// A rule that is compared as a whole.
    RuleChanged,
    /// A limit was reached; the rest was not looked at.
    Unfinished,
}

impl What {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            What::PropertyAdded => "property_added",
            What::PropertyRemoved => "property_removed",
            What::RequiredAdded => "required_added",
            What::RequiredRemoved => "required_removed",
            What::TypeChanged => "type_changed",
            What::TypeWidened => "type_widened",
            What::TypeNarrowed => "type_narrowed",
            What::EnumValueAdded => "enum_value_added",
            What::EnumValueRemoved => "enum_value_removed",
            What::EnumIntroduced => "enum_introduced",
            What::EnumLifted => "enum_lifted",
            What::ConstChanged => "const_changed",
            What::FormatChanged => "format_changed",
            What::PatternChanged => "pattern_changed",
            What::LimitWidened => "limit_widened",
            What::LimitNarrowed => "limit_narrowed",
            What::AdditionalAllowed => "additional_allowed",
            What::AdditionalRefused => "additional_refused",
            What::AlternativesChanged => "alternatives_changed",
            What::RuleChanged => "rule_changed",
            What::Unfinished => "unfinished",
        }
    }
}

/// What differs for a receiver between two schemas, in the order of the first: at most 1,000 differences.
pub fn compare(from: &Value, to: &Value) -> Vec<Difference> {
    let mut comparison = Comparison {
        from_root: from,
        to_root: to,
        path: String::new(),
        found: Vec::new(),
        most: MOST_DIFFERENCES - 1,
        steps: 0,
        unfinished: false,
        under_way: Vec::new(),
        alike: HashSet::new(),
    };
    comparison.schemas(&[from], &[to]);
    comparison.done()
}

/// The JSON Pointer in a reference into the same document (`#/$defs/user`), with `%20` and the like decoded.
pub fn pointer(reference: &str) -> Option<String> {
    let mut encoded = reference.strip_prefix('#')?.bytes();
    let mut decoded = Vec::with_capacity(reference.len());
    while let Some(byte) = encoded.next() {
        decoded.push(match byte {
            b'%' => hex_digit(encoded.next()?)? * 16 + hex_digit(encoded.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// One schema of those that hold together.
#[derive(Clone, Copy)]
struct Part<'a> {
    rules: &'a Map<String, Value>,
    /// Null is right whatever the rules say.
    or_null: bool,
}

/// Tells parts apart, not what is in them.
type PartId = (*const Map<String, Value>, bool);
/// Two schemas that are compared.
type Pair = (Vec<PartId>, Vec<PartId>);

impl<'a> Part<'a> {
    fn id(&self) -> PartId {
        (ptr::from_ref(self.rules), self.or_null)
    }

    fn types(&self) -> u8 {
        let named = match self.rules.get("type") {
            Some(Value::String(name)) => bits(name),
            Some(Value::Array(names)) => {
                names.iter().filter_map(Value::as_str).fold(0, |types, name| types | bits(name))
            }
            _ => ANY,
        };
        if self.or_null { named | NULL } else { named }
    }

    /// The values that are listed, if any are.
    fn values(&self) -> Option<Vec<&'a Value>> {
        static NOTHING: Value = Value::Null;
        let rules = self.rules;
        let mut values = match (rules.get("const"), rules.get("enum")) {
            (Some(one), _) => vec![one],
            (None, Some(Value::Array(list))) => list.iter().collect(),
            _ => return None,
        };
        if self.or_null && !values.contains(&&NOTHING) {
            values.push(&NOTHING);
        }
        Some(values)
    }
}

/// The types that a name stands for; a name that JSON Schema doesn't know says nothing.
fn bits(name: &str) -> u8 {
    match name {
        "null" => NULL,
        "boolean" => BOOLEAN,
        "object" => OBJECT,
        "array" => ARRAY,
        "string" => STRING,
        "integer" => INTEGER,
        "number" => NUMBER,
        _ => ANY,
    }
}

fn words(types: u8) -> String {
    const WORDS: [(&str, u8); 4] = [("object", OBJECT), ("array", ARRAY), ("string", STRING), ("boolean", BOOLEAN)];
    if types == ANY {
        return "any value".to_owned();
    }
    let number = match types & NUMBER {
        0 => None,
        INTEGER => Some("integer"),
        _ => Some("number"),
    };
    let null = (types & NULL != 0).then_some("null");
    let others = WORDS.iter().filter(|(_, bit)| types & bit != 0).map(|(word, _)| *word);
    let all: Vec<&str> = others.chain(number).chain(null).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(" or ") }
}

/// A schema with all that holds together with it: what it refers to, its `allOf`, and so on inwards.
#[derive(Default)]
struct Shape<'a> {
    parts: Vec<Part<'a>>,
    /// Lists of which one alternative holds.
    alternatives: Vec<&'a Vec<Value>>,
    /// References that lead nowhere in this document.
    outside: Vec<&'a str>,
    types: u8,
}

impl<'a> Shape<'a> {
    fn of(schemas: &[&'a Value], root: &'a Value, steps: &mut usize) -> Shape<'a> {
        let mut shape = Shape::gather(schemas, root, steps);
        for list in shape.alternatives.clone() {
            let any_of_them = list.iter().fold(0, |types, one| types | Shape::gather(&[one], root, steps).types);
            shape.types &= any_of_them;
        }
        shape
    }

    /// The parts, each once: so a schema that contains itself comes to an end.
    fn gather(schemas: &[&'a Value], root: &'a Value, steps: &mut usize) -> Shape<'a> {
        let mut shape = Shape::default();
        let mut seen = HashSet::new();
        let mut waiting: VecDeque<(&'a Value, bool)> = schemas.iter().map(|schema| (*schema, false)).collect();
        while let Some((schema, or_null)) = waiting.pop_front() {
            *steps += if shape.parts.len() < MOST_PARTS { 1 } else { MOST_STEPS };
            if *steps > MOST_STEPS {
                break;
            }
            let Some(rules) = schema.as_object() else { continue };
            let or_null = or_null || rules.get("nullable") == Some(&Value::Bool(true));
            let part = Part { rules, or_null };
            if rules.is_empty() || !seen.insert(part.id()) {
                continue;
            }
            shape.parts.push(part);
            if let Some(reference) = rules.get("$ref").and_then(Value::as_str) {
                match pointer(reference).and_then(|pointer| root.pointer(&pointer)) {
                    Some(target) => waiting.push_back((target, or_null)),
                    None => shape.outside.push(reference),
                }
            }
            let all_of = rules.get("allOf").and_then(Value::as_array);
            waiting.extend(all_of.into_iter().flatten().map(|one| (one, or_null)));
            for list in ["anyOf", "oneOf"].iter().filter_map(|keyword| rules.get(*keyword)?.as_array()) {
                match this_or_null(list) {
                    Some(this) => waiting.push_back((this, true)),
                    None => shape.alternatives.push(list),
                }
            }
        }
        shape.types = shape.parts.iter().fold(ANY, |types, part| types & part.types());
        shape
    }

    fn ids(&self) -> Vec<PartId> {
        self.parts.iter().map(Part::id).collect()
    }

    /// What the parts say under a keyword. `false` is what holds where nothing is said.
    fn said(&self, keyword: &str) -> Vec<&'a Value> {
        let said = self.parts.iter().filter_map(|part| part.rules.get(keyword));
        said.filter(|value| **value != Value::Bool(false)).collect()
    }

    /// The schemas under a keyword that holds one.
    fn inner(&self, keyword: &str) -> Vec<&'a Value> {
        self.said(keyword).into_iter().filter(|value| value.is_object()).collect()
    }

    /// `items` as older schemas have it: a schema for each place in a list.
    fn tuples(&self) -> Vec<&'a Value> {
        self.said("items").into_iter().filter(|value| value.is_array()).collect()
    }

    fn property_maps(&self) -> impl Iterator<Item = &'a Map<String, Value>> {
        self.parts.iter().filter_map(|part| part.rules.get("properties")?.as_object())
    }

    /// The properties that are described, each once.
    fn names(&self) -> Vec<&'a str> {
        let mut seen = HashSet::new();
        let described = self.property_maps().flatten().filter(|(_, schema)| **schema != Value::Bool(false));
        described.map(|(name, _)| name.as_str()).filter(|name| seen.insert(*name)).collect()
    }

    /// What describes a property; nothing does where `false` says that there is none.
    fn property(&self, name: &str) -> Vec<&'a Value> {
        let schemas = self.property_maps().filter_map(|map| map.get(name));
        schemas.filter(|schema| **schema != Value::Bool(false)).collect()
    }

    fn required(&self) -> BTreeSet<&'a str> {
        self.said("required").into_iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str).collect()
    }

    /// The values that all lists have.
    fn values(&self) -> Option<Vec<&'a Value>> {
        let mut lists = self.parts.iter().filter_map(Part::values);
        let first = lists.next()?;
        Some(lists.fold(first, |mut left, list| {
            let texts = texts(&list);
            left.retain(|value| texts.contains(&value.to_string()));
            left
        }))
    }

    /// Whether properties that are not described are refused.
    fn is_closed(&self) -> bool {
        let closed = |part: &Part<'_>, keyword: &str| part.rules.get(keyword) == Some(&Value::Bool(false));
        self.parts.iter().any(|part| closed(part, "additionalProperties") || closed(part, "unevaluatedProperties"))
    }

    /// The strictest limit, and whether it is exclusive.
    fn limit(&self, keyword: &str, exclusive: &str, from_below: bool) -> Option<(f64, bool)> {
        let numbers = |keyword: &str| -> Vec<f64> {
            self.parts.iter().filter_map(|part| part.rules.get(keyword)?.as_f64()).collect()
        };
        let including = numbers(keyword).into_iter().map(|at| (at, false));
        let excluding = numbers(exclusive).into_iter().map(|at| (at, true));
        including.chain(excluding).reduce(|one, two| if is_stricter(two, one, from_below) { two } else { one })
    }
}

/// Values as texts, which can be looked up.
fn texts(values: &[&Value]) -> HashSet<String> {
    values.iter().map(ToString::to_string).collect()
}

/// The one alternative that is not null, if there are just these two.
fn this_or_null(list: &[Value]) -> Option<&Value> {
    let is_null = |one: &Value| one.get("type").and_then(Value::as_str) == Some("null");
    match list {
        [one, two] if is_null(two) && !is_null(one) => Some(one),
        [one, two] if is_null(one) && !is_null(two) => Some(two),
        _ => None,
    }
}

/// Whether the first of two limits lets less through.
fn is_stricter(one: (f64, bool), two: (f64, bool), from_below: bool) -> bool {
    let further = if from_below { one.0 > two.0 } else { one.0 < two.0 };
    further || (one.0 == two.0 && one.1 && !two.1)
}

struct Comparison<'a> {
    from_root: &'a Value,
    to_root: &'a Value,
    /// Where in the payload we are.
    path: String,
    found: Vec<Difference>,
    /// As many differences are kept.
    most: usize,
    steps: usize,
    /// Something was left out, for its depth or the work.
    unfinished: bool,
    /// What is being compared, from the outside in.
    under_way: Vec<Pair>,
    /// What was compared and did not differ.
    alike: HashSet<Pair>,
}

impl<'a> Comparison<'a> {
    fn done(mut self) -> Vec<Difference> {
        if self.unfinished || self.is_full() {
            self.found.push(Difference {
                path: String::new(),
                what: What::Unfinished,
                // Nobody knows. To say that nothing breaks would be a promise.
                breaking: true,
                text: "The comparison ends here: the schemas are too large, too deep or too different. \
                       What was not looked at may differ, too."
                    .to_owned(),
            });
        }
        self.found
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.most
    }

    fn tell(&mut self, what: What, breaking: bool, text: String) {
        if !self.is_full() {
            self.found.push(Difference { path: self.path.clone(), what, breaking, text });
        }
    }

    /// How a sentence names where we are.
    fn place(&self) -> &str {
        if self.path.is_empty() { "The payload" } else { &self.path }
    }

    /// Goes one step into the payload.
    fn at(&mut self, step: &str, then: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(&cut(&step.replace('~', "~0").replace('/', "~1")));
        then(self);
        self.path.truncate(length);
    }

    /// Compares what holds together before with what holds together now.
    fn schemas(&mut self, from: &[&'a Value], to: &[&'a Value]) {
        if self.is_full() {
            return;
        }
        let before = Shape::of(from, self.from_root, &mut self.steps);
        let after = Shape::of(to, self.to_root, &mut self.steps);
        let pair = (before.ids(), after.ids());
        if self.under_way.contains(&pair) || self.alike.contains(&pair) {
            return;
        }
        if self.under_way.len() >= DEEPEST || self.steps > MOST_STEPS {
            self.unfinished = true;
            return;
        }
        let found = self.found.len();
        self.under_way.push(pair);
        self.shapes(&before, &after);
        if let Some(pair) = self.under_way.pop()
            && self.found.len() == found
        {
            self.alike.insert(pair);
        }
    }

    fn shapes(&mut self, before: &Shape<'a>, after: &Shape<'a>) {
        let differs = self.types(before.types, after.types);
        // Against a schema that says nothing, the type says it all.
        if differs && (before.parts.is_empty() || after.parts.is_empty()) {
            return;
        }
        self.values(before, after);
        self.limits(before, after);
        let can_both_be = |types: u8| before.types & after.types & types != 0;
        if can_both_be(OBJECT) {
            self.properties(before, after);
            self.required(before, after);
            self.additional(before, after);
        }
        if can_both_be(ARRAY) {
            self.each_value(before, after, "items");
            self.rule(What::RuleChanged, "items", &before.tuples(), &after.tuples());
        }
        self.rule(What::FormatChanged, "format", &before.said("format"), &after.said("format"));
        self.rule(What::PatternChanged, "pattern", &before.said("pattern"), &after.said("pattern"));
        for keyword in WHOLE {
            self.rule(What::RuleChanged, keyword, &before.said(keyword), &after.said(keyword));
        }
        self.alternatives(before, after);
        if before.outside != after.outside {
            let text = format!("{} refers to something else that is not in the schema.", self.place());
            self.tell(What::RuleChanged, true, text);
        }
    }

    /// Whether the types differ.
    fn types(&mut self, before: u8, after: u8) -> bool {
        let (new, gone) = (after & !before, before & !after);
        let what = match (new, gone) {
            (0, 0) => return false,
            (_, 0) => What::TypeWidened,
            (0, _) => What::TypeNarrowed,
            _ => What::TypeChanged,
        };
        let text = format!("{} was {} and is now {}.", self.place(), words(before), words(after));
        self.tell(what, new != 0, text);
        true
    }

    fn values(&mut self, before: &Shape<'a>, after: &Shape<'a>) {
        let (had, has) = match (before.values(), after.values()) {
            (None, None) => return,
            (None, Some(has)) => {
                let text = format!("{} is now one of {} listed values.", self.place(), has.len());
                return self.tell(What::EnumIntroduced, false, text);
            }
            (Some(_), None) => {
                let text = format!("{} may now be a value that was not listed.", self.place());
                return self.tell(What::EnumLifted, true, text);
            }
            (Some(had), Some(has)) => (had, has),
        };
        self.steps += had.len() + has.len();
        if let ([had], [has]) = (had.as_slice(), has.as_slice()) {
            if had != has {
                let text = format!("{} was always {} and is now always {}.", self.place(), shown(had), shown(has));
                self.tell(What::ConstChanged, true, text);
            }
            return;
        }
        let (known, left) = (texts(&had), texts(&has));
        for value in had.iter().filter(|value| !left.contains(&value.to_string())) {
            let text = format!("{} can no longer be {}.", self.place(), shown(value));
            self.tell(What::EnumValueRemoved, false, text);
        }
        for value in has.iter().filter(|value| !known.contains(&value.to_string())) {
            let text = format!("{} may now be {}, which was not listed before.", self.place(), shown(value));
            self.tell(What::EnumValueAdded, true, text);
        }
    }

    fn limits(&mut self, before: &Shape<'a>, after: &Shape<'a>) {
        for (keyword, exclusive, from_below) in LIMITS {
            let had = before.limit(keyword, exclusive, from_below);
            let has = after.limit(keyword, exclusive, from_below);
            let what = match (had, has) {
                (None, None) => continue,
                (Some(_), None) => What::LimitWidened,
                (None, Some(_)) => What::LimitNarrowed,
                (Some(had), Some(has)) if is_stricter(had, has, from_below) => What::LimitWidened,
                (Some(had), Some(has)) if is_stricter(has, had, from_below) => What::LimitNarrowed,
                _ => continue,
            };
            let word = |limit: Option<(f64, bool)>| match limit {
                None => "none".to_owned(),
                Some((at, false)) => at.to_string(),
                Some((at, true)) => format!("{at}, exclusive"),
            };
            let text = format!("{}: `{keyword}` was {} and is now {}.", self.place(), word(had), word(has));
            self.tell(what, what == What::LimitWidened, text);
        }
    }

    fn properties(&mut self, before: &Shape<'a>, after: &Shape<'a>) {
        let (had, has) = (before.names(), after.names());
        self.steps += had.len() * (before.parts.len() + after.parts.len()) + has.len() * before.parts.len();
        if self.steps > MOST_STEPS {
            self.unfinished = true;
            return;
        }
        for name in had {
            let (from, to) = (before.property(name), after.property(name));
            self.at(name, |here| {
                if to.is_empty() {
                    let text = format!("{} is not described any more: it may be gone.", here.place());
                    here.tell(What::PropertyRemoved, true, text);
                } else {
                    here.schemas(&from, &to);
                }
            });
        }
        for name in has.into_iter().filter(|name| before.property(name).is_empty()) {
            self.at(name, |here| {
                let text = format!("{} is new.", here.place());
                here.tell(What::PropertyAdded, false, text);
            });
        }
    }

    /// What is required now or no longer; for a property that came or went, that was said already.
    fn required(&mut self, before: &Shape<'a>, after: &Shape<'a>) {
        let (had, has) = (before.required(), after.required());
        for name in had.difference(&has) {
            if before.property(name).is_empty() == after.property(name).is_empty() {
                self.at(name, |here| {
                    let text = format!("{} was always there and may now be missing.", here.place());
                    here.tell(What::RequiredRemoved, true, text);
                });
            }
        }
        for name in has.difference(&had) {
            if before.property(name).is_empty() == after.property(name).is_empty() {
                self.at(name, |here| {
                    let text = format!("{} is now always there.", here.place());
                    here.tell(What::RequiredAdded, false, text);
                });
            }
        }
    }

    fn additional(&mut self, before: &Shape<'a>, after: &Shape<'a>) {
        match (before.is_closed(), after.is_closed()) {
            (true, false) => {
                let text = format!("{} may now have properties that are not described.", self.place());
                self.tell(What::AdditionalAllowed, false, text);
            }
            (false, true) => {
                let text = format!("{} has no properties any more that are not described.", self.place());
                self.tell(What::AdditionalRefused, false, text);
            }
            (true, true) => {}
            (false, false) => self.each_value(before, after, "additionalProperties"),
        }
    }

    /// Compares what holds for each value of a list or map.
    fn each_value(&mut self, before: &Shape<'a>, after: &Shape<'a>, keyword: &str) {
        let (from, to) = (before.inner(keyword), after.inner(keyword));
        if !from.is_empty() || !to.is_empty() {
            self.at("*", |here| here.schemas(&from, &to));
        }
    }

    /// Compares a keyword as a whole. More rules than before let less through; else nothing can tell.
    fn rule(&mut self, what: What, keyword: &str, had: &[&Value], has: &[&Value]) {
        if had == has {
            return;
        }
        let narrowed = had.iter().all(|rule| has.contains(rule));
        let word = |rules: &[&Value]| match rules {
            [] => "none".to_owned(),
            [one] => shown(one),
            more => format!("{} rules", more.len()),
        };
        let text = format!("{}: `{keyword}` was {} and is now {}.", self.place(), word(had), word(has));
        self.tell(what, !narrowed, text);
    }

    fn alternatives(&mut self, before: &Shape<'a>, after: &Shape<'a>) {
        let (had, has) = (&before.alternatives, &after.alternatives);
        if had.len() == has.len() && had.iter().zip(has).all(|(&had, &has)| self.are_alike(had, has)) {
            return;
        }
        let text = format!("{} has other alternatives (oneOf, anyOf) than before.", self.place());
        self.tell(What::AlternativesChanged, !had.is_empty(), text);
    }

    /// Whether two lists have the same alternatives, in any order.
    fn are_alike(&mut self, from: &'a [Value], to: &'a [Value]) -> bool {
        let mut left: VecDeque<&'a Value> = to.iter().collect();
        from.len() == to.len()
            && from.iter().all(|one| match left.iter().position(|other| self.is_alike(one, other)) {
                Some(at) => left.remove(at).is_some(),
                None => false,
            })
    }

    /// Whether two schemas don't differ: looks for one difference and forgets it.
    fn is_alike(&mut self, from: &'a Value, to: &'a Value) -> bool {
        let (found, most) = (self.found.len(), self.most);
        self.most = found + 1;
        self.schemas(&[from], &[to]);
        let alike = self.found.len() == found;
        self.found.truncate(found);
        self.most = most;
        alike
    }
}

fn shown(value: &Value) -> String {
    cut(&value.to_string())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The differences as `path kind`, with a `!` where they break something.
    fn told(from: Value, to: Value) -> Vec<String> {
        let mark = |breaking: bool| if breaking { "!" } else { "" };
        let all = compare(&from, &to);
        all.iter().map(|one| format!("{} {}{}", one.path, one.what.name(), mark(one.breaking))).collect()
    }

    fn property(name: &str, schema: Value) -> Value {
        json!({"type": "object", "properties": {name: schema}})
    }

    #[test]
    fn the_same_schema_does_not_differ() {
        let order = || {
            json!({
                "title": "An order", "type": "object", "required": ["id"],
                "properties": {
                    "id": {"type": "integer"},
                    "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
                    "pair": {"type": "array", "items": [{"type": "string"}, {"type": "integer"}]}
                },
                "$defs": {
                    "line": {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"of": {"$ref": "#"}}}]}
                }
            })
        };
        let (schema, mut retold) = (order(), order());
        assert!(compare(&schema, &retold).is_empty());
        assert!(compare(&json!({}), &json!(true)).is_empty());
        retold["title"] = json!("Something that was ordered");
        retold["properties"]["id"]["description"] = json!("Rises.");
        assert!(compare(&schema, &retold).is_empty());
    }

    #[test]
    fn a_property_that_goes_breaks_and_one_that_comes_does_not() {
        let before = property("user", property("email", json!({"type": "string"})));
        let after = property("user", property("phone", json!({"type": "string"})));
        let all = compare(&before, &after);
        assert_eq!(told(before, after), ["/user/email property_removed!", "/user/phone property_added"]);
        assert_eq!(all[0].text, "/user/email is not described any more: it may be gone.");
        assert_eq!(all[1].text, "/user/phone is new.");
    }

    #[test]
    fn a_property_that_may_be_missing_breaks() {
        let with = |required: Value| json!({"properties": {"a": {}, "b": {}}, "required": required});
        assert_eq!(told(with(json!(["a"])), with(json!(["b"]))), ["/a required_removed!", "/b required_added"]);
        // Nothing is said twice.
        let closed = json!({"properties": {"b": {}}, "required": ["b"]});
        assert_eq!(
            told(json!({"properties": {"a": {}}, "required": ["a"]}), closed),
            ["/a property_removed!", "/b property_added"]
        );
        assert_eq!(told(json!({"required": ["x"]}), json!({"type": "object"})).last().unwrap(), "/x required_removed!");
    }

    #[test]
    fn types_get_wider_narrower_or_other() {
        let of = |kind: Value| json!({"type": kind});
        assert_eq!(told(of(json!("string")), of(json!("integer"))), [" type_changed!"]);
        assert_eq!(told(of(json!("integer")), of(json!("number"))), [" type_widened!"]);
        assert_eq!(told(of(json!("number")), of(json!("integer"))), [" type_narrowed"]);
        assert_eq!(told(of(json!("string")), of(json!(["string", "null"]))), [" type_widened!"]);
        assert_eq!(told(of(json!(["null", "string"])), of(json!("string"))), [" type_narrowed"]);
        assert_eq!(told(of(json!(["string", "null"])), of(json!(["string", "integer"]))), [" type_changed!"]);
        assert_eq!(told(of(json!("string")), json!({})), [" type_widened!"]);
        assert_eq!(told(json!({}), of(json!("string"))), [" type_narrowed"]);
        assert_eq!(told(of(json!(["integer", "number"])), of(json!("number"))), [""; 0]);
        let all = compare(&property("id", of(json!("string"))), &property("id", of(json!(["integer", "null"]))));
        assert_eq!(all[0].text, "/id was string and is now integer or null.");
        let all = compare(&of(json!("number")), &json!({"description": "Whatever."}));
        assert_eq!(all[0].text, "The payload was number and is now any value.");
    }

    #[test]
    fn a_listed_value_that_is_new_breaks() {
        let of = |values: Value| json!({"enum": values});
        let all = compare(&of(json!(["free", "paid"])), &of(json!(["paid", "trial"])));
        assert_eq!(all[0].text, "The payload can no longer be \"free\".");
        assert_eq!(all[1].text, "The payload may now be \"trial\", which was not listed before.");
        assert_eq!(
            told(of(json!(["free", "paid"])), of(json!(["paid", "trial"]))),
            [" enum_value_removed", " enum_value_added!"]
        );
        assert_eq!(told(of(json!([1, 2])), json!({"minLength": 0})), [" enum_lifted!", " limit_narrowed"]);
        assert_eq!(told(json!({"title": "Any"}), of(json!([1, 2]))), [" enum_introduced"]);
        assert_eq!(told(json!({"const": 1}), json!({"const": 2})), [" const_changed!"]);
        assert_eq!(told(json!({"const": 1}), of(json!([1, 2]))), [" enum_value_added!"]);
        assert_eq!(told(json!({"const": "a"}), of(json!(["a"]))), [""; 0]);
    }

    #[test]
    fn limits_break_when_they_get_wider() {
        assert_eq!(told(json!({"minimum": 1}), json!({"minimum": 0})), [" limit_widened!"]);
        assert_eq!(told(json!({"minimum": 1}), json!({"minimum": 2})), [" limit_narrowed"]);
        assert_eq!(told(json!({"maxLength": 10}), json!({"maxLength": 20})), [" limit_widened!"]);
        assert_eq!(told(json!({"maxLength": 20}), json!({"maxLength": 10})), [" limit_narrowed"]);
        assert_eq!(told(json!({"maximum": 9}), json!({"exclusiveMaximum": 9})), [" limit_narrowed"]);
        assert_eq!(told(json!({"exclusiveMinimum": 0}), json!({"minimum": 0.0})), [" limit_widened!"]);
        assert_eq!(told(json!({"minItems": 1}), json!({"title": "None."})), [" limit_widened!"]);
        assert_eq!(told(json!({"minimum": 1}), json!({"minimum": 1.0})), [""; 0]);
        let all = compare(&json!({"exclusiveMinimum": 0.5}), &json!({"title": "None."}));
        assert_eq!(all[0].text, "The payload: `minimum` was 0.5, exclusive and is now none.");
    }

    #[test]
    fn formats_patterns_and_other_rules_break_when_they_go_or_change() {
        for (keyword, kind, one, two) in [
            ("format", "format_changed", json!("date"), json!("date-time")),
            ("pattern", "pattern_changed", json!("^a"), json!("^b")),
            ("not", "rule_changed", json!({"type": "string"}), json!({"type": "array"})),
            ("multipleOf", "rule_changed", json!(2), json!(3)),
        ] {
            let with = |value: &Value| json!({"title": "One", keyword: value});
            let without = json!({"title": "None"});
            assert_eq!(told(with(&one), with(&two)), [format!(" {kind}!")]);
            assert_eq!(told(with(&one), without.clone()), [format!(" {kind}!")]);
            assert_eq!(told(without, with(&one)), [format!(" {kind}")]);
        }
        assert_eq!(told(json!({"title": "a", "uniqueItems": false}), json!({"title": "b"})), [""; 0]);
    }

    #[test]
    fn items_and_maps_are_looked_into() {
        let list = |items: Value| property("items", json!({"type": "array", "items": items}));
        assert_eq!(told(list(json!({"type": "string"})), list(json!({"type": "integer"}))), ["/items/* type_changed!"]);
        assert_eq!(
            told(list(property("a", json!({}))), list(property("b", json!({})))),
            ["/items/*/a property_removed!", "/items/*/b property_added"]
        );
        let map = |values: Value| json!({"type": "object", "additionalProperties": values});
        assert_eq!(told(map(json!({"type": "string"})), map(json!({"type": "null"}))), ["/* type_changed!"]);
        assert_eq!(told(map(json!({"type": "string"})), map(json!(true))), ["/* type_widened!"]);
        assert_eq!(told(map(json!(false)), map(json!(true))), [" additional_allowed"]);
        assert_eq!(told(map(json!({})), map(json!(false))), [" additional_refused"]);
        let tuple = |first: Value| list(json!([first, {"type": "string"}]));
        assert_eq!(told(tuple(json!({"minimum": 1})), tuple(json!({"minimum": 2}))), ["/items rule_changed!"]);
        assert_eq!(told(property("a", json!({})), property("a", json!(false))), ["/a property_removed!"]);
    }

    #[test]
    fn names_are_escaped_as_in_a_pointer() {
        let of = |kind: &str| property("a/b~c", json!({"type": kind}));
        assert_eq!(told(of("string"), of("null")), ["/a~1b~0c type_changed!"]);
    }

    #[test]
    fn references_are_followed_wherever_they_lead_within_the_schema() {
        let with = |place: &str, kind: &str| {
            let reference = format!("#{place}/user%20name");
            let mut schema = json!({"properties": {"by": {"$ref": reference}}});
            let mut at = &mut schema;
            for step in place.split('/').skip(1) {
                at = &mut at[step];
            }
            *at = json!({"user name": {"type": kind}});
            schema
        };
        for (from, to) in [("/$defs", "/definitions"), ("/definitions", "/components/schemas"), ("/$defs", "/$defs")] {
            assert_eq!(told(with(from, "string"), with(to, "string")), [""; 0]);
            assert_eq!(told(with(from, "string"), with(to, "integer")), ["/by type_changed!"]);
        }
        let outside = |reference: &str| json!({"$ref": reference});
        assert_eq!(told(outside("user.json"), outside("user.json")), [""; 0]);
        assert_eq!(told(outside("user.json"), outside("person.json")), [" rule_changed!"]);
    }

    #[test]
    fn all_of_is_one_schema() {
        let split = json!({
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"$ref": "#/$defs/more"}
            ],
            "$defs": {"more": {
                "properties": {"b": {"enum": [1, 2, 3]}},
                "allOf": [{"properties": {"b": {"maximum": 2}}}]
            }}
        });
        let whole = json!({
            "type": "object", "required": ["a"],
            "properties": {"a": {"type": "string"}, "b": {"enum": [1, 2, 3], "maximum": 2}}
        });
        assert_eq!(told(split.clone(), whole.clone()), [""; 0]);
        let mut wider = whole;
        wider["properties"]["b"] = json!({"enum": [1, 2, 3]});
        assert_eq!(told(split, wider), ["/b limit_widened!"]);
        assert_eq!(told(json!({"allOf": [{"enum": [1, 2]}, {"enum": [2, 3]}]}), json!({"enum": [2]})), [""; 0]);
    }

    #[test]
    fn this_or_null_is_this_with_null() {
        let plain = json!({"type": "string"});
        let any_of = json!({"anyOf": [{"type": "string"}, {"type": "null"}]});
        let listed = json!({"type": ["string", "null"]});
        let nullable = json!({"type": "string", "nullable": true});
        for optional in [&any_of, &listed, &nullable] {
            assert_eq!(told(plain.clone(), optional.clone()), [" type_widened!"]);
            for other in [&any_of, &listed, &nullable] {
                assert_eq!(told(optional.clone(), other.clone()), [""; 0]);
            }
        }
        // What is inside is looked into, as it is without the null.
        let inside = |name: &str| json!({"oneOf": [{"type": "null"}, property(name, json!({}))]});
        assert_eq!(told(inside("a"), inside("b")), ["/a property_removed!", "/b property_added"]);
        assert_eq!(
            told(json!({"enum": ["a", "b"]}), json!({"enum": ["a", "b"], "nullable": true})),
            [" enum_value_added!"]
        );
    }

    #[test]
    fn alternatives_are_compared_as_a_whole() {
        let (a, b) = (property("a", json!({"type": "string"})), property("b", json!({"$ref": "#/$defs/b"})));
        let with = |list: Value, kind: &str| json!({"oneOf": list, "$defs": {"b": {"type": kind}}});
        assert_eq!(told(with(json!([a, b]), "string"), with(json!([b, a]), "string")), [""; 0]);
        assert_eq!(told(with(json!([a, b]), "string"), with(json!([a, b]), "null")), [" alternatives_changed!"]);
        assert_eq!(told(with(json!([a, b]), "string"), with(json!([a, b, b]), "string")), [" alternatives_changed!"]);
        assert_eq!(
            told(json!({"type": "object"}), json!({"type": "object", "anyOf": [a, b, a]})),
            [" alternatives_changed"]
        );
        // One schema before, alternatives of the same type now: the type did not change.
        let now = json!({"anyOf": [{"type": "object", "title": "A"}, {"type": "object", "title": "B"}]});
        assert_eq!(told(json!({"type": "object"}), now), [" alternatives_changed"]);
    }

    #[test]
    fn schemas_that_contain_themselves_come_to_an_end() {
        let tree = |kind: &str| {
            json!({
                "$ref": "#/$defs/node",
                "$defs": {"node": {
                    "type": "object",
                    "properties": {
                        "value": {"type": kind},
                        "left": {"allOf": [{"$ref": "#/$defs/node"}]},
                        "right": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                        "more": {"type": "array", "items": {"$ref": "#"}}
                    }
                }}
            })
        };
        assert_eq!(told(tree("string"), tree("string")), [""; 0]);
        let all = told(tree("string"), tree("integer"));
        assert!(all.contains(&"/value type_changed!".to_owned()), "{all:?}");
        assert!(!all.contains(&" unfinished!".to_owned()), "{all:?}");
        let circle = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}});
        assert_eq!(told(circle.clone(), circle), [""; 0]);
        // One that unrolls what the other refers to.
        let next = |inner: Value| json!({"type": "object", "properties": {"next": inner}});
        let endless = || next(json!({"$ref": "#"}));
        assert_eq!(told(endless(), next(endless())), [""; 0]);
    }

    #[test]
    fn there_are_limits_and_reaching_one_is_said() {
        let wide = |count: usize| {
            let names = (0..count).map(|n| (format!("p{n}"), json!({})));
            json!({"properties": names.collect::<Map<String, Value>>()})
        };
        let all = compare(&wide(998), &json!({"title": "Gone"}));
        assert_eq!((all.len(), all[997].what), (998, What::PropertyRemoved));
        let all = compare(&wide(5_000), &json!({"title": "Gone"}));
        assert_eq!((all.len(), all[999].what), (1_000, What::Unfinished));

        let deep = |levels: usize, kind: &str| {
            (0..levels).fold(json!({"type": kind}), |inner, _| json!({"properties": {"a": inner}}))
        };
        assert_eq!(told(deep(60, "string"), deep(60, "null")), [format!("{} type_changed!", "/a".repeat(60))]);
        assert_eq!(told(deep(100, "string"), deep(100, "null")), [" unfinished!"]);

        // Each level refers to the next one twice: 2^60 ways, and one difference.
        let doubled = |kind: &str| {
            let defs = (0..60).map(|n| {
                let next = format!("#/$defs/d{}", n + 1);
                (format!("d{n}"), json!({"allOf": [{"$ref": next}, {"$ref": next}]}))
            });
            let mut defs: Map<String, Value> = defs.collect();
            defs.insert("d60".to_owned(), json!({"type": kind}));
            json!({"$ref": "#/$defs/d0", "$defs": defs})
        };
        assert_eq!(told(doubled("string"), doubled("null")), [" type_changed!"]);
    }

    #[test]
    fn long_names_and_values_are_cut() {
        let long = "x".repeat(10_000);
        let all = compare(&property(&long, json!({"const": long})), &property(&long, json!({"const": "y"})));
        assert!(all[0].path.chars().count() < 130 && all[0].text.chars().count() < 500, "{all:?}");
    }
}
