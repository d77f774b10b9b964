//! Payloads against the schemas of their event types, the versions of these, and where they come from.

use super::started;
use postrider_testkit::app::{App, id};
use serde_json::{Value, json};

fn order(version: u32) -> Value {
    let mut schema = json!({
        "type": "object", "required": ["id", "amount"],
        "properties": {"id": {"type": "string"}, "amount": {"type": "number", "minimum": 0},
            "lines": {"type": "array", "items": {"type": "object", "required": ["sku"]}}},
    });
    if version > 1 {
        schema["properties"]["amount"] = json!({"type": "integer", "minimum": 0});
        schema["properties"]["currency"] = json!({"enum": ["EUR", "CHF"]});
        schema["required"] = json!(["id", "currency"]);
    }
    schema
}

async fn with_orders(validation: &str) -> (App, String) {
    let (app, _) = started().await;
    let schemas = json!({"1": order(1), "2": order(2)});
    let form = json!({"name": "order.paid", "description": "x", "schemas": schemas, "payloadValidation": validation});
    app.post("/api/v1/event-type", form).await.expect(201);
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": "http://127.0.0.1:1/", "retrySchedule": []})).await;
    (app, format!("/api/v1/app/{acme}/msg"))
}

#[tokio::test]
async fn a_payload_that_does_not_fit_is_refused_with_its_path_where_that_is_enforced() {
    let (app, path) = with_orders("enforce").await;
    let paid = |payload: Value, version: Option<&str>| json!({"eventType": "order.paid", "payload": payload, "schemaVersion": version});
    let good = json!({"id": "7", "amount": 3, "currency": "CHF"});
    app.post(&path, paid(good.clone(), None)).await.expect(202);
    let refused = app.post(&path, paid(json!({"id": 7, "currency": "USD", "lines": [{}, {"sku": 1}]}), None)).await;
    let detail = refused.expect(422)["detail"].clone();
    let places: Vec<&Value> = detail.as_array().unwrap().iter().map(|problem| &problem["loc"]).collect();
    assert_eq!(
        places,
        [
            &json!(["body", "payload", "id"]),
            &json!(["body", "payload", "currency"]),
            &json!(["body", "payload", "lines", "0"])
        ],
        "{detail}"
    );
    assert_eq!(detail[0]["msg"], "7 is not of type \"string\"");
    assert_eq!(detail[0]["type"], "schema_error");
    // An older version, where the message says so.
    let older = json!({"id": "7", "amount": 1.5});
    app.post(&path, paid(older.clone(), None)).await.expect(422);
    app.post(&path, paid(older, Some("1"))).await.expect(202);
    let refused = app.post(&path, paid(good.clone(), Some("3"))).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "schemaVersion"]));
    // In a batch each has its own answer; other event types are not looked at.
    let batch = json!({"messages": [paid(good, None), paid(json!(7), None), {"eventType": "other", "payload": 7}]});
    let answers = app.post(&format!("{path}/batch"), batch).await.expect(202);
    let statuses: Vec<&Value> = answers["data"].as_array().unwrap().iter().map(|item| &item["status"]).collect();
    assert_eq!(statuses, [202, 422, 202]);
    // What is wrong with a large payload is told in few words.
    let large = json!({"id": vec!["x".repeat(1_000); 100], "currency": "EUR"});
    let refused = app.post(&path, paid(large, None)).await.expect(422);
    assert!(refused["detail"][0]["msg"].as_str().unwrap().chars().count() <= 501, "{refused}");
}

#[tokio::test]
async fn whoever_only_warns_gets_the_message_and_a_warning() {
    let (app, path) = with_orders("warn").await;
    let wrong = json!({"eventType": "order.paid", "payload": {"id": 7, "currency": "EUR"}});
    let sent = app.post(&path, wrong.clone()).await.expect(202);
    let mismatch =
        json!({"loc": ["body", "payload", "id"], "code": "schema_mismatch", "msg": "7 is not of type \"string\""});
    assert_eq!(sent["warnings"][0], mismatch);
    let stored = app.get(&format!("{path}/{}", id(&sent))).await.expect(200);
    assert_eq!(stored["payload"], wrong["payload"]);
    let batch = app.post(&format!("{path}/batch"), json!({"messages": [wrong]})).await.expect(202);
    assert_eq!(batch["data"][0]["message"]["warnings"][0], mismatch);
    // A PUT by a client that does not know of it leaves it as it is; PATCH changes it.
    let put = json!({"description": "y", "schemas": {"1": order(1)}});
    assert_eq!(app.put("/api/v1/event-type/order.paid", put).await.expect(200)["payloadValidation"], "warn");
    let off = app.patch("/api/v1/event-type/order.paid", json!({"payloadValidation": "off"})).await.expect(200);
    assert_eq!(off["payloadValidation"], "off");
    let sent = app.post(&path, json!({"eventType": "order.paid", "payload": 7})).await.expect(202);
    assert_eq!(sent.get("warnings"), None);
    let broken = json!({"payloadValidation": "warn", "schemas": {"1": {"type": "nothing"}}});
    let refused = app.patch("/api/v1/event-type/order.paid", broken).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "schemas", "1"]));
}

