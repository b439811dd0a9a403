//! What strangers' JSON may look like, and what is left unread of it.

use super::*;
use proptest::prelude::*;

#[test]
fn what_is_read_points_into_the_bytes_unless_it_was_escaped() {
    let bytes = br#"{"a":"plain","b":"esc\u0061ped","n":[1,-2,2.5,null,true],"a":"last"}"#;
    let Value::Object(fields) = read(bytes).expect("JSON") else { panic!("an object") };
    assert!(matches!(fields.get("a"), Some(Value::String(Cow::Borrowed("last")))));
    assert_eq!(fields.get("b").and_then(Value::as_str), Some("escaped"));
    assert_eq!(fields.get("n").map(ToString::to_string).as_deref(), Some("[1,-2,2.5,null,true]"));
    assert_eq!(fields.get("c"), None);
}

#[test]
fn what_is_nested_too_deep_is_refused_at_once() {
    let deep = "[".repeat(100_000);
    assert_eq!(read(deep.as_bytes()), Err(JsonError::TooDeep));
    let fine = format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
    assert!(read(fine.as_bytes()).is_ok());
    let brackets_in_text = format!("\"{}\"", "[".repeat(500));
    assert!(read(brackets_in_text.as_bytes()).is_ok());
}

#[test]
fn too_many_values_are_refused() {
    let many = format!("[{}0]", "0,".repeat(MOST_VALUES));
    assert_eq!(read(many.as_bytes()), Err(JsonError::TooMany));
}

#[test]
fn half_an_emoji_does_not_cost_the_report() {
    let value = read(br#"{"a":"cut \ud83d","b":"\ud83d\ude00","c":"\\ud83d"}"#).expect("mended");
    let value = value.to_json();
    assert_eq!(value["a"], "cut \u{fffd}");
    assert_eq!(value["b"], "😀");
    assert_eq!(value["c"], "\\ud83d");
}

#[test]
fn pythons_numbers_and_foreign_bytes_do_not_cost_the_report() {
    let value = read(b"{\"a\":NaN,\"b\":[-Infinity,Infinity],\"c\":\"NaN\",\"d\":\"\xff\"}").expect("mended");
    assert_eq!(value.to_string(), "{\"a\":null,\"b\":[null,null],\"c\":\"NaN\",\"d\":\"\u{fffd}\"}");
}

#[test]
fn a_fault_is_told_by_place_and_never_by_content() {
    let error = read(b"{\"password\": hunter2}").expect_err("not JSON").to_string();
    assert!(error.contains("line 1") && !error.contains("hunter"), "{error}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
    }

    #[test]
    fn text_that_looks_like_json_never_panics(text in r#"[\[\]{}":,\\uNaInfty0-9d8cé-]{0,80}"#) {
        let _ = read(text.as_bytes());
    }
}

#[test]
fn frames_that_are_left_unread_are_read_on_as_if_they_had_been_read_at_once() {
    let texts = [
        r#"{"exception":{"values":[{"stacktrace":{"frames":[{"function":"a","n":[1,{"frames":[2]}]},null,7,"x"]}}]}}"#,
        r#"{"s":{"frames":[{"function":"half \ud83d of a pair"}]},"a":{"frames":{"values":[1]}},"b":{"frames":null}}"#,
        r#"{"s":{"frames":[]}}"#,
    ];
    for text in texts {
        let document = Shortened::of(text.as_bytes(), |_| false);
        let (all, outline) = (read_object(text.as_bytes()), read_object_without(&document, &["breadcrumbs"]));
        let (all, outline) = (all.expect("JSON"), outline.expect("JSON"));
        assert_eq!(Value::Object(outline.clone()).to_json(), Value::Object(all.clone()).to_json());
        assert_eq!(Value::Object(outline).into_owned(), Value::Object(all).into_owned());
    }
    let frames = |text: &'static str| {
        let document = Box::leak(Box::new(Shortened::of(text.as_bytes(), |_| false)));
        let outline = read_object_without(document, &[]).expect("JSON");
        outline.get("s").and_then(Value::as_object).and_then(|stack| stack.get("frames")).cloned()
    };
    assert_eq!(frames(texts[2]).map(|it| it.items().len()), Some(0));
    let items = |text: &'static str| frames(text).map(|it| it.items().into_owned());
    assert_eq!(items(r#"{"s":{"frames":[ {"a" : 1} ]}}"#), Some(vec![Value::Unread(r#"{"a" : 1}"#)]));
    assert_eq!(frames(r#"{"s":{"frames":[ {"a" : 1} ]}}"#), Some(Value::Unread(r#"[ {"a" : 1} ]"#)));
    let broken = br#"{"s":{"frames":[{"a":}]}}"#;
    assert!(read_object_without(&Shortened::of(broken, |_| false), &[]).is_err(), "what is left unread is checked");
}
