//! Payload filters: JSON with operators, safe by construction.
//!
//! `{"amount": {"$gt": 100}, "customer.country": {"$in": ["DE", "AT"]}}`. Fields are paths with dots;
//! several conditions must all hold; a plain value means `$eq`.

use crate::decimal::Decimal;
use serde_json::{Number, Value};
use std::cmp::Ordering;
use thiserror::Error;

const DEEPEST: usize = 16;
const MOST_CONDITIONS: usize = 256;
const OPERATORS: &str =
    "$eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, $startsWith, $endsWith, $contains, $and, $or, $not";

/// A filter that was checked, ready to be compared with payloads.
#[derive(Clone, Debug)]
pub struct PayloadFilter {
    condition: Condition,
    terms: usize,
}

/// Steps that comparing may still take. One is about a nanosecond of work: nodes that are visited and bytes that are
/// compared are counted, so the same filter and payload always take the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps(pub u64);

/// The steps are used up.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the filter needs too much work")]
pub struct OutOfSteps;

impl Steps {
    fn take(&mut self, steps: usize) -> Result<(), OutOfSteps> {
        self.0 = self.0.checked_sub(steps as u64).ok_or(OutOfSteps)?;
        Ok(())
    }
}

/// What visiting a condition, finding a field and comparing a value take at least.
const VISIT: usize = 20;
/// What comparing two numbers takes beside their digits.
const NUMBERS: usize = 200;

/// What is wrong with a filter, where, and what would be right.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("at {path:?}: {message}")]
pub struct FilterProblem {
    /// The way into the filter: `amount.$gt`.
    pub path: String,
    /// What is wrong there, and what would be right.
    pub message: String,
}

#[derive(Clone, Debug)]
enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Field(Vec<String>, Test),
}

#[derive(Clone, Debug)]
enum Test {
    Eq(Value),
    Order(Value, fn(Ordering) -> bool),
    In(Vec<Value>),
    Exists(bool),
    StartsWith(String),
    EndsWith(String),
    Contains(Value),
}

impl PayloadFilter {
    /// Checks a filter: at most 16 levels and 256 conditions and values.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(json: &Value) -> Result<PayloadFilter, FilterProblem> {
        let mut left = MOST_CONDITIONS;
        let condition = conditions(json, &[], "", DEEPEST, &mut left)?;
        Ok(PayloadFilter { condition, terms: MOST_CONDITIONS - left })
    }

    /// Its conditions and values.
    pub fn terms(&self) -> usize {
        self.terms
    }

    /// Whether a payload passes. Numbers compare exactly, never as texts.
    ///
    /// # Errors
    /// It would take more steps than are left.
    pub fn matches(&self, payload: &Value, steps: &mut Steps) -> Result<bool, OutOfSteps> {
        self.condition.holds(payload, steps)
    }
}

fn problem(path: &str, message: impl Into<String>) -> FilterProblem {
    FilterProblem { path: path.to_owned(), message: message.into() }
}

/// An object of conditions on `field` (empty: the payload).
fn conditions(
    json: &Value,
    field: &[String],
    path: &str,
    depth: usize,
    left: &mut usize,
) -> Result<Condition, FilterProblem> {
    let Some(object) = json.as_object() else {
        return Err(problem(path, "must be an object such as {\"amount\": {\"$gt\": 100}}"));
    };
    if depth == 0 {
        return Err(problem(path, format!("is nested deeper than {DEEPEST} levels")));
    }
    let mut all = Vec::new();
    for (key, value) in object {
        *left = left
            .checked_sub(1)
            .ok_or_else(|| problem(path, format!("has more than {MOST_CONDITIONS} conditions and values")))?;
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        all.push(match key.strip_prefix('$') {
            Some(operator) => operation(operator, value, field, &path, depth - 1, left)?,
            None => {
                let mut field = field.to_vec();
                field.extend(key.split('.').map(str::to_owned));
                match value.as_object() {
                    Some(_) => conditions(value, &field, &path, depth - 1, left)?,
                    None => {
                        literal(value, &path, depth - 1, left)?;
                        Condition::Field(field, Test::Eq(value.clone()))
                    }
                }
            }
        });
    }
    Ok(Condition::All(all))
}

