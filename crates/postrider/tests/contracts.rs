//! Contracts as an operator meets them: one of one's own at work, and files that are wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use postrider_testkit::app::Start;
use postrider_testkit::receiver::{Answer, Received, Receiver};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use url::form_urlencoded;

/// Nothing that is shipped resembles it.
const COURIER: &str = r#"
name = "courier"
title = "Courier"
description = "A form with the parcel inside, signed over time, URL and the hash of the body."

[events]
catalogue = ["parcel.collected", "parcel.delivered", "depot.{depot}.closed"]

[settings]
region = "north"

[let]
parcel = "omit(payload, 'internal')"

[body]
encoding = "form"
value = '{"event": message.event_type, "parcel": parcel, "region": settings.region, "sent": timestamp}'

[headers]
X-Sig = '''"t=" ~ timestamp ~ ";s=" ~ base64url(
  hmac_sha256(secret, timestamp, "\n", endpoint.url, hex(sha256(body))))'''
X-Try = "attempt"

[secret]
min = 12

[response]
success = [202]

[retry]
schedule = [0.05, 0.05]

[timeout]
seconds = 3
"#;

const SECRET: &str = "thirteen and more";

fn written(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// What `postrider contract ARGS` says in a directory, and how it ends.
fn contract(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    let output = command.env_clear().current_dir(dir).arg("contract").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    format!("{}{}exit {}", text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

/// What a receiver of this contract would do, from its description alone.
fn verify(url: &str, request: &Received) -> Vec<(String, String)> {
    let header = request.header("x-sig").unwrap();
    let (time, signature) = header.strip_prefix("t=").unwrap().split_once(";s=").unwrap();
    assert!(time.parse::<u64>().unwrap() > 1_700_000_000, "{time} is seconds");
    let hash: String = Sha256::digest(&request.body).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{time}\n{url}{hash}").as_bytes());
    mac.verify_slice(&BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let mut fields: Vec<_> = form_urlencoded::parse(&request.body).into_owned().collect();
    assert_eq!(fields.pop(), Some(("sent".to_owned(), time.to_owned())));
    fields
}

#[tokio::test]
async fn a_contract_of_ones_own_is_sent_as_it_says() {
    let (dir, receiver) = (written(&[("courier.toml", COURIER)]), Receiver::start().await);
    let app = Start { contracts: Some(dir.path().to_owned()), ..Start::default() }.start().await;
    // 200 is no success here: the second try is.
    receiver.answer_in_turn("/hook", vec![Answer::status(200), Answer::status(202)]);
    let acme = app.application().await;
    let url = receiver.url("/hook?to=dock");
    let endpoint = |events: &[&str]| json!({"url": url, "contract": "courier", "secret": SECRET, "eventTypes": events, "headers": {"X-Own": "yes"}});
    let path = format!("/api/v1/app/{acme}/endpoint");
    let refused = app.post(&path, endpoint(&["parcel.lost"])).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "eventTypes", "0"]));
    let made = app.endpoint(&acme, endpoint(&["parcel.delivered", "depot.east.closed"])).await;

    app.send(&acme, "parcel.collected", json!({"id": 1})).await;
    let parcel = json!({"id": 7, "to": {"name": "Zoë & Co", "floor": null}, "items": ["a b", 2.5], "internal": true});
    let message = app.send(&acme, "parcel.delivered", parcel).await;
    let attempts = app.wait_for_attempts(&acme, &message, 2).await;
    assert_eq!(attempts[1]["error"]["code"], "status");
    assert_eq!((&attempts[1]["responseStatusCode"], &attempts[0]["responseStatusCode"]), (&json!(200), &json!(202)));
    assert_eq!(app.states(&acme, &message).await, ["success"]);

    let requests = receiver.received("/hook");
    assert_eq!(requests.len(), 2, "the event that was not asked for did not come");
    for (n, request) in requests.iter().enumerate() {
        assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(request.header("x-try"), Some((n + 1).to_string().as_str()));
        assert_eq!(request.header("x-own"), Some("yes"));
        let fields = verify(&url, request);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let wanted = [
            ("event", "parcel.delivered"),
            ("parcel[id]", "7"),
            ("parcel[to][name]", "Zoë & Co"),
            ("parcel[items][0]", "a b"),
            ("parcel[items][1]", "2.5"),
            ("region", "north"),
        ];
        assert_eq!(fields, wanted);
    }
    // A header that the contract sets is the contract's.
    let taken = json!({"headers": {"X-Sig": "mine"}});
    app.put(&format!("{path}/{made}/headers"), taken).await.expect(422);
}

#[test]
fn a_wrong_contract_is_told_by_line_and_column() {
    let right = "name = \"x\"\nevents.open = true\n\n[body]\nvalue = \"payload\"\n";
    let dir = written(&[
        ("key.toml", &right.replace("[body]", "[body]\nencodign = \"form\"")),
        ("expression.toml", &right.replace("payload", "{'a': payload.")),
        ("body.toml", "name = \"x\"\nevents.open = true\n"),
        ("variable.toml", &format!("{right}\n[headers]\nX-Sig = \"hex(hmac_sha256(secret, bdy))\"\n")),
        (
            "many.toml",
            "name = \"Big Name\"\ntimeout = 5\n\n[events]\nopen = 1\n\n[body]\nvalue = '''\n{\n  \"a\": nothing,\n}'''\n",
        ),
        ("toml.toml", "name = \"x\"\n[body\n"),
        ("right.toml", right),
    ]);
    let check = |file: &str| contract(dir.path(), &["check", file]);
    insta::assert_snapshot!(check("key.toml"), @r#"
    key.toml:5:1: unknown key "encodign"; body has value, encoding, xml, content_type
    exit 1
    "#);
    insta::assert_snapshot!(check("expression.toml"), @r"
    expression.toml:5:23: syntax error: unexpected end of input, expected identifier or integer
    exit 1
    ");
    insta::assert_snapshot!(check("body.toml"), @r#"
    body.toml:1:1: body is missing; [body] with value = "payload" sends the payload
    exit 1
    "#);
    insta::assert_snapshot!(check("variable.toml"), @r#"
    variable.toml:8:34: "bdy" is neither a function nor a variable here; there are application, attempt, body, endpoint, kept, kept_since, message, now_ms, payload, secret, secrets, settings, timestamp
    exit 1
    "#);
    insta::assert_snapshot!(check("many.toml"), @r#"
    many.toml:1:8: a name has 1 to 64 lower-case letters, digits, - or _
    many.toml:2:11: timeout is a table, not 5
    many.toml:4:1: there is no event to send; list them in events.catalogue, or set events.open = true
    many.toml:5:8: events.open is true or false, not 1
    many.toml:10:8: "nothing" is neither a function nor a variable here; there are application, attempt, endpoint, kept, kept_since, message, now_ms, payload, secret, secrets, settings, timestamp
    exit 1
    "#);
    insta::assert_snapshot!(check("toml.toml"), @r"
    toml.toml:2:6: unclosed table, expected `]`
    exit 1
    ");
    insta::assert_snapshot!(check("right.toml"), @r"
    right.toml: contract x is right
      events    any that is registered
      encoding  json
      headers   none of its own
      timeout   15 s
      retries   none
    exit 0
    ");
    insta::assert_snapshot!(check("nowhere.toml"), @r"
    postrider: can't read nowhere.toml: No such file or directory (os error 2)
    exit 1
    ");
    let both = contract(dir.path(), &["check", "right.toml", "body.toml"]);
    assert!(both.contains("right.toml: contract x is right") && both.ends_with("exit 1"), "{both}");
}

#[test]
fn the_shipped_contracts_are_right() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts");
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let said = contract(Path::new(dir), &["check", path.file_name().unwrap().to_str().unwrap()]);
        assert!(said.contains(" is right\n") && said.ends_with("exit 0"), "{said}");
        count += 1;
    }
    assert_eq!(count, contract(Path::new(dir), &["list"]).lines().count() - 2, "each is listed, and no other");
}

#[test]
fn a_request_can_be_looked_at_without_a_server() {
    let event = r#"{"eventType": "parcel.delivered", "payload": {"id": 7, "internal": 1}}"#;
    let node = r#"{"eventType": "node/created", "payload": {"id": "n1"},
        "endpoint": {"url": "https://example.com/hook", "contentType": "application/xml"}}"#;
    let dir =
        written(&[("courier.toml", COURIER), ("event.json", event), ("node.json", node), ("no.json", "{\"a\": 1}")]);
    let show = |args: &[&str]| contract(dir.path(), &[&["show"], args].concat());
    let courier = ["courier", "--event", "event.json", "--secret", SECRET, "--contracts", "."];
    insta::assert_snapshot!(show(&courier), @r"
    POST https://example.com/webhook
    Content-Type: application/x-www-form-urlencoded
    X-Sig: t=1769860800;s=im-uu_BWfJDnaaZZC2W5vHLguufo4NHyYWX0462p3Pg
    X-Try: 1
    User-Agent: Postrider/0.1.0

    event=parcel.delivered&parcel%5Bid%5D=7&region=north&sent=1769860800
    exit 0
    ");
    insta::assert_snapshot!(show(&["scope", "--event", "node.json", "--now", "2026-03-01T00:00:00+01:00"]), @r#"
    POST https://example.com/hook
    Content-Type: application/xml
    X-Scope-Topic: node/created
    X-Scope-Topic-Version: 1.1
    X-Scope-API-Version: 3
    X-Scope-Domain: scopear.com
    X-Scope-Webhook-Id: da1b388c-6c5e-80e2-bb1e-a21f43bd6be1
    X-Scope-Webhook-Type: node
    X-Scope-Webhook-Job-Id: 05b0c3cd3ea2abbe60988dc8
    X-Scope-Time: 2026-02-28T23:00:00Z
    User-Agent: Postrider/0.1.0

    <?xml version="1.0" encoding="UTF-8"?>
    <hash>
      <data>
        <id>n1</id>
        <url>https://cms.scopear.com/api/v3/graphql/object/n1</url>
      </data>
    </hash>

    exit 0
    "#);
    let standard = show(&["standard", "--event", "event.json"]);
    insta::assert_snapshot!(standard, @r#"
    POST https://example.com/webhook
    Content-Type: application/json
    webhook-id: msg_00000000000000example1
    webhook-timestamp: 1769860800
    webhook-signature: v1,xf4F/zACsif8UHlRF7tsEg3oG/Zh92CJckV3CIH8gA4=
    User-Agent: Postrider/0.1.0

    {"id": 7, "internal": 1}
    exit 0
    "#);
    assert_eq!(standard, show(&["standard", "--event", "event.json"]));
    insta::assert_snapshot!(show(&["standrad", "--event", "event.json"]), @r#"
    postrider: "standrad" is not a contract; there are scope, standard, svix, telerivet, tellescope, tiledesk, uplodr
    exit 1
    "#);
    insta::assert_snapshot!(show(&["standard", "--event", "event.json", "--secret", "short"]), @r"
    postrider: the secret is not base64; use whsec_ and the base64 of 24 to 64 bytes
    exit 1
    ");
    insta::assert_snapshot!(show(&["standard", "--event", "no.json"]), @r"
    postrider: no.json: missing field `eventType` at line 1 column 8
    exit 1
    ");
}

#[test]
fn the_operators_contracts_and_settings_count_as_they_do_for_serve() {
    let event = r#"{"eventType": "parcel.delivered", "payload": {"id": 7}}"#;
    let file = "contracts = \"own\"\n[contract.courier]\nregion = \"west\"\n";
    let dir = written(&[("event.json", event), ("postrider.toml", file), ("other.toml", &file.replace("west", "far"))]);
    std::fs::create_dir(dir.path().join("own")).unwrap();
    std::fs::write(dir.path().join("own/courier.toml"), COURIER).unwrap();
    let show = ["show", "courier", "--event", "event.json"];
    assert!(contract(dir.path(), &show).contains("&region=west&"));
    assert!(contract(dir.path(), &[&show[..], &["--config", "other.toml"]].concat()).contains("&region=far&"));
    assert!(contract(dir.path(), &["list"]).contains("courier"));
    insta::assert_snapshot!(contract(dir.path(), &["list", "--config", "none.toml"]), @r"
    postrider: can't read none.toml: No such file or directory (os error 2)
    exit 1
    ");
}
