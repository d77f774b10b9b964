//! What a response sets is there when the next message comes: conversations of several steps.

use super::started;
use postrider_testkit::app::{Client, id};
use postrider_testkit::receiver::{Answer, Received, Receiver};
use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use url::form_urlencoded;

const ROUNDS: usize = 60;

async fn service(app: &Client, receiver: &Receiver, acme: &str, path: &str) -> String {
    app.endpoint(acme, json!({"url": receiver.url(path), "secret": "s"})).await
}

async fn project(app: &Client) -> String {
    id(&app.post("/api/v1/app", json!({"name": "Acme", "contract": "telerivet"})).await.expect(201))
}

fn set(variables: Value) -> Answer {
    let body = json!({"variables": variables}).to_string();
    Answer::status(200).header("content-type", "application/json").body(body)
}

/// Sends one message of a contact and waits until its webhooks have answered.
async fn say(app: &Client, acme: &str, contact: &str, more: Value) {
    let mut payload = json!({"id": "SM1", "from_number": "+1", "contact_id": contact});
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let form = json!({"eventType": "incoming_message", "payload": payload});
    let sent = app.post(&format!("/api/v1/app/{acme}/msg?wait=20"), form).await.expect(202);
    assert_eq!(sent["reply"]["done"], true);
}

/// The same rounds in every run: what each of two services sets, by name; `null` takes it away.
fn made_up() -> Vec<[BTreeMap<String, Value>; 2]> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zà-þ &=+%\\[\\]'\"~]{0,8}".prop_map(Value::from),
    ];
    // Of the application, each service has its own names: of one name, the last word would count, and nobody knows
    // whose that is.
    let names =
        |mine: &str| string_regex(&format!("(contact\\.vars\\.{mine}[0-3]|state\\.(id|vars\\.[a-c]))")).unwrap();
    let strategy = [names("x"), names("y")].map(|names| btree_map(names, value.clone(), 0..4));
    let mut runner = TestRunner::deterministic();
    (0..ROUNDS).map(|_| strategy.each_ref().map(|one| one.new_tree(&mut runner).unwrap().current())).collect()
}

