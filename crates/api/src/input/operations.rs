//! What each operation takes, from the OpenAPI document: the names of its query parameters and the shape of its body.

use super::shape::{Reader, Shape};
use axum::http::Method;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// What an operation takes.
#[derive(Debug)]
pub struct Operation {
    pub query: Vec<String>,
    /// `None`: it has no body, or the document does not describe it.
    pub body: Option<Arc<Shape>>,
}

/// All operations by path, as routes write it, and method.
#[derive(Debug, Default)]
pub struct Operations(HashMap<String, HashMap<Method, Arc<Operation>>>);

impl Operations {
    pub fn of(document: &Value) -> Operations {
        let mut all: HashMap<String, HashMap<Method, Arc<Operation>>> = HashMap::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
                let of_path = all.entry(path.clone()).or_default();
                of_path.insert(method, Arc::new(read(document, operation)));
            }
        }
        Operations(all)
    }

    /// The operation of a route. A route whose last segment continues a name (`{name}/{rest}`) is the one without it.
    pub fn get(&self, method: &Method, route: &str) -> Option<Arc<Operation>> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let shorter = || self.0.get(route.rsplit_once("/{")?.0);
        self.0.get(route).or_else(shorter)?.get(method).cloned()
    }

    /// The methods of a route, for an answer to another one.
    pub fn methods(&self, route: &str) -> Vec<&str> {
        let mut methods: Vec<&str> =
            self.0.get(route).into_iter().flatten().map(|(method, _)| method.as_str()).collect();
        methods.sort_unstable();
        methods
    }
}

fn read(document: &Value, operation: &Value) -> Operation {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let in_query = parameters.filter(|parameter| parameter["in"] == "query");
    let schema = operation.pointer("/requestBody/content/application~1json/schema");
    Operation {
        query: in_query.filter_map(|parameter| parameter["name"].as_str()).map(str::to_owned).collect(),
        body: schema.map(|schema| Arc::new(Reader { document }.read(schema).shape)),
    }
}
