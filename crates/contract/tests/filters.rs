//! Payload filters at their limits: 16 levels, 256 conditions and values.
#![allow(clippy::unwrap_used)]

use postrider_contract::{PayloadFilter, Steps};
use serde_json::{Value, json};

/// What a filter is made of, how many of it are allowed, and a filter with so many.
type Kind<'a> = (&'a str, usize, &'a dyn Fn(usize) -> Value);

fn wrong(filter: &Value) -> Option<String> {
    PayloadFilter::parse(filter).err().map(|problem| problem.to_string())
}

/// Whether a payload passes a filter that is right.
fn matches(filter: &Value, payload: &Value) -> bool {
    PayloadFilter::parse(filter).unwrap().matches(payload, &mut Steps(1_000_000)).unwrap()
}

/// `levels` wrappings around a value.
fn nested(levels: usize, inner: Value, wrap: fn(Value) -> Value) -> Value {
    (0..levels).fold(inner, |inner, _| wrap(inner))
}

fn field(inner: Value) -> Value {
    json!({"a": inner})
}

fn list(inner: Value) -> Value {
    json!([inner])
}

/// A filter of 16 levels is right, and the same with one level more is not, whatever the levels are made of.
#[test]
fn sixteen_levels_are_the_most_of_any_kind() {
    let is = |levels: usize, make: &dyn Fn(usize) -> Value| (wrong(&make(levels)), wrong(&make(levels + 1)));
    let kinds: [Kind<'_>; 7] = [
        ("fields", 16, &|levels| nested(levels, json!(1), field)),
        ("$not", 15, &|levels| nested(levels, field(json!(1)), |inner| json!({"$not": inner}))),
        ("$and", 15, &|levels| nested(levels, field(json!(1)), |inner| json!({"$and": [inner]}))),
        ("$or", 15, &|levels| nested(levels, field(json!(1)), |inner| json!({"$or": [{"b": 1}, inner]}))),
        ("lists of a field", 15, &|levels| field(nested(levels, json!(1), list))),
        ("lists of $eq", 14, &|levels| json!({"a": {"$eq": nested(levels, json!(1), list)}})),
        ("objects of $eq", 14, &|levels| json!({"a": {"$eq": nested(levels, json!(1), field)}})),
    ];
    for (kind, levels, make) in kinds {
        let (right, deeper) = is(levels, make);
        assert_eq!(right, None, "{levels} {kind}");
        let said = deeper.unwrap_or_else(|| panic!("{} {kind} are too many", levels + 1));
        assert!(said.ends_with("is nested deeper than 16 levels"), "{kind}: {said}");
    }
}

#[test]
fn two_hundred_and_fifty_six_conditions_and_values_are_the_most_wherever_they_are() {
    let object = |count: usize| Value::Object((0..count).map(|n| (format!("f{n}"), json!(n))).collect());
    let kinds: [Kind<'_>; 6] = [
        ("conditions", 256, &|count| object(count)),
        ("below one field", 255, &|count| json!({"a": object(count)})),
        ("values of a field", 255, &|count| json!({"a": vec![1; count]})),
        ("values of $in", 254, &|count| json!({"a": {"$in": vec![1; count]}})),
        ("members of an object that is compared with", 254, &|count| json!({"a": {"$eq": object(count)}})),
        ("values deeper in a list", 253, &|count| json!({"a": {"$in": [vec![1; count]]}})),
    ];
    for (kind, count, make) in kinds {
        assert_eq!(wrong(&make(count)), None, "{count} {kind}");
        let said = wrong(&make(count + 1)).unwrap_or_else(|| panic!("{} {kind} are too many", count + 1));
        assert!(said.ends_with("has more than 256 conditions and values"), "{kind}: {said}");
    }
    // Together, too.
    assert_eq!(wrong(&json!({"$and": [object(127), object(128)]})), None);
    assert!(wrong(&json!({"$and": [object(128), object(128)]})).is_some());
}

