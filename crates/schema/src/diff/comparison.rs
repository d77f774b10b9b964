//! The walk through two schemas at once, and what is found on it.

use super::shape::{ARRAY, MOST_STEPS, OBJECT, Pair, Shape, is_stricter, texts, words};
use super::{Difference, What};
use serde_json::Value;
use std::collections::{HashSet, VecDeque};

/// The most that [`compare`] gives, the one that says that there are more included.
const MOST_DIFFERENCES: usize = 1_000;
/// Levels of the payload.
const DEEPEST: usize = 64;
/// Characters of a name or value in a difference; the rest is cut off.
const LONGEST_SHOWN: usize = 120;

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

/// See the module.
pub struct Comparison<'a> {
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
    /// Of two schemas, of which nothing was compared yet.
    pub fn of(from: &'a Value, to: &'a Value) -> Comparison<'a> {
        Comparison {
            from_root: from,
            to_root: to,
            path: String::new(),
            found: Vec::new(),
            most: MOST_DIFFERENCES - 1,
            steps: 0,
            unfinished: false,
            under_way: Vec::new(),
            alike: HashSet::new(),
        }
    }

    pub fn done(mut self) -> Vec<Difference> {
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
    pub fn schemas(&mut self, from: &[&'a Value], to: &[&'a Value]) {
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
