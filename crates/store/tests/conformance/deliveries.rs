//! Deliveries: where they stand, and what a crash leaves of them.

use crate::world::*;
use postrider_store::config::Change;
use postrider_store::message::{AttemptRecord, DeliveryState, NewMessage, Retry, Scheduled, Setting, Standing};
use postrider_store::query::{AttemptFilter, AttemptsOf};
use postrider_store::{ChangeError, Event};
use std::time::Duration;

on_every_driver! {
    async fn where_a_delivery_stands_follows_from_its_attempts_and_its_schedule(place) {
        let world = World::new(place).await;
        let id = world.append(world.message("{}")).await;
        let [first, second] = [world.endpoints[0], world.endpoints[1]];
        let states = async || world.store.states(vec![(id, first), (id, second)]).await.unwrap();
        assert_eq!(states().await, [DeliveryState::Pending { next_ms: None }, DeliveryState::Pending { next_ms: None }]);

        world.record(delivery(id, first), true, None, false);
        world.record(delivery(id, second), false, Some(Retry { due_ms: NOW + 5_000, attempts: 1 }), false);
        world.store.flush().await;
        assert_eq!(states().await, [DeliveryState::Success, DeliveryState::Pending { next_ms: Some(NOW + 5_000) }]);
        assert_eq!(world.store.due(second, NOW, 10).await.unwrap(), due(vec![], Some(NOW + 5_000)));
        let scheduled = Scheduled { delivery: delivery(id, second), due_ms: NOW + 5_000, attempts: 1 };
        assert_eq!(world.store.due(second, NOW + 5_000, 10).await.unwrap(), due(vec![scheduled], None));
        assert_eq!(world.store.waiting_endpoints().await.unwrap(), [(second, NOW + 5_000)]);

        world.record(delivery(id, second), false, None, true);
        world.store.flush().await;
        assert_eq!(states().await[1], DeliveryState::Fail);
        assert_eq!(world.store.waiting_count().await.unwrap(), 0);
        let attempts = world.store.attempts(AttemptsOf::Message(id), AttemptFilter::default(), all()).await.unwrap().rows;
        assert_eq!(attempts.len(), 3);
        assert!(attempts.is_sorted_by(|newer, older| newer.id > older.id));
        let failed = AttemptFilter { success: Some(false), status_class: Some(500), ..AttemptFilter::default() };
        assert_eq!(world.store.attempts(AttemptsOf::Endpoint(second), failed, all()).await.unwrap().rows.len(), 2);
    }
}

on_every_driver! {
    async fn after_a_crash_exactly_what_was_open_is_scheduled_again(place) {
        let world = World::new(place).await;
        let done = world.append(world.message("1")).await;
        let half = world.append(world.message("2")).await;
        let untried = world.append(world.message("3")).await;
        let [first, second] = [world.endpoints[0], world.endpoints[1]];
        world.record(delivery(done, first), true, None, false);
        world.record(delivery(done, second), true, None, false);
        world.record(delivery(half, first), false, None, false);
        world.store.park(0, vec![Scheduled { delivery: delivery(half, second), due_ms: NOW + 9, attempts: 0 }], false);
        world.store.flush().await;

        let world = world.reopen(place).await;
        assert_eq!(world.feed.recovered, 2, "the untried message's two deliveries");
        let at_first = world.store.due(first, NOW, 10).await.unwrap();
        assert_eq!(at_first.rows.iter().map(|row| row.delivery.message).collect::<Vec<_>>(), [untried]);
        let at_second = world.store.due(second, NOW, 10).await.unwrap();
        assert_eq!(at_second.rows.iter().map(|row| row.delivery.message).collect::<Vec<_>>(), [untried]);
        assert_eq!(at_second.next_ms, Some(NOW + 9), "what was parked waits where it was");
        assert_eq!(world.reopen(place).await.feed.recovered, 0, "once is enough");
    }
}

