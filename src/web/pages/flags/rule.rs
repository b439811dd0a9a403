//! What a flag change did to its rule.

use serde_json::{Map, Value};

/// One field of a rule that a change touched.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub field: String,
    /// Its value before, as JSON; none where it came.
    pub before: Option<String>,
    /// Its value after, as JSON; none where it went.
    pub after: Option<String>,
}

/// What a change did to its rule, field by field; what stayed is left out.
pub fn differences(before: Option<&Map<String, Value>>, after: Option<&Map<String, Value>>) -> Vec<Difference> {
    let empty = Map::new();
    let (before, after) = (before.unwrap_or(&empty), after.unwrap_or(&empty));
    let fields = before.keys().chain(after.keys().filter(|field| !before.contains_key(*field)));
    fields
        .filter(|field| before.get(*field) != after.get(*field))
        .map(|field| Difference {
            field: field.clone(),
            before: before.get(field).map(Value::to_string),
            after: after.get(field).map(Value::to_string),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_names_only_what_changed_and_keeps_what_came_and_went() {
        let rule = |value: Value| value.as_object().cloned().expect("an object");
        let (before, after) = (
            rule(json!({"percent": 20, "owner": "kim", "old": 1})),
            rule(json!({"percent": 50, "owner": "kim", "new": [1]})),
        );
        let found = differences(Some(&before), Some(&after));
        let line = |field: &str, before: Option<&str>, after: Option<&str>| Difference {
            field: field.into(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        assert_eq!(
            found,
            [line("percent", Some("20"), Some("50")), line("old", Some("1"), None), line("new", None, Some("[1]"))]
        );
        assert!(differences(None, None).is_empty());
    }
}
