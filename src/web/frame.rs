//! What stands around every page: places, clock, who is signed in.

use super::{App, SignedIn, assets};
use crate::domain::{
    Time,
    access::{Act, Role},
    time,
};

/// What the layout needs.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Now.
    pub now: Time,
    /// Whether this is the demo.
    pub demo: bool,
    /// The place in the navigation.
    pub here: &'static str,
    /// Where the same is to be had as data.
    pub data_href: Option<String>,
    /// What happened a moment ago.
    pub flash: Option<String>,
    /// What is searched for.
    pub query: String,
    /// How many entries the ledger has.
    pub ledger: Option<i64>,
    /// The reader's zone, minutes east of UTC.
    pub zone: Option<i32>,
    /// What forms must carry.
    pub csrf: String,
    person: Option<(String, Role)>,
    trouble: Option<String>,
}

/// A link in the navigation.
pub struct Place {
    /// Where it leads.
    pub href: &'static str,
    /// What it says.
    pub name: &'static str,
    /// Whether the page is there.
    pub here: bool,
}

const PLACES: [(&str, &str); 7] = [
    ("/", "Now"),
    ("/services", "Timelines"),
    ("/pushes", "Pushes"),
    ("/flags", "Flags"),
    ("/regressions", "Regressions"),
    ("/postmortems", "Postmortems"),
    ("/continued", "Who continued"),
];

impl Frame {
    /// The frame of a page for somebody signed in; `here` is the path of its place in the navigation.
    pub fn new(app: &App, signed: &SignedIn, here: &'static str) -> Frame {
        Frame {
            now: app.clock.now(),
            demo: app.demo,
            here,
            data_href: None,
            flash: signed.flash.clone(),
            query: String::new(),
            ledger: signed.ledger,
            zone: signed.zone,
            csrf: signed.csrf.clone(),
            person: Some((signed.person.email.clone(), signed.person.role)),
            trouble: app.store.condition().0.sentence(),
        }
    }

    /// The frame of a page for somebody who is not signed in.
    pub fn outside(app: &App) -> Frame {
        Frame {
            now: app.clock.now(),
            demo: app.demo,
            here: "",
            data_href: None,
            flash: None,
            query: String::new(),
            ledger: None,
            zone: None,
            csrf: String::new(),
            person: None,
            trouble: None,
        }
    }

    /// A frame at an instant with nobody signed in, for tests of what stands inside.
    #[cfg(test)]
    pub fn plain(now: Time) -> Frame {
        Frame {
            now,
            demo: false,
            here: "",
            data_href: None,
            flash: None,
            query: String::new(),
            ledger: None,
            zone: None,
            csrf: String::new(),
            person: None,
            trouble: None,
        }
    }

    /// The same frame with a link to the page's data.
    pub fn with_data(mut self, href: impl Into<String>) -> Frame {
        self.data_href = Some(href.into());
        self
    }

    /// The path of a static file.
    pub fn asset(&self, name: &str) -> String {
        assets::path(name)
    }

    /// Whether somebody is signed in.
    pub fn is_signed_in(&self) -> bool {
        self.person.is_some()
    }

    /// The address of who is signed in.
    pub fn user(&self) -> &str {
        self.person.as_ref().map_or("", |(email, _)| email)
    }

    /// The first part of that address.
    pub fn user_short(&self) -> &str {
        short(self.user())
    }

    /// Whether who is signed in may do that.
    pub fn may(&self, act: Act) -> bool {
        self.person.as_ref().is_some_and(|(_, role)| role.may(act))
    }

    /// Whether who is signed in may write incidents and postmortems.
    pub fn may_write(&self) -> bool {
        self.may(Act::Write)
    }

    /// Whether who is signed in administers.
    pub fn may_administer(&self) -> bool {
        self.may(Act::Administer)
    }

    /// What administrators must know of the database, where it is not sound.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref().filter(|_| self.may_administer())
    }

    /// The navigation.
    pub fn places(&self) -> Vec<Place> {
        PLACES.iter().map(|&(href, name)| Place { href, name, here: href == self.here }).collect()
    }

    /// The clock, UTC.
    pub fn clock(&self) -> String {
        self.hm(self.now)
    }

    /// The clock where the reader is.
    pub fn local_clock(&self) -> Option<String> {
        self.local_hm(self.now)
    }

    /// An instant's hour and minute, UTC.
    pub fn hm(&self, at: Time) -> String {
        at.format("%H:%M").to_string()
    }

    /// An instant's hour and minute where the reader is; none where nobody said where that is.
    pub fn local_hm(&self, at: Time) -> Option<String> {
        Some((at + time::minutes(i64::from(self.zone?))).format("%H:%M").to_string())
    }

    /// An instant's day, UTC: `3 March 2026`.
    pub fn day(&self, at: Time) -> String {
        at.format("%-d %B %Y").to_string()
    }

    /// An instant, as short as can be said without doubt: the hour today, else with its day, else with its year.
    pub fn when(&self, at: Time) -> String {
        let form = if at.date_naive() == self.now.date_naive() {
            "%H:%M"
        } else if at.format("%Y").to_string() == self.now.format("%Y").to_string() {
            "%-d %B %H:%M"
        } else {
            "%-d %B %Y %H:%M"
        };
        at.format(form).to_string()
    }

    /// An instant for programs, in RFC 3339.
    pub fn iso(&self, at: Time) -> String {
        time::text(at)
    }

    /// The reader's zone in words: `UTC−8`.
    pub fn zone_words(&self) -> Option<String> {
        let minutes = self.zone?;
        let sign = if minutes < 0 { '−' } else { '+' };
        let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
        Some(if rest == 0 { format!("UTC{sign}{hours}") } else { format!("UTC{sign}{hours}:{rest:02}") })
    }
}

/// The first part of an address, as people call each other; a program's name as it is.
pub fn short(actor: &str) -> &str {
    actor.split('@').next().unwrap_or(actor)
}
