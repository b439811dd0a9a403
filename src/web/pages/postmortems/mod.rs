//! Postmortems: the list, the report with its facts, writing it, its revisions, and what moves it on.

mod act;
mod edit;
mod list;
mod lived;
mod report;
mod revisions;
mod told;

pub use act::{add_item, end_item, open_from_regression, set_status};
pub use edit::{form, save};
pub use list::{list, new, open};
pub use report::{markdown, report};
pub use revisions::{difference, revision, revisions};

use crate::store::{incidents::Incident, people::Person};

/// The people who may answer for something, for a list to choose from.
fn owners(people: Vec<Person>) -> Vec<Person> {
    people.into_iter().filter(|person| person.disabled_at.is_none()).collect()
}

/// The address of a postmortem.
fn href(it: &Incident) -> String {
    format!("/postmortems/{}", it.id)
}
