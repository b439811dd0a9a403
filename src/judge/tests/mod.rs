//! What the judge says of fleets that never were.

mod answers;
mod beside;
mod elsewhere;
mod families;
mod fleet;
mod properties;
mod story;
mod waiting;

pub(crate) use fleet::Dice;