#[tokio::test]
async fn versions_are_listed_and_compared() {
    let (app, _) = with_orders("off").await;
    let listed = app.get("/api/v1/schema?eventType=order.paid").await.expect(200);
    let versions: Vec<Value> =
        listed["data"].as_array().unwrap().iter().map(|row| json!([row["version"], row["latest"]])).collect();
    assert_eq!(versions, [json!(["1", false]), json!(["2", true])]);
    let compared = app.get("/api/v1/schema/compare?eventType=order.paid").await.expect(200);
    assert_eq!((&compared["from"], &compared["to"], &compared["breaking"]), (&json!("1"), &json!("2"), &json!(true)));
    let told: Vec<Value> =
        compared["data"].as_array().unwrap().iter().map(|row| json!([row["path"], row["breaking"]])).collect();
    assert!(told.contains(&json!(["/amount", true])) && told.contains(&json!(["/currency", false])), "{compared}");
    let back = app.get("/api/v1/schema/compare?eventType=order.paid&from=2&to=2").await.expect(200);
    assert_eq!(back["data"], json!([]));
    app.get("/api/v1/schema/compare?eventType=order.paid&from=9").await.expect(422);
    app.get("/api/v1/schema?eventType=nothing").await.expect(404);
    app.get("/api/v1/schema").await.expect(422);
}

#[tokio::test]
async fn event_types_come_out_of_an_openapi_document() {
    let (app, _) = started().await;
    app.post("/api/v1/event-type", json!({"name": "old.one", "description": "x"})).await.expect(201);
    let spec = r##"
openapi: 3.1.0
info: {title: Shop, version: "1"}
webhooks:
  order.paid:
    post:
      description: An order was paid.
      x-svix-group-name: order
      requestBody:
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Order"}
  order.lost:
    post: {summary: An order is gone., deprecated: true}
components:
  schemas:
    Order: {type: object, required: [id], properties: {id: {type: string}, parent: {$ref: "#/components/schemas/Order"}}}
"##;
    let path = "/api/v1/event-type/import/openapi";
    let dry = app.post(path, json!({"specRaw": spec, "dryRun": true})).await.expect(200);
    assert_eq!(dry["data"]["modified"], json!([]));
    assert_eq!(dry["data"]["to_modify"].as_array().unwrap().len(), 2);
    let dry = app.post(path, json!({"specRaw": spec, "dryRun": true, "replaceAll": true})).await.expect(200);
    let rows = dry["data"]["to_modify"].as_array().unwrap();
    let gone: Vec<&Value> = rows.iter().filter(|row| row["archived"] == true).map(|row| &row["name"]).collect();
    assert_eq!(gone, ["old.one"]);
    let odd = json!({"openapi": "3.1.0", "webhooks": {"bad name": {"post": {}}}});
    let refused = app.post(path, json!({"spec": odd})).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "webhooks", "bad name", "name"]));
    app.get("/api/v1/event-type/order.paid").await.expect(404);
    let made = app.post(path, json!({"specRaw": spec, "replaceAll": true})).await.expect(200);
    let mut names: Vec<&str> =
        made["data"]["modified"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["old.one", "order.lost", "order.paid"]);
    assert_eq!(app.get("/api/v1/event-type/old.one").await.expect(200)["archived"], true);
    let paid = app.get("/api/v1/event-type/order.paid").await.expect(200);
    assert_eq!((&paid["description"], &paid["groupName"]), (&json!("An order was paid."), &json!("order")));
    assert_eq!(app.get("/api/v1/event-type/order.lost").await.expect(200)["deprecated"], true);
    // It stands by itself, with what it refers to.
    app.patch("/api/v1/event-type/order.paid", json!({"payloadValidation": "enforce"})).await.expect(200);
    let acme = app.application().await;
    let send = async |payload: Value| {
        let form = json!({"eventType": "order.paid", "payload": payload});
        app.post(&format!("/api/v1/app/{acme}/msg"), form).await.status
    };
    assert_eq!(send(json!({"id": "1", "parent": {"id": "0"}})).await, 202);
    assert_eq!(send(json!({"id": "1", "parent": {"id": 0}})).await, 422);
    // Once more changes nothing; another schema is another version.
    assert_eq!(app.post(path, json!({"specRaw": spec})).await.expect(200)["data"]["modified"], json!([]));
    let other = spec.replace("required: [id]", "required: []");
    assert_eq!(app.post(path, json!({"specRaw": other})).await.expect(200)["data"]["modified"], json!(["order.paid"]));
    let versions = app.get("/api/v1/schema?eventType=order.paid").await.expect(200);
    assert_eq!(versions["data"].as_array().unwrap().len(), 2);
    let compared = app.get("/api/v1/schema/compare?eventType=order.paid").await.expect(200);
    assert_eq!(compared["breaking"], true, "{compared}");

    app.post(path, json!({})).await.expect(400);
    app.post(path, json!({"spec": {}, "specRaw": "x"})).await.expect(400);
    let none = app.post(path, json!({"spec": {"openapi": "3.1.0"}})).await.expect(422);
    assert_eq!(none["detail"][0]["loc"], json!(["body", "spec"]));
    let bomb = format!(
        "a: &a [{}]\n{}",
        "x,".repeat(100),
        (0..40)
            .map(|n| {
                let before = if n == 0 { "a".to_owned() } else { format!("b{}", n - 1) };
                format!("b{n}: &b{n} [{}]\n", format!("*{before},").repeat(10))
            })
            .collect::<String>()
    );
    let refused = app.post(path, json!({"specRaw": bomb})).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "specRaw"]));
    let wrong = spec.replace("order.lost", "order lost");
    app.post(path, json!({"specRaw": wrong})).await.expect(422);
}

