//! Pairs of schemas, and what changed from one to the other.

use super::*;
use serde_json::{Map, json};

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
