//! Nothing that the store offers goes untested.

use std::path::Path;

fn texts(folder: &str, into: &mut String) {
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            into.push_str(&std::fs::read_to_string(path).expect("text"));
        }
    }
}

#[test]
fn everything_that_can_be_read_or_kept_is_called_by_a_test_of_the_store() {
    let (mut offered, mut called) = (String::new(), String::new());
    texts("src/store", &mut offered);
    texts("tests/store", &mut called);
    let names: Vec<&str> = offered
        .split("    pub fn ")
        .skip(1)
        .filter_map(|rest| {
            let (name, arguments) = rest.split_once(['(', '<'])?;
            arguments.split_whitespace().take(2).any(|word| word.starts_with("&mut") || word == "self,").then_some(name)
        })
        .collect();
    assert!(names.len() > 60, "only {} functions were found", names.len());
    let missing: Vec<&&str> = names.iter().filter(|name| !called.contains(&format!(".{name}("))).collect();
    assert!(missing.is_empty(), "no test of the store calls {missing:?}");
}
