//! stub
#![allow(missing_docs)]
use crate::domain::{finding::*, *};
pub struct Judge;
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Evidence {}
#[derive(Debug, Clone)]
pub struct Said {
    pub at: Time,
    pub key: String,
    pub regression: Regression,
    pub continuations: Vec<Continuation>,
    pub gates: Vec<GateAnswer>,
    pub evidence: Evidence,
}
#[derive(Default, Clone)]
pub struct Settings;
impl Judge {
    pub fn new(_s: Settings) -> Judge {
        Judge
    }
    pub fn observe(&mut self, _r: &Record) {}
    pub fn pass(&mut self, _n: Time) {}
    pub fn said(&mut self) -> Vec<Said> {
        vec![]
    }
    pub fn findings(&self) -> Findings {
        Findings::default()
    }
    pub fn gate(&self, _push: &str, _now: Time) -> Option<GateAnswer> {
        None
    }
    pub fn keys(&self) -> Vec<String> {
        vec![]
    }
    pub fn evidence(&self, _key: &str) -> Option<Evidence> {
        None
    }
}
pub fn replay(_r: Vec<Record>) -> Findings {
    Findings::default()
}
