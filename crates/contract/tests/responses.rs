//! What a contract makes of a status and of `Retry-After`.
#![allow(clippy::unwrap_used)]

mod common;

use postrider_contract::{Answer, Contract, Judgement, Outcome};
use std::time::Duration;

fn contract(response: &str) -> Contract {
    common::contract("json", "payload", &format!("[response]\n{response}"))
}

fn judge(contract: &Contract, status: u16, retry_after: Option<&str>) -> Judgement {
    contract.judge(&Answer { status, retry_after, delivery: None, now_ms: 1_700_000_000_000 })
}

/// Every status from 100 to 599 that is judged so.
fn those(contract: &Contract, outcome: Outcome) -> Vec<u16> {
    (100..600).filter(|status| judge(contract, *status, None).outcome == outcome).collect()
}

#[test]
fn a_class_is_its_hundred_and_a_status_is_itself() {
    let some = contract("success = [\"2xx\", 304]\nretry = [\"1xx\", 429, \"5xx\"]");
    assert_eq!(those(&some, Outcome::Success), (200..300).chain([304]).collect::<Vec<_>>());
    assert_eq!(those(&some, Outcome::Retry), (100..200).chain([429]).chain(500..600).collect::<Vec<_>>());
    // Without a list, everything that is no success is worth another try.
    let all = contract("success = [200]");
    assert_eq!(those(&all, Outcome::Success), [200]);
    assert_eq!(those(&all, Outcome::Fail), [0_u16; 0]);
}

#[test]
fn there_are_five_classes() {
    let parse = |class: &str| {
        let response = format!("[response]\nsuccess = [\"{class}\"]");
        Contract::parse(&format!("name = \"t\"\n[events]\nopen = true\n[body]\nvalue = \"payload\"\n{response}"))
    };
    for class in ["1xx", "2xx", "3xx", "4xx", "5xx"] {
        assert!(parse(class).is_ok(), "{class}");
    }
    for wrong in ["0xx", "6xx", "xx", "2x", "20x", "-1xx", "2xx "] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_disables_is_never_tried_again_unless_it_is_a_success() {
    let some = contract("success = [\"2xx\", 204]\ndisable = [410, 204]");
    let gone = judge(&some, 410, None);
    assert_eq!((gone.outcome, gone.disable), (Outcome::Fail, true));
    let both = judge(&some, 204, None);
    assert_eq!((both.outcome, both.disable), (Outcome::Success, true));
    assert!(!judge(&some, 411, None).disable && judge(&some, 411, None).outcome == Outcome::Retry);
}

#[test]
fn retry_after_counts_where_the_contract_says_so_and_another_try_follows() {
    let honoured = contract("success = [\"2xx\"]\nretry = [429, 503]\nslow_down = [429]\nretry_after = true");
    let of = |status, text| judge(&honoured, status, text);
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!((of(503, Some("7")).retry_after, of(503, Some("7")).hold), (seconds(7), None));
    assert_eq!((of(429, Some(" 7 ")).retry_after, of(429, Some("7")).hold), (seconds(7), seconds(7)));
    assert_eq!((of(429, None).overloaded, of(429, None).hold), (true, None));
    assert_eq!((of(429, Some("soon")).retry_after, of(429, Some("")).retry_after), (None, None));
    assert_eq!(of(429, Some("Tue, 14 Nov 2023 22:14:20 GMT")).hold, seconds(60));
    // A success or a failure for good is not tried again, and waits for nothing.
    assert_eq!((of(200, Some("7")).retry_after, of(400, Some("7")).retry_after), (None, None));
    let day = seconds(86_400);
    assert_eq!([of(503, Some("86400")).retry_after, of(503, Some("86401")).retry_after], [day, day]);
    assert_eq!(of(503, Some("86399")).retry_after, seconds(86_399));

    let ignored = contract("success = [\"2xx\"]\nslow_down = [429]");
    let judged = judge(&ignored, 429, Some("7"));
    assert_eq!((judged.retry_after, judged.hold, judged.overloaded), (None, None, true));
    assert_eq!(judge(&ignored, 503, Some("7")).hold, None);
}
