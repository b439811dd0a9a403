//! The service timeline: lanes above one another on one time axis.

use super::{Facts, FlagLine, Show, Width};
use crate::domain::Time;

/// Draws the timeline of one service in one environment.
pub fn service(_facts: &Facts, width: Width, _show: &Show) -> String {
    format!("<svg class=\"timeline\" width=\"{}\"></svg>", width.px())
}

/// Draws the shares of one flag as a step line from `from` to `to`, with its changes up to `until`.
pub fn flag_history(_flag: &FlagLine, _from: Time, _to: Time, _until: Time, width: Width) -> String {
    format!("<svg class=\"timeline\" width=\"{}\"></svg>", width.px())
}
