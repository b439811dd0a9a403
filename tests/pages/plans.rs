//! How SQLite finds what the pages show: every statement that they read with is explained, and none may walk through a table that grows.
//! Search is left out: parts of names are looked for in all names, and how long that takes is measured with the other pages.

use super::routes::routes;
use crate::support::{Engine, Program, TestDatabase, server::PASSWORD};
use diesel::{RunQueryDsl, sql_query, sql_types::Text};
use std::collections::BTreeSet;

/// Tables of which a page tells every row, and that have as many as there are people and services.
const TOLD_WHOLE: [&str; 2] = ["person", "service"];

/// Indexes that are walked through whole: a page tells each flag once, and no row is read for it; and one that holds nothing but what is told.
const WALKED: [&str; 2] =
    ["SCAN flag_change USING COVERING INDEX flag_change_of_flag", "SCAN hold USING INDEX hold_that_stands"];

/// A timeline as it was known at an instant.
const AS_KNOWN: &str = "/services/relay/production?at=2026-03-03T03:30:00Z";

#[derive(diesel::QueryableByName)]
struct Detail {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// Whether a step of a plan reads no more than what is shown: a list from its newest row on, up to a limit. What leaves out those few
/// that are not over yet is such a list too.
fn is_shown(step: &str, statement: &str) -> bool {
    let table = step.split_whitespace().nth(1).unwrap_or_default();
    let condition = statement.split_once(" WHERE ").map_or("", |it| it.1).split(" ORDER BY ").next().unwrap_or("");
    let newest = step.contains("USING INDEX") && statement.contains(" ORDER BY ") && statement.ends_with("LIMIT ?");
    let all = condition.is_empty() || condition == "(`push`.`state` NOT IN (?, ?))";
    TOLD_WHOLE.contains(&table) || WALKED.contains(&step) || (newest && all)
}

#[test]
fn no_page_but_search_walks_through_a_table_that_grows() {
    let database = TestDatabase::told(Engine::Sqlite);
    let program = Program::serve_logging(&database, "warn,pushback::sql=trace");
    let client = program.client();
    client.sign_in("dana@example.com", PASSWORD);
    let pages: Vec<_> = routes().into_iter().filter(|route| route.method == "get").collect();
    pages.iter().for_each(|route| drop(client.get(&route.path)));
    for more in ["/pushes?service=relay", "/regressions?service=relay", "/continued?service=relay", AS_KNOWN] {
        client.get(more).expect(200);
    }
    // The last page's statements may still be on their way here: its number comes after them.
    let last = client.get("/readyz").header("x-request-id").expect("an id").to_owned();
    program.printed(&last, 1);
    let statement = |line: &String| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        line["fields"]["statement"].as_str().expect("a statement").to_owned()
    };
    let heard = program.printed("\"pushback::sql\"", 100);
    let heard: BTreeSet<String> = heard.iter().map(statement).filter(|it| it.starts_with("SELECT")).collect();
    assert!(heard.len() >= 70, "only {} statements were heard", heard.len());
    let mut db = database.sqlite();
    let mut walks = Vec::new();
    for statement in &heard {
        let plan: Vec<Detail> = sql_query(format!("explain query plan {statement}")).load(&mut db).expect("a plan");
        let steps = plan.into_iter().map(|step| step.detail);
        let through = steps.filter(|step| step.contains("SCAN") && !is_shown(step, statement));
        walks.extend(through.map(|step| format!("{step}\n    {statement}")));
    }
    assert!(walks.is_empty(), "{}", walks.join("\n"));
}
