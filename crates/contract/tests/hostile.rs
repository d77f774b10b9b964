//! What could take too long, too much, or somebody else's place.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Case, contract, text};
use postrider_contract::RenderError;
use std::fmt::Write;

fn error(encoding: &str, value: &str, payload: &str) -> RenderError {
    Case { payload, secrets: &["top-secret"], ..Case::of("t") }.try_render(&contract(encoding, value, "")).unwrap_err()
}

#[test]
fn expressions_end_when_their_steps_are_used_up() {
    let list = format!("[{}0]", "0,".repeat(30_000));
    let nested = "payload | map('string') | map('upper') | map('lower') | map('trim') | list";
    let many = std::iter::repeat_n(format!("({nested})"), 100).collect::<Vec<_>>().join(" + ");
    let told = error("json", &many, &list).to_string();
    assert!(told.contains("fuel"), "{told}");
    assert!(error("json", "range(9999999999) | list", "{}").to_string().starts_with("the contract's body"));
}

#[test]
fn bodies_end_at_their_limit_before_they_fill_the_memory() {
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    for value in ["[payload] * 100000", "['x' * 1000000] * 100000", "[[1] * 1000] * 100000", "'x' * 90000000"] {
        for encoding in ["json", "canonical-json", "form", "xml"] {
            let told = error(encoding, value, &large).to_string();
            assert!(
                told.contains("33554432 bytes") || told.contains("must be an object"),
                "{encoding} {value}: {told}"
            );
        }
    }
    assert!(error("raw", "'x' * 40000000", "{}").to_string().contains("33554432"));
}

#[test]
fn a_payload_of_many_keys_takes_no_longer_than_its_size() {
    let mut payload = String::from("{");
    (0..100_000).for_each(|n| write!(payload, "\"k{n}\":{n},").unwrap());
    payload.push_str("\"end\":1}");
    let patience = std::time::Duration::from_secs(60);
    let (done, waiting) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for encoding in ["json", "canonical-json", "form", "xml"] {
            let contract = contract(encoding, "merge({'a': 1}, omit(payload, 'k5'), {'k7': payload.k99999})", "");
            assert!(Case { payload: &payload, ..Case::of("t") }.render_with(&contract).body.len() > 1_000_000);
        }
        done.send(()).unwrap();
    });
    waiting.recv_timeout(patience).expect("quadratic in the number of keys");
}

#[test]
fn nesting_is_no_danger_to_the_stack() {
    for encoding in ["json", "canonical-json", "form", "xml"] {
        let contract = contract(encoding, "{'first': payload[0][0], 'all': payload}", "");
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Case { payload: &nested(128), ..Case::of("t") }.try_render(&contract).is_ok(), "{encoding}");
        let deep = Case { payload: &nested(100_000), ..Case::of("t") }.try_render(&contract);
        assert!(encoding == "json" || deep.unwrap_err().to_string().contains("deeper than 200"), "{encoding}");
    }
}

#[test]
fn headers_can_start_no_other_header() {
    let contract = contract("json", "payload", "[headers]\nX-Name = 'payload.name'");
    let send = |name: &str| Case { payload: &format!("{{\"name\":{name}}}"), ..Case::of("t") }.try_render(&contract);
    for wrong in ["\"a\\r\\nX-Evil: 1\"", "\"\\u0000\"", "\"\\u007f\"", "\"\\u0085\"", "\"李\""] {
        assert_eq!(send(wrong), Err(RenderError::Header("X-Name".to_owned())), "{wrong}");
    }
    for right in ["\"é ok\\t~\"", "12"] {
        assert!(send(right).is_ok(), "{right}");
    }
    assert!(!send("null").unwrap().headers.iter().any(|(name, _)| name == "X-Name"));
    let own = Case { headers: &[("X-Own", "a\nb")], payload: "{}", ..Case::of("t") }.try_render(&contract);
    assert_eq!(own, Err(RenderError::Header("X-Own".to_owned())));
}

#[test]
fn errors_never_show_a_secret() {
    for value in [
        "[1] | map(secret) | list",
        "secret | int",
        "secret.x.y",
        "secret * 'x'",
        "omit(secret)",
        "secret | first | float",
        "secrets | int",
    ] {
        let told = error("json", value, "{}");
        assert!(!told.to_string().contains("top-secret") && !format!("{told:?}").contains("top-secret"), "{told}");
    }
    // Quoted, it is spelled another way.
    let odd = Case { secrets: &["a\"b\\c"], ..Case::of("t") };
    let told = odd.try_render(&contract("json", "range(secret)", "")).unwrap_err().to_string();
    assert!(!told.contains("a\\\"b") && !told.contains("a\"b"), "{told}");
}

#[test]
fn the_functions_refuse_what_they_cannot_do() {
    for (value, wrong) in [
        ("hex(payload)", None),
        ("hex(hmac_sha256('', 'x'))", Some("the key is empty")),
        ("hex(hmac_sha256(payload.key, 'x'))", Some("needs a key")),
        ("hex(sha256(payload.missing))", Some("is missing")),
        ("base64_decode('?')", Some("not base64")),
        ("alnum('x', 33)", Some("at most 32")),
        ("iso_time(99999999999999999)", Some("out of range")),
        ("standard_signature('a', 1, 'b', ['?'])", Some("not base64")),
        ("sha256('x')", Some("hex or base64")),
    ] {
        let result = Case { payload: "{}", ..Case::of("t") }.try_render(&contract("json", value, ""));
        match wrong {
            None => assert_eq!(text(&result.unwrap().body), "\"7b7d\"", "{value}"),
            Some(wrong) => {
                let told = result.unwrap_err().to_string();
                assert!(told.contains(wrong), "{value}: {told}");
            }
        }
    }
}
