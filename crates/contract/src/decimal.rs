//! Numbers of any length, compared exactly.

use std::cmp::Ordering;

/// A number as its digits, without zeros around them, and the power of ten of the first: equal for
/// equal numbers, however they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// Empty: zero.
    digits: String,
    /// The number is 0.digits · 10^magnitude.
    magnitude: i64,
}

impl Decimal {
    /// `text` is a number as JSON writes it.
    pub fn parse(text: &str) -> Decimal {
        let (text, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let far = if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
        let exponent: i64 = exponent.parse().unwrap_or(far);
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        if digits.is_empty() {
            return Decimal { negative: false, digits: String::new(), magnitude: 0 };
        }
        let length = |text: &str| i64::try_from(text.len()).unwrap_or(0);
        let magnitude = exponent.saturating_add(length(digits)).saturating_sub(length(fraction));
        Decimal { negative, digits: digits.trim_end_matches('0').to_owned(), magnitude }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        let sign = |number: &Decimal| if number.digits.is_empty() { 0 } else { 1 - 2 * i8::from(number.negative) };
        let size = || self.magnitude.cmp(&other.magnitude).then_with(|| self.digits.cmp(&other.digits));
        match (sign(self), sign(other)) {
            (1, 1) => size(),
            (-1, -1) => size().reverse(),
            (one, two) => one.cmp(&two),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    #[test]
    fn numbers_of_any_length_are_in_order() {
        let ascending = [
            "-1e400",
            "-12",
            "-11.5",
            "-0.001",
            "0",
            "1e-400",
            "0.1",
            "0.10000000000000000001",
            "1",
            "9007199254740992.0",
            "9007199254740993",
            "12345678901234567890123",
            "1e99999999999999999999",
        ];
        for (n, one) in ascending.iter().enumerate() {
            for (m, two) in ascending.iter().enumerate() {
                assert_eq!(Decimal::parse(one).cmp(&Decimal::parse(two)), n.cmp(&m), "{one} and {two}");
            }
        }
        for (one, two) in [("1", "1.00"), ("100", "1e2"), ("0", "-0.0"), ("0.001", "1E-3"), ("1.5e1", "15")] {
            assert_eq!(Decimal::parse(one), Decimal::parse(two));
        }
    }
}
