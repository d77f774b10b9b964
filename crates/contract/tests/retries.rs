//! Retry schedules, walked to their end.
#![allow(clippy::unwrap_used)]

mod common;

use postrider_contract::{Book, Contract};
use std::time::Duration;

/// Every delay in seconds, with the same random number each time.
fn walk(contract: &Contract, random: u64) -> Vec<f64> {
    (1..).map_while(|attempts| contract.retry_delay(None, attempts, random)).map(|delay| delay.as_secs_f64()).collect()
}

#[test]
fn the_usual_schedule_takes_a_day_and_some_with_a_tenth_of_jitter() {
    let book = Book::shipped();
    let schedule = [5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0];
    for name in ["standard", "svix", "uplodr", "tellescope"] {
        let contract = book.get(name).unwrap();
        assert_eq!(walk(contract, 0), schedule, "{name}");
        for (delay, base) in walk(contract, u64::MAX).iter().zip(schedule) {
            assert!(*delay > base && *delay <= base * 1.1 + 1e-6, "{name}: {delay}");
        }
        assert_eq!(contract.retry_delay(None, 8, 0), None);
    }
}

#[test]
fn an_endpoints_own_schedule_replaces_the_contracts() {
    let book = Book::shipped();
    let contract = book.get("standard").unwrap();
    assert_eq!(contract.retry_delay(Some(&[1, 60]), 2, 0), Some(Duration::from_secs(60)));
    assert_eq!(contract.retry_delay(Some(&[1, 60]), 3, 0), None);
    assert_eq!(contract.retry_delay(Some(&[]), 1, 0), None);
    assert_eq!(contract.retry_delay(None, 0, 0), None);
    assert_eq!(contract.retry_delay(None, u32::MAX, 0), None);
}

#[test]
fn scopes_curve_is_the_one_of_the_worked_table() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("vectors/scope.json")).unwrap();
    let table = &vectors["retry_schedule_choice"];
    let steps = table["steps"].as_array().unwrap();
    let book = Book::shipped();
    let scope = book.get("scope").unwrap();
    let (least, most) = (walk(scope, 0), walk(scope, u64::MAX));
    assert_eq!((least.len(), most.len()), (25, 25));
    for (n, step) in steps.iter().enumerate() {
        assert_eq!(
            (Some(least[n]), Some(most[n])),
            (step["min_s"].as_f64(), step["max_s"].as_f64()),
            "retry {}",
            n + 1
        );
    }
    assert_eq!(Some(least.iter().sum::<f64>()), table["total_min_s"].as_f64());
}

#[test]
fn tiledesk_tries_three_times_within_seven_seconds() {
    let book = Book::shipped();
    let tiledesk = book.get("tiledesk").unwrap();
    assert_eq!(walk(tiledesk, 0), [2.0, 4.0]);
    let most = walk(tiledesk, u64::MAX);
    assert!(most[0] > 2.99 && most[0] <= 3.0 && most[1] > 4.99 && most[1] <= 5.0);
}

#[test]
fn telerivet_goes_on_every_half_hour_until_a_day_has_passed() {
    let book = Book::shipped();
    let delays = walk(book.get("telerivet").unwrap(), u64::MAX);
    assert_eq!(delays[..5], [60.0, 300.0, 900.0, 1800.0, 1800.0]);
    let total: f64 = delays.iter().sum();
    assert!(total <= 86_400.0 && total + 1800.0 > 86_400.0, "{total}");
}

/// A week of any of them: whatever the random number, delays stay in order and within bounds.
#[test]
fn delays_are_never_lost_or_negative() {
    let book = Book::shipped();
    for name in book.names() {
        let contract = book.get(&name).unwrap();
        let counts: Vec<usize> = [0, 1, u64::MAX / 3, u64::MAX].map(|random| walk(contract, random).len()).into();
        assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{name}: {counts:?}");
    }
    let formula = |delay: &str| common::contract("json", "payload", &format!("[retry]\ndelay = '{delay}'\ncount = 3"));
    assert_eq!(walk(&formula("n - 100"), 0), [0.0; 3]);
    assert_eq!(walk(&formula("10 ** 30"), 0), [30.0 * 86_400.0; 3]);
    // What can't be computed waits an hour instead of being lost.
    assert_eq!(walk(&formula("1 // (n - n)"), 0), [3600.0; 3]);
    assert_eq!(walk(&formula("\"soon\""), 0), [3600.0; 3]);
}
