//! Tables for spreadsheets. A cell that a spreadsheet would run as a formula is written as text.

/// A table with its heading as CSV. Cells that begin like a formula get an apostrophe in front, which spreadsheets take as "this is
/// text" (after OWASP, CSV injection).
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> Result<Vec<u8>, csv::Error> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(heading)?;
    for row in rows {
        out.write_record(row.iter().map(|text| cell(text)))?;
    }
    out.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

/// A cell's text that no spreadsheet takes for a formula.
pub fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_begins_like_a_formula() {
        for text in ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"] {
            assert_eq!(cell(text), format!("'{text}"));
        }
        assert_eq!(cell("dana@example.com"), "dana@example.com");
    }

    #[test]
    fn commas_quotes_and_lines_stay_inside_their_cell() {
        let rows = vec![vec!["a,b".to_owned(), "say \"no\"\nand stop".to_owned()]];
        let text = String::from_utf8(table(&["one", "two"], &rows).expect("written")).expect("UTF-8");
        assert_eq!(text, "one,two\n\"a,b\",\"say \"\"no\"\"\nand stop\"\n");
    }
}
