//! The singular of an English plural, by the rules that ActiveSupport's inflector follows: they name
//! the items of a list in XML.

/// What has no plural, where it is a whole word.
const UNCOUNTABLE: &[&str] =
    &["equipment", "information", "rice", "money", "species", "series", "fish", "sheep", "jeans", "police"];

/// Irregular words, also at the end of a longer one.
const IRREGULAR: &[(&str, &str)] = &[
    ("people", "person"),
    ("men", "man"),
    ("children", "child"),
    ("sexes", "sex"),
    ("moves", "move"),
    ("zombies", "zombie"),
];

/// An ending, where it counts, and how many of its characters are replaced by what. The first counts.
struct Rule {
    ending: &'static str,
    whole: bool,
    /// The character before must be none of these.
    not_after: &'static str,
    drop: usize,
    add: &'static str,
}

const fn rule(ending: &'static str, drop: usize, add: &'static str) -> Rule {
    Rule { ending, whole: false, not_after: "", drop, add }
}

const fn whole(ending: &'static str, drop: usize, add: &'static str) -> Rule {
    Rule { ending, whole: true, not_after: "", drop, add }
}

const RULES: &[Rule] = &[
    rule("databases", 1, ""),
    rule("quizzes", 3, ""),
    rule("matrices", 3, "x"),
    rule("vertices", 4, "ex"),
    rule("indices", 4, "ex"),
    whole("oxen", 2, ""),
    rule("aliases", 2, ""),
    rule("statuses", 2, ""),
    rule("alias", 0, ""),
    rule("status", 0, ""),
    rule("octopi", 1, "us"),
    rule("viri", 1, "us"),
    rule("octopus", 0, ""),
    rule("virus", 0, ""),
    whole("axes", 2, "is"),
    whole("axis", 0, ""),
    rule("crises", 2, "is"),
    rule("tests", 1, ""),
    rule("testes", 2, "is"),
    rule("crisis", 0, ""),
    rule("testis", 0, ""),
    rule("shoes", 1, ""),
    rule("oes", 2, ""),
    rule("buses", 2, ""),
    rule("bus", 0, ""),
    whole("mice", 3, "ouse"),
    whole("lice", 3, "ouse"),
    rule("xes", 2, ""),
    rule("ches", 2, ""),
    rule("sses", 2, ""),
    rule("shes", 2, ""),
    rule("movies", 1, ""),
    rule("series", 0, ""),
    rule("quies", 3, "y"),
    Rule { ending: "ies", whole: false, not_after: "aeiouy", drop: 3, add: "y" },
    rule("lves", 3, "f"),
    rule("rves", 3, "f"),
    rule("tives", 1, ""),
    rule("hives", 1, ""),
    Rule { ending: "ves", whole: false, not_after: "f", drop: 3, add: "fe" },
    rule("analyses", 2, "is"),
    rule("bases", 2, "is"),
    rule("diagnoses", 2, "is"),
    rule("parentheses", 2, "is"),
    rule("prognoses", 2, "is"),
    rule("synopses", 2, "is"),
    rule("theses", 2, "is"),
    rule("analysis", 0, ""),
    rule("basis", 0, ""),
    rule("diagnosis", 0, ""),
    rule("parenthesis", 0, ""),
    rule("prognosis", 0, ""),
    rule("synopsis", 0, ""),
    rule("thesis", 0, ""),
    rule("ta", 1, "um"),
    rule("ia", 1, "um"),
    rule("news", 0, ""),
    rule("ss", 0, ""),
    rule("s", 1, ""),
];

/// The name of one of `plural`.
pub fn singular(plural: &str) -> String {
    let lower = plural.to_ascii_lowercase();
    let ends = |ending: &str| lower.strip_suffix(ending).map(|stem| stem.chars().next_back());
    let starts_word = |before: Option<char>| before.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    if UNCOUNTABLE.iter().any(|word| ends(word).is_some_and(starts_word)) {
        return plural.to_owned();
    }
    if let Some((many, one)) = IRREGULAR.iter().find(|(many, _)| lower.ends_with(many)) {
        // The first letter keeps its case.
        let keep = plural.len() - many.len() + 1;
        return format!("{}{}", &plural[..keep], &one[1..]);
    }
    let holds = |rule: &&Rule| {
        ends(rule.ending).is_some_and(|before| {
            let needs_one = !rule.not_after.is_empty();
            (!rule.whole || before.is_none()) && before.map_or(!needs_one, |c| !rule.not_after.contains(c))
        })
    };
    match RULES.iter().find(holds) {
        Some(rule) => format!("{}{}", &plural[..plural.len() - rule.drop], rule.add),
        None => plural.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::singular;

    #[test]
    fn plurals_become_what_rails_makes_of_them() {
        for (many, one) in [
            ("nodes", "node"),
            ("tags", "tag"),
            ("entries", "entry"),
            ("days", "day"),
            ("addresses", "address"),
            ("address", "address"),
            ("statuses", "status"),
            ("status", "status"),
            ("boxes", "box"),
            ("branches", "branch"),
            ("series", "series"),
            ("news", "news"),
            ("movies", "movie"),
            ("people", "person"),
            ("salesPeople", "salesPerson"),
            ("children", "child"),
            ("women", "woman"),
            ("data", "datum"),
            ("media", "medium"),
            ("wives", "wife"),
            ("halves", "half"),
            ("archives", "archive"),
            ("analyses", "analysis"),
            ("indices", "index"),
            ("mice", "mouse"),
            ("heroes", "hero"),
            ("shoes", "shoe"),
            ("buses", "bus"),
            ("databases", "database"),
            ("externalData", "externalDatum"),
            ("information", "information"),
            ("scenario-sessions", "scenario-session"),
            ("person", "person"),
            ("Tags", "Tag"),
            ("", ""),
        ] {
            assert_eq!(singular(many), one, "{many}");
        }
    }
}
