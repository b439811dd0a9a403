//! What the judge says of fleets that never were.

mod families;
mod fleet;
mod scale;
mod story;
