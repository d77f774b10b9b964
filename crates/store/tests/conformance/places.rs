//! The place that data lies in: what is encrypted, and who may open it.

use crate::world::*;
use postrider_store::OpenError;

on_every_driver! {
    async fn secrets_lie_encrypted_and_another_key_opens_nothing(place) {
        let world = World::new(place).await;
        let reopened = world.reopen(place).await;
        let (_, endpoint) = reopened.store.directory().endpoint(reopened.endpoints[0]).unwrap();
        assert_eq!(endpoint.secrets.in_force(NOW), ["whsec_very_secret"]);
        assert_eq!(endpoint.headers["authorization"], "Bearer hidden");
        assert!(!format!("{endpoint:?}").contains("very_secret"));
        let reopened = reopened.reopen(place).await;
        drop(reopened.store);
        drop(reopened.feed.events);
        tokio::task::spawn_blocking(|| reopened.feed.writer.join().unwrap()).await.unwrap();
        let bytes = place.bytes().await;
        assert!(!bytes.is_empty());
        assert!(!bytes.windows(11).any(|window| window == b"very_secret" || window == b"earer hidde"));
        assert!(matches!(place.open([2; 32]).await, Err(OpenError::WrongSecretKey)));
    }
}

on_every_driver! {
    async fn a_second_process_is_kept_off_the_embedded_database_and_welcome_on_the_other(place) {
        let _world = World::new(place).await;
        match place.open([1; 32]).await {
            Err(OpenError::InUse) => assert!(place.is_embedded()),
            result => assert!(result.is_ok() && !place.is_embedded()),
        }
    }
}
