//! The layout holds: who may import whom, who may ask what time it is, how long a file may be. Reads the sources, runs nothing.

mod imports;
mod sizes;
pub mod sources;
mod templates;