/// The parts of a value that is compared with count as conditions do.
fn literal(value: &Value, path: &str, depth: usize, left: &mut usize) -> Result<(), FilterProblem> {
    let parts: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => return Ok(()),
    };
    let depth = depth.checked_sub(1).ok_or_else(|| problem(path, format!("is nested deeper than {DEEPEST} levels")))?;
    *left = left
        .checked_sub(parts.len())
        .ok_or_else(|| problem(path, format!("has more than {MOST_CONDITIONS} conditions and values")))?;
    parts.into_iter().try_for_each(|part| literal(part, path, depth, left))
}

fn operation(
    operator: &str,
    value: &Value,
    field: &[String],
    path: &str,
    depth: usize,
    left: &mut usize,
) -> Result<Condition, FilterProblem> {
    if !matches!(operator, "and" | "or" | "not") {
        literal(value, path, depth, left)?;
    }
    let list = || value.as_array().ok_or_else(|| problem(path, "must be a list"));
    let text = || value.as_str().map(str::to_owned).ok_or_else(|| problem(path, "must be a text"));
    let order = |test: fn(Ordering) -> bool| match value {
        Value::Number(_) | Value::String(_) => Ok(Test::Order(value.clone(), test)),
        _ => Err(problem(path, "must be a number or a text")),
    };
    let test = match operator {
        "and" | "or" => {
            let parts =
                list()?.iter().map(|part| conditions(part, field, path, depth, left)).collect::<Result<_, _>>()?;
            return Ok(if operator == "and" { Condition::All(parts) } else { Condition::Any(parts) });
        }
        "not" => return Ok(Condition::Not(Box::new(conditions(value, field, path, depth, left)?))),
        "eq" => Test::Eq(value.clone()),
        "ne" => return Ok(Condition::Not(Box::new(Condition::Field(field.to_vec(), Test::Eq(value.clone()))))),
        "gt" => order(Ordering::is_gt)?,
        "gte" => order(Ordering::is_ge)?,
        "lt" => order(Ordering::is_lt)?,
        "lte" => order(Ordering::is_le)?,
        "in" => Test::In(list()?.clone()),
        "nin" => return Ok(Condition::Not(Box::new(Condition::Field(field.to_vec(), Test::In(list()?.clone()))))),
        "exists" => Test::Exists(value.as_bool().ok_or_else(|| problem(path, "must be true or false"))?),
        "startsWith" => Test::StartsWith(text()?),
        "endsWith" => Test::EndsWith(text()?),
        "contains" => Test::Contains(value.clone()),
        _ => return Err(problem(path, format!("is no operator; there are {OPERATORS}"))),
    };
    if field.is_empty() {
        return Err(problem(path, "stands outside of a field; write {\"field\": {…}}"));
    }
    Ok(Condition::Field(field.to_vec(), test))
}

type Holds = Result<bool, OutOfSteps>;

/// Whether one of them holds; the rest is not looked at.
fn any<T>(parts: &[T], mut holds: impl FnMut(&T) -> Holds) -> Holds {
    for part in parts {
        if holds(part)? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Condition {
    fn holds(&self, payload: &Value, steps: &mut Steps) -> Holds {
        steps.take(VISIT)?;
        match self {
            Condition::All(parts) => any(parts, |part| Ok(!part.holds(payload, steps)?)).map(|fails| !fails),
            Condition::Any(parts) => any(parts, |part| part.holds(payload, steps)),
            Condition::Not(part) => part.holds(payload, steps).map(|holds| !holds),
            Condition::Field(path, test) => test.holds(find(payload, path, steps)?, steps),
        }
    }
}

/// The value at a path; a number steps into a list.
fn find<'a>(payload: &'a Value, path: &[String], steps: &mut Steps) -> Result<Option<&'a Value>, OutOfSteps> {
    let mut value = payload;
    for step in path {
        steps.take(VISIT + step.len())?;
        let next = match value {
            Value::Array(items) => step.parse::<usize>().ok().and_then(|place| items.get(place)),
            other => other.get(step),
        };
        let Some(next) = next else { return Ok(None) };
        value = next;
    }
    Ok(Some(value))
}

