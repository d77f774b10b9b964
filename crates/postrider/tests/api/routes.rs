//! Every route of the OpenAPI document that the server itself serves, with a request that is right for it.

use postrider_testkit::app::{App, Client, Reply, id};
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a route is for. A route that is new falls under the strictest that fits its method, so that a test fails
/// until the route has its place here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// No key is needed.
    Public,
    /// For a token alone.
    Logout,
    Send,
    /// See what the environment has.
    LookAround,
    /// See what an application has.
    LookIn,
    /// Change an application's endpoints.
    ManageEndpoints,
    Secrets,
    Resend,
    /// The provider's alone.
    Manage,
}

/// One operation of the document.
#[derive(Clone, Debug)]
pub struct Route {
    pub method: String,
    /// With its parameters: `/api/v1/app/{app_id}`.
    pub path: String,
    pub takes_body: bool,
}

impl Route {
    /// All of them, those that delete last and the deepest first, so that the others have something to find.
    pub async fn all(app: &App) -> Vec<Route> {
        let document = app.get("/api/v1/openapi.json").await.expect(200);
        let mut routes = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in ["get", "put", "post", "patch", "delete"] {
                if let Some(operation) = operations.get(method) {
                    let takes_body = operation.get("requestBody").is_some();
                    routes.push(Route { method: method.to_uppercase(), path: path.clone(), takes_body });
                }
            }
        }
        routes.sort_by_key(|route| (route.method == "DELETE", std::cmp::Reverse(route.path.len())));
        assert!(routes.len() > 100, "{} routes", routes.len());
        routes
    }

    pub fn has(&self, parameter: &str) -> bool {
        self.path.contains(&format!("{{{parameter}}}"))
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn purpose(&self) -> Purpose {
        let is_read = self.method == "GET";
        let path = self.path.strip_prefix("/api/v1/").unwrap();
        let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
        match path {
            "health" | "health/ping" => Purpose::Public,
            "auth/logout" => Purpose::Logout,
            "payload-filter/try" | "stats/usage/app" | "stats/usage/event-types" | "environment/export" => {
                Purpose::LookAround
            }
            _ if path.starts_with("operational-webhook/") => Purpose::Manage,
            "app/{app_id}/msg"
            | "app/{app_id}/msg/batch"
            | "app/{app_id}/msg/precheck/active"
            | "app/{app_id}/simulate"
                if !is_read =>
            {
                Purpose::Send
            }
            _ if ends(&["/secret", "/secret/rotate", "/preview"]) => Purpose::Secrets,
            _ if ends(&["/resend", "/send-example", "/test", "/recover", "/replay-missing", "/bulk-replay"])
                || ends(&["/order/skip", "/consumer/{consumer_id}", "/seek"]) =>
            {
                Purpose::Resend
            }
            "app/{app_id}/integration/{integ_id}/key" => Purpose::Manage,
            _ if is_read => {
                let is_around = ["key", "environment", "background-task"].iter().any(|part| path.starts_with(part));
                match is_around || path == "app" || path.starts_with("app/{app_id}/integration") {
                    true => Purpose::LookAround,
                    false => Purpose::LookIn,
                }
            }
            _ if path.starts_with("app/{app_id}/endpoint") => Purpose::ManageEndpoints,
            _ => Purpose::Manage,
        }
    }
}

/// An application with a uid and something of each kind, and what else of its environment a route can name.
#[derive(Debug)]
pub struct World {
    /// The values of the parameters of paths.
    pub ids: BTreeMap<&'static str, String>,
    /// The same by uid, where there is one.
    pub uids: BTreeMap<&'static str, String>,
    /// An endpoint of operational webhooks.
    operational: String,
    hook: String,
}

