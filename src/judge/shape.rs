//! The ways in which harm may follow a change, by name. Where each expects harm is in `proposals`, `spells` and `harmless`.

/// How harm follows a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The release itself, wherever it runs.
    Release,
    /// In each cell by the change's share there.
    ShareInCell,
    /// In each cell where the change is at all.
    PresentInCell,
    /// Everywhere by the change's share of all.
    ShareOfAll,
    /// Everywhere once the change is anywhere.
    PresentAnywhere,
    /// Everywhere from the change's beginning on, even after it has gone.
    EverPresent,
    /// The release itself, and the others by its share in their cell.
    ReleaseAndShare,
    /// The release itself, where it has run for an hour, or for four.
    ReleaseAged(u8),
    /// The release itself, some of which still calls itself by the old name just after it was started.
    ReleaseMislabelled,
    /// The release itself, but only from some time on.
    ReleaseLater,
    /// In each cell by the change's share there, but only from some time on.
    ShareLater,
    /// By its share as it was about an hour ago.
    ShareBehind,
    /// By what its share has piled up over hours.
    PilesUp,
    /// Within one release, by the flag's share.
    FlagInRelease,
    /// By the share of the release that comes back.
    Returning,
    /// For some time, in all cells or one.
    Ambient,
    /// Instances that have just been started, a few of which crash whatever they run.
    Restart,
    /// Old crashes under a new name.
    Renamed,
    /// Nothing but chance.
    Chance,
}

impl Shape {
    /// Whether what has this shape is nothing to speak of.
    pub(crate) fn is_harmless(self) -> bool {
        matches!(self, Shape::Restart | Shape::Renamed | Shape::Chance)
    }

    /// Whether harm began at some time after the change.
    pub(crate) fn is_later(self) -> bool {
        matches!(self, Shape::ReleaseLater | Shape::ShareLater)
    }

    /// Words for the table of explanations.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Shape::Release => "the release itself",
            Shape::ShareInCell => "by its share in the cell",
            Shape::PresentInCell => "wherever it is in the cell",
            Shape::ShareOfAll => "by its share of all cells",
            Shape::PresentAnywhere => "once it is anywhere",
            Shape::EverPresent => "from its beginning on, even after it is gone",
            Shape::ReleaseAndShare => "the release itself, and the others by its share in the cell",
            Shape::ReleaseAged(1) => "the release itself, once it has run for an hour",
            Shape::ReleaseAged(_) => "the release itself, once it has run for hours",
            Shape::ReleaseMislabelled => "the release itself, also where it still bears the old name",
            Shape::ReleaseLater => "the release itself, from some time on",
            Shape::ShareLater => "by its share in the cell, from some time on",
            Shape::ShareBehind => "by its share an hour ago",
            Shape::PilesUp => "by what its share has piled up over hours",
            Shape::FlagInRelease => "the flag within one release",
            Shape::Returning => "by the share that comes back",
            Shape::Ambient => "some hours that no change explains",
            Shape::Restart => "instances that have just been started, whatever they run",
            Shape::Renamed => "old crashes under a new name",
            Shape::Chance => "chance",
        }
    }
}
