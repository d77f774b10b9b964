//! `for`, one element at a time: the stock block makes a list of all numbers of a range before the first.

use crate::budget::spend;
use crate::runtime::Inner;
use liquid_core::model::{KString, Value, ValueView};
use liquid_core::parser::{BlockElement, TryMatchToken};
use liquid_core::runtime::{Interrupt, InterruptRegister};
use liquid_core::{
    BlockReflection, Error, Expression, Language, Object, ParseBlock, Renderable, Result, Runtime, TagBlock,
    TagTokenIter, Template,
};
use std::io::Write;

#[derive(Clone, Debug)]
pub struct ForBlock;

impl BlockReflection for ForBlock {
    fn start_tag(&self) -> &str {
        "for"
    }

    fn end_tag(&self) -> &str {
        "endfor"
    }

    fn description(&self) -> &str {
        "Repeats what is in it for each element"
    }
}

#[derive(Debug)]
enum Source {
    Value(Expression),
    Range(Expression, Expression),
}

#[derive(Debug, Default)]
struct Attributes {
    limit: Option<Expression>,
    offset: Option<Expression>,
    reversed: bool,
}

#[derive(Debug)]
struct For {
    name: KString,
    source: Source,
    attributes: Attributes,
    body: Template,
    otherwise: Template,
}

impl ParseBlock for ForBlock {
    fn parse(
        &self,
        mut arguments: TagTokenIter<'_>,
        mut tokens: TagBlock<'_, '_>,
        language: &Language,
    ) -> Result<Box<dyn Renderable>> {
        let name = arguments.expect_next("a name expected")?.expect_identifier().into_result()?.to_owned();
        let word = arguments.expect_next("\"in\" expected")?;
        word.expect_str("in").into_result_custom_msg("\"in\" expected")?;
        let source = source(&mut arguments)?;
        let attributes = attributes(&mut arguments)?;
        let (mut body, mut otherwise) = (Vec::new(), Vec::new());
        while let Some(element) = tokens.next()? {
            match element {
                BlockElement::Tag(mut tag) if tag.name() == "else" => {
                    tag.tokens().expect_nothing()?;
                    otherwise = tokens.parse_all(language)?;
                    break;
                }
                element => body.push(element.parse(&mut tokens, language)?),
            }
        }
        tokens.assert_empty();
        let (body, otherwise) = (Template::new(body), Template::new(otherwise));
        Ok(Box::new(For { name: name.into(), source, attributes, body, otherwise }))
    }

    fn reflection(&self) -> &dyn BlockReflection {
        self
    }
}

fn source(arguments: &mut TagTokenIter<'_>) -> Result<Source> {
    match arguments.expect_next("a list or a range expected")?.expect_value() {
        TryMatchToken::Matches(value) => Ok(Source::Value(value)),
        TryMatchToken::Fails(token) => {
            let (from, to) = token.expect_range().into_result_custom_msg("a list or a range expected")?;
            Ok(Source::Range(from, to))
        }
    }
}

fn attributes(arguments: &mut TagTokenIter<'_>) -> Result<Attributes> {
    let mut attributes = Attributes::default();
    while let Some(token) = arguments.next() {
        match token.as_str() {
            "limit" => attributes.limit = Some(number(arguments)?),
            "offset" => attributes.offset = Some(number(arguments)?),
            "reversed" => attributes.reversed = true,
            _ => return Err(token.raise_custom_error("\"limit\", \"offset\" or \"reversed\" expected")),
        }
    }
    Ok(attributes)
}

fn number(arguments: &mut TagTokenIter<'_>) -> Result<Expression> {
    arguments.expect_next("\":\" expected")?.expect_str(":").into_result_custom_msg("\":\" expected")?;
    arguments.expect_next("a value expected")?.expect_value().into_result()
}

