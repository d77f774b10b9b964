//! Where an attempt or a delivery stands, in Svix's numbers and words.

use crate::params::numbers;
use postrider_store::message::DeliveryState;
use serde::Serialize;
use utoipa::ToSchema;

/// How something stands, as a number.
pub struct MessageStatus;

numbers!(MessageStatus, [0, 1, 2, 3, 4]);

/// The number, and the word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// 0 success, 1 pending, 2 fail, 3 sending; 4 canceled, where expanded statuses are asked for.
    #[schema(value_type = MessageStatus)]
    pub status: u8,
    pub status_text: StatusText,
}

/// The status as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MessageStatusText)]
#[serde(rename_all = "lowercase")]
pub enum StatusText {
    Success,
    Pending,
    Fail,
    #[expect(dead_code, reason = "of the API; here an attempt that is under way is pending")]
    Sending,
    Canceled,
}

impl Status {
    pub const SUCCESS: Status = Status { status: 0, status_text: StatusText::Success };
    pub const PENDING: Status = Status { status: 1, status_text: StatusText::Pending };
    pub const FAIL: Status = Status { status: 2, status_text: StatusText::Fail };
    pub const CANCELED: Status = Status { status: 4, status_text: StatusText::Canceled };

    pub fn of(state: &DeliveryState) -> Status {
        match state {
            DeliveryState::Success => Status::SUCCESS,
            DeliveryState::Fail => Status::FAIL,
            DeliveryState::Pending { .. } => Status::PENDING,
        }
    }
}
