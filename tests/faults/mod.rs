//! What holds when the machine fails. `README.md` beside this file says what is shown and how to repeat it.

mod injected;
mod load;
mod power;
mod server_killed;
mod sweep;