#[test]
fn orders_differ_at_the_value_itself() {
    let holds = |filter: Value, n: i32| matches(&json!({"n": filter}), &json!({"n": n}));
    for (operator, below, at, above) in [
        ("$gt", false, false, true),
        ("$gte", false, true, true),
        ("$lt", true, false, false),
        ("$lte", true, true, false),
    ] {
        let got = [4, 5, 6].map(|n| holds(json!({operator: 5}), n));
        assert_eq!(got, [below, at, above], "{operator}");
    }
}

#[test]
fn a_missing_field_is_null_and_does_not_exist() {
    let holds = |filter: Value| matches(&filter, &json!({"null": null, "list": [1, {"b": 2}]}));
    assert!(holds(json!({"none": null})) && holds(json!({"null": null})) && holds(json!({"none": {"$in": [null]}})));
    assert!(holds(json!({"none": {"$exists": false}})) && !holds(json!({"none": {"$exists": true}})));
    assert!(holds(json!({"null": {"$exists": true}})) && !holds(json!({"null": {"$exists": false}})));
    assert!(holds(json!({"none": {"$ne": 1}})) && !holds(json!({"none": {"$ne": null}})));
    assert!(holds(json!({"none": {"$nin": [1]}})) && !holds(json!({"none": {"$nin": [null]}})));
    // A number steps into a list, and a name does not.
    assert!(holds(json!({"list.1.b": 2})) && !holds(json!({"list.b": 2})) && !holds(json!({"list.2": 1})));
}

#[test]
fn texts_are_found_in_texts_and_values_in_lists() {
    let payload = json!({"text": "abc", "list": ["abc", 1, [2], {"a": 1}], "object": {"a": [1, 2]}});
    let holds = |filter: Value| matches(&filter, &payload);
    for right in [
        json!({"text": {"$contains": "b"}}),
        json!({"list": {"$contains": "abc"}}),
        json!({"list": {"$contains": 1.0}}),
        json!({"list": {"$contains": [2]}}),
        json!({"list": {"$contains": {"a": 1.0}}}),
        json!({"object": {"$eq": {"a": [1.0, 2]}}}),
        json!({"text": {"$startsWith": "ab"}}),
        json!({"text": {"$endsWith": "bc"}}),
    ] {
        assert!(holds(right.clone()), "{right}");
    }
    for other in [
        json!({"text": {"$contains": "d"}}),
        json!({"text": {"$contains": 1}}),
        json!({"list": {"$contains": "b"}}),
        json!({"list": {"$contains": [2, 2]}}),
        json!({"list": {"$contains": {"a": 1, "b": 2}}}),
        json!({"list": {"$contains": {"b": 1}}}),
        json!({"object": {"$eq": {"a": [1]}}}),
        json!({"object": {"$eq": {}}}),
        json!({"object": {"$contains": "a"}}),
        json!({"text": {"$startsWith": "bc"}}),
        json!({"text": {"$endsWith": "ab"}}),
        json!({"none": {"$contains": "a"}}),
    ] {
        assert!(!holds(other.clone()), "{other}");
    }
}

#[test]
fn each_operator_says_what_it_takes() {
    for (filter, said) in [
        (json!({"a": {"$startsWith": 1}}), "at \"a.$startsWith\": must be a text"),
        (json!({"a": {"$endsWith": []}}), "at \"a.$endsWith\": must be a text"),
        (json!({"a": {"$exists": "yes"}}), "at \"a.$exists\": must be true or false"),
        (json!({"a": {"$gt": true}}), "at \"a.$gt\": must be a number or a text"),
        (json!({"a": {"$lte": null}}), "at \"a.$lte\": must be a number or a text"),
        (json!({"a": {"$nin": 1}}), "at \"a.$nin\": must be a list"),
        (json!({"$or": {}}), "at \"$or\": must be a list"),
        (json!({"$not": 1}), "at \"$not\": must be an object such as {\"amount\": {\"$gt\": 100}}"),
        (json!({"b": {"c": {"$exists": 1}}}), "at \"b.c.$exists\": must be true or false"),
    ] {
        assert_eq!(wrong(&filter).as_deref(), Some(said));
    }
}
