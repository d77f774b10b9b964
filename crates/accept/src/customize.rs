//! What an endpoint's owner makes of the messages: templates in Liquid, and a GraphQL query for the payload.

use crate::check::Problems;
use crate::{Accept, Caller, Refusal};
use async_graphql_parser::types::{DocumentOperations, OperationType};
use postrider_contract::Contract;
use postrider_store::config::{Endpoint, EndpointSettings};

/// Bytes.
const LONGEST_QUERY: usize = 64 << 10;

impl Accept {
    /// The settings with whom the query runs for, or what is wrong with templates and query. What is as it was
    /// `before` is not looked at again.
    pub(crate) async fn customized(
        &self,
        caller: Caller,
        mut settings: EndpointSettings,
        before: Option<&Endpoint>,
    ) -> Result<EndpointSettings, Refusal> {
        let before = before.map(|endpoint| &endpoint.settings);
        let mut problems = Problems::default();
        for (field, template, earlier) in [
            (
                "validationTemplate",
                &settings.validation_template,
                before.and_then(|before| before.validation_template.as_ref()),
            ),
            ("template", &settings.template, before.and_then(|before| before.template.as_ref())),
            ("errorTemplate", &settings.error_template, before.and_then(|before| before.error_template.as_ref())),
        ] {
            if let Some(text) = template.as_ref().filter(|text| Some(*text) != earlier) {
                problems.check(field, self.templates.check(text).await.map_err(|error| error.to_string()));
            }
        }
        if let Some(query) = &settings.query {
            let same = before.filter(|before| before.query.as_ref() == Some(query));
            if same.is_none_or(|before| before.contract != settings.contract) {
                problems.check("query", self.check_query(&settings.contract, query));
            }
            // Whoever says what is asked, or where the answer goes, sees it: so it is asked for them.
            settings.query_as = match same.filter(|before| before.url == settings.url) {
                Some(before) => before.query_as.clone(),
                None => self.identity(caller),
            };
        }
        problems.done()?;
        Ok(settings)
    }

    fn check_query(&self, contract: &str, query: &str) -> Result<(), String> {
        let Some(contract) = self.contracts.get(contract) else { return Ok(()) };
        if contract.query_variables().is_empty() {
            return Err(format!("the contract {} has no payload queries; leave it out", contract.name()));
        }
        if !self.rules.payload_queries {
            return Err("payload queries are not available on this server; leave it out".into());
        }
        check_graphql(contract, query)
    }
}

/// One query, whose variables are those that it gets.
fn check_graphql(contract: &Contract, text: &str) -> Result<(), String> {
    if text.len() > LONGEST_QUERY {
        return Err(format!("has {} bytes; at most {LONGEST_QUERY} are allowed", text.len()));
    }
    let document = async_graphql_parser::parse_query(text).map_err(|error| said(&error))?;
    let DocumentOperations::Single(operation) = document.operations else {
        let DocumentOperations::Multiple(named) = &document.operations else { return Ok(()) };
        return match named.values().next() {
            Some(operation) if named.len() == 1 => check_operation(contract, &operation.node),
            _ => Err(format!("has {} operations; give one query", named.len())),
        };
    };
    check_operation(contract, &operation.node)
}

fn check_operation(
    contract: &Contract,
    operation: &async_graphql_parser::types::OperationDefinition,
) -> Result<(), String> {
    if operation.ty != OperationType::Query {
        return Err(format!("is a {}; only a query can be asked for a payload", operation.ty));
    }
    let given = contract.query_variables();
    for variable in &operation.variable_definitions {
        let name = variable.node.name.node.as_str();
        if !given.contains(&name) && !variable.node.var_type.node.nullable && variable.node.default_value.is_none() {
            let given: Vec<String> = given.iter().map(|name| format!("${name}")).collect();
            return Err(format!("needs ${name}, which nobody gives; there are {}", given.join(" and ")));
        }
    }
    Ok(())
}

/// The place and the reason, in one line.
fn said(error: &async_graphql_parser::Error) -> String {
    let text = error.to_string();
    let reason = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let reason = reason.trim().trim_start_matches("= ");
    match error.positions().next() {
        Some(place) => format!("line {}, column {}: {reason}", place.line, place.column),
        None => reason.to_owned(),
    }
}
