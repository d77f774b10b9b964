//! Which filters an endpoint may subscribe with, and which events they take.
#![allow(clippy::unwrap_used)]

mod common;

use postrider_contract::{Book, Contract, FilterKind};

/// A contract with this `[events]` table.
fn events(table: &str) -> Contract {
    Contract::parse(&format!("name = \"t\"\n[body]\nvalue = \"payload\"\n[events]\n{table}")).unwrap()
}

fn filters(filters: &[&str]) -> Vec<String> {
    filters.iter().map(|filter| (*filter).to_owned()).collect()
}

#[test]
fn a_filter_has_1_to_256_characters() {
    let open = events("open = true\npatterns = true");
    let check = |filter: &str| open.events().check_filter(filter);
    let length = "must have 1 to 256 characters";
    assert_eq!(check("a"), Ok(FilterKind::Exact));
    assert_eq!(check(&"a".repeat(256)), Ok(FilterKind::Exact));
    // A pattern counts without its end.
    assert_eq!(check(&("a".repeat(256) + ".*")), Ok(FilterKind::Pattern));
    for wrong in ["", ".*", &"a".repeat(257), &"a".repeat(1_000), &("a".repeat(257) + ".*")] {
        assert_eq!(check(wrong), Err(length.to_owned()), "{wrong}");
    }
}

#[test]
fn a_filter_may_ask_for_a_version_where_there_are_versions() {
    let two = events("catalogue = [\"a/{x}\"]\nversions = [\"1.0\", \"1.1\"]");
    let check = |filter: &str| two.events().check_filter(filter);
    for right in ["a/b", "a/b@1.0", "a/b@1.1"] {
        assert_eq!(check(right), Ok(FilterKind::Exact), "{right}");
    }
    for (wrong, version) in [("a/b@2.0", "2.0"), ("a/b@", ""), ("a/b@1.0@1.1", "1.0@1.1")] {
        assert_eq!(check(wrong), Err(format!("{version:?} is not a version of it; there are 1.0, 1.1")));
    }
    let matches = |filter: &str| two.events().matches(&filters(&[filter]), "a/b");
    assert!(matches("a/b@1.0") && matches("a/b") && !matches("a/c@1.0") && !matches("a/c"));

    let version =
        |asked: &[&str], event_type: &str| two.events().version(&filters(asked), event_type).map(str::to_owned);
    assert_eq!(version(&["a/c@1.1", "a/b@1.0"], "a/b").as_deref(), Some("1.0"), "its own filter's");
    assert_eq!(version(&["a/c@1.0", "a/b"], "a/b").as_deref(), Some("1.1"), "the latest");
    assert_eq!(version(&["a/c@1.0"], "a/b").as_deref(), Some("1.1"), "another's version is not its own");
    assert_eq!(version(&[], "a/b").as_deref(), Some("1.1"));

    // Where there are none, an @ is part of the name, and not allowed in it.
    let none = events("open = true");
    assert_eq!(
        none.events().check_filter("a@1"),
        Err("'@' is not allowed; use letters, digits and any of \"-_./\"".into())
    );
    assert!(!none.events().matches(&filters(&["a@1"]), "a"));
    assert_eq!(none.events().version(&filters(&["a@1"]), "a"), None);
}

#[test]
fn an_error_lists_the_catalogue_with_what_always_goes_out() {
    let some = events("catalogue = [\"a.{x}\", \"b\"]\nalways = [\"c\"]");
    let refused = some.events().check_filter("d").unwrap_err();
    assert_eq!(refused, "\"d\" is not in the catalogue, which has a.{x}, b, c");
    assert_eq!(some.events().list(), ["a.{x}", "b", "c"]);
}

#[test]
fn patterns_are_a_prefix_and_a_star_at_the_end() {
    let open = events("open = true\npatterns = true");
    let check = |filter: &str| open.events().check_filter(filter);
    assert_eq!(check("user.*"), Ok(FilterKind::Pattern));
    for wrong in ["us*r.created", "*", "user*", "*.user", "user.*.*"] {
        assert_eq!(
            check(wrong),
            Err(format!("{wrong:?} has a * elsewhere than at its end; use a pattern like user.*"))
        );
    }
    let exact = events("open = true");
    let refused = exact.events().check_filter("user.*").unwrap_err();
    assert_eq!(refused, "\"user.*\" is a pattern, and this contract takes exact names only");
    assert!(!exact.events().matches(&filters(&["user.*"]), "user.created"));
    assert!(open.events().is_open() && exact.events().is_open() && !events("catalogue = [\"a\"]").events().is_open());
}

#[test]
fn what_is_excepted_from_a_family_is_in_no_catalogue_and_what_always_goes_out_is() {
    let book = Book::shipped();
    let tellescope = book.get("tellescope").unwrap().events();
    assert!(tellescope.in_catalogue("endusers.create") && !tellescope.in_catalogue("api_keys.create"));
    assert!(tellescope.in_catalogue("automation") && !tellescope.in_catalogue("endusers.read"));
    assert!(tellescope.matches(&filters(&["endusers.create"]), "automation"));
    assert!(!tellescope.matches(&filters(&["endusers.create"]), "endusers.update"));
    assert!(tellescope.matches(&[], "endusers.update"), "no filters take every event");
}

#[test]
fn a_family_holds_whole_segments_between_its_ends() {
    let some = events("catalogue = [\"ab.{x}.ba\", \"e.{rest...}\"]");
    let knows = |event: &str| some.events().in_catalogue(event);
    assert!(knows("ab.c.ba") && knows("ab.c-d_1.ba") && knows("e.f") && knows("e.f.g-h_2"));
    for other in ["ab.ba", "ab..ba", "ab.c.d.ba", "ab.c.b", "b.c.ba", "ab.c d.ba", "e.", "e", "e.f/g", "e.f g"] {
        assert!(!knows(other), "{other}");
    }
}
