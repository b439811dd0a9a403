//! Incidents, postmortems and action items: the words and states, and which state may follow which.

use serde::{Deserialize, Serialize};

/// How bad it was for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Most users, or data lost.
    #[serde(rename = "SEV1")]
    Sev1,
    /// Many users, or one large customer.
    #[serde(rename = "SEV2")]
    Sev2,
    /// Some users.
    #[serde(rename = "SEV3")]
    Sev3,
    /// Hardly anybody.
    #[serde(rename = "SEV4")]
    Sev4,
}

impl Severity {
    /// Every severity, the worst first.
    pub const ALL: [Severity; 4] = [Severity::Sev1, Severity::Sev2, Severity::Sev3, Severity::Sev4];

    /// The word for everybody.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Sev1 => "SEV1",
            Severity::Sev2 => "SEV2",
            Severity::Sev3 => "SEV3",
            Severity::Sev4 => "SEV4",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.word() == word)
    }

    /// What it means, in a few words.
    pub fn means(self) -> &'static str {
        match self {
            Severity::Sev1 => "most users, or data lost",
            Severity::Sev2 => "many users, or one large customer",
            Severity::Sev3 => "some users",
            Severity::Sev4 => "hardly anybody",
        }
    }
}

/// Where a postmortem stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Being written.
    Draft,
    /// Handed to somebody else to read.
    InReview,
    /// Read by somebody from outside the pushing team.
    Reviewed,
    /// There for everybody.
    Published,
    /// Every action item is done or dropped.
    Closed,
}

impl Status {
    /// Every status, in order of a postmortem's life.
    pub const ALL: [Status; 5] = [Status::Draft, Status::InReview, Status::Reviewed, Status::Published, Status::Closed];

    /// The word in databases.
    pub fn word(self) -> &'static str {
        match self {
            Status::Draft => "draft",
            Status::InReview => "in_review",
            Status::Reviewed => "reviewed",
            Status::Published => "published",
            Status::Closed => "closed",
        }
    }

    /// The words for people.
    pub fn says(self) -> &'static str {
        match self {
            Status::Draft => "draft",
            Status::InReview => "in review",
            Status::Reviewed => "reviewed",
            Status::Published => "published",
            Status::Closed => "closed",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Whether one may go from this status to that one.
    pub fn may_become(self, next: Status) -> bool {
        match self {
            Status::Draft => matches!(next, Status::InReview | Status::Published),
            Status::InReview => matches!(next, Status::Draft | Status::Reviewed | Status::Published),
            Status::Reviewed => matches!(next, Status::Draft | Status::Published),
            Status::Published => matches!(next, Status::Draft | Status::Closed),
            Status::Closed => next == Status::Published,
        }
    }
}

/// Where an action item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// To be done.
    Open,
    /// Done.
    Done,
    /// Given up, with a reason.
    Dropped,
}

impl ItemState {
    /// The word in databases and for people.
    pub fn word(self) -> &'static str {
        match self {
            ItemState::Open => "open",
            ItemState::Done => "done",
            ItemState::Dropped => "dropped",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<ItemState> {
        [ItemState::Open, ItemState::Done, ItemState::Dropped].into_iter().find(|state| state.word() == word)
    }
}

/// What an action item is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// To notice sooner.
    Detect,
    /// To hurt less.
    Mitigate,
    /// So that it does not happen again.
    Prevent,
    /// To work together better.
    Process,
}

impl ItemKind {
    /// Every kind.
    pub const ALL: [ItemKind; 4] = [ItemKind::Detect, ItemKind::Mitigate, ItemKind::Prevent, ItemKind::Process];

