//! `docs/contracts.md`: its example works, and it leaves nothing out.
#![allow(clippy::unwrap_used)]

mod common;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use common::{Case, header, text};
use hmac::{Hmac, Mac};
use postrider_contract::{Answer, Contract, Outcome};
use sha2::{Digest, Sha256};
use std::time::Duration;

const PAGE: &str = include_str!("../../../docs/contracts.md");

fn example() -> &'static str {
    PAGE.split_once("```toml\n").unwrap().1.split_once("```").unwrap().0
}

#[test]
fn the_worked_example_does_what_the_page_says() {
    let contract = Contract::parse(example()).unwrap();
    let secret = "0123456789abcdef0123456789abcdef";
    let request = Case {
        event_type: "order.placed",
        payload: r#"{"id":"A 1","total":12.50,"items":[{"sku":"x","n":2}],"customer":{"name":"Zoë"}}"#,
        secrets: &[secret],
        settings: &[("region", "us")],
        ..Case::of("acme")
    }
    .render_with(&contract);
    let body = "event=order.placed&order%5Bid%5D=A+1&order%5Btotal%5D=12.5&order%5Bitems%5D%5B0%5D%5Bsku%5D=x\
                &order%5Bitems%5D%5B0%5D%5Bn%5D=2&order%5Bcustomer%5D%5Bname%5D=Zo%C3%AB\
                &sent_at=2023-11-14T22%3A13%3A20.123Z";
    assert_eq!(text(&request.body), body);
    assert_eq!(header(&request, "X-Acme-Region").unwrap(), "us");
    assert_eq!(header(&request, "Content-Type").unwrap(), "application/x-www-form-urlencoded");

    let hash = hex::encode(Sha256::digest(body));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("1700000000\nhttps://example.com/hook\n{hash}").as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    let kid = &hex::encode(Sha256::digest("ep_0123456789abcdefghijkl"))[..24];
    let sent = header(&request, "X-Acme-Signature").unwrap();
    assert_eq!(sent, format!("kid={kid}, t=1700000000, v1={signature}"));

    let judge = |status| contract.judge(&Answer { status, retry_after: Some("7"), delivery: None, now_ms: 0 });
    assert_eq!((judge(202).outcome, judge(204).outcome), (Outcome::Success, Outcome::Fail));
    assert_eq!(judge(429).hold, Some(Duration::from_secs(7)));
    assert!(judge(410).disable);
    assert_eq!(contract.retry_delay(None, 1, 0), Some(Duration::from_secs(60)));
    assert_eq!(contract.retry_delay(None, 20, 0), Some(Duration::from_secs(3600)));
    assert_eq!(contract.retry_delay(None, 21, 0), None);
    assert!(
        contract.events().in_catalogue("order.paid.changed") && !contract.events().in_catalogue("order.a.b.changed")
    );
    assert_eq!(contract.disable().errors_within, Some((500, Duration::from_secs(3600))));
}

/// A key that is wrong is answered with all that there are: each must be on the page.
#[test]
fn the_page_has_every_key_and_every_variable() {
    let mut wrong = "wrong = 1\n".to_owned();
    for table in [
        "events",
        "body",
        "secret",
        "response",
        "reply",
        "reply.actions.a",
        "state",
        "chain",
        "address",
        "simulation",
        "retry",
        "timeout",
        "disable",
        "url",
    ] {
        wrong += &format!("[{table}]\nwrong = 1\n");
    }
    wrong += "[headers]\nX = \"wrong\"\n";
    let problems = Contract::parse(&wrong).unwrap_err();
    let listed = |message: &str| {
        let list = message.split_once(" has ").or_else(|| message.split_once("there are "));
        list.map(|(_, list)| list.split(", ").map(str::to_owned).collect::<Vec<_>>()).unwrap_or_default()
    };
    let names: Vec<String> = problems.iter().flat_map(|problem| listed(&problem.message)).collect();
    assert!(names.len() > 45, "{names:?}");
    for name in names {
        assert!(
            PAGE.contains(&format!("`{name}`")) || PAGE.contains(&format!("[{name}]")),
            "{name} is not on the page"
        );
    }
}

/// A variable that takes a function's name is refused: so each name on the page is tried.
#[test]
fn every_function_on_the_page_is_there() {
    let functions = PAGE.split_once("| function | |").unwrap().1.split_once("\n\n").unwrap().0;
    let names = functions.split('`').filter_map(|code| code.split_once('(')).map(|(name, _)| name);
    let names: Vec<&str> = names.filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).collect();
    assert_eq!(names.len(), 23, "{names:?}");
    for name in names {
        let text = format!("name = \"t\"\n[events]\nopen = true\n[let]\n{name} = \"1\"\n[body]\nvalue = \"payload\"");
        assert!(Contract::parse(&text).unwrap_err()[0].message.contains("is taken already"), "{name}");
    }
}