/// As a form has it.
fn text(value: &Value) -> String {
    match value {
        Value::Bool(flag) => u8::from(*flag).to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `contact.vars.x1` as a form has it.
fn parameter(name: &str) -> String {
    let mut parts = name.split('.');
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |name, part| format!("{name}[{part}]"))
}

#[tokio::test]
async fn whatever_two_services_set_at_once_both_find_it_with_the_next_message() {
    let (app, receiver) = started().await;
    let acme = project(&app).await;
    let services = ["/one", "/two"];
    for path in services {
        service(&app, &receiver, &acme, path).await;
    }
    let (mut contact, mut states) = (BTreeMap::new(), [BTreeMap::new(), BTreeMap::new()]);
    for round in made_up() {
        for (path, sets) in services.iter().zip(&round) {
            receiver.answer(path, set(json!(sets)));
        }
        say(&app, &acme, "CT1", json!({})).await;
        for (n, sets) in round.into_iter().enumerate() {
            for (name, value) in sets {
                let known = if name.starts_with("state.") { &mut states[n] } else { &mut contact };
                match value {
                    Value::Null => known.remove(&parameter(&name)),
                    value => known.insert(parameter(&name), text(&value)),
                };
            }
        }
        receiver.answer("/one", Answer::status(200));
        receiver.answer("/two", Answer::status(200));
        say(&app, &acme, "CT1", json!({})).await;
        for (path, state) in services.iter().zip(&states) {
            let mut came = parameters(receiver.received(path).last().unwrap());
            assert_eq!(came.remove("state[time_created]").is_some(), state.contains_key("state[id]"));
            let wanted: BTreeMap<String, String> = contact.clone().into_iter().chain(state.clone()).collect();
            assert_eq!(came, wanted, "{path}");
        }
    }
}

/// The parameters of a form that begin with `contact[` or `state[`.
fn parameters(received: &Received) -> BTreeMap<String, String> {
    let pairs = form_urlencoded::parse(&received.body).into_owned();
    pairs.filter(|(name, _)| name.starts_with("contact[") || name.starts_with("state[")).collect()
}

fn last(receiver: &Receiver, path: &str) -> Value {
    let mut found = parameters(receiver.received(path).last().unwrap());
    if let Some(time) = found.remove("state[time_created]") {
        let seconds: i64 = time.parse().unwrap();
        assert!(seconds > 1_700_000_000, "seconds since the epoch");
        found.insert("state[time_created]".to_owned(), "SINCE".to_owned());
    }
    json!(found)
}

#[tokio::test]
async fn a_conversation_goes_on_where_the_last_answer_left_it() {
    let (app, receiver) = started().await;
    let acme = project(&app).await;
    service(&app, &receiver, &acme, "/poll").await;
    receiver.answer("/poll", set(json!({"state.id": "asked_name", "state.vars.tries": 1, "$foo": 42})));
    say(&app, &acme, "CT1", json!({})).await;
    assert_eq!(last(&receiver, "/poll"), json!({}), "nothing was said before");

    receiver.answer("/poll", set(json!({"contact.name": "John Smith", "contact.vars.age": 30, "state.id": "done"})));
    say(&app, &acme, "CT1", json!({})).await;
    let asked = json!({"state[id]": "asked_name", "state[vars][tries]": "1", "state[time_created]": "SINCE"});
    assert_eq!(last(&receiver, "/poll"), asked, "what is temporary is not kept");

    receiver.answer("/poll", set(json!({"state.id": null, "state.vars.tries": null})));
    let contact = json!({"contact": {"name": "old", "vars": {"town": "Bern"}, "message_count": 3}});
    say(&app, &acme, "CT1", contact).await;
    let done = json!({
        "contact[name]": "John Smith", "contact[vars][town]": "Bern", "contact[vars][age]": "30", "contact[message_count]": "3",
        "state[id]": "done", "state[vars][tries]": "1", "state[time_created]": "SINCE",
    });
    assert_eq!(last(&receiver, "/poll"), done, "what was set counts more than what came");

    say(&app, &acme, "CT1", json!({})).await;
    assert_eq!(last(&receiver, "/poll"), json!({"contact[name]": "John Smith", "contact[vars][age]": "30"}));
    // Another contact, or none, has its own.
    for contact in [json!({"contact_id": "CT2"}), json!({"contact_id": null})] {
        say(&app, &acme, "CT1", contact).await;
        assert_eq!(last(&receiver, "/poll"), json!({}));
    }
}

#[tokio::test]
async fn a_contact_is_everybodys_and_a_state_its_services_alone() {
    let (app, receiver) = started().await;
    let acme = project(&app).await;
    let one = service(&app, &receiver, &acme, "/one").await;
    service(&app, &receiver, &acme, "/two").await;
    receiver.answer("/one", set(json!({"contact.name": "Ann", "state.id": "first"})));
    receiver.answer("/two", set(json!({"contact.vars.town": "Bern", "state.id": "second"})));
    say(&app, &acme, "CT1", json!({})).await;
    // Both answered the same message, and neither lost what the other set.
    say(&app, &acme, "CT1", json!({})).await;
    for (path, state) in [("/one", "first"), ("/two", "second")] {
        let wanted = json!({"contact[name]": "Ann", "contact[vars][town]": "Bern", "state[id]": state, "state[time_created]": "SINCE"});
        assert_eq!(last(&receiver, path), wanted);
    }
    // Another application never sees it; a service that is gone leaves nothing behind.
    let other = project(&app).await;
    service(&app, &receiver, &other, "/other").await;
    say(&app, &other, "CT1", json!({})).await;
    assert_eq!(last(&receiver, "/other"), json!({}));
    app.delete(&format!("/api/v1/app/{acme}/endpoint/{one}")).await.expect(204);
    service(&app, &receiver, &acme, "/three").await;
    say(&app, &acme, "CT1", json!({})).await;
    assert_eq!(last(&receiver, "/three"), json!({"contact[name]": "Ann", "contact[vars][town]": "Bern"}));
}

#[tokio::test]
async fn names_that_nobody_can_keep_do_no_harm() {
    let (app, receiver) = started().await;
    let acme = project(&app).await;
    service(&app, &receiver, &acme, "/hook").await;
    let long = format!("state.{}", "x".repeat(300));
    let odd = json!({"state.\u{0}": 1, "state.": 2, "state..": 3, "state.a.b.c.d": "deep", "state.a": "flat", "state": 4,
        "statement": 5, long: 6, "contact.🙂": "ja"});
    receiver.answer("/hook", set(odd));
    say(&app, &acme, "CT1", json!({})).await;
    receiver.answer("/hook", Answer::status(200));
    say(&app, &acme, "CT1", json!({})).await;
    let names = last(&receiver, "/hook");
    assert_eq!(names["state[a][b][c][d]"], "deep", "{names}");
    assert!(!names.to_string().contains("xxxx"), "{names}");
    // Contacts that nobody can keep anything for.
    for contact in
        [json!({"contact_id": "a\u{0}b"}), json!({"contact_id": "x".repeat(300)}), json!({"contact_id": {"a": 1}})]
    {
        receiver.answer("/hook", set(json!({"state.id": "s"})));
        say(&app, &acme, "CT1", contact).await;
    }
}

#[tokio::test]
async fn one_service_can_not_end_a_conversation_for_the_others() {
    let (app, receiver) = started().await;
    let acme = project(&app).await;
    service(&app, &receiver, &acme, "/greedy").await;
    service(&app, &receiver, &acme, "/modest").await;
    receiver.answer("/modest", set(json!({"state.id": "here"})));
    let deep = format!("contact.{}x", "a.".repeat(100));
    for (odd, why) in [
        (json!({deep: "x"}), "\"contact.a.a.a"),
        (json!({"contact.long": "é".repeat(30_000)}), "contact.long is not kept: it has 60002 bytes; at most 8192 are"),
    ] {
        receiver.answer("/greedy", set(odd));
        let payload = json!({"id": "SM1", "from_number": "+1", "contact_id": "CT1"});
        let form = json!({"eventType": "incoming_message", "payload": payload});
        let sent = app.post(&format!("/api/v1/app/{acme}/msg?wait=20"), form).await.expect(202);
        let errors: Vec<&Value> =
            sent["reply"]["data"].as_array().unwrap().iter().filter_map(|reply| reply.get("error")).collect();
        assert!(errors.len() == 1 && errors[0].as_str().unwrap().starts_with(why), "{errors:?}");
    }
    for round in 0..12 {
        let names = (0..100).map(|n| (format!("contact.vars.{round}x{n}"), json!(n)));
        receiver.answer("/greedy", set(Value::Object(names.collect())));
        say(&app, &acme, "CT1", json!({})).await;
    }
    say(&app, &acme, "CT1", json!({})).await;
    let found = last(&receiver, "/modest");
    assert_eq!(found["state[id]"], "here", "however much is kept of the contact");
    assert_eq!(found.as_object().unwrap().len(), 1_001, "what is kept, up to its limit, and since when the state is");

    // Somebody can look at it, and let it begin anew.
    let path = format!("/api/v1/app/{acme}/variable?subject=CT1");
    let kept = app.get(&path).await.expect(200)["data"].as_array().unwrap().clone();
    assert_eq!((&kept[0]["name"], &kept[0]["value"]), (&json!("state.id"), &json!("here")));
    assert!(kept[0]["endpointId"].is_string() && kept[1]["endpointId"].is_null(), "{:?}", &kept[..2]);
    app.delete(&path).await.expect(204);
    assert_eq!(app.get(&path).await.expect(200)["data"], json!([]));
    assert_eq!(app.get(&format!("/api/v1/app/{acme}/variable")).await.expect(422)["detail"][0]["loc"][1], "subject");
}
