//! What a change of the configuration means for what is scheduled.

use super::Scheduler;
use crate::health::Verdict;
use crate::lane::Lane;
use crate::lane_settings::lane_settings;
use postrider_store::config::{Application, Change};
use postrider_store::id::EndpointId;
use postrider_store::message::{DeliveryKey, Scheduled};
use postrider_store::task::Work;

impl Scheduler {
    pub(super) fn changed(&mut self, change: Change) {
        let now = self.clock.steady_ms();
        let of_application = matches!(change, Change::UpdateApplication { .. });
        let endpoints: Vec<EndpointId> = match change {
            Change::Resend { message, endpoint, due_ms, at_once } => {
                let delivery = DeliveryKey { message, endpoint, manual: true };
                let row = Scheduled { delivery, due_ms, attempts: 0 };
                match at_once {
                    true if self.lane(endpoint).push_by_hand(row, now) => self.turn(endpoint, now),
                    // There is no room in memory: the node that owns the endpoint's schedule sends it.
                    true => self.tools.store.park(self.tenure, vec![row], false),
                    false => self.store_has(delivery, due_ms),
                }
                return;
            }
            Change::AdvanceTask { work: Work::Purge(messages), .. } => {
                let of = |lane: &mut Lane| messages.iter().for_each(|message| lane.forget_payload(*message));
                self.lanes.values_mut().for_each(of);
                return;
            }
            Change::AdvanceTask { row, work, due_ms, .. } => {
                if let Some(message) = work.messages().first() {
                    let delivery = DeliveryKey { message: *message, endpoint: row.input.endpoint, manual: true };
                    self.store_has(delivery, due_ms);
                }
                return;
            }
            Change::CancelMessage { message, endpoints, due_ms } => {
                self.lanes.values_mut().for_each(|lane| lane.forget_payload(message));
                for endpoint in endpoints {
                    self.lane(endpoint).skip(message);
                    self.store_has(DeliveryKey { message, endpoint, manual: false }, due_ms);
                }
                return;
            }
            Change::SkipDelivery { message, endpoint, due_ms } => {
                let lane = self.lane(endpoint);
                lane.skip(message);
                if lane.is_in_line() {
                    lane.forget_ready();
                }
                self.store_has(DeliveryKey { message, endpoint, manual: false }, due_ms);
                return;
            }
            Change::ExpungeMessage { message } => {
                self.lanes.values_mut().for_each(|lane| lane.forget_payload(message));
                return;
            }
            Change::UpdateEndpoint { row, .. } => vec![row.id],
            Change::DeleteEndpoint { endpoint, .. } => vec![endpoint],
            Change::UpdateApplication { row: Application { id: app, .. }, .. }
            | Change::DeleteApplication { app, .. } => {
                self.lanes.iter().filter(|(_, lane)| lane.settings.app == app).map(|(id, _)| *id).collect()
            }
            _ => return,
        };
        for endpoint in endpoints {
            let found = self.tools.store.directory().endpoint(endpoint);
            let settings = lane_settings(found.as_ref(), self.lanes.get(&endpoint), self.tools.store.is_shared());
            let lane = self.lane(endpoint);
            if of_application && lane.settings == settings {
                continue;
            }
            let was_in_line = lane.is_in_line();
            let came_back = lane.settings.gone && !settings.gone;
            lane.changed(settings);
            let is_another_line = lane.is_in_line() != was_in_line;
            let given_up = match lane.is_anothers() {
                true => lane.give_up(now),
                false if is_another_line => lane.clear(now),
                false => vec![],
            };
            if is_another_line {
                lane.stored_at(now);
            }
            if settings.gone {
                // Whatever waits for it, however far away, ends now and visibly.
                lane.stored_at(now);
            } else if came_back && let Verdict::Write(since_ms) = lane.health.reset() {
                self.write(settings.app, Change::SetFailing { endpoint, since_ms });
            }
            if !given_up.is_empty() {
                self.tools.store.park(self.tenure, given_up, false);
            }
            self.turn(endpoint, now);
        }
    }
}
