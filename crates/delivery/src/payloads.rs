//! Payloads of retries and backlogs: read from the store when they are sent, each once for all deliveries that want it
//! at the time, and never more bytes at once than there is room for. The room is shared out by application.

use postrider_fair::{Pool, Taken};
use postrider_store::id::{AppId, MessageId};
use postrider_store::message::{Message, UpTo};
use postrider_store::{Store, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::OnceCell;

/// Payload bytes that attempts may have in memory at once, beside those that came straight from acceptance.
const ROOM_BYTES: usize = 64 << 20;
/// Payloads up to this size are read at once; a larger one waits until there is room for it.
const SMALL_BYTES: usize = 16 << 10;
/// Entries after which those that nobody holds are removed.
const TIDY_ABOVE: usize = 1_024;

/// See the module.
#[derive(Debug)]
pub struct Payloads {
    room: Pool<AppId>,
    loading: Mutex<HashMap<MessageId, Weak<Loading>>>,
}

/// A message that is being read, or was.
type Loading = OnceCell<Option<Loaded>>;

/// A message with the room that its payload takes.
#[derive(Debug)]
struct Loaded {
    message: Arc<Message>,
    _room: Taken<AppId>,
}

/// A message for an attempt; its room is given back when the last that holds it is dropped.
#[derive(Debug)]
pub struct Shared(Arc<Loading>);

impl Shared {
    /// `None`: the message has been removed.
    pub fn message(&self) -> Option<&Arc<Message>> {
        self.0.get()?.as_ref().map(|loaded| &loaded.message)
    }
}

impl Payloads {
    pub fn new() -> Payloads {
        Payloads { room: Pool::new(ROOM_BYTES), loading: Mutex::default() }
    }

    /// The message as the store has it, or as another attempt read it a moment ago.
    pub async fn get(&self, store: &Store, app: AppId, id: MessageId) -> Result<Shared, StoreError> {
        let loading = self.entry(id);
        loading.get_or_try_init(|| self.load(store, app, id)).await?;
        Ok(Shared(loading))
    }

    fn entry(&self, id: MessageId) -> Arc<Loading> {
        let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = loading.get(&id).and_then(Weak::upgrade) {
            return known;
        }
        if loading.len() >= TIDY_ABOVE && loading.len() == loading.capacity() {
            loading.retain(|_, entry| entry.strong_count() > 0);
        }
        let fresh = Arc::new(Loading::new());
        loading.insert(id, Arc::downgrade(&fresh));
        fresh
    }

    async fn load(&self, store: &Store, app: AppId, id: MessageId) -> Result<Option<Loaded>, StoreError> {
        let (message, room) = match store.message_up_to(id, SMALL_BYTES).await? {
            None => return Ok(None),
            Some(UpTo::Whole(message)) => {
                let room = self.room.take(app, message.payload.len()).await;
                (*message, room)
            }
            Some(UpTo::Larger(bytes)) => {
                let room = self.room.take(app, bytes).await;
                let Some(message) = store.message_by_id(id).await? else { return Ok(None) };
                (message, room)
            }
        };
        Ok(Some(Loaded { message: Arc::new(message), _room: room }))
    }
}
