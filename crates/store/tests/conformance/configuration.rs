//! What a provider sets up: versions, names, tokens, environments, notices.

use crate::world::*;
use postrider_store::config::{
    ApiKey, Application, ApplicationSettings, Change, EnvId, Environment, EnvironmentProxy, EnvironmentSettings,
};
use postrider_store::id::AppId;
use postrider_store::{ChangeError, Changed, Secret, Store};

on_every_driver! {
    async fn a_change_based_on_an_old_version_is_refused_and_names_are_taken_once(place) {
        let world = World::new(place).await;
        let row = world.store.directory().app(world.app).unwrap().app.clone();
        let renamed = |name: &str, version: i64| {
            let settings = ApplicationSettings { name: name.into(), ..row.settings.clone() };
            Change::UpdateApplication { row: Application { settings, version, ..row.clone() }, based_on: row.version }
        };
        assert_eq!(world.store.change(world.app, renamed("one", world.store.new_id()), None).await.unwrap(), Changed::Applied);
        let late = world.store.change(world.app, renamed("two", world.store.new_id()), None).await;
        assert!(matches!(late, Err(ChangeError::Outdated)));
        assert_eq!(world.store.directory().app(world.app).unwrap().app.settings.name, "one");

        let id = world.store.new_id();
        let twin = Application { id: AppId(id), version: id, ..row.clone() };
        let taken = world.store.change(twin.id, Change::CreateApplication(twin), None).await;
        assert!(matches!(taken, Err(ChangeError::Taken)));
    }
}

on_every_driver! {
    async fn tokens_end_together_by_session_and_with_their_application(place) {
        let world = World::new(place).await;
        let mut keys = Vec::new();
        for (hash, session) in [(1, None), (2, Some("one")), (3, Some("two"))] {
            let row = ApiKey { session: session.map(str::to_owned), ..key(&world, Some(world.app), hash) };
            world.store.change(AppId(0), Change::CreateKey(row.clone()), None).await.unwrap();
            keys.push(row);
        }
        let in_force = |store: &Store| -> Vec<u8> {
            let rows = keys.iter().filter_map(|key| store.directory().key(&key.hash));
            rows.filter(|key| key.is_in_force(NOW)).map(|key| key.hash[0]).collect()
        };
        assert_eq!(in_force(&world.store), [1, 2, 3]);
        let of_one = Change::ExpireTokens { app: world.app, sessions: vec!["one".into()], at_ms: NOW };
        world.store.change(world.app, of_one, None).await.unwrap();
        assert_eq!(in_force(&world.store), [1, 3]);
        let world = world.reopen(place).await;
        assert_eq!(in_force(&world.store), [1, 3]);
        world.store.change(AppId(0), Change::ForgetTokens { before_ms: NOW }, None).await.unwrap();
        assert_eq!(world.store.directory().token_count(world.app), 2);
        let delete = Change::DeleteApplication { app: world.app, version: world.store.new_id() };
        world.store.change(world.app, delete, None).await.unwrap();
        assert_eq!(in_force(&world.store), [0_u8; 0]);
        assert!(world.reopen(place).await.store.directory().key(&[1; 32]).is_none());
    }
}

on_every_driver! {
    async fn an_environment_goes_only_when_it_is_empty(place) {
        let world = World::new(place).await;
        let id = EnvId(world.store.new_id());
        let row = Environment {
            id,
            name: "staging".into(),
            settings: EnvironmentSettings {
                retention_days: Some(7),
                proxy: Some(EnvironmentProxy {
                    url: Secret::new("http://ann:s3cret@proxy.test:3128"),
                    no_proxy: vec!["example.com".into()],
                }),
                strict: true,
            },
            created_ms: NOW,
            updated_ms: NOW,
            version: id.0,
        };
        world.store.change(AppId(0), Change::PutEnvironment { row: row.clone(), based_on: None }, None).await.unwrap();
        let again = Environment { id: EnvId(world.store.new_id()), ..row.clone() };
        let again = world.store.change(AppId(0), Change::PutEnvironment { row: again, based_on: None }, None).await;
        assert!(matches!(again, Err(ChangeError::Taken)));
        let world = world.reopen(place).await;
        assert_eq!(world.store.directory().environment(id).as_deref(), Some(&row));
        let full = world.store.change(AppId(0), Change::DeleteEnvironment(EnvId(1)), None).await;
        assert!(matches!(full, Err(ChangeError::NotEmpty)));
        world.store.change(AppId(0), Change::DeleteEnvironment(id), None).await.unwrap();
        assert_eq!(world.store.directory().environments().len(), 1);
    }
}

on_every_driver! {
    async fn people_are_told_of_an_endpoint_once_in_an_interval(place) {
        let world = World::new(place).await;
        let claim = async |now_ms: i64| {
            let change = Change::ClaimNotice { endpoint: world.endpoints[0], now_ms, before_ms: now_ms - 1_000 };
            world.store.change(world.app, change, None).await
        };
        claim(NOW).await.unwrap();
        assert!(matches!(claim(NOW + 999).await, Err(ChangeError::Outdated)));
        claim(NOW + 1_000).await.unwrap();
        let gone = Change::DeleteEndpoint { endpoint: world.endpoints[0], version: world.store.new_id() };
        world.store.change(world.app, gone, None).await.unwrap();
        assert!(matches!(claim(NOW + 9_000).await, Err(ChangeError::Outdated)), "there is nobody to tell of");
    }
}
