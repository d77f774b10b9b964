//! How far a key and a token reach: every route of the OpenAPI document, asked with what is right for it.

use super::routes::{Purpose, Route, World};
use super::started;
use postrider_testkit::app::{App, Client};
use serde_json::json;
use std::collections::BTreeMap;

async fn key_of_scope(app: &App, scope: &str) -> Client {
    let made = app.post("/api/v1/key", json!({"name": scope, "scope": scope})).await.expect(201);
    app.with_key(made["key"].as_str().unwrap())
}

/// The names of a world, by id and by uid, in every combination that a path can have.
fn names(world: &World, route: &Route) -> Vec<BTreeMap<&'static str, String>> {
    let mut all = vec![BTreeMap::new()];
    for (parameter, uid) in world.uids.iter().filter(|(parameter, _)| route.has(parameter)) {
        for mut names in all.clone() {
            names.insert(*parameter, uid.clone());
            all.push(names);
        }
    }
    all
}

#[tokio::test]
async fn a_token_reaches_no_route_of_another_application_by_id_or_by_uid() {
    let (app, receiver) = started().await;
    let mine = World::new(&app, &receiver, "mine").await;
    let theirs = World::new(&app, &receiver, "theirs").await;
    let link = format!("/api/v1/auth/app-portal-access/{}", mine.ids["app_id"]);
    let token = app.post(&link, json!({})).await.expect(200);
    let token = app.with_key(token["token"].as_str().unwrap());
    let (before, all) = (receiver.all().len(), Route::all(&app).await);
    let routes: Vec<&Route> = all.iter().filter(|route| route.has("app_id")).collect();
    let mut asked = 0;
    for route in &routes {
        let (status, code) = match route.purpose() {
            Purpose::Send | Purpose::LookAround | Purpose::Manage => (403, "not_allowed"),
            _ => (404, "not_found"),
        };
        let mut ways = names(&theirs, route);
        // By way of its own application, too. (A uid there would be one of its own.)
        if ["endpoint_id", "sink_id", "msg_id", "integ_id"].iter().any(|parameter| route.has(parameter)) {
            for app_id in [&mine.ids["app_id"], &mine.uids["app_id"]] {
                ways.push(BTreeMap::from([("app_id", app_id.clone())]));
            }
        }
        for names in ways {
            let path = theirs.path(route, &names);
            let reply = theirs.ask(&token, route, &path).await;
            assert_eq!(
                (reply.status, &reply.body["code"]),
                (status, &json!(code)),
                "{} {path}: {reply:?}",
                route.method
            );
            asked += 1;
        }
    }
    assert!(routes.len() > 50 && asked > 200, "{asked} requests to {} routes", routes.len());
    assert_eq!(receiver.all().len(), before, "nothing was sent");

    // All of it is there for whom it belongs to: the refusals were no accident of the paths.
    for route in &routes {
        let names = if route.method == "DELETE" { BTreeMap::new() } else { theirs.uids.clone() };
        let path = theirs.path(route, &names);
        let reply = theirs.ask(&app.client, route, &path).await;
        assert!(![400, 401, 403, 404, 405].contains(&reply.status), "{} {path}: {reply:?}", route.method);
    }
}

#[tokio::test]
async fn every_route_is_open_to_the_scopes_that_it_is_for_and_to_no_other() {
    let (app, receiver) = started().await;
    let world = World::new(&app, &receiver, "acme").await;
    let routes = Route::all(&app).await;
    let scopes = [
        ("send", key_of_scope(&app, "send").await, &[Purpose::Send][..]),
        ("read", key_of_scope(&app, "read").await, &[Purpose::LookAround, Purpose::LookIn]),
    ];
    let count = |purpose| routes.iter().filter(|route| route.purpose() == purpose).count();
    assert_eq!((count(Purpose::Public), count(Purpose::Logout), count(Purpose::Send)), (2, 1, 4));
    for (scope, key, purposes) in &scopes {
        for route in &routes {
            let path = world.path(route, &world.uids);
            let reply = world.ask(key, route, &path).await;
            let answer = (reply.status, reply.body["code"].as_str());
            match route.purpose() {
                Purpose::Logout => assert_eq!(answer, (403, Some("not_a_token")), "{scope}"),
                Purpose::Public => assert_eq!(reply.status, 204, "{scope}: {}", route.name()),
                purpose if purposes.contains(&purpose) => {
                    assert!(![401, 403, 404].contains(&reply.status), "{scope}: {}: {reply:?}", route.name());
                }
                _ => assert_eq!(answer, (403, Some("not_allowed")), "{scope}: {}: {reply:?}", route.name()),
            }
        }
    }
    // A key of the scope "all" may do all of it, and a stranger nothing.
    let stranger = app.with_key("a key that was never made");
    for route in &routes {
        let wanted = if route.purpose() == Purpose::Public { 204 } else { 401 };
        let path = world.path(route, &world.uids);
        assert_eq!(world.ask(&stranger, route, &path).await.status, wanted, "{}", route.name());
    }
    for route in routes.iter().filter(|route| route.purpose() != Purpose::Logout) {
        // A change of the application by its uid is under way: what deletes goes by id.
        let names = if route.method == "DELETE" { BTreeMap::new() } else { world.uids.clone() };
        let reply = world.ask(&app.client, route, &world.path(route, &names)).await;
        assert!(![400, 401, 403, 404, 405].contains(&reply.status), "{}: {reply:?}", route.name());
    }
}
