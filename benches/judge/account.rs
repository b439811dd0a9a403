//! What a rule said about one history, in one form for the judge and for the rules that people use today.

use crate::truth::Micros;
use pushback::domain::finding::{Decision, Ending, Kind};

/// One thing said at one instant.
#[derive(Debug, Clone)]
pub struct Word {
    /// When it was said.
    pub at: Micros,
    /// The kind of harm.
    pub kind: Option<Kind>,
    /// Every suspect with its probability, most probable first.
    pub suspects: Vec<(String, f64)>,
    /// When harm began, with the interval.
    pub onset: Option<(Micros, Micros, Micros)>,
    /// Why it ended.
    pub ended: Option<Ending>,
    /// Crashes beyond expectation: estimate, low, high.
    pub excess: Option<(f64, f64, f64)>,
    /// Whether it was taken back.
    pub withdrawn: bool,
}

impl Word {
    /// The change that is blamed: probability 0.5 or more.
    pub fn blamed(&self) -> Option<&str> {
        self.suspects.first().filter(|it| it.1 >= pushback::domain::finding::BLAME).map(|it| it.0.as_str())
    }
}

/// One regression that was said, from the first word to the last.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its lasting name.
    pub key: String,
    /// Its short name.
    pub id: String,
    /// Where the crashes are.
    pub service: String,
    /// What they look like; empty where that was not said.
    pub signatures: Vec<String>,
    /// In order.
    pub words: Vec<Word>,
    /// Steps that were said to have continued it: whose, and when.
    pub continuations: Vec<(String, Micros)>,
    /// Said of the paths on: when, and the expected crashes of going on, freezing and rolling back.
    pub ways: Option<(Micros, f64, f64, f64)>,
}

/// Everything that was said.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// In order of their first words.
    pub calls: Vec<Call>,
    /// Pushes that were told to stop at any minute, and when first.
    pub stops: Vec<(String, Micros)>,
    /// What steps were told.
    pub answers: Vec<(String, Decision)>,
    /// Words that came from the future or were put into the past.
    pub misdated: u32,
    /// Seconds that it took.
    pub seconds: f64,
}
