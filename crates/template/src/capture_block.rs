//! `capture`, within the budget.

use crate::budget::Output;
use liquid_core::model::KString;
use liquid_core::{
    BlockReflection, Error, Language, ParseBlock, Renderable, Result, Runtime, TagBlock, TagTokenIter, Template, Value,
};
use std::io::Write;

#[derive(Clone, Debug)]
pub struct CaptureBlock;

impl BlockReflection for CaptureBlock {
    fn start_tag(&self) -> &str {
        "capture"
    }

    fn end_tag(&self) -> &str {
        "endcapture"
    }

    fn description(&self) -> &str {
        "Keeps what is in it as a variable"
    }
}

#[derive(Debug)]
struct Capture {
    name: KString,
    body: Template,
}

impl ParseBlock for CaptureBlock {
    fn parse(
        &self,
        mut arguments: TagTokenIter<'_>,
        mut tokens: TagBlock<'_, '_>,
        language: &Language,
    ) -> Result<Box<dyn Renderable>> {
        let name = arguments.expect_next("a name expected")?.expect_identifier().into_result()?.to_owned();
        arguments.expect_nothing()?;
        let body = Template::new(tokens.parse_all(language)?);
        tokens.assert_empty();
        Ok(Box::new(Capture { name: name.into(), body }))
    }

    fn reflection(&self) -> &dyn BlockReflection {
        self
    }
}

impl Renderable for Capture {
    fn render_to(&self, _: &mut dyn Write, runtime: &dyn Runtime) -> Result<()> {
        let mut output = Output { written: Vec::new(), runtime };
        self.body.render_to(&mut output, runtime)?;
        let text = String::from_utf8(output.written).map_err(|error| Error::with_msg(error.to_string()))?;
        runtime.set_global(self.name.clone(), Value::scalar(text));
        Ok(())
    }
}
