//! What a test does that can't run on this machine.

/// Says why a test is skipped. In CI nothing is skipped: there, this fails the test.
pub fn skip(why: &str) {
    skip_where(std::env::var_os("CI").is_some(), why);
}

fn skip_where(is_ci: bool, why: &str) {
    assert!(!is_ci, "{why}; in CI this must be tested");
    println!("skipped: {why}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_can_not_run_is_skipped_outside_of_ci() {
        skip_where(false, "there is no moon");
    }

    #[test]
    #[should_panic(expected = "there is no moon; in CI this must be tested")]
    fn a_test_that_can_not_run_fails_in_ci() {
        skip_where(true, "there is no moon");
    }
}