/// References through references, each used `times` in the one before.
fn references(levels: usize, times: usize, last: Value) -> Value {
    let mut defs = serde_json::Map::new();
    for n in 0..levels {
        let next = vec![json!({"$ref": format!("#/$defs/d{}", n + 1)}); times];
        defs.insert(format!("d{n}"), json!({"allOf": next}));
    }
    defs.insert(format!("d{levels}"), last);
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

#[tokio::test]
async fn what_a_schema_may_ask_for_is_bounded() {
    let (app, _) = started().await;
    let register = async |name: &str, schema: Value| {
        let form = json!({"name": name, "description": "x", "payloadValidation": "enforce", "schemas": {"1": schema}});
        app.post("/api/v1/event-type", form).await
    };
    let doubled = register("doubled", references(9, 2, json!({"required": ["z"]}))).await.expect(422);
    assert_eq!(doubled["detail"][0]["loc"], json!(["body", "schemas", "1"]));
    let says = doubled["detail"][0]["msg"].as_str().unwrap().to_owned();
    assert!(says.contains("compares one value with more than 1000 schemas"), "{says}");
    let link = |n: usize| (format!("d{n}"), json!({"properties": {"a": {"$ref": format!("#/$defs/d{}", n + 1)}}}));
    let chain =
        |links: usize| json!({"$ref": "#/$defs/d0", "$defs": (0..links).map(link).collect::<serde_json::Map<_, _>>()});
    register("chained", chain(20_000)).await.expect(422);
    // The same, where each is defined before the one that leads to it.
    let back = |n: usize| (format!("b{n}"), json!({"properties": {"a": {"$ref": format!("#/$defs/b{}", n - 1)}}}));
    let mut backwards: serde_json::Map<_, _> = [("b0".to_owned(), json!({}))].into_iter().collect();
    backwards.extend((1..=5_000).map(back));
    let backwards = json!({"$defs": backwards, "properties": {"a": {"$ref": "#/$defs/b5000"}}});
    let refused = register("backwards", backwards).await.expect(422);
    assert!(refused["detail"][0]["msg"].as_str().unwrap().contains("1000 steps"), "{refused}");
    register("circle", json!({"allOf": [{"$ref": "#"}]})).await.expect(422);
    for version in ["", "99999999999999999999999"] {
        let form = json!({"name": "numbered", "description": "x", "schemas": {version: {}}});
        let refused = app.post("/api/v1/event-type", form).await.expect(422);
        assert!(refused["detail"][0]["msg"].as_str().unwrap().contains("version"), "{refused}");
    }

    // The deepest that is taken, with the deepest payload.
    let mut links = chain(240);
    links["$defs"]["d240"] = json!({});
    register("links", links).await.expect(201);
    let again = json!({"properties": {"a": {"$ref": "#"}}, "type": "object"});
    register("deep", references(9, 1, again)).await.expect(201);
    let acme = app.application().await;
    let path = format!("/api/v1/app/{acme}/msg");
    let mut payload = json!({});
    for _ in 0..120 {
        payload = json!({"a": payload});
    }
    for name in ["links", "deep"] {
        app.post(&path, json!({"eventType": name, "payload": payload})).await.expect(202);
    }
    // Very many mistakes: one of them is told.
    register("many", references(3, 6, json!({"items": {"required": ["z"]}}))).await.expect(201);
    let payload = vec![json!({}); 20_000];
    let told = app.post(&path, json!({"eventType": "many", "payload": {"a": 1}})).await;
    told.expect(202);
    let told = app.post(&path, json!({"eventType": "many", "payload": payload})).await.expect(422);
    assert_eq!(told["detail"].as_array().unwrap().len(), 1);
}

/// A schema that is compared twice with what is inside, and so on inwards: in a circle, and in a row.
#[tokio::test]
async fn a_schema_that_doubles_with_each_level_of_the_payload_takes_no_longer() {
    let (app, _) = started().await;
    let twice = |next: String| {
        let inside = json!({"properties": {"a": {"$ref": next}}});
        json!({"type": "object", "allOf": [inside, inside]})
    };
    let register = async |name: &str, schema: Value| {
        let form = json!({"name": name, "description": "x", "payloadValidation": "enforce", "schemas": {"1": schema}});
        app.post("/api/v1/event-type", form).await
    };
    let link = |n: usize| (format!("d{n}"), twice(format!("#/$defs/d{}", n + 1)));
    let mut row: serde_json::Map<_, _> = (0..40).map(link).collect();
    row.insert("d40".to_owned(), json!({"type": "object"}));
    let refused = register("row", json!({"$ref": "#/$defs/d0", "$defs": row})).await.expect(422);
    assert!(refused["detail"][0]["msg"].as_str().unwrap().contains("one value inside the payload"), "{refused}");

    register("circle", twice("#".to_owned())).await.expect(201);
    let acme = app.application().await;
    let send = async |name: &str, levels: usize, innermost: Value| {
        let payload = (0..levels).fold(innermost, |inner, _| json!({"a": inner}));
        app.post(&format!("/api/v1/app/{acme}/msg"), json!({"eventType": name, "payload": payload})).await
    };
    send("circle", 90, json!({})).await.expect(202);
    let refused = send("circle", 90, json!(7)).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "payload"]));
    assert_eq!(refused["detail"][0]["type"], "schema_error");
    let refused = send("circle", 3, json!(7)).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "payload", "a", "a", "a"]));

    // However it doubles.
    let again = json!({"$ref": "#"});
    let inside = json!({"properties": {"a": again}});
    for (name, schema) in [
        ("any", json!({"type": "object", "anyOf": [{"properties": {"a": again}, "required": ["x"]}, inside]})),
        ("one", json!({"type": "object", "oneOf": [{"properties": {"a": again}, "required": ["x"]}, inside]})),
        ("pattern", json!({"type": "object", "properties": {"a": again}, "patternProperties": {"^a": again}})),
        ("if", json!({"type": "object", "if": inside, "then": inside, "else": inside})),
        ("open", json!({"type": "object", "allOf": [inside, inside], "unevaluatedProperties": again})),
        ("named", json!({"type": "object", "allOf": [inside, {"dependentSchemas": {"a": inside}}]})),
        (
            "dynamic",
            json!({"$dynamicAnchor": "node", "type": "object", "allOf": [
            {"properties": {"a": {"$dynamicRef": "#node"}}}, {"properties": {"a": {"$dynamicRef": "#node"}}}]}),
        ),
    ] {
        register(name, schema).await.expect(201);
        send(name, 90, json!({})).await.expect(202);
        send(name, 90, json!(7)).await.expect(422);
    }
}