on_every_driver! {
    async fn a_resend_makes_the_endpoint_one_that_the_message_goes_to(place) {
        let world = World::new(place).await;
        let only_first = NewMessage { endpoints: vec![world.endpoints[0]], ..world.message("{}") };
        let id = world.append(only_first).await;
        for _ in 0..2 {
            let resend = Change::Resend { message: id, endpoint: world.endpoints[1], due_ms: NOW, at_once: true };
            world.store.change(world.app, resend, None).await.unwrap();
        }
        let message = world.store.message(world.app, id).await.unwrap().unwrap();
        assert_eq!((message.endpoints, &message.tags[..]), (world.endpoints.clone(), &["vip".to_owned()][..]));
        let expunge = Change::ExpungeMessage { message: id };
        world.store.change(world.app, expunge, None).await.unwrap();
        assert!(world.store.message(world.app, id).await.unwrap().unwrap().payload.is_empty());
        let resend = Change::Resend { message: id, endpoint: world.endpoints[1], due_ms: NOW, at_once: true };
        assert!(matches!(world.store.change(world.app, resend, None).await, Err(ChangeError::NotFound)));
    }
}

on_every_driver! {
    async fn a_message_comes_to_the_next_of_its_chain_in_the_commit_that_ends_the_one_before(place) {
        let mut world = World::new(place).await;
        let [first, second] = [world.endpoints[0], world.endpoints[1]];
        let chained = NewMessage { endpoints: vec![first], chain: vec![first, second], ..world.message("{}") };
        let id = world.append(chained).await;
        let next = Scheduled { delivery: delivery(id, second), due_ms: NOW, attempts: 0 };
        for _ in 0..2 {
            // Twice, as after a crash before the first was known to be committed.
            world.record_with_next(delivery(id, first), next);
        }
        world.store.flush().await;
        let message = world.store.message(world.app, id).await.unwrap().unwrap();
        assert_eq!((message.endpoints, message.chain), (vec![first, second], vec![first, second]));
        assert_eq!(world.store.due(second, NOW, 10).await.unwrap(), due(vec![next], None));
        let mut begun = Vec::new();
        while let Ok(event) = world.feed.events.try_recv() {
            if let Event::Parked(rows) = event {
                begun.extend(rows);
            }
        }
        assert!(!begun.is_empty() && begun.iter().all(|row| *row == next), "delivery is told: {begun:?}");
        let world = world.reopen(place).await;
        assert_eq!(world.feed.recovered, 0, "all of it has an attempt or a row");
    }
}

on_every_driver! {
    async fn where_messages_about_an_object_go_is_the_last_word_that_was_accepted(place) {
        let world = World::new(place).await;
        let [first, second] = [world.endpoints[0], world.endpoints[1]];
        let to = |endpoint, event_id: Option<&str>| NewMessage {
            endpoints: vec![endpoint],
            object: Some("SM1".into()),
            event_id: event_id.map(str::to_owned),
            ..world.message("{}")
        };
        let known = async |since_ms| world.store.address(world.app, "SM1".into(), since_ms).await.unwrap();
        assert_eq!(known(0).await, None);
        world.append(to(first, Some("e1"))).await;
        assert_eq!(known(0).await, Some(first));
        assert!(world.store.append(to(second, Some("e1"))).await.is_err(), "the event id is taken");
        assert_eq!(known(0).await, Some(first), "what was refused says nothing");
        world.append(to(second, None)).await;
        assert_eq!((known(NOW).await, known(NOW + 1).await), (Some(second), None));
        let forget = |before_ms| Change::ForgetAddresses { before_ms, limit: 10 };
        assert!(matches!(world.store.change(world.app, forget(NOW), None).await, Err(ChangeError::NotFound)));
        world.store.change(world.app, forget(NOW + 1), None).await.unwrap();
        assert_eq!(known(0).await, None);
        assert!(world.store.has_nothing(first).await.unwrap());
        let row = Scheduled { delivery: delivery(world.append(world.message("1")).await, first), due_ms: NOW, attempts: 0 };
        world.store.park(0, vec![row], false);
        world.store.flush().await;
        assert!(!world.store.has_nothing(first).await.unwrap());
    }
}

