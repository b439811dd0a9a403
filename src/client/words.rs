//! What people type on the command line, read: shares, cells, features, plans. And names as they stand in an address.

use crate::domain::percent::Percent;
use serde_json::{Value, json};

/// A share in one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellShare {
    /// The cell.
    pub cell: String,
    /// The share.
    pub percent: Percent,
}

/// Something that ships, and the flag that turns it off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFeature {
    /// What it is called.
    pub name: String,
    /// Its flag; none where it ships with the code.
    pub flag: Option<String>,
}

/// An intended stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedStage {
    /// The share.
    pub percent: Percent,
    /// How long it is to run, minutes.
    pub soak_minutes: Option<f64>,
}

impl PlannedStage {
    /// The stage as the API takes it.
    pub fn fields(&self) -> Value {
        match self.soak_minutes {
            Some(minutes) => json!({ "percent": self.percent.value(), "soak_minutes": minutes }),
            None => json!({ "percent": self.percent.value() }),
        }
    }
}

/// Reads a share: `5`, `5%`, `0.5`.
pub fn percent(text: &str) -> Result<Percent, String> {
    Percent::parse(text).ok_or_else(|| "a share from 0 to 100 is expected, as in 5".into())
}

/// Reads `eu-1=5`.
pub fn cell(text: &str) -> Result<CellShare, String> {
    let expected = || "a cell and its share are expected, as in eu-1=5".to_owned();
    let (cell, share) = text.split_once('=').ok_or_else(expected)?;
    let percent = Percent::parse(share).ok_or_else(expected)?;
    if cell.trim().is_empty() { Err(expected()) } else { Ok(CellShare { cell: cell.trim().to_owned(), percent }) }
}

/// Reads `compact frames` or `compact frames:wire-v2`.
pub fn feature(text: &str) -> Result<NamedFeature, String> {
    let (name, flag) = match text.rsplit_once(':') {
        Some((name, flag)) => (name.trim(), Some(flag.trim())),
        None => (text.trim(), None),
    };
    if name.is_empty() || flag == Some("") {
        return Err("a name is expected, or a name and a flag, as in “compact frames:wire-v2”".into());
    }
    Ok(NamedFeature { name: name.to_owned(), flag: flag.map(str::to_owned) })
}

/// Reads one stage of a plan: `5`, `5:45m`, `25:2h`, `50:90s`; minutes where no unit is named.
pub fn stage(text: &str) -> Result<PlannedStage, String> {
    let expected =
        || "stages are expected, each a share and perhaps how long it runs, as in 1:30m,5:2h,25,100".to_owned();
    let (share, soak) = match text.split_once(':') {
        Some((share, soak)) => (share, Some(soak.trim())),
        None => (text, None),
    };
    let percent = Percent::parse(share).ok_or_else(expected)?;
    let soak_minutes = soak.map(|soak| minutes(soak).ok_or_else(expected)).transpose()?;
    Ok(PlannedStage { percent, soak_minutes })
}

fn minutes(text: &str) -> Option<f64> {
    let units = [("min", 1.0), ("s", 1.0 / 60.0), ("m", 1.0), ("h", 60.0), ("d", 1440.0)];
    let (number, per) = units
        .iter()
        .find_map(|(unit, per)| text.strip_suffix(unit).map(|number| (number, *per)))
        .unwrap_or((text, 1.0));
    number.trim().parse::<f64>().ok().map(|number| number * per).filter(|minutes| (0.0..=1e6).contains(minutes))
}

/// A name as one part of an address.
pub fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_a_share_and_perhaps_a_time() {
        let read = |text| stage(text).map(|it| (it.percent.value(), it.soak_minutes));
        assert_eq!(read("1"), Ok((1.0, None)));
        assert_eq!(read("10:45m"), Ok((10.0, Some(45.0))));
        assert_eq!(read("25%:2h"), Ok((25.0, Some(120.0))));
        assert_eq!(read("50:90s"), Ok((50.0, Some(1.5))));
        assert_eq!(read("0.5:30"), Ok((0.5, Some(30.0))));
        for wrong in ["", "101", "5:", "5:soon", "5:-1", "5:inf", "5:1w"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_feature_may_name_its_flag() {
        assert_eq!(feature("frames").map(|it| it.flag), Ok(None));
        let both = feature("compact frames:wire-v2").expect("both");
        assert_eq!((both.name.as_str(), both.flag.as_deref()), ("compact frames", Some("wire-v2")));
        assert!(feature(":x").is_err() && feature("x:").is_err() && feature(" ").is_err());
    }

    #[test]
    fn a_cell_needs_a_name_and_a_share() {
        let it = cell("eu-1=5%").expect("a cell");
        assert_eq!((it.cell.as_str(), it.percent.value()), ("eu-1", 5.0));
        assert!(cell("eu-1").is_err() && cell("=5").is_err() && cell("eu-1=500").is_err());
    }

    #[test]
    fn a_name_with_a_slash_stays_one_part_of_an_address() {
        assert_eq!(segment("relay/118 é"), "relay%2F118%20%C3%A9");
    }
}
