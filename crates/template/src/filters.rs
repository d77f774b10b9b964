//! Filters within the budget: each pays for what it reads and makes, and those that can make much of little are
//! asked beforehand.

use crate::budget::{size, spend};
use liquid_core::model::ValueView;
use liquid_core::parser::{FilterArguments, ParseFilter};
use liquid_core::{Error, Expression, Filter, FilterReflection, Result, Runtime, Value};
use std::fmt;

/// The longest format of `date`, in bytes, and the widest field in it.
const DATE_FORMAT: usize = 256;
const DATE_WIDTH: usize = 100;

/// A filter of the library, metered.
#[derive(Clone)]
pub struct Metered(pub Box<dyn ParseFilter>);

impl ParseFilter for Metered {
    fn parse(&self, arguments: FilterArguments<'_>) -> Result<Box<dyn Filter>> {
        let positional: Vec<Expression> = arguments.positional.collect();
        let arguments =
            FilterArguments { positional: Box::new(positional.clone().into_iter()), keyword: arguments.keyword };
        let name = self.0.reflection().name().to_owned();
        Ok(Box::new(MeteredFilter { name, arguments: positional, filter: self.0.parse(arguments)? }))
    }

    fn reflection(&self) -> &dyn FilterReflection {
        self.0.reflection()
    }
}

#[derive(Debug)]
struct MeteredFilter {
    name: String,
    arguments: Vec<Expression>,
    filter: Box<dyn Filter>,
}

impl fmt::Display for MeteredFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.filter.fmt(f)
    }
}

impl Filter for MeteredFilter {
    fn evaluate(&self, input: &dyn ValueView, runtime: &dyn Runtime) -> Result<Value> {
        // These look at no more than the ends of what they get.
        if !matches!(self.name.as_str(), "size" | "first" | "last" | "default") {
            spend(runtime, 1, size(input))?;
        }
        self.ask(input, runtime)?;
        let made = self.filter.evaluate(input, runtime)?;
        spend(runtime, 1, size(&made))?;
        Ok(made)
    }
}

impl MeteredFilter {
    /// Pays beforehand for what may be more than input and arguments together.
    fn ask(&self, input: &dyn ValueView, runtime: &dyn Runtime) -> Result<()> {
        let argument = |n: usize| -> Result<String> {
            let Some(expression) = self.arguments.get(n) else { return Ok(String::new()) };
            Ok(expression.evaluate(runtime)?.to_kstr().to_string())
        };
        let elements = |value: &dyn ValueView| value.as_array().map_or(0, |array| array.size().unsigned_abs() as usize);
        match self.name.as_str() {
            "replace" => {
                let (search, with) = (argument(0)?, argument(1)?);
                let times = if search.is_empty() {
                    input.to_kstr().len() + 1
                } else {
                    input.to_kstr().matches(search.as_str()).count()
                };
                spend(runtime, 0, times.saturating_mul(with.len()))
            }
            "join" => spend(runtime, 0, elements(input).saturating_mul(argument(0)?.len())),
            // Each element is compared with all that were kept.
            "uniq" => spend(runtime, elements(input).saturating_mul(elements(input)), 0),
            "date" => date_format(&argument(0)?),
            "abs" | "plus" | "minus" | "times" | "divided_by" | "modulo" => {
                let operand = self.arguments.first().map(|expression| expression.evaluate(runtime)).transpose()?;
                self.whole(integer(input), operand.and_then(|value| integer(value.as_view())))
            }
            _ => Ok(()),
        }
    }
}

impl MeteredFilter {
    /// Whole numbers of 64 bits: the library would go on with a wrong one, or stop altogether.
    fn whole(&self, input: Option<i64>, operand: Option<i64>) -> Result<()> {
        let (Some(a), b) = (input, operand.unwrap_or(1)) else { return Ok(()) };
        let fits = match self.name.as_str() {
            "abs" => a.checked_abs().is_some(),
            "plus" => a.checked_add(b).is_some(),
            "minus" => a.checked_sub(b).is_some(),
            "times" => a.checked_mul(b).is_some(),
            // By zero is an error of the filter's own.
            _ => b == 0 || a.checked_div(b).is_some(),
        };
        if fits { Ok(()) } else { Err(Error::with_msg(format!("the result of {} is too large a number", self.filter))) }
    }
}

/// A whole number; `None` for what is none, or a text.
fn integer(value: &dyn ValueView) -> Option<i64> {
    value.as_scalar().filter(|scalar| scalar.type_name() == "whole number").and_then(|scalar| scalar.to_integer())
}

fn date_format(format: &str) -> Result<()> {
    let widest = format.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<usize>().ok()).max();
    let too_wide = format.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 9);
    if format.len() > DATE_FORMAT || too_wide || widest.is_some_and(|width| width > DATE_WIDTH) {
        return Err(Error::with_msg(format!(
            "a date's format has at most {DATE_FORMAT} bytes and no field wider than {DATE_WIDTH}"
        )));
    }
    Ok(())
}
