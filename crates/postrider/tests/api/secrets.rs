//! Secrets: what is taken, what signs, and for how long after a rotation.

use super::{on_a_clock, started};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use postrider_testkit::receiver::Received;
use serde_json::json;
use standardwebhooks::Webhook;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// Whether this secret is one of those that signed, whatever the clock says.
fn verifies(secret: &str, received: &Received) -> bool {
    let header = |name| received.header(name).unwrap();
    let timestamp = header("webhook-timestamp").parse().unwrap();
    let signed = Webhook::new(secret).unwrap().sign(header("webhook-id"), timestamp, &received.body).unwrap();
    header("webhook-signature").split(' ').any(|one| one == signed)
}

#[tokio::test]
async fn ten_old_secrets_stay_valid_after_rotations_until_their_time_is_over() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/secret");
    let mut secrets = vec![app.get(&path).await.expect(200)["key"].as_str().unwrap().to_owned()];
    for n in 0..12 {
        // The first is good for a week, each one after it for a day less.
        let grace = json!({"gracePeriodSeconds": (7 - n.min(6)) * 86_400});
        let rotated = app.post(&format!("{path}/rotate"), grace).await.expect(200);
        secrets.push(rotated["key"].as_str().unwrap().to_owned());
    }
    let current = secrets.len() - 1;
    let sign = async |n: usize| {
        app.send(&acme, "a", json!({"n": n})).await;
        let received = receiver.wait_for("/hook", n).await.pop().unwrap();
        (0..secrets.len()).filter(|n| verifies(&secrets[*n], &received)).collect::<Vec<_>>()
    };
    assert_eq!(sign(1).await, (current - 10..=current).collect::<Vec<_>>(), "the current one and the last ten");
    clock.advance(DAY + Duration::from_secs(1));
    assert_eq!(sign(2).await, [2, 3, 4, 5, current], "those with a longer time");
    clock.advance(DAY * 6);
    assert_eq!(sign(3).await, [current], "after a week the current one alone");

    let none = app.post(&format!("{path}/rotate"), json!({"gracePeriodSeconds": 0})).await.expect(200);
    app.send(&acme, "a", json!({})).await;
    let received = receiver.wait_for("/hook", 4).await.pop().unwrap();
    assert!(!verifies(&secrets[current], &received), "without grace, the old one is out at once");
    assert!(verifies(none["key"].as_str().unwrap(), &received));
    let long = app.post(&format!("{path}/rotate"), json!({"gracePeriodSeconds": 604_801})).await.expect(422);
    assert_eq!(long["detail"][0]["loc"], json!(["body", "gracePeriodSeconds"]));
}

#[tokio::test]
async fn a_secret_of_each_symmetric_form_is_taken_and_signs() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let forms = [
        ("/24-bytes", format!("whsec_{}", BASE64_STANDARD.encode([7; 24]))),
        ("/64-bytes", format!("whsec_{}", BASE64_STANDARD.encode([7; 64]))),
        ("/no-prefix", BASE64_STANDARD.encode([9; 24])),
    ];
    for (path, secret) in &forms {
        let endpoint = app.endpoint(&acme, json!({"url": receiver.url(path), "secret": secret})).await;
        let shown = app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/secret")).await.expect(200);
        assert_eq!(shown["key"], *secret);
    }
    app.send(&acme, "a", json!({"price": 1})).await;
    for (path, secret) in &forms {
        assert!(verifies(secret, &receiver.wait_for(path, 1).await[0]), "{path}");
    }
    for wrong in ["whsec_", "whsec_short", "whsec_c2hvcnQ=", "no base64 at all, though it is long enough", "whsk_AAAA"]
    {
        let endpoint = json!({"url": receiver.url("/wrong"), "secret": wrong});
        let refused = app.post(&format!("/api/v1/app/{acme}/endpoint"), endpoint).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["body", "secret"]));
        assert!(!refused.to_string().contains(wrong) || wrong == "whsec_", "a secret is not repeated: {refused}");
    }
}

#[tokio::test]
async fn an_asymmetric_secret_signs_with_ed25519_and_only_its_public_key_is_shown() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let key = SigningKey::from_bytes(&[42; 32]);
    let seed = format!("whsk_{}", BASE64_STANDARD.encode([42; 32]));
    let pair = format!("whsk_{}", BASE64_STANDARD.encode(key.to_keypair_bytes()));
    let public = format!("whpk_{}", BASE64_STANDARD.encode(key.verifying_key().as_bytes()));
    for (path, secret) in [("/seed", seed), ("/pair", pair)] {
        let endpoint = app.endpoint(&acme, json!({"url": receiver.url(path), "secret": secret})).await;
        let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/secret");
        assert_eq!(app.get(&path).await.expect(200), json!({"key": public}), "the signing key is the provider's");
    }
    app.send(&acme, "a", json!({"price": 1})).await;
    for path in ["/seed", "/pair"] {
        let received = receiver.wait_for(path, 1).await.remove(0);
        let header = |name| received.header(name).unwrap();
        let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), received.text());
        let signature = header("webhook-signature").strip_prefix("v1a,").unwrap();
        let signature = Signature::from_slice(&BASE64_STANDARD.decode(signature).unwrap()).unwrap();
        let public: VerifyingKey = key.verifying_key();
        public.verify_strict(signed.as_bytes(), &signature).unwrap();
        public.verify_strict(format!("{signed} ").as_bytes(), &signature).unwrap_err();
    }
}

#[tokio::test]
async fn rotating_from_symmetric_to_asymmetric_signs_both_ways_for_a_while() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/secret");
    let old = app.get(&path).await.expect(200)["key"].as_str().unwrap().to_owned();
    let key = format!("whsk_{}", BASE64_STANDARD.encode([5; 32]));
    app.post(&format!("{path}/rotate"), json!({"key": key})).await.expect(200);
    app.send(&acme, "a", json!({})).await;
    let received = receiver.wait_for("/hook", 1).await.remove(0);
    let kinds: Vec<&str> =
        received.header("webhook-signature").unwrap().split(' ').map(|one| one.split(',').next().unwrap()).collect();
    assert_eq!(kinds, ["v1a", "v1"]);
    assert!(verifies(&old, &received));
}
