//! What the judge says of fleets that never were.

mod fleet;
mod story;