impl Test {
    fn holds(&self, value: Option<&Value>, steps: &mut Steps) -> Holds {
        steps.take(VISIT)?;
        let text = value.and_then(Value::as_str);
        let same = |wanted: &Value, steps: &mut Steps| same(value.unwrap_or(&Value::Null), wanted, steps);
        match self {
            Test::Eq(wanted) => same(wanted, steps),
            Test::Order(wanted, test) => match value {
                Some(value) => Ok(compare(value, wanted, steps)?.is_some_and(test)),
                None => Ok(false),
            },
            Test::In(wanted) => any(wanted, |wanted| same(wanted, steps)),
            Test::Exists(wanted) => Ok(value.is_some() == *wanted),
            Test::StartsWith(start) => {
                steps.take(start.len())?;
                Ok(text.is_some_and(|text| text.starts_with(start)))
            }
            Test::EndsWith(end) => {
                steps.take(end.len())?;
                Ok(text.is_some_and(|text| text.ends_with(end)))
            }
            Test::Contains(wanted) => match (value, wanted) {
                (Some(Value::String(text)), Value::String(part)) => {
                    // Several bytes are compared at once.
                    steps.take(text.len() / 2 + part.len())?;
                    Ok(text.contains(part))
                }
                (Some(Value::Array(items)), wanted) => any(items, |item| self::same(item, wanted, steps)),
                _ => Ok(false),
            },
        }
    }
}

