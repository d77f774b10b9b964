//! Endpoints that give no response, or none that is HTTP: tried again by the schedule until they give one.

use super::START_MS;
use postrider_clock::Clock;
use postrider_testkit::app::{App, Start};
use postrider_testkit::dns::Dns;
use postrider_testkit::hostile::{Behaviour, Hostile};
use postrider_testkit::process::free_port;
use postrider_testkit::receiver::Receiver;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const MINUTES_2: Duration = Duration::from_secs(120);

/// An application, its endpoint at this URL, with a second to answer and two retries a minute apart, and a message.
async fn sent(app: &App, url: &str) -> (String, String) {
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": url, "timeoutSeconds": 1, "retrySchedule": [60, 60]})).await;
    let message = app.send(&acme, "a", json!({})).await;
    (acme, message)
}

/// The first two attempts fail with this code and are not final, and the third finds the endpoint as `mended` leaves it.
async fn fails_twice_and_arrives(
    app: &App,
    clock: &Clock,
    url: &str,
    code: &str,
    mended: impl AsyncFnOnce() -> Receiver,
) {
    let (acme, message) = sent(app, url).await;
    for attempt in 1..=2 {
        let attempts = app.wait_for_attempts(&acme, &message, attempt).await;
        assert_eq!(attempts.len(), attempt, "{code}: once for each time that is due");
        assert_eq!(attempts[0]["error"]["code"], code, "{}", attempts[0]);
        assert_eq!(app.states(&acme, &message).await, ["pending"], "{code} is not final");
        if attempt == 1 {
            clock.advance(MINUTES_2);
        }
    }
    let receiver = mended().await;
    clock.advance(MINUTES_2);
    let attempts = app.wait_for_attempts(&acme, &message, 3).await;
    let codes: Vec<&Value> = attempts.iter().map(|attempt| &attempt["responseStatusCode"]).collect();
    assert_eq!(codes, [200, 0, 0], "{code}");
    assert_eq!(app.states(&acme, &message).await, ["success"], "{code}");
    assert_eq!(receiver.all().len(), 1, "{code}");
    assert_eq!(receiver.all()[0].header("webhook-id"), Some(message.as_str()), "{code}");
}

#[tokio::test]
async fn whatever_keeps_an_endpoint_from_answering_is_tried_again_until_it_answers() {
    let clock = Clock::manual(START_MS);
    let dns = Dns::start().await;
    let app = Start { clock: clock.clone(), dns: Some(dns.addr()), ..Start::default() }.start().await;
    for (behaviour, code) in [
        (Behaviour::AcceptsAndNeverAnswers, "timeout"),
        (Behaviour::Resets, "reset"),
        (Behaviour::ClosesAtOnce, "reset"),
        (Behaviour::OneByteASecondHead, "timeout"),
        (Behaviour::NotHttp, "protocol"),
    ] {
        let hostile = Hostile::start(behaviour).await;
        let url = hostile.url();
        let mended = async || Receiver::start_on(hostile.stop().await).await;
        fails_twice_and_arrives(&app, &clock, &url, code, mended).await;
    }
    let closed = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let mended = async || Receiver::start_on(closed).await;
    fails_twice_and_arrives(&app, &clock, &format!("http://{closed}/"), "connect", mended).await;

    dns.set("late.test", vec![]);
    let url = format!("http://late.test:{}/", closed.port());
    let mended = async || {
        dns.set("late.test", vec![Ipv4Addr::LOCALHOST.into()]);
        Receiver::start_on(closed).await
    };
    fails_twice_and_arrives(&app, &clock, &url, "dns", mended).await;

    let hostile = Hostile::start(Behaviour::WrongCertificate).await;
    let (acme, message) = sent(&app, &hostile.url().replace("localhost", "127.0.0.1")).await;
    for attempt in 1..=3 {
        let attempts = app.wait_for_attempts(&acme, &message, attempt).await;
        assert_eq!(attempts[0]["error"]["code"], "tls", "{}", attempts[0]);
        clock.advance(MINUTES_2);
    }
    assert_eq!(app.states(&acme, &message).await, ["fail"], "its schedule is over");
}
