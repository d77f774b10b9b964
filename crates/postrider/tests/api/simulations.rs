//! Test numbers: a receiver is tried without a phone.

use super::{on_a_clock, started};
use postrider_testkit::app::id;
use serde_json::{Value, json};
use std::time::Duration;

fn sent_to(number: &str) -> Value {
    json!({"payload": {"id": "SM1", "to_number": number, "content": "x", "status": "queued", "simulated": true}})
}

#[tokio::test]
async fn every_test_number_of_the_document_produces_what_it_says() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = id(&app.post("/api/v1/app", json!({"name": "Acme", "contract": "telerivet"})).await.expect(201));
    app.endpoint(&acme, json!({"url": receiver.url("/hook"), "secret": "s"})).await;
    let path = format!("{}/../contract/tests/vectors/telerivet.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let numbers = vectors["simulated"].as_object().unwrap();
    assert_eq!(numbers.len(), 5);
    for (number, steps) in numbers {
        let number = if number == "*" { "+16505550123" } else { number };
        let made = app.post(&format!("/api/v1/app/{acme}/simulate"), sent_to(number)).await.expect(202);
        let steps = steps.as_array().unwrap();
        assert_eq!(made["data"].as_array().unwrap().len(), steps.len());
        for (n, step) in steps.iter().enumerate() {
            if n > 0 {
                app.wait_for_attempts(&acme, &id(&made["data"][n - 1]), 1).await;
                receiver.expect_silence("/hook", Duration::from_millis(50)).await;
                clock.advance(Duration::from_secs(1));
            }
            app.wait_for_attempts(&acme, &id(&made["data"][n]), 1).await;
            let came = receiver.received("/hook").last().unwrap().text();
            let form = |text: &str| text.replace('+', "%2B").replace(' ', "+");
            let error = step.get(1).map(|text| format!("&error_message={}", form(text.as_str().unwrap())));
            let wanted = format!(
                "event=send_status&id=SM1&to_number={}&content=x&status={}&simulated=1{}&secret=s",
                form(number),
                step[0].as_str().unwrap(),
                error.unwrap_or_default()
            );
            assert_eq!(came, wanted);
        }
    }
}

#[tokio::test]
async fn only_test_numbers_are_simulated_and_a_status_url_is_honoured() {
    let (app, receiver) = started().await;
    let acme = id(&app.post("/api/v1/app", json!({"name": "Acme", "contract": "telerivet"})).await.expect(201));
    let path = format!("/api/v1/app/{acme}/simulate");
    let mut real = sent_to("+15005550012");
    real["payload"]["simulated"] = json!(false);
    let refused = app.post(&path, real).await.expect(422);
    let why = "is not about a test number: the contract telerivet simulates only where \
               payload.simulated is true or payload.simulated == 1";
    assert_eq!(
        (&refused["detail"][0]["loc"], &refused["detail"][0]["msg"]),
        (&json!(["body", "payload"]), &json!(why))
    );
    let mut form = sent_to("+15005550012");
    form["deliverTo"] = json!({"url": receiver.url("/status"), "secret": "t"});
    app.post(&path, form).await.expect(202);
    let told: Vec<String> = receiver.wait_for("/status", 2).await.iter().map(|request| request.text()).collect();
    assert!(told[0].contains("status=sent") && told[1].contains("status=delivered"), "{told:?}");
    assert!(told.iter().all(|body| body.ends_with("&secret=t")), "{told:?}");
    // The same simulation, sent again, is the same; one without a number is none.
    let again = async || {
        let body = sent_to("+15005550014").to_string().into_bytes();
        app.request("POST", &path, &[("idempotency-key", "once")], Some(body)).await.expect(202)
    };
    let first = again().await;
    let ids = |made: &Value| [id(&made["data"][0]), id(&made["data"][1])];
    assert_eq!(ids(&again().await), ids(&first));
    for odd in [json!(null), json!(""), json!(7)] {
        let mut form = sent_to("");
        form["payload"]["to_number"] = odd;
        app.post(&path, form).await.expect(422);
    }
    let mut text = sent_to("+1");
    text["payload"]["simulated"] = json!("0");
    app.post(&path, text).await.expect(422);
    let other = app.application().await;
    let refused = app.post(&format!("/api/v1/app/{other}/simulate"), sent_to("+1")).await.expect(409);
    assert_eq!(refused["code"], "no_simulation");
}
