//! What programs say and ask: the JSON API, the commands of deploy scripts, and bad input at every door.

mod bad_input;
mod guards;
mod scopes;
mod scripts;
