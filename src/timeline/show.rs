//! Which kinds of marks and which lanes a drawing has, and how wide it is.

/// How wide a drawing is. The narrow one is a drawing of its own, not a scaled copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    /// 1216 px, for a page.
    Wide,
    /// 868 px, for a report.
    Report,
    /// 328 px, for a telephone.
    Narrow,
}

impl Width {
    /// The width in px.
    pub fn px(self) -> f64 {
        match self {
            Width::Wide => 1216.0,
            Width::Report => 868.0,
            Width::Narrow => 328.0,
        }
    }

    /// Whether lane names stand above their lanes and labels are fewer.
    pub fn is_narrow(self) -> bool {
        match self {
            Width::Narrow => true,
            Width::Wide | Width::Report => false,
        }
    }

    /// The part of an element id that tells the widths of one picture apart.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Width::Wide => "w",
            Width::Report => "r",
            Width::Narrow => "n",
        }
    }
}

/// Which marks and lanes are drawn; what is left out leaves no gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Show {
    /// Bars of regressions, their tint and their lines.
    pub regressions: bool,
    /// Steps that continued no regression, and refusals.
    pub steps: bool,
    /// Steps that continued one.
    pub continuations: bool,
    /// Holds.
    pub holds: bool,
    /// Notes.
    pub notes: bool,
    /// Notices sent and opened.
    pub notices: bool,
    /// Pushes of other services.
    pub nearby: bool,
    /// The shares of flags.
    pub flags: bool,
    /// Running instances by release.
    pub population: bool,
    /// Crash rates by release.
    pub rates: bool,
    /// The crash rate of all releases together.
    pub fleet: bool,
    /// Total crashes.
    pub totals: bool,
    /// Crashes by cell.
    pub cells: bool,
}

impl Show {
    /// Everything.
    pub const EVERYTHING: Show = Show {
        regressions: true,
        steps: true,
        continuations: true,
        holds: true,
        notes: true,
        notices: true,
        nearby: true,
        flags: true,
        population: true,
        rates: true,
        fleet: true,
        totals: true,
        cells: true,
    };

    /// What was measured, and no marks of what people and programs did.
    pub const MEASURED: Show = Show {
        steps: false,
        continuations: false,
        holds: false,
        notes: false,
        notices: false,
        nearby: false,
        flags: false,
        ..Show::EVERYTHING
    };

    /// What a report shows: who did what, population, rates, totals.
    pub const REPORT: Show =
        Show { notices: false, nearby: false, flags: false, fleet: false, cells: false, ..Show::EVERYTHING };
}
