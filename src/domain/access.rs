//! Who may do what.

use serde::{Deserialize, Serialize};

/// What a person is here for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything, and may hold a push.
    Viewer,
    /// Also records pushes, writes notes, incidents and postmortems.
    Member,
    /// Reads and exports everything, changes nothing but holds.
    Auditor,
    /// Also creates people, services and tokens.
    Administrator,
}

impl Role {
    /// Every role, from the least to the most.
    pub const ALL: [Role; 4] = [Role::Viewer, Role::Member, Role::Auditor, Role::Administrator];

    /// The word in databases and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Member => "member",
            Role::Auditor => "auditor",
            Role::Administrator => "administrator",
        }
    }

    /// Reads the word; `admin` is understood.
    pub fn parse(word: &str) -> Option<Role> {
        match word {
            "admin" => Some(Role::Administrator),
            word => Role::ALL.into_iter().find(|role| role.word() == word),
        }
    }

    /// Whether somebody in this role may do that.
    pub fn may(self, act: Act) -> bool {
        match act {
            Act::Read | Act::Hold => true,
            Act::Export => self != Role::Viewer,
            Act::Record | Act::Write => matches!(self, Role::Member | Role::Administrator),
            Act::Administer => self == Role::Administrator,
        }
    }
}

/// Something that is allowed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Read any page.
    Read,
    /// Ask for a push to stop, and lift one's own hold.
    Hold,
    /// Take whole tables away.
    Export,
    /// Record pushes, steps, flag changes and notes.
    Record,
    /// Write incidents, postmortems and action items.
    Write,
    /// Create people, services and tokens.
    Administer,
}

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read pushes, findings, history.
    Read,
    /// Record pushes, steps, flag changes, notes; ask the gate.
    Push,
    /// Send crash reports and exposure.
    Ingest,
    /// Everything that an administrator may do.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 4] = [Scope::Read, Scope::Push, Scope::Ingest, Scope::Admin];

    /// The word in databases and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Push => "push",
            Scope::Ingest => "ingest",
            Scope::Admin => "admin",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.word() == word)
    }

    /// Whether a token with this scope may do what `needed` stands for. `admin` may all; `push` may read, since a deploy
    /// script asks the gate and looks at its push.
    pub fn allows(self, needed: Scope) -> bool {
        self == needed || self == Scope::Admin || (self == Scope::Push && needed == Scope::Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anybody_signed_in_may_hold_and_only_an_administrator_may_administer() {
        for role in Role::ALL {
            assert!(role.may(Act::Hold) && role.may(Act::Read));
            assert_eq!(role.may(Act::Administer), role == Role::Administrator);
        }
        assert!(!Role::Auditor.may(Act::Record) && Role::Auditor.may(Act::Export));
    }

    #[test]
    fn an_ingest_token_can_never_read() {
        assert!(!Scope::Ingest.allows(Scope::Read));
        assert!(Scope::Push.allows(Scope::Read) && !Scope::Read.allows(Scope::Push));
    }
}
