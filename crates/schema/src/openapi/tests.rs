//! What comes out of documents, and what is wrong with others.

use super::*;
use serde_json::json;

/// The event types of a document with these webhooks and components.
fn imported(webhooks: Value, components: Value) -> Result<Vec<FromOpenApi>, String> {
    event_types(&json!({"openapi": "3.1.0", "webhooks": webhooks, "components": components}))
}

fn sends(schema: Value) -> Value {
    json!({"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}})
}

/// The schema of the one event type of a document.
fn schema_of(schema: Value, schemas: Value) -> Value {
    let all = imported(json!({"pet.new": sends(schema)}), json!({"schemas": schemas})).unwrap();
    all.into_iter().next().unwrap().schema.unwrap()
}

fn wrong(webhook: Value) -> String {
    imported(json!({"pet.new": webhook}), json!({})).unwrap_err()
}

#[test]
fn a_webhook_is_an_event_type() {
    let webhooks = json!({
        "pet.new": {"post": {
            "operationId": "made_up_by_a_framework",
            "summary": "New pet",
            "description": "A new pet has been added\n",
            "deprecated": true,
            "x-svix-feature-flags": ["beta-feature-a", "b"],
            "x-svix-group-name": "group-name-1",
            "requestBody": {"content": {"application/json": {
                "schema": {"type": "object", "properties": {"name": {"type": "string"}}},
                "example": {"name": "Buddy"}
            }}}
        }},
        "pet.gone": {"put": {"x-svix-feature-flag": "old", "requestBody": {"description": "Gone.", "content": {}}}},
        "pet.fed": {"summary": "Was fed", "post": {"responses": {}, "x-svix-group-name": null}}
    });
    let schema = json!({
        "type": "object", "properties": {"name": {"type": "string"}}, "examples": [{"name": "Buddy"}]
    });
    let plain = |name: &str, description: &str| FromOpenApi {
        name: name.to_owned(),
        description: description.to_owned(),
        schema: None,
        deprecated: false,
        group_name: None,
        feature_flags: Vec::new(),
    };
    let new = FromOpenApi {
        schema: Some(schema),
        deprecated: true,
        group_name: Some("group-name-1".to_owned()),
        feature_flags: vec!["beta-feature-a".to_owned(), "b".to_owned()],
        ..plain("pet.new", "A new pet has been added")
    };
    let gone = FromOpenApi { feature_flags: vec!["old".to_owned()], ..plain("pet.gone", "Gone.") };
    assert_eq!(imported(webhooks, json!({})), Ok(vec![new, gone, plain("pet.fed", "Was fed")]));
}

#[test]
fn yaml_and_json_are_read() {
    let lines = [
        "openapi: 3.1.0",
        "webhooks:",
        "  \"pet.new\":",
        "    post:",
        "      requestBody:",
        "        description: Information about a new pet",
        "        content:",
        "          application/json:",
        "            schema:",
        "              $ref: \"#/components/schemas/Pet\"",
        "      responses:",
        "        200: {description: Received}",
        "components:",
        "  schemas:",
        "    Pet:",
        "      required: [id, name]",
        "      properties:",
        "        id: {type: integer, format: int64}",
        "        name: {type: string}",
    ];
    let spec = read(&lines.join("\n")).unwrap();
    let all = event_types(&spec).unwrap();
    let schema = json!({
        "required": ["id", "name"],
        "properties": {"id": {"type": "integer", "format": "int64"}, "name": {"type": "string"}}
    });
    assert_eq!((all[0].name.as_str(), all[0].description.as_str()), ("pet.new", "Information about a new pet"));
    assert_eq!(all[0].schema, Some(schema));
    assert_eq!(read(&format!("\u{feff}{spec}")), Ok(spec));

    assert!(read("{\"a\": 1,}x").unwrap_err().starts_with("is no JSON: "));
    assert!(read("{a: 1}").is_ok());
    assert!(read("a: 1\na: 2").unwrap_err().starts_with("is no YAML that can be read: line 2: "));
    assert!(read(" ").unwrap_err().ends_with("there is nothing in it"));
}

#[test]
fn webhooks_are_found_at_both_places() {
    let old = json!({"openapi": "3.0.3", "x-webhooks": {"b": {"post": {}}, "a": {"post": {"summary": "old"}}}});
    let names = |spec: &Value| event_types(spec).unwrap().into_iter().map(|one| one.name).collect::<Vec<_>>();
    assert_eq!(names(&old), ["b", "a"]);
    let mut both = old;
    both["webhooks"] = json!({"a": {"post": {"summary": "new"}}});
    assert_eq!(names(&both), ["a", "b"]);
    assert_eq!(event_types(&both).unwrap()[0].description, "new");
}

#[test]
fn what_a_schema_refers_to_comes_along() {
    let schemas = json!({
        "Order": {"properties": {"buyer": {"$ref": "#/components/schemas/User"}, "id": {"type": "integer"}}},
        "User": {
            "properties": {"friends": {"items": {"$ref": "#/components/schemas/User"}}},
            "discriminator": {"propertyName": "kind", "mapping": {"a": "#/components/schemas/A"}}
        },
        "Unused": {"type": "string"}
    });
    let user = json!({"properties": {"friends": {"items": {"$ref": "#/$defs/User"}}}});
    assert_eq!(
        schema_of(json!({"$ref": "#/components/schemas/Order"}), schemas.clone()),
        json!({
            "properties": {"buyer": {"$ref": "#/$defs/User"}, "id": {"type": "integer"}},
            "$defs": {"User": user}
        })
    );
    // One that refers to itself is there twice: as the root, and as what the root refers to.
    let mut twice = user.clone();
    twice["$defs"] = json!({"User": user});
    assert_eq!(schema_of(json!({"$ref": "#/components/schemas/User"}), schemas.clone()), twice);
    // A part of a component brings the whole one; what is no component is named by where it stands.
    let of = json!({"allOf": [
        {"$ref": "#/components/schemas/Order/properties/id"},
        {"$ref": "#/webhooks/pet.new/post/requestBody/content/application~1json/schema/properties/x"}
    ], "properties": {"x": {"type": "null"}}});
    let made = schema_of(of, schemas);
    assert_eq!(made["allOf"][0]["$ref"], "#/$defs/Order/properties/id");
    let reference = made["allOf"][1]["$ref"].as_str().unwrap();
    assert_eq!(made.pointer(&pointer(reference).unwrap()), Some(&json!({"type": "null"})));
    assert_eq!(made["$defs"].as_object().unwrap().len(), 3, "{made}");
}

#[test]
fn a_schema_that_was_made_by_itself_keeps_its_own_definitions() {
    let pydantic = json!({
        "properties": {
            "pet": {"$ref": "#/$defs/Pet"}, "all": {"$ref": "#"}, "other": {"$ref": "#/components/schemas/Pet"}
        },
        "$defs": {"Pet": {"type": "string"}}
    });
    let component = json!({"Pet": {"items": {"$ref": "#/definitions/A B"}, "definitions": {"A B": {"type": "null"}}}});
    let made = schema_of(pydantic, component);
    assert_eq!(
        made["properties"],
        json!({
            "pet": {"$ref": "#/$defs/Pet"}, "all": {"$ref": "#"}, "other": {"$ref": "#/$defs/Pet_"}
        })
    );
    assert_eq!(made["$defs"]["Pet"], json!({"type": "string"}));
    assert_eq!(made["$defs"]["Pet_"]["items"]["$ref"], "#/$defs/Pet_/definitions/A B");
}

#[test]
fn odd_names_are_encoded_in_references() {
    let schemas = json!({"Page[Pet]": {"type": "string"}, "a~b/c": {"type": "null"}});
    let made = schema_of(
        json!({"anyOf": [
            {"$ref": "#/components/schemas/Page%5BPet%5D"},
            {"$ref": "#/components/schemas/Page[Pet]"},
            {"$ref": "#/components/schemas/a~0b~1c"}
        ]}),
        schemas,
    );
    let references: Vec<&str> = (0..3_usize).filter_map(|n| made["anyOf"][n]["$ref"].as_str()).collect();
    assert_eq!(references, ["#/$defs/Page%5BPet%5D", "#/$defs/Page%5BPet%5D", "#/$defs/a~0b~1c"]);
    assert_eq!(made["$defs"], json!({"Page[Pet]": {"type": "string"}, "a~b/c": {"type": "null"}}));
}

#[test]
fn keywords_are_told_from_names_and_from_data() {
    let given = json!({
        "$id": "https://example.com/pet",
        "properties": {
            "$ref": {"type": "string", "nullable": true},
            "nullable": {"type": "boolean"},
            "$id": {"type": "string"}
        },
        "default": {"$ref": "no reference", "nullable": true},
        "enum": [{"$ref": "neither"}],
        "x-mine": {"$ref": "nor this"}
    });
    let made = schema_of(given.clone(), json!({}));
    assert_eq!(
        made["properties"],
        json!({
            "$ref": {"type": ["string", "null"]}, "nullable": {"type": "boolean"}, "$id": {"type": "string"}
        })
    );
    for same in ["default", "enum", "x-mine"] {
        assert_eq!(made[same], given[same]);
    }
    assert!(made.get("$id").is_none());
}

#[test]
fn words_of_openapi_3_0_become_json_schema() {
    let made = |rules: Value| schema_of(json!({"items": rules}), json!({"A": {"type": "string"}}))["items"].clone();
    for (given, wanted) in [
        (json!({"type": "string", "nullable": true}), json!({"type": ["string", "null"]})),
        (json!({"type": "string", "nullable": false}), json!({"type": "string"})),
        (json!({"type": ["string", "null"], "nullable": true}), json!({"type": ["string", "null"]})),
        (
            json!({"type": "string", "enum": ["a"], "nullable": true}),
            json!({"type": ["string", "null"], "enum": ["a", null]}),
        ),
        (
            json!({"allOf": [{"$ref": "#/components/schemas/A"}], "nullable": true}),
            json!({"anyOf": [{"allOf": [{"$ref": "#/$defs/A"}]}, {"type": "null"}]}),
        ),
        (json!({"description": "Any", "nullable": true}), json!({"description": "Any"})),
        (json!({"minimum": 1, "exclusiveMinimum": true}), json!({"exclusiveMinimum": 1})),
        (json!({"maximum": 1, "exclusiveMaximum": false}), json!({"maximum": 1})),
        (json!({"exclusiveMaximum": 5}), json!({"exclusiveMaximum": 5})),
    ] {
        assert_eq!(made(given.clone()), wanted, "{given}");
    }
}

#[test]
fn bodies_items_and_examples_may_be_references() {
    let webhooks = json!({"pet.new": {"$ref": "#/components/pathItems/New"}});
    let components = json!({
        "pathItems": {"New": {"post": {"requestBody": {"$ref": "#/components/requestBodies/Pet"}}}},
        "requestBodies": {"Pet": {"content": {
            "text/plain": {"schema": {"type": "string"}},
            "application/cloudevents+json; charset=utf-8": {
                "schema": {"type": "object"},
                "examples": {"one": {"$ref": "#/components/examples/One"}, "two": {"value": 2}, "three": {}}
            }
        }}},
        "examples": {"One": {"value": {"n": 1}}}
    });
    let all = imported(webhooks, components).unwrap();
    assert_eq!(all[0].schema, Some(json!({"type": "object", "examples": [{"n": 1}, 2]})));
    let all = imported(json!({"any": sends(json!(true)), "none": {"post": {}}}), json!({})).unwrap();
    assert_eq!((&all[0].schema, &all[1].schema), (&Some(json!({})), &None));
}

#[test]
fn what_is_wrong_is_told_with_what_would_be_right() {
    assert!(event_types(&json!([])).unwrap_err().starts_with("is no OpenAPI document"));
    for empty in [json!({"paths": {}}), json!({"webhooks": {}}), json!({"webhooks": null})] {
        let problem = event_types(&empty).unwrap_err();
        assert!(problem.contains("\"webhooks\" (OpenAPI 3.1) and \"x-webhooks\" (3.0)"), "{problem}");
    }
    assert!(event_types(&json!({"webhooks": []})).unwrap_err().starts_with("has \"webhooks\" that is no object"));
    assert!(wrong(json!({"parameters": []})).starts_with("webhook \"pet.new\" has no operation"));
    assert!(wrong(json!({"post": {"x-svix-feature-flags": "beta"}})).contains("such as [\"beta\"]"));
    assert!(wrong(json!({"post": {"x-svix-feature-flags": [1]}})).contains("such as [\"beta\"]"));
    assert!(wrong(json!({"post": {"x-svix-group-name": 1}})).contains("x-svix-group-name that is no text"));
    assert!(wrong(sends(json!({"$ref": "pet.yaml"}))).contains("refers to \"pet.yaml\"; only references within"));
    let gone = json!({"items": {"$ref": "#/components/schemas/Gone"}});
    let problem = wrong(sends(gone));
    assert_eq!(
        problem,
        "webhook \"pet.new\" refers to \"#/components/schemas/Gone\", which the document does not have"
    );
    assert!(wrong(sends(json!("string"))).contains("a schema that is no object"));
    assert!(wrong(sends(json!(false))).contains("no payload could be right"));
    assert!(wrong(json!({"$ref": "#/webhooks/pet.new"})).contains("go in a circle"));
    let circle = json!({"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}});
    let webhooks = json!({"a": sends(json!({"$ref": "#/components/schemas/A"}))});
    assert!(imported(webhooks, json!({"schemas": circle})).unwrap_err().contains("go in a circle"));
}

#[test]
fn there_are_limits() {
    let many = |count: usize| (0..count).map(|n| (format!("e{n}"), json!({"post": {}}))).collect::<Map<_, _>>();
    assert_eq!(imported(json!(many(1_000)), json!({})).unwrap().len(), 1_000);
    let problem = imported(json!(many(1_001)), json!({})).unwrap_err();
    assert_eq!(problem, "describes 1001 webhooks; at most 1000 can be imported at once, so split it");

    // A document of 200 KB whose bundles would have 100 MB.
    let schemas = json!({"Long": {"description": "x".repeat(100_000)}});
    let of = json!({"items": {"$ref": "#/components/schemas/Long"}});
    let all = (0..1_000).map(|n| (format!("e{n}"), sends(of.clone())));
    let problem = imported(json!(all.collect::<Map<_, _>>()), json!({"schemas": schemas})).unwrap_err();
    assert!(problem.contains("more than 26214400 bytes"), "{problem}");
}