on_every_driver! {
    async fn an_endpoint_s_deliveries_are_counted_by_how_they_stand(place) {
        let world = World::new(place).await;
        let endpoint = world.endpoints[0];
        let mut ids = Vec::new();
        for n in 0..5 {
            ids.push(world.append(world.message(&n.to_string())).await);
        }
        world.record(delivery(ids[0], endpoint), false, None, false);
        world.record(delivery(ids[0], endpoint), true, None, false);
        world.record(delivery(ids[1], endpoint), false, None, false);
        world.record(delivery(ids[2], endpoint), false, Some(Retry { due_ms: NOW + 5_000, attempts: 1 }), false);
        world.store.park(0, vec![Scheduled { delivery: delivery(ids[3], endpoint), due_ms: NOW, attempts: 0 }], false);
        world.store.flush().await;
        let counted = world.store.standing(endpoint, (0, i64::MAX)).await.unwrap();
        assert_eq!(counted, Standing { success: 1, pending: 2, fail: 1, cancelled: 0 });
        let earlier = world.store.standing(endpoint, (0, ids[0].0)).await.unwrap();
        assert_eq!(earlier, Standing::default());
    }
}

on_every_driver! {
    async fn an_outcome_that_the_database_refuses_is_stored_bare_and_its_neighbours_as_they_are(place) {
        let world = World::new(place).await;
        let [first, second] = [world.endpoints[0], world.endpoints[1]];
        place.refuse_attempts("url = 'http://refused'").await;
        place.refuse_attempts(&format!("endpoint = {}", second.0)).await;
        let mut ids = Vec::new();
        for n in 0..20 {
            ids.push(world.append(world.message(&n.to_string())).await);
        }
        let retry = Some(Retry { due_ms: NOW + 5_000, attempts: 1 });
        let record = |n: usize, endpoint, url: &str| {
            AttemptRecord { url: url.into(), retry, ..failed(delivery(ids[n], endpoint)) }
        };
        let mut records: Vec<_> = (0..20).map(|n| record(n, first, "http://example.com/a\0b")).collect();
        records[7].url = "http://refused".into();
        records.push(record(3, second, "http://example.com"));
        world.store.record(0, records);
        world.store.flush().await;

        let attempts = world.store.attempts(AttemptsOf::Endpoint(first), AttemptFilter::default(), all()).await.unwrap().rows;
        assert_eq!(attempts.len(), 20);
        for attempt in &attempts {
            let (code, _) = attempt.outcome.error.clone().unwrap();
            let is_bare = attempt.message == ids[7];
            assert_eq!(code, if is_bare { "unrecorded" } else { "status" });
            assert_eq!((attempt.outcome.status, attempt.response.is_empty()), (500, is_bare));
        }
        let waiting = world.store.due(first, NOW + 5_000, 100).await.unwrap().rows;
        assert_eq!(waiting.len(), 20, "all are tried again, and as often as they would have been");
        assert!(waiting.iter().all(|row| row.attempts == 1));
        // The one that it takes no word of is tried again for a while, and then nothing is left to repeat.
        let scheduled = Scheduled { delivery: delivery(ids[3], second), due_ms: NOW, attempts: 0 };
        world.store.park(0, vec![scheduled], true);
        world.store.flush().await;
        assert_eq!(world.store.due(second, NOW, 100).await.unwrap().rows, [scheduled]);
        for _ in 0..60 {
            place.clock.advance(Duration::from_secs(40));
            tokio::time::sleep(Duration::from_millis(200)).await;
            if world.store.due(second, NOW, 100).await.unwrap().rows.is_empty() {
                return;
            }
        }
        panic!("the delivery is still in the schedule");
    }
}

on_every_driver! {
    async fn what_a_response_sets_is_found_again_whatever_characters_it_has(place) {
        let world = World::new(place).await;
        let [first, _] = [world.endpoints[0], world.endpoints[1]];
        let id = world.append(world.message("{}")).await;
        let setting = Setting {
            app: world.app,
            endpoint: Some(first),
            subject: "a\0b".into(),
            name: "n\0".into(),
            value: Some("1".into()),
            set_ms: NOW,
        };
        let record = AttemptRecord { settings: vec![setting], ..failed(delivery(id, first)) };
        world.store.record(0, vec![record]);
        world.store.flush().await;
        let found = world.store.variables(world.app, Some(first), "a\0b".into()).await.unwrap();
        assert_eq!(found.iter().map(|variable| variable.value.as_str()).collect::<Vec<_>>(), ["1"]);
    }
}
