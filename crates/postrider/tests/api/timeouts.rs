//! How long an endpoint has to answer, as the receiver's end of the connection shows it.

use super::started;
use postrider_testkit::app::{App, eventually};
use postrider_testkit::hostile::{Behaviour, Hostile};
use serde_json::{Value, json};
use std::time::Duration;

/// What is sent to an endpoint with these fields, which never answers; how long the connection was held, and the
/// attempt.
async fn held(app: &App, fields: Value, event_type: &str) -> (Duration, Value) {
    let hostile = Hostile::start(Behaviour::AcceptsAndNeverAnswers).await;
    let mut endpoint = json!({"url": hostile.url(), "retrySchedule": []});
    endpoint.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let acme = app.application().await;
    app.endpoint(&acme, endpoint).await;
    let message = app.send(&acme, event_type, json!({"id": "1"})).await;
    assert!(eventually(async || !hostile.held().is_empty()).await, "{fields}: still connected");
    let attempt = app.wait_for_attempts(&acme, &message, 1).await.remove(0);
    (hostile.held()[0], attempt)
}

/// At least so long, and less than two seconds longer, which is room for a busy machine.
fn assert_lasted(name: &str, seconds: u64, held: Duration, attempt: &Value) {
    let (least, most) = (Duration::from_secs(seconds), Duration::from_secs(seconds + 2));
    let slack = Duration::from_millis(100);
    assert!((least - slack..most).contains(&held), "{name}: held for {held:?} where {seconds} s are right");
    let took = Duration::from_millis(attempt["responseDurationMs"].as_u64().unwrap());
    assert!((least - slack..most).contains(&took), "{name}: took {took:?} where {seconds} s are right");
    assert_eq!(attempt["error"]["code"], "timeout", "{name}: {attempt}");
    assert_eq!(attempt["responseStatusCode"], 0, "{name}");
}

#[tokio::test]
async fn an_endpoints_own_timeout_is_what_its_receiver_gets() {
    let (app, _) = started().await;
    let own = |seconds: u64| held(&app, json!({"timeoutSeconds": seconds}), "a");
    let (one, four) = tokio::join!(own(1), own(4));
    assert_lasted("1 s", 1, one.0, &one.1);
    assert_lasted("4 s", 4, four.0, &four.1);
    // And after a change.
    let hostile = Hostile::start(Behaviour::AcceptsAndNeverAnswers).await;
    let acme = app.application().await;
    let form = json!({"url": hostile.url(), "timeoutSeconds": 30, "retrySchedule": []});
    let endpoint = app.endpoint(&acme, form).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    app.patch(&path, json!({"timeoutSeconds": 1})).await.expect(200);
    let message = app.send(&acme, "a", json!({})).await;
    let attempt = app.wait_for_attempts(&acme, &message, 1).await.remove(0);
    assert!(eventually(async || !hostile.held().is_empty()).await);
    assert_lasted("changed to 1 s", 1, hostile.held()[0], &attempt);
}

/// Each has its seconds from its document, and nobody can change them: not the provider, however relaxed.
#[tokio::test]
async fn the_timeout_that_a_contract_fixes_is_what_its_receivers_get() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let path = format!("/api/v1/app/{acme}/endpoint");
    let contracts = [("scope", 5, "user/created"), ("tiledesk", 10, "lead.create"), ("telerivet", 10, "send_status")];
    for (contract, seconds, event_type) in contracts {
        let form = |timeout: u64| json!({"url": receiver.url("/"), "contract": contract, "eventTypes": [event_type], "timeoutSeconds": timeout});
        for other in [1, seconds - 1, seconds + 1, 30] {
            let refused = app.post(&path, form(other)).await.expect(422);
            assert_eq!(refused["detail"][0]["loc"], json!(["body", "timeoutSeconds"]), "{contract}: {refused}");
        }
        let endpoint = app.endpoint(&acme, form(seconds)).await;
        let one = format!("{path}/{endpoint}");
        app.patch(&one, json!({"timeoutSeconds": seconds + 1})).await.expect(422);
        app.put(&one, form(seconds + 1)).await.expect(422);
    }
    let fields = |contract: &str, event_type: &str| json!({"contract": contract, "eventTypes": [event_type]});
    let of = |n: usize| held(&app, fields(contracts[n].0, contracts[n].2), contracts[n].2);
    let (one, two, three) = tokio::join!(of(0), of(1), of(2));
    for ((contract, seconds, _), (held, attempt)) in contracts.iter().zip([one, two, three]) {
        assert_lasted(contract, *seconds, held, &attempt);
    }
}

/// An endpoint that had its own timeout before it took the contract gets the contract's.
#[tokio::test]
async fn a_timeout_of_its_own_ends_with_the_change_to_a_contract_that_fixes_one() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/"), "timeoutSeconds": 30})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    let refused = app.patch(&path, json!({"contract": "tiledesk"})).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "timeoutSeconds"]), "{refused}");
    app.patch(&path, json!({"contract": "tiledesk", "timeoutSeconds": null})).await.expect(200);
}
