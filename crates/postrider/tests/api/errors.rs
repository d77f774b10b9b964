//! Errors of an endpoint: a list that people look through, and take off what they have done with.

use super::{on_a_clock, started};
use postrider_testkit::app::id;
use postrider_testkit::receiver::Answer;
use serde_json::{Value, json};
use std::time::Duration;

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test]
async fn errors_are_listed_looked_at_and_deleted() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/moody"), "retrySchedule": []})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/error");
    for n in 0..6 {
        let answer = if n == 2 { Answer::status(200) } else { Answer::status(500).body(format!("sorry {n}")) };
        receiver.answer("/moody", answer);
        let message = app.send(&acme, if n < 4 { "a" } else { "b" }, json!({"n": n})).await;
        app.wait_for_attempts(&acme, &message, 1).await;
        clock.advance(Duration::from_secs(60));
    }
    let all = app.get(&path).await.expect(200);
    let responses: Vec<&str> =
        all["data"].as_array().unwrap().iter().map(|row| row["response"].as_str().unwrap()).collect();
    assert_eq!(responses, ["sorry 5", "sorry 4", "sorry 3", "sorry 1", "sorry 0"]);
    let errors = ids(&all);
    let one = app.get(&format!("{path}/{}", errors[1])).await.expect(200);
    assert_eq!(one, all["data"][1]);
    assert_eq!((&one["code"], &one["responseStatusCode"]), (&json!("status"), &json!(500)));
    assert_eq!(one["message"], "the endpoint answered 500 (Internal Server Error)");
    assert_eq!(ids(&app.get(&format!("{path}?event_types=b")).await.expect(200)), errors[..2]);
    let first = app.get(&format!("{path}?limit=2")).await.expect(200);
    let next = format!("{path}?limit=2&iterator={}", first["iterator"].as_str().unwrap());
    assert_eq!(ids(&app.get(&next).await.expect(200)), errors[2..4]);

    app.delete(&format!("{path}/{}", errors[1])).await.expect(204);
    app.delete(&format!("{path}/{}", errors[1])).await.expect(404);
    app.get(&format!("{path}/{}", errors[1])).await.expect(404);
    assert_eq!(ids(&app.get(&path).await.expect(200)), [&errors[..1], &errors[2..]].concat());
    let attempts = app.get(&format!("/api/v1/app/{acme}/attempt/endpoint/{endpoint}")).await.expect(200);
    assert!(ids(&attempts).contains(&errors[1]), "the attempt stays");
    app.get(&format!("{path}/{}", id(&attempts["data"][3]))).await.expect(404);
}

#[tokio::test]
async fn errors_of_another_endpoint_or_application_are_not_found() {
    let (app, receiver) = started().await;
    receiver.answer("/down", Answer::status(500));
    let (acme, other) = (app.application().await, app.application().await);
    let down = json!({"url": receiver.url("/down"), "retrySchedule": []});
    let (mine, second) = (app.endpoint(&acme, down.clone()).await, app.endpoint(&acme, down.clone()).await);
    let theirs = app.endpoint(&other, down).await;
    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 2).await;
    let error = ids(&app.get(&format!("/api/v1/app/{acme}/endpoint/{mine}/error")).await.expect(200)).remove(0);
    for path in [
        format!("/api/v1/app/{acme}/endpoint/{second}/error/{error}"),
        format!("/api/v1/app/{other}/endpoint/{theirs}/error/{error}"),
        format!("/api/v1/app/{other}/endpoint/{mine}/error/{error}"),
    ] {
        app.get(&path).await.expect(404);
        app.delete(&path).await.expect(404);
    }
    let look = app.post(&format!("/api/v1/auth/app-portal-access/{acme}"), json!({"readOnly": true})).await.expect(200);
    let look = app.with_key(look["token"].as_str().unwrap());
    let path = format!("/api/v1/app/{acme}/endpoint/{mine}/error/{error}");
    look.get(&path).await.expect(200);
    look.delete(&path).await.expect(403);
}
