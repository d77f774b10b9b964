//! Payloads and responses that are removed for good.

use super::started;
use postrider_testkit::app::{eventually, id};
use postrider_testkit::receiver::Answer;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn an_expunged_payload_is_gone_and_is_sent_no_more() {
    let (app, receiver) = started().await;
    receiver.answer("/down", Answer::status(500));
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/down"), "retrySchedule": [1, 1]})).await;
    let message = app.send(&acme, "a", json!({"card": "4111"})).await;
    let kept = app.send(&acme, "a", json!({"card": "none"})).await;
    app.wait_for_attempts(&acme, &message, 1).await;
    app.delete(&format!("/api/v1/app/{acme}/msg/{message}/content")).await.expect(204);
    let shown = app.get(&format!("/api/v1/app/{acme}/msg/{message}")).await.expect(200);
    assert_eq!((&shown["payload"], &shown["eventType"]), (&json!({"expired": true}), &json!("a")));
    for list in [format!("/api/v1/app/{acme}/msg"), format!("/api/v1/app/{acme}/endpoint/{endpoint}/msg")] {
        let listed = app.get(&list).await.expect(200).to_string();
        assert!(!listed.contains("4111") && listed.contains("none"), "{listed}");
    }
    assert!(eventually(async || app.states(&acme, &message).await == ["fail"]).await);
    let last = app.attempts(&acme, &message).await.remove(0);
    assert_eq!(last["error"]["code"], "cancelled", "what waited ended visibly: {last}");
    let resend = format!("/api/v1/app/{acme}/msg/{message}/endpoint/{endpoint}/resend");
    assert_eq!(app.post(&resend, json!({})).await.expect(409)["code"], "expunged");
    app.wait_for_attempts(&acme, &kept, 3).await;
    receiver.expect_silence("/down", Duration::from_millis(300)).await;
    let sent = receiver.received("/down").iter().filter(|request| request.text().contains("4111")).count();
    assert_eq!(sent, 1);
    app.delete(&format!("/api/v1/app/{acme}/msg/{message}/content")).await.expect(204);
    app.delete(&format!("/api/v1/app/{acme}/msg/msg_0000000000000000000000/content")).await.expect(404);
}

#[tokio::test]
async fn an_expunged_response_is_gone_and_the_attempt_stays() {
    let (app, receiver) = started().await;
    receiver.answer("/hook", Answer::status(200).body("the secret of a customer"));
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let message = app.send(&acme, "a", json!({})).await;
    let before = app.wait_for_attempts(&acme, &message, 1).await.remove(0);
    let path = format!("/api/v1/app/{acme}/msg/{message}/attempt/{}", id(&before));
    app.delete(&format!("{path}/content")).await.expect(204);
    let mut after = app.get(&path).await.expect(200);
    assert_eq!(after["response"], "EXPUNGED");
    after["response"] = before["response"].clone();
    assert_eq!(after, before, "nothing else changed");
}