impl Renderable for For {
    fn render_to(&self, writer: &mut dyn Write, runtime: &dyn Runtime) -> Result<()> {
        match &self.source {
            Source::Range(from, to) => {
                let (from, to) = (integer(from, runtime)?, integer(to, runtime)?);
                let count = (i128::from(to) - i128::from(from) + 1).max(0);
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                let nth = |n: usize| i64::try_from(i128::from(from) + n as i128).unwrap_or(to);
                self.run(writer, runtime, count, |n| Element::Own(Value::scalar(nth(n))))
            }
            Source::Value(expression) => {
                let value = expression.evaluate(runtime)?;
                let view = value.as_view();
                if let Some(array) = view.as_array() {
                    let elements: Vec<&dyn ValueView> = array.values().collect();
                    return self.run(writer, runtime, elements.len(), |n| Element::Shared(elements[n]));
                }
                if let Some(object) = view.as_object() {
                    let mut pairs: Vec<_> = object.iter().collect();
                    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
                    let pair = |n: usize| {
                        let (key, value): &(_, &dyn ValueView) = &pairs[n];
                        Element::Own(Value::Array(vec![Value::scalar(key.to_string()), value.to_value()]))
                    };
                    return self.run(writer, runtime, pairs.len(), pair);
                }
                let is_one = view.is_scalar() && !view.to_kstr().is_empty();
                self.run(writer, runtime, usize::from(is_one), |_| Element::Shared(view))
            }
        }
    }
}

/// What a turn is about.
enum Element<'a> {
    Own(Value),
    Shared(&'a dyn ValueView),
}

impl For {
    fn run<'e>(
        &self,
        writer: &mut dyn Write,
        runtime: &dyn Runtime,
        count: usize,
        element: impl Fn(usize) -> Element<'e>,
    ) -> Result<()> {
        let first = attribute(self.attributes.offset.as_ref(), runtime)?.unwrap_or(0).min(count);
        let last =
            attribute(self.attributes.limit.as_ref(), runtime)?.map_or(count, |n| first.saturating_add(n).min(count));
        let turns = last - first;
        if turns == 0 {
            return self.otherwise.render_to(writer, runtime);
        }
        for turn in 0..turns {
            spend(runtime, 1, 0)?;
            let own;
            let view = match element(if self.attributes.reversed { last - 1 - turn } else { first + turn }) {
                Element::Own(value) => {
                    own = value;
                    &own as &dyn ValueView
                }
                Element::Shared(view) => view,
            };
            let forloop = Value::Object(forloop(turn, turns));
            let scope = Inner { parent: runtime, names: [(self.name.as_str(), view), ("forloop", &forloop)] };
            self.body.render_to(writer, &scope)?;
            if runtime.registers().get_mut::<InterruptRegister>().reset() == Some(Interrupt::Break) {
                break;
            }
        }
        // A break may have been the budget's end: this says so.
        spend(runtime, 0, 0)
    }
}

fn forloop(turn: usize, turns: usize) -> Object {
    let number = |n: usize| Value::scalar(i64::try_from(n).unwrap_or(i64::MAX));
    let mut forloop = Object::new();
    forloop.insert("length".into(), number(turns));
    forloop.insert("index".into(), number(turn + 1));
    forloop.insert("index0".into(), number(turn));
    forloop.insert("rindex".into(), number(turns - turn));
    forloop.insert("rindex0".into(), number(turns - turn - 1));
    forloop.insert("first".into(), Value::scalar(turn == 0));
    forloop.insert("last".into(), Value::scalar(turn + 1 == turns));
    forloop
}

fn integer(expression: &Expression, runtime: &dyn Runtime) -> Result<i64> {
    let value = expression.evaluate(runtime)?;
    let found = value.as_scalar().and_then(|scalar| scalar.to_integer());
    found.ok_or_else(|| Error::with_msg(format!("{expression} is not a whole number")))
}

fn attribute(expression: Option<&Expression>, runtime: &dyn Runtime) -> Result<Option<usize>> {
    let number = expression.map(|expression| integer(expression, runtime)).transpose()?;
    Ok(number.map(|number| usize::try_from(number).unwrap_or(0)))
}
