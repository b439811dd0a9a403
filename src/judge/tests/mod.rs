//! What the judge says of fleets that never were.

mod answers;
mod families;
mod fleet;
mod scale;
mod story;