impl World {
    pub async fn new(app: &App, receiver: &Receiver, name: &str) -> World {
        let uids = BTreeMap::from([
            ("app_id", name.to_owned()),
            ("endpoint_id", format!("{name}-hook")),
            ("sink_id", format!("{name}-sink")),
        ]);
        let hook = receiver.url(&format!("/{name}"));
        receiver.answer(&format!("/{name}"), Answer::status(500));
        let acme = id(&app.post("/api/v1/app", json!({"name": name, "uid": name})).await.expect(201));
        let form = json!({"url": hook, "uid": uids["endpoint_id"], "retrySchedule": []});
        let endpoint = app.endpoint(&acme, form).await;
        let sink = app.endpoint(&acme, json!({"poll": true, "uid": uids["sink_id"]})).await;
        let event_type = format!("{name}.created");
        let schemas = json!({"1": {"type": "object", "example": {"id": "1"}}});
        let event_type_form = json!({"name": event_type, "description": "x", "schemas": schemas});
        app.post("/api/v1/event-type", event_type_form).await.expect(201);
        let message = app.send(&acme, &event_type, json!({})).await;
        let attempt = id(&app.wait_for_attempts(&acme, &message, 1).await[0]);
        let integration = json!({"name": "Flows"});
        let integration = id(&app.post(&format!("/api/v1/app/{acme}/integration"), integration).await.expect(200));
        let recover = format!("/api/v1/app/{acme}/endpoint/{endpoint}/recover");
        let task = id(&app.post(&recover, json!({"since": "2020-01-01T00:00:00Z", "perSecond": 1})).await.expect(202));
        let environment = id(&app.post("/api/v1/environment", json!({"name": name})).await.expect(201));
        let key = id(&app.post("/api/v1/key", json!({"name": name})).await.expect(201));
        let operational = json!({"url": hook, "filterTypes": ["endpoint.disabled"]});
        let operational = app.post("/api/v1/operational-webhook/endpoint", operational).await.expect(201);
        let ids = BTreeMap::from([
            ("app_id", acme),
            ("endpoint_id", endpoint),
            ("sink_id", sink),
            ("consumer_id", "one".to_owned()),
            ("msg_id", message),
            ("attempt_id", attempt.clone()),
            ("error_id", attempt),
            ("integ_id", integration),
            ("task_id", task),
            ("event_type_name", event_type),
            ("environment_id", environment),
            ("key_id", key),
        ]);
        World { ids, uids, operational: id(&operational), hook }
    }

    /// The path of a route. What stands in `names` counts before the id.
    pub fn path(&self, route: &Route, names: &BTreeMap<&'static str, String>) -> String {
        let mut path = route.path.clone();
        if path.contains("operational-webhook") {
            path = path.replace("{endpoint_id}", &self.operational);
        }
        for (name, value) in names.iter().chain(&self.ids) {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        assert!(!path.contains('{'), "{path} names what there is none of");
        match route.path.as_str() {
            "/api/v1/app/{app_id}/variable" => path + "?subject=1",
            "/api/v1/schema" | "/api/v1/schema/compare" => {
                format!("{path}?eventType={}", self.ids["event_type_name"])
            }
            _ => path,
        }
    }

    /// Asks what is right, and may be done.
    pub async fn ask(&self, client: &Client, route: &Route, path: &str) -> Reply {
        let body = route.takes_body.then(|| self.body(route).to_string().into_bytes());
        client.request(&route.method, path, &[], body).await
    }

    fn body(&self, route: &Route) -> Value {
        let (event_type, payload) = (&self.ids["event_type_name"], json!({"id": "1"}));
        let message = json!({"eventType": event_type, "payload": payload});
        let path = route.path.strip_prefix("/api/v1/").unwrap();
        let last = path.rsplit('/').next().unwrap();
        match (last, route.method.as_str()) {
            ("msg" | "active" | "preview", _) => message,
            ("batch", _) => json!({"messages": [message]}),
            ("simulate", _) => json!({"payload": payload}),
            ("send-example", _) => json!({"eventType": event_type}),
            ("try", _) => json!({"filter": {}, "payload": {}}),
            ("app", "POST") if path.starts_with("stats") => {
                json!({"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"})
            }
            ("recover" | "replay-missing" | "bulk-replay", _) => json!({"since": "2020-01-01T00:00:00Z"}),
            ("bulk-expunge", _) => json!({"ids": [self.ids["msg_id"]]}),
            ("skip", _) => json!({"msgId": self.ids["msg_id"]}),
            ("seek", _) => json!({"after": "2020-01-01T00:00:00Z"}),
            ("tls", _) => json!({"caCertificates": "none"}),
            ("oauth", _) => {
                json!({"tokenUrl": self.hook, "clientId": "postrider", "clientSecret": "secret"})
            }
            ("headers", _) => json!({"headers": {"X-Team": "ops"}}),
            ("endpoint", _) | ("{endpoint_id}", "PUT" | "PATCH") => json!({"url": self.hook}),
            ("openapi", _) => json!({"spec": {"openapi": "3.1.0", "info": {}, "paths": {}, "webhooks": {}}}),
            ("event-type", _) => json!({"name": "another", "description": "x"}),
            ("{event_type_name}", _) => json!({"description": "y"}),
            ("app" | "integration" | "environment" | "key", "POST") => json!({"name": "Another"}),
            ("{app_id}", "PUT" | "PATCH") if !path.starts_with("auth") => {
                json!({"name": "Acme", "uid": self.uids["app_id"]})
            }
            ("{integ_id}" | "{environment_id}", _) => json!({"name": "Another"}),
            _ => json!({}),
        }
    }
}