/// Equality by value: `1`, `1.0` and `1.00` are one number, however they were written.
fn same(one: &Value, two: &Value, steps: &mut Steps) -> Holds {
    steps.take(VISIT)?;
    match (one, two) {
        (Value::Number(one), Value::Number(two)) => Ok(numbers(one, two, steps)?.is_eq()),
        (Value::Array(one), Value::Array(two)) => {
            if one.len() != two.len() {
                return Ok(false);
            }
            for (one, two) in one.iter().zip(two) {
                if !same(one, two, steps)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(one), Value::Object(two)) => {
            if one.len() != two.len() {
                return Ok(false);
            }
            for (key, one) in one {
                steps.take(VISIT + key.len())?;
                match two.get(key) {
                    Some(two) if same(one, two, steps)? => {}
                    Some(_) | None => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::String(one), Value::String(two)) => {
            steps.take(one.len().min(two.len()) / 8)?;
            Ok(one == two)
        }
        (one, two) => Ok(one == two),
    }
}

fn compare(value: &Value, wanted: &Value, steps: &mut Steps) -> Result<Option<Ordering>, OutOfSteps> {
    match (value, wanted) {
        (Value::Number(one), Value::Number(two)) => numbers(one, two, steps).map(Some),
        (Value::String(one), Value::String(two)) => {
            steps.take(one.len().min(two.len()) / 8)?;
            Ok(Some(one.cmp(two)))
        }
        _ => Ok(None),
    }
}

/// Exactly, however long they are and however they were written.
fn numbers(one: &Number, two: &Number, steps: &mut Steps) -> Result<Ordering, OutOfSteps> {
    let (one, two) = (one.to_string(), two.to_string());
    steps.take(NUMBERS + 4 * (one.len() + two.len()))?;
    Ok(Decimal::parse(&one).cmp(&Decimal::parse(&two)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(filter: Value, payload: Value) -> bool {
        PayloadFilter::parse(&filter).unwrap().matches(&payload, &mut Steps(1_000_000)).unwrap()
    }

    #[test]
    fn what_takes_too_many_steps_is_an_error_and_no_answer() {
        let filter = PayloadFilter::parse(&json!({"text": {"$contains": "needle"}, "list": {"$contains": 7}})).unwrap();
        assert_eq!(filter.terms(), 4);
        let payload = json!({"text": "x".repeat(100_000) + "needle", "list": vec![1; 1_000]});
        let needed = 1_000_000 - {
            let mut steps = Steps(1_000_000);
            assert_eq!(filter.matches(&payload, &mut steps), Ok(false));
            steps.0
        };
        assert!(needed > 250_000, "{needed}");
        assert_eq!(filter.matches(&payload, &mut Steps(needed)), Ok(false));
        assert_eq!(filter.matches(&payload, &mut Steps(needed - 1)), Err(OutOfSteps));
    }

    #[test]
    fn operators_do_what_their_names_say() {
        let order =
            json!({"amount": 120.5, "status": "paid", "tags": ["a", "b"], "customer": {"country": "DE"}, "gone": null});
        for filter in [
            json!({}),
            json!({"status": "paid"}),
            json!({"amount": 120.50}),
            json!({"amount": {"$gt": 100, "$lt": 200}}),
            json!({"amount": {"$gte": 120.5, "$lte": 120.5}}),
            json!({"customer.country": {"$in": ["AT", "DE"]}}),
            json!({"customer": {"country": {"$nin": ["FR"]}}}),
            json!({"tags.0": "a"}),
            json!({"tags": {"$contains": "b"}}),
            json!({"status": {"$startsWith": "pa", "$endsWith": "id", "$contains": "ai"}}),
            json!({"missing": {"$exists": false}, "gone": {"$exists": true}}),
            json!({"$or": [{"status": "open"}, {"amount": {"$gt": 1}}]}),
            json!({"$and": [{"status": "paid"}, {"$not": {"amount": {"$lt": 1}}}]}),
            json!({"status": {"$ne": "open"}}),
            json!({"tags": {"$eq": ["a", "b"]}, "customer": {"$eq": {"country": "DE"}}}),
        ] {
            assert!(matches(filter.clone(), order.clone()), "{filter} should match");
        }
        for filter in [
            json!({"status": "open"}),
            json!({"amount": {"$gt": "100"}}),
            json!({"missing": {"$gt": 1}}),
            json!({"status": {"$not": {"$eq": "paid"}}}),
            json!({"$or": []}),
            json!({"tags": {"$startsWith": "a"}}),
        ] {
            assert!(!matches(filter.clone(), order.clone()), "{filter} should not match");
        }
    }

    #[test]
    fn numbers_compare_as_numbers_of_any_length() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let payload = parse(r#"{"id": 12345678901234567890123, "n": 9007199254740993, "price": 1.50, "text": "10"}"#);
        let holds = |filter: &str| {
            PayloadFilter::parse(&parse(filter)).unwrap().matches(&payload, &mut Steps(1_000_000)).unwrap()
        };
        assert!(holds(r#"{"id": 12345678901234567890123}"#) && !holds(r#"{"id": 12345678901234567890124}"#));
        assert!(holds(r#"{"n": {"$gt": 9007199254740992.0}}"#) && !holds(r#"{"n": 9007199254740992}"#));
        assert!(holds(r#"{"price": {"$in": [1.5]}}"#) && holds(r#"{"price": {"$lt": 1.500001}}"#));
        assert!(!holds(r#"{"text": {"$gt": 9}}"#) && !holds(r#"{"text": 10}"#) && holds(r#"{"text": {"$lt": "9"}}"#));
    }

    #[test]
    fn a_wrong_filter_says_where_and_what_would_be_right() {
        let wrong = |filter: Value| PayloadFilter::parse(&filter).unwrap_err().to_string();
        assert!(wrong(json!({"a": {"$near": 1}})).starts_with("at \"a.$near\": is no operator; there are $eq"));
        assert!(wrong(json!({"a": {"$in": 1}})).contains("must be a list"));
        assert!(wrong(json!({"$gt": 1})).contains("outside of a field"));
        assert!(wrong(json!([])).contains("must be an object"));
        let deep = (0..40).fold(json!({"a": 1}), |inner, _| json!({"$not": inner}));
        assert!(wrong(deep).contains("deeper than 16"));
        assert!(wrong(json!({"a": {"$in": vec![1; 300]}})).starts_with("at \"a.$in\": has more than 256"));
        let wide = Value::Object((0..300).map(|n| (format!("f{n}"), json!(n))).collect());
        assert!(wrong(wide).contains("more than 256 conditions"));
    }
}
