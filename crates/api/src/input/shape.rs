//! What the JSON of a request may look like, read from the OpenAPI document.

use serde_json::Value;
use std::sync::Arc;

/// Levels of nesting that are followed. Below, anything goes.
const DEEPEST: usize = 12;

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Anything: a payload, a schema, a filter.
    Any,
    /// A text; one of these, unless the list is empty.
    Text(Vec<String>),
    Number(Range),
    Flag,
    List(Arc<Slot>),
    /// An object whose names are the caller's own.
    Map(Arc<Slot>),
    Object(Arc<Fields>),
    /// One of several objects; the value of `type` says which.
    Tagged(Arc<Vec<Fields>>),
}

/// Which numbers are in range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Range {
    pub is_whole: bool,
    pub least: Option<i128>,
    pub most: Option<i128>,
    /// One of these, unless the list is empty.
    pub of: Vec<i128>,
}

/// A place for a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    pub shape: Shape,
    pub is_nullable: bool,
}

/// The fields of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    pub all: Vec<Field>,
    /// Whether the operation refuses other fields in every environment.
    pub is_closed: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub slot: Slot,
    pub is_required: bool,
}

impl Fields {
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.all.iter().find(|field| field.name == name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|field| field.name.as_str())
    }

    /// The values that `type` may have.
    pub fn tags(&self) -> &[String] {
        match self.get("type").map(|field| &field.slot.shape) {
            Some(Shape::Text(of)) => of,
            _ => &[],
        }
    }
}

impl Shape {
    /// The same, where anything goes in one of the fields.
    pub fn with_any(&self, name: &str) -> Shape {
        let Shape::Object(fields) = self else { return self.clone() };
        let mut fields = Fields::clone(fields);
        fields.all.iter_mut().filter(|field| field.name == name).for_each(|field| field.slot.shape = Shape::Any);
        Shape::Object(Arc::new(fields))
    }
}

/// Reads schemas of an OpenAPI document.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    pub document: &'a Value,
}

impl<'a> Reader<'a> {
    pub fn read(self, schema: &'a Value) -> Slot {
        self.slot(schema, 0)
    }

    fn slot(self, schema: &'a Value, depth: usize) -> Slot {
        let schema = self.resolved(schema);
        if depth > DEEPEST {
            return Slot { shape: Shape::Any, is_nullable: true };
        }
        if let Some(options) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
            return self.one_of(options, depth);
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            return Slot { shape: self.all_of(parts, depth), is_nullable: false };
        }
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        let kind = types.iter().find(|name| **name != "null");
        let shape = match kind {
            Some(&"string") => Shape::Text(texts(schema)),
            Some(&"integer") => Shape::Number(range(schema, true)),
            Some(&"number") => Shape::Number(range(schema, false)),
            Some(&"boolean") => Shape::Flag,
            Some(&"array") => match schema.get("items") {
                Some(items) => Shape::List(Arc::new(self.slot(items, depth + 1))),
                None => Shape::Any,
            },
            Some(&"object") => self.object(schema, depth),
            _ => Shape::Any,
        };
        Slot { is_nullable: types.contains(&"null") || shape == Shape::Any, shape }
    }

    fn object(self, schema: &'a Value, depth: usize) -> Shape {
        match schema.get("additionalProperties") {
            _ if schema.get("properties").is_some() => Shape::Object(Arc::new(self.fields(schema, depth))),
            Some(values @ Value::Object(_)) => Shape::Map(Arc::new(self.slot(values, depth + 1))),
            _ => Shape::Any,
        }
    }

    fn fields(self, schema: &'a Value, depth: usize) -> Fields {
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let field = |(name, of): (&String, &'a Value)| Field {
            name: name.clone(),
            slot: self.slot(of, depth + 1),
            is_required: required.contains(&name.as_str()),
        };
        let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        Fields { all: properties.map(field).collect(), is_closed }
    }

    fn one_of(self, options: &'a [Value], depth: usize) -> Slot {
        let is_null = |option: &&Value| option.get("type").and_then(Value::as_str) == Some("null");
        let (nulls, others): (Vec<_>, Vec<_>) = options.iter().partition(is_null);
        let is_nullable = !nulls.is_empty();
        if let [only] = others[..] {
            let slot = self.slot(only, depth);
            return Slot { is_nullable: is_nullable || slot.is_nullable, ..slot };
        }
        let variants: Vec<Fields> = others.iter().map(|option| self.fields(self.resolved(option), depth)).collect();
        let shape = match variants.iter().all(|fields| !fields.tags().is_empty()) {
            true => Shape::Tagged(Arc::new(variants)),
            false => Shape::Any,
        };
        Slot { shape, is_nullable }
    }

    fn all_of(self, parts: &'a [Value], depth: usize) -> Shape {
        let mut whole = Fields::default();
        for part in parts {
            match self.slot(part, depth).shape {
                Shape::Object(fields) => whole.all.extend(fields.all.iter().cloned()),
                _ => return Shape::Any,
            }
        }
        Shape::Object(Arc::new(whole))
    }

    fn resolved(self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..DEEPEST {
            let Some(place) = schema.get("$ref").and_then(Value::as_str) else { break };
            let Some(found) = place.strip_prefix('#').and_then(|pointer| self.document.pointer(pointer)) else { break };
            schema = found;
        }
        schema
    }
}

fn texts(schema: &Value) -> Vec<String> {
    let values = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn range(schema: &Value, is_whole: bool) -> Range {
    let bound = |name: &str| schema.get(name).and_then(whole);
    let (least, most) = match schema.get("format").and_then(Value::as_str) {
        _ if !is_whole => (None, None),
        Some("uint16") => (Some(0), Some(i128::from(u16::MAX))),
        // `u32` is described as an `int32` from 0.
        Some("int32") if bound("minimum").is_some() => (Some(0), Some(i128::from(u32::MAX))),
        Some("int32") => (Some(i128::from(i32::MIN)), Some(i128::from(i32::MAX))),
        Some("uint64") => (Some(0), Some(i128::from(u64::MAX))),
        _ => (Some(i128::from(i64::MIN)), Some(i128::from(i64::MAX))),
    };
    let of = schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(whole).collect();
    Range { is_whole, least: bound("minimum").or(least), most: bound("maximum").or(most), of }
}

fn whole(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from)).or_else(|| {
        let float = value.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e15)?;
        Some(float as i128)
    })
}
