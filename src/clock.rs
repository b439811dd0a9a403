//! The only place that asks what time it is.

use crate::domain::time::{self, Time};
use chrono::{TimeDelta, Utc};

/// Where "now" comes from. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    offset: TimeDelta,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Clock {
        Clock { offset: TimeDelta::zero() }
    }

    /// A clock that stands at `start` now and goes on from there, for the demo, whose story lies in the past.
    pub fn starting_at(start: Time) -> Clock {
        Clock { offset: start - Utc::now() }
    }

    /// Now, to the microsecond.
    pub fn now(self) -> Time {
        time::to_micros(Utc::now() + self.offset)
    }

    /// Whether this clock is set to another time than the machine's.
    pub fn is_shifted(self) -> bool {
        self.offset != TimeDelta::zero()
    }
}
