//! The whole way, as an operator, a script or a reader goes it: the real program or a whole server, nothing in between.

mod command_line;
mod copies;
mod disk_full;
pub mod durability;
mod first_administrator;
mod logs;
mod nodes;
mod story;
mod tampering;
mod verdict;
