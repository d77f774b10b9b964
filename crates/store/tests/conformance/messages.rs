//! Messages: accepted once, by the routing and the key of the moment, and read back.

use crate::world::*;
use postrider_store::config::Change;
use postrider_store::id::{AppId, MessageId};
use postrider_store::message::{Appended, IdempotencyKey, NewMessage};
use postrider_store::query::{MessageFilter, Page};
use postrider_store::{AppendError, Event};

on_every_driver! {
    async fn a_message_is_read_back_byte_for_byte_and_told_to_delivery_after_its_commit(place) {
        let mut world = World::new(place).await;
        let payload = "{\"a\" :1.50}\u{1f680}";
        let id = world.append(world.message(payload)).await;
        let stored = world.store.message(world.app, id).await.unwrap().unwrap();
        assert_eq!(stored.payload, payload.as_bytes());
        assert_eq!((stored.channels, stored.endpoints), (vec!["blue".to_owned(), "red".to_owned()], world.endpoints.clone()));
        assert_eq!(world.store.message(AppId(1), id).await.unwrap(), None, "another application's");
        let told = loop {
            if let Event::Accepted(messages) = world.feed.events.recv().await.unwrap() {
                break messages;
            }
        };
        assert_eq!(told.iter().map(|message| message.id).collect::<Vec<_>>(), [id]);
    }
}

on_every_driver! {
    async fn a_message_routed_by_an_outdated_routing_is_not_accepted(place) {
        let world = World::new(place).await;
        let routed_before = world.message("{}");
        world.store.change(world.app, Change::CreateEndpoint(endpoint(&world.store, world.app)), None).await.unwrap();
        assert!(matches!(world.store.append(routed_before).await, Err(AppendError::StaleRouting)));
        world.append(world.message("{}")).await;
    }
}

on_every_driver! {
    async fn an_idempotency_key_stands_for_one_answer_and_an_event_id_for_one_message(place) {
        let world = World::new(place).await;
        let key = |body: u8| Some(IdempotencyKey { key: [1; 16], body: [body; 16] });
        let first = world.append(NewMessage { idempotency: key(1), ..world.message("{}") }).await;
        let again = world.store.append(NewMessage { idempotency: key(1), ..world.message("{}") }).await.unwrap();
        assert_eq!(again, Appended::Repeat(first));
        let other = world.store.append(NewMessage { idempotency: key(2), ..world.message("{}") }).await;
        assert!(matches!(other, Err(AppendError::IdempotencyMismatch)));

        let named = || NewMessage { event_id: Some("order-1".into()), ..world.message("{}") };
        world.append(named()).await;
        assert!(matches!(world.store.append(named()).await, Err(AppendError::EventIdTaken)));
        // One refused message did not take its neighbours with it.
        assert_eq!(world.store.messages(world.app, None, MessageFilter::default(), all()).await.unwrap().rows.len(), 2);
    }
}

on_every_driver! {
    async fn a_message_with_a_key_that_was_revoked_on_its_way_is_not_accepted(place) {
        let world = World::new(place).await;
        let key = key(&world, None, 9);
        world.store.change(AppId(0), Change::CreateKey(key.clone()), None).await.unwrap();
        let message = || NewMessage { credential: Some(key.id), ..world.message("{}") };
        world.append(message()).await;
        world.store.change(AppId(0), Change::RevokeKey { key: key.id, at_ms: NOW }, None).await.unwrap();
        assert!(matches!(world.store.append(message()).await, Err(AppendError::Revoked)));
    }
}

on_every_driver! {
    async fn pages_go_through_all_in_both_directions(place) {
        let world = World::new(place).await;
        let mut ids = Vec::new();
        for n in 0..7 {
            ids.push(world.append(world.message(&n.to_string())).await);
        }
        let page = async |after: Option<MessageId>, ascending: bool| {
            let page = Page { limit: 3, after: after.map(|id| id.0), ascending, content: true };
            let found = world.store.messages(world.app, None, MessageFilter::default(), page).await.unwrap();
            found.rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(page(None, true).await, ids[..3]);
        assert_eq!(page(Some(ids[2]), true).await, ids[3..6]);
        assert_eq!(page(Some(ids[5]), true).await, ids[6..]);
        assert_eq!(page(Some(ids[2]), false).await, [ids[1], ids[0]]);
        let filter = |channel: &str| MessageFilter { channel: Some(channel.into()), ..MessageFilter::default() };
        assert_eq!(world.store.messages(world.app, None, filter("red"), all()).await.unwrap().rows.len(), 7);
        assert_eq!(world.store.messages(world.app, None, filter("re"), all()).await.unwrap().rows.len(), 0);
    }
}

on_every_driver! {
    async fn a_page_of_large_messages_ends_early_and_the_next_goes_on(place) {
        let world = World::new(place).await;
        let large = format!("\"{}\"", "x".repeat(3 << 20));
        let mut ids = Vec::new();
        for payload in [large.as_str(), "1", &large, &large] {
            ids.push(world.append(world.message(payload)).await);
        }
        let page = async |after: Option<i64>| {
            let page = Page { limit: 10, after, ascending: true, content: true };
            let found = world.store.messages(world.app, None, MessageFilter::default(), page).await.unwrap();
            (found.rows.into_iter().map(|row| row.id).collect::<Vec<_>>(), found.looked_to)
        };
        assert_eq!(page(None).await, (ids[..2].to_vec(), Some(ids[1].0)));
        assert_eq!(page(Some(ids[1].0)).await, (vec![ids[2]], Some(ids[2].0)), "one row at least");
        assert_eq!(page(Some(ids[2].0)).await, (vec![ids[3]], None));
        let without = Page { limit: 10, after: None, ascending: true, content: false };
        let found = world.store.messages(world.app, None, MessageFilter::default(), without).await.unwrap();
        assert_eq!((found.rows.len(), found.looked_to), (4, None), "without their content, messages are small");
    }
}