    /// The word in databases and for people.
    pub fn word(self) -> &'static str {
        match self {
            ItemKind::Detect => "detect",
            ItemKind::Mitigate => "mitigate",
            ItemKind::Prevent => "prevent",
            ItemKind::Process => "process",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<ItemKind> {
        ItemKind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// The sections of a postmortem that people write. The facts have sections of their own, which nobody writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// Two or three sentences that a stranger understands.
    Summary,
    /// What users felt, beside the counted impact.
    Impact,
    /// How it was found, and how it could have been sooner.
    Detection,
    /// What was tried and what worked.
    Response,
    /// Who was told, and who should have been.
    Communication,
    /// What came before.
    Background,
    /// Contributing factors, several.
    Causes,
    /// What differed from what was expected.
    Surprise,
    /// What went well.
    WentWell,
    /// What went badly.
    WentBadly,
    /// Where luck helped.
    GotLucky,
    /// What this team and others learn.
    Lessons,
    /// What is not known yet.
    Questions,
}

impl Section {
    /// Every section, in the order of the page.
    pub const ALL: [Section; 13] = [
        Section::Summary,
        Section::Impact,
        Section::Detection,
        Section::Response,
        Section::Communication,
        Section::Background,
        Section::Causes,
        Section::Surprise,
        Section::WentWell,
        Section::WentBadly,
        Section::GotLucky,
        Section::Lessons,
        Section::Questions,
    ];

    /// The word in databases and form fields.
    pub fn word(self) -> &'static str {
        match self {
            Section::Summary => "summary",
            Section::Impact => "impact",
            Section::Detection => "detection",
            Section::Response => "response",
            Section::Communication => "communication",
            Section::Background => "background",
            Section::Causes => "causes",
            Section::Surprise => "surprise",
            Section::WentWell => "went_well",
            Section::WentBadly => "went_badly",
            Section::GotLucky => "got_lucky",
            Section::Lessons => "lessons",
            Section::Questions => "questions",
        }
    }

    /// The heading.
    pub fn says(self) -> &'static str {
        match self {
            Section::Summary => "Summary",
            Section::Impact => "Impact, in words",
            Section::Detection => "Detection",
            Section::Response => "Response and mitigation",
            Section::Communication => "Communication",
            Section::Background => "Lead-up and background",
            Section::Causes => "Contributing factors",
            Section::Surprise => "Why were we surprised?",
            Section::WentWell => "Went well",
            Section::WentBadly => "Went badly",
            Section::GotLucky => "Got lucky",
            Section::Lessons => "Lessons",
            Section::Questions => "Open questions",
        }
    }

    /// What to think of while writing: how and what, not who and why.
    pub fn prompt(self) -> &'static str {
        match self {
            Section::Summary => {
                "Two or three sentences that a stranger understands: what happened, to whom, how it ended."
            }
            Section::Impact => "What did users feel? How many asked for help? Was data lost: yes or no?",
            Section::Detection => {
                "How was it found? What should have told us, and did not? How could it take half the time?"
            }
            Section::Response => "What was tried, what worked, what cost time? Was help asked for, when, of whom?",
            Section::Communication => "Who was told, when? Who should have known and did not?",
            Section::Background => {
                "Which earlier changes, known risks or undone work led up to this? Explain the terms."
            }
            Section::Causes => "Several factors, near and deep. What made each action look right at the time?",
            Section::Surprise => "What differed from what was expected? Was this class of problem foreseen?",
            Section::WentWell => "What helped, and should be kept?",
            Section::WentBadly => "What stood in the way?",
            Section::GotLucky => "What could have been worse, and was not, by luck?",
            Section::Lessons => "What does this team take away? What should others know?",
            Section::Questions => "What is still not known, and who could answer it?",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Section> {
        Section::ALL.into_iter().find(|section| section.word() == word)
    }
}

/// What a reader of a draft should look at again: words that blame, or that say less than they seem to.
pub fn language_warnings(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let mut warnings = Vec::new();
    let says = [
        ("human error", "“human error” ends the search too early: what made the action look right at the time?"),
        ("should have", "“should have” judges with hindsight: say what was seen, and what would have shown more."),
        ("careless", "“careless” blames a person: say what the work asked of them."),
        ("root cause", "“root cause” hides the others: name several contributing factors."),
        ("obviously", "“obviously” is only obvious now: say what was on the screen then."),
    ];
    warnings.extend(says.iter().filter(|(word, _)| lower.contains(word)).map(|(_, advice)| (*advice).to_owned()));
    if lower.contains("outage") && !lower.chars().any(|letter| letter.is_ascii_digit()) {
        warnings.push("“outage” without a number: how much of it, for how many, for how long?".to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_postmortem_goes_back_to_draft_before_it_is_changed() {
        assert!(Status::Published.may_become(Status::Draft));
        assert!(!Status::Draft.may_become(Status::Closed) && !Status::Draft.may_become(Status::Draft));
    }

    #[test]
    fn words_that_blame_are_pointed_out_and_measured_ones_are_not() {
        assert_eq!(language_warnings("It was human error; he should have looked.").len(), 2);
        assert_eq!(language_warnings("A 12-minute outage of 3 cells."), Vec::<String>::new());
    }
}
