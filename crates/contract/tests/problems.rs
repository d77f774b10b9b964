//! What is wrong with a file: every mistake at once, each with its line and column.
#![allow(clippy::unwrap_used)]

use postrider_contract::{Book, Contract, shipped};

fn problems(text: &str) -> String {
    let problems = Contract::parse(text).expect_err("a file with mistakes");
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn every_shipped_contract_is_right_and_named_as_its_file() {
    for shipped in shipped() {
        let contract = Contract::parse(shipped.text).unwrap();
        assert_eq!(contract.name(), shipped.name);
        assert!(!contract.title().is_empty() && !contract.description().is_empty());
    }
    assert_eq!(Book::shipped().names().len(), 7);
}

#[test]
fn all_mistakes_are_told_at_once() {
    insta::assert_snapshot!(problems(r#"
name = "My Contract"
titel = "typo"

[events]
open = "yes"
catalogue = ["user.created", 7, "a {b"]

[body]
encoding = "yaml"
value = "{'a': payload.a"

[headers]
"X Y" = "1"
X-Id = "mesage.id"
content-type = "'a/b'"

[timeout]
seconds = 31

[retry]
schedule = [5, [9, 3], -1]
jitter = 2

[response]
success = []
retry = ["6xx", 99]

[url]
ports = [0, 80]
"#), @r#"
    2:8: a name has 1 to 64 lower-case letters, digits, - or _
    3:1: unknown key "titel"; a contract has name, title, description, events, settings, let, body, query, headers, secret, response, reply, state, chain, address, simulation, reasons, retry, timeout, disable, url
    6:8: events.open is true or false, not "yes"
    7:30: events.catalogue is a list of texts, not 7
    7:33: "a {b" is no event type; write a name such as user.created or a family, a.{name}
    10:12: body.encoding is one of "json", "canonical-json", "form", "xml", "raw", not "yaml"
    11:24: syntax error: unexpected end of input, expected `,`
    14:1: "X Y" is no header name
    15:9: "mesage" is neither a function nor a variable here; there are application, attempt, body, endpoint, kept, kept_since, message, now_ms, payload, secret, secrets, settings, timestamp
    16:1: set body.content_type instead
    19:11: timeout.seconds is a whole number from 1 to 30, not 31
    22:16: retry.schedule is a list of seconds, or of [from, to], of at most 30 days each, not a value of type array
    22:24: retry.schedule is a list of seconds, or of [from, to], of at most 30 days each, not -1
    23:10: retry.jitter is a number from 0 to 1, not 2
    25:1: response.success is empty, so nothing would ever be delivered
    27:10: response.retry is a list of statuses such as [200, "5xx"], not "6xx"
    27:17: response.retry is a list of statuses such as [200, "5xx"], not 99
    30:10: url.ports is a list of ports, 1 to 65535, not 0
    "#);
}

#[test]
fn a_mistake_in_an_expression_is_told_where_it_is_in_the_file() {
    insta::assert_snapshot!(problems("name = \"t\"\n[events]\nopen = true\n[body]\nvalue = '''{\n  \"a\": payload.a,\n  \"b\": payload.b c,\n}'''\n"), @r#"
    7:18: syntax error: unexpected identifier, expected `,`
    "#);
    insta::assert_snapshot!(problems("name = \"t\"\n[events]\nopen = true\n[body]\nvalue = \"[\\\"é\\\", payload, nothing]\"\n"), @r#"
    5:27: "nothing" is neither a function nor a variable here; there are application, attempt, endpoint, kept, kept_since, message, now_ms, payload, secret, secrets, settings, timestamp
    "#);
    insta::assert_snapshot!(problems("name = \"t\"\n[events]\nopen = true\n[let]\none = \"two\"\ntwo = \"1\"\nbody = \"2\"\nhex = \"3\"\nfour = \"body\"\n[body]\nvalue = \"one ~ body\"\n"), @r#"
    5:8: "two" is neither a function nor a variable here; there are application, attempt, endpoint, kept, kept_since, message, now_ms, payload, secret, secrets, settings, timestamp
    7:1: "body" is taken already; use another name
    8:1: "hex" is taken already; use another name
    9:9: "body" is neither a function nor a variable here; there are application, attempt, endpoint, hex, kept, kept_since, message, now_ms, one, payload, secret, secrets, settings, timestamp, two
    11:16: "body" is neither a function nor a variable here; there are application, attempt, endpoint, four, hex, kept, kept_since, message, now_ms, one, payload, secret, secrets, settings, timestamp, two
    "#);
    insta::assert_snapshot!(problems("name = \"t\"\n[events]\nopen = true\n[body]\nvalue = \"payload | nofilter\"\n[headers]\nX-A = \"nofunction(1)\"\n"), @r#"
    5:20: there is no filter "nofilter"
    7:8: "nofunction" is neither a function nor a variable here; there are application, attempt, body, endpoint, kept, kept_since, message, now_ms, payload, secret, secrets, settings, timestamp
    "#);
}

#[test]
fn what_is_missing_is_told_with_what_would_be_right() {
    insta::assert_snapshot!(problems(""), @r#"
    1:1: name is missing; a text is needed
    1:1: there is no event to send; list them in events.catalogue, or set events.open = true
    1:1: body is missing; [body] with value = "payload" sends the payload
    "#);
    insta::assert_snapshot!(problems("name = \"t\"\nbody = 3\n[events]\nalways = [\"a\"]\n[disable]\nerrors = {}\n[retry]\ndelay = \"n\"\n[secret]\nmin = 9\nmax = 3\ngenerate = \"whsec\""), @r#"
    2:8: body is a table, not 3
    6:10: write errors = { more_than = 100, within = 3600 }, seconds
    7:1: retry.delay needs retry.count, how often to try again
    9:1: secret.min is 9, more than secret.max, 3
    9:1: secret.kind and secret.generate must both be "whsec", or neither
    "#);
    insta::assert_snapshot!(problems("name = \"t\"\n[events]\nopen = true\n[body]\nxml = true\nencoding = \"form\"\n[retry]\nschedule = [1]\ndelay = \"n\"\ncount = 1\n[headers]\nX-A = \"1\"\nx-a = \"2\"\nHost = \"'h'\""), @r#"
    4:1: body.value is missing; a text is needed
    4:1: body.xml offers XML beside JSON; the encoding must be json or canonical-json
    7:1: give retry.schedule or retry.delay, not both
    13:1: x-a is there twice; header names have no case
    14:1: Host is HTTP's own and can't be set
    "#);
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    insta::assert_snapshot!(problems("name = \"t\nbody = 3\n[events"), @r#"
    1:10: invalid basic string, expected `"`
    3:8: unclosed table, expected `]`
    "#);
    insta::assert_snapshot!(problems("name = \"t\"\nname = \"u\"\n"), @"2:1: duplicate key");
}

#[test]
fn mistakes_in_what_comes_back_have_their_places() {
    insta::assert_snapshot!(problems(r#"
name = "x"
events.open = true
body.value = "payload"

[chain]
ends = "response.ok"

[address]
objekt = "payload.id"

[simulation]
event = "sent"
number = "secret"
numbers = { "+1" = [], "+2" = "sent", "+3" = [{ status = "sent" }] }
"#), @r#"
    7:9: "response" is neither a function nor a variable here; there are actions, message, payload
    9:1: address.object is missing; a text is needed
    10:1: unknown key "objekt"; address has object, optional_secret
    14:11: "secret" is neither a function nor a variable here; there are payload
    15:11: simulation.numbers.+1: write "+1500" = [{ status = "sent" }], the fields of each message in turn
    15:11: simulation.numbers.+2: write "+1500" = [{ status = "sent" }], the fields of each message in turn
    "#);
}
