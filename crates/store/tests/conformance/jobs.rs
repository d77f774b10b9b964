//! Jobs: slice by slice.

use crate::world::*;
use postrider_store::ChangeError;
use postrider_store::config::{Change, EnvId};
use postrider_store::id::{MessageId, TaskId};
use postrider_store::message::{DeliveryKey, Retry};
use postrider_store::query::TaskFilter;
use postrider_store::task::{Progress, Task, TaskInput, TaskKind, TaskStatus, Work};

on_every_driver! {
    async fn a_job_goes_on_from_where_its_last_slice_ended_and_sends_what_failed_once(place) {
        let world = World::new(place).await;
        let [first, second] = [world.endpoints[0], world.endpoints[1]];
        let mut ids = Vec::new();
        for n in 0..4 {
            ids.push(world.append(world.message(&n.to_string())).await);
        }
        // To the first endpoint: failed and then delivered, failed for good, failed and waiting, failed and emptied.
        world.record(delivery(ids[0], first), false, None, false);
        world.record(delivery(ids[0], first), true, None, false);
        world.record(delivery(ids[1], first), false, None, false);
        world.record(delivery(ids[2], first), false, Some(Retry { due_ms: NOW + 5_000, attempts: 1 }), false);
        world.record(delivery(ids[3], first), false, None, false);
        world.store.flush().await;
        let empty = Change::ExpungeMessage { message: ids[3] };
        world.store.change(world.app, empty, None).await.unwrap();
        let input = TaskInput::of(first, 0, NOW + 365 * 86_400_000);
        let end = world.store.new_id();
        assert_eq!(world.store.failures(first, (0, end)).await.unwrap(), 4);
        let found = world.store.failed(input.clone(), (0, end), 3).await.unwrap();
        assert_eq!((&found.messages[..], found.looked_at), (&ids[1..2], 3));
        let rest = world.store.failed(input.clone(), (found.cursor, end), 3).await.unwrap();
        assert_eq!((rest.messages.len(), rest.looked_at), (0, 1));

        let task = Task {
            id: TaskId(end),
            env: EnvId(1),
            app: world.app,
            kind: TaskKind::Recover,
            status: TaskStatus::Running,
            input,
            progress: Progress::default(),
            cursor: 0,
            updated_ms: NOW,
        };
        world.store.change(world.app, Change::CreateTask(task.clone()), None).await.unwrap();
        assert_eq!(world.store.running_tasks(None).await.unwrap(), std::slice::from_ref(&task));
        let slice = |based_on, status, messages: &[MessageId]| Change::AdvanceTask {
            row: Task { cursor: found.cursor, status, ..task.clone() },
            based_on,
            work: Work::Send(messages.to_vec()),
            due_ms: NOW,
        };
        world.store.change(world.app, slice(0, TaskStatus::Running, &ids[1..2]), None).await.unwrap();
        let late = world.store.change(world.app, slice(0, TaskStatus::Running, &ids[1..2]), None).await;
        assert!(matches!(late, Err(ChangeError::Outdated)), "the place has moved on");
        let waiting = world.store.due(first, NOW, 10).await.unwrap();
        assert_eq!(waiting.rows.len(), 1);
        assert_eq!(waiting.rows[0].delivery, DeliveryKey { manual: true, ..delivery(ids[1], first) });
        // One that is paused does not move, and goes on when it is let.
        let set = |status| Change::SetTaskStatus { env: EnvId(1), task: task.id, status, now_ms: NOW };
        world.store.change(world.app, set(TaskStatus::Paused), None).await.unwrap();
        let paused = world.store.change(world.app, slice(found.cursor, TaskStatus::Running, &[]), None).await;
        assert!(matches!(paused, Err(ChangeError::Outdated)));
        world.store.change(world.app, set(TaskStatus::Running), None).await.unwrap();
        let done = slice(found.cursor, TaskStatus::Finished, &[]);
        world.store.change(world.app, done, None).await.unwrap();
        assert_eq!(world.store.running_tasks(None).await.unwrap(), []);
        let ended = world.store.change(world.app, set(TaskStatus::Cancelled), None).await;
        assert!(matches!(ended, Err(ChangeError::NotFound)), "it has ended already");
        let filter = TaskFilter { env: EnvId(1), kind: Some(TaskKind::Recover), statuses: vec![TaskStatus::Finished] };
        assert_eq!(world.store.tasks(filter, all()).await.unwrap().rows.len(), 1);
        assert_eq!(world.store.task(EnvId(2), task.id).await.unwrap(), None, "another environment's");
        assert_eq!(world.store.due(second, i64::MAX, 10).await.unwrap().rows, []);
    }
}
