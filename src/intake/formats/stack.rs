//! Exceptions, threads and frames, in the shapes in which clients send them.

mod met;

pub use met::is_known;

use super::fields::{list, object, text, text_or_json, text_under, truth, under, whole};
use crate::domain::crash::Frame;
use crate::domain::signature;
use crate::intake::detail::Thrown;
use crate::intake::json::{Fields, Value};
use crate::intake::scrub::Scrubber;
use std::borrow::Cow;

/// Exceptions kept of a chain: the last ones, since the one that was raised comes last.
const MOST_EXCEPTIONS: usize = 10;
/// Frames kept of one stack. Of a longer one (a stack overflow has tens of thousands) both ends are kept.
const MOST_FRAMES: usize = 100;
/// How many of them are from the outer end.
const OUTER_FRAMES: usize = 20;
/// Frames kept of a cause, which is read less.
const MOST_CAUSE_FRAMES: usize = 50;

/// The longest message of an exception, characters.
pub const LONGEST_VALUE: usize = 4_000;
/// The longest name of a function or a file, characters.
const LONGEST_NAME: usize = 300;

/// The chain of exceptions, causes first. One without its own stack that was raised gets the crashed thread's.
pub fn thrown(event: &Fields, scrubber: &mut Scrubber) -> Vec<Thrown> {
    let values = chain(event);
    let images = images(event);
    let last = values.len().saturating_sub(1);
    let mut chain = Vec::with_capacity(values.len());
    for (place, value) in values.iter().enumerate() {
        let Value::Object(fields) = value else { continue };
        let raised = place == last;
        let own = stack_of(fields, most_frames(raised), &images, scrubber);
        let frames =
            if own.is_empty() && raised { spare_stack(event, fields.get("thread_id"), &images, scrubber) } else { own };
        chain.push(exception(fields, frames, scrubber));
    }
    chain
}

/// The last of the chain of exceptions, with as many of its innermost frames as its signature is made of, and whether these are its own.
fn last_thrown(event: &Fields, scrubber: &mut Scrubber) -> Option<(Thrown, bool)> {
    let values = chain(event);
    let fields = values.iter().rev().find_map(Value::as_object)?;
    let is_last = values.last().is_some_and(|last| last.as_object().is_some());
    let images = images(event);
    let stack = object(under(fields, &["stacktrace", "raw_stacktrace"]));
    let own = innermost(stack, most_frames(is_last), &images, scrubber);
    let is_own = !own.is_empty();
    let frames = if is_own || !is_last { own } else { spare_stack(event, fields.get("thread_id"), &images, scrubber) };
    Some((exception(fields, frames, scrubber), is_own))
}

/// The signature of what was raised, as far as nothing but its kind and its own stack makes it: those that were met a moment ago are
/// known. `compute` makes it out of the last exception of the chain, with the innermost of its frames.
pub fn met_signature(event: &Fields, compute: impl FnOnce(Option<Thrown>) -> String) -> String {
    let stack = own_stack(event);
    let compute = || match last_thrown(event, &mut Scrubber::new()) {
        Some((thrown, is_own)) => {
            let lasts = is_own && thrown.frames.iter().any(signature::counts);
            (compute(Some(thrown)), lasts)
        }
        None => (compute(None), false),
    };
    match &stack {
        Some((kind, frames, most)) => met::signature(met::Stack { kind, frames, most: *most }, compute),
        None => compute().0,
    }
}

/// The kind of the last exception, its frames as they came, and how many of them are looked at, where the signature needs no more.
fn own_stack<'a>(event: &'a Fields<'a>) -> Option<(Cow<'a, str>, &'a str, usize)> {
    let values = chain(event);
    let fields = values.iter().rev().find_map(Value::as_object)?;
    let is_last = values.last().is_some_and(|last| last.as_object().is_some());
    // What images say of a frame is not in its text.
    let images = object(under(event, &["debug_meta"])).get("images").is_none();
    match object(under(fields, &["stacktrace", "raw_stacktrace"])).get("frames") {
        Some(Value::Unread(text)) if images => {
            Some((text_under(fields, "type").unwrap_or_default(), text, most_frames(is_last)))
        }
        _ => None,
    }
}

/// Whether anything was raised.
pub fn is_raised(event: &Fields) -> bool {
    chain(event).iter().any(|value| value.as_object().is_some())
}

/// Frames kept of an exception: more of the last one.
fn most_frames(is_last: bool) -> usize {
    if is_last { MOST_FRAMES } else { MOST_CAUSE_FRAMES }
}

/// Whether the program did not deal with one of the exceptions.
pub fn is_unhandled(event: &Fields) -> bool {
    let handled = |value: &Value| truth(under(object(under(object(value), &["mechanism"])), &["handled"]));
    chain(event).iter().any(|value| handled(value) == Some(false))
}

/// The exceptions that are read, causes first.
fn chain<'a>(event: &'a Fields<'a>) -> &'a [Value<'a>] {
    let values = list(under(event, &["exception", "sentry.interfaces.Exception"]));
    &values[values.len().saturating_sub(MOST_EXCEPTIONS)..]
}

fn exception(fields: &Fields, frames: Vec<Frame>, scrubber: &mut Scrubber) -> Thrown {
    let mechanism = object(under(fields, &["mechanism"]));
    Thrown {
        kind: text_under(fields, "type").map(|kind| scrubber.text(&kind, LONGEST_NAME)),
        value: text_or_json(under(fields, &["value"])).map(|value| scrubber.text(&value, LONGEST_VALUE)),
        module: text_under(fields, "module").map(|module| scrubber.text(&module, LONGEST_NAME)),
        mechanism: text_under(mechanism, "type").map(|kind| scrubber.text(&kind, 60)),
        handled: truth(under(mechanism, &["handled"])),
        frames,
    }
}

/// The innermost frames of a stack, outermost of them first: enough for its signature, or all of them where that many of the
/// program's own are not found soon.
fn innermost(stack: &Fields, most: usize, images: &[Image], scrubber: &mut Scrubber) -> Vec<Frame> {
    let Some(frames) = stack.get("frames") else { return Vec::new() };
    let (mut found, mut own) = (Vec::new(), 0);
    for frame in frames.items().iter().rev().take(most - OUTER_FRAMES) {
        let Value::Object(frame) = &*frame.read_on() else { continue };
        let frame = read_frame(frame, images, scrubber);
        own += usize::from(signature::counts(&frame));
        found.push(frame);
        if own == signature::FRAMES {
            found.reverse();
            return found;
        }
    }
    frames_of(stack, most, images, scrubber)
}

/// The stack to show where no exception has one: the crashed thread's, or the event's own in old reports.
pub fn bare(event: &Fields, scrubber: &mut Scrubber) -> Vec<Frame> {
    spare_stack(event, None, &images(event), scrubber)
}

/// How many threads a report names.
pub fn threads(event: &Fields) -> usize {
    list(under(event, &["threads"])).len()
}

/// The stack of the thread that crashed; else of the one that the exception names, of the current one, of the only one;
/// else the event's own stack.
fn spare_stack(event: &Fields, thread_id: Option<&Value>, images: &[Image], scrubber: &mut Scrubber) -> Vec<Frame> {
    let threads = list(under(event, &["threads"]));
    let marked = |mark: &str| threads.iter().find(|thread| truth(under(object(thread), &[mark])) == Some(true));
    let named = || {
        let wanted = text(thread_id?)?;
        threads.iter().find(|thread| text(under(object(thread), &["id"])).is_some_and(|id| id == wanted))
    };
    let only = || if threads.len() == 1 { threads.first() } else { None };
    let thread = marked("crashed").or_else(named).or_else(|| marked("current")).or_else(only);
    let frames = thread
        .map(|thread| stack_of(object(thread), MOST_FRAMES, images, scrubber))
        .filter(|frames| !frames.is_empty());
    frames.unwrap_or_else(|| {
        let own = under(event, &["stacktrace", "sentry.interfaces.Stacktrace"]);
        frames_of(object(own), MOST_FRAMES, images, scrubber)
    })
}

fn stack_of(fields: &Fields, most: usize, images: &[Image], scrubber: &mut Scrubber) -> Vec<Frame> {
    frames_of(object(under(fields, &["stacktrace", "raw_stacktrace"])), most, images, scrubber)
}

fn frames_of(stack: &Fields, most: usize, images: &[Image], scrubber: &mut Scrubber) -> Vec<Frame> {
    let Some(frames) = stack.get("frames").map(Value::items) else { return Vec::new() };
    let beyond = frames.len().saturating_sub(most);
    let kept = frames
        .iter()
        .enumerate()
        .filter(|(place, _)| beyond == 0 || *place < OUTER_FRAMES || *place >= OUTER_FRAMES + beyond);
    kept.filter_map(|(_, frame)| Some(read_frame(frame.read_on().as_object()?, images, scrubber))).collect()
}

fn read_frame(fields: &Fields, images: &[Image], scrubber: &mut Scrubber) -> Frame {
    if fields.get("vars").is_some_and(|vars| !vars.is_null()) {
        scrubber.note("local variables");
    }
    let mut name = |key: &str| text_under(fields, key).map(|name| scrubber.text(&name, LONGEST_NAME));
    let (function, module, file) = (name("function"), name("module"), name("filename").or_else(|| name("abs_path")));
    let package = name("package");
    let module = module.or_else(|| {
        // A native frame without symbols is known by its image and the offset in it.
        let package = package.as_deref().map(base_name).map(str::to_owned);
        let offset = if function.is_none() { offset(fields, images) } else { None };
        match offset {
            Some((image, offset)) => Some(format!("{}+{offset:#x}", package.as_deref().unwrap_or(image))),
            None => package,
        }
    });
    Frame { function, module, file, line: whole(under(fields, &["lineno"])), in_app: truth(under(fields, &["in_app"])) }
}

/// Code that was loaded, and where.
struct Image {
    name: String,
    start: u64,
    size: u64,
}

fn images(event: &Fields) -> Vec<Image> {
    let Some(Value::Array(images)) = object(under(event, &["debug_meta"])).get("images") else { return Vec::new() };
    let image = |image: &Value| {
        let fields = image.as_object()?;
        Some(Image {
            name: base_name(&text(under(fields, &["code_file", "debug_file", "name"]))?)
                .chars()
                .take(LONGEST_NAME)
                .collect(),
            start: number(under(fields, &["image_addr"]))?,
            size: number(under(fields, &["image_size"])).unwrap_or(0),
        })
    };
    images.iter().take(2_000).filter_map(image).collect()
}

fn offset<'a>(fields: &Fields, images: &'a [Image]) -> Option<(&'a str, u64)> {
    let address = number(under(fields, &["instruction_addr"]))?;
    let holds = |image: &&Image| address >= image.start && address - image.start < image.size;
    let image = images.iter().find(holds)?;
    Some((&image.name, address - image.start))
}

/// A number as number, decimal text or hexadecimal text.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) | Value::Unread(_) => None,
    }
}

/// The last part of a path of either system.
fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::json::json;

    fn read(event: Value) -> Vec<Thrown> {
        thrown(object(&event), &mut Scrubber::new())
    }

    fn functions(frames: &[Frame]) -> Vec<&str> {
        frames.iter().filter_map(|frame| frame.function.as_deref()).collect()
    }

    #[test]
    fn the_crashed_threads_stack_stands_in_for_a_missing_one() {
        let stack = |name: &str| json!({"frames": [{"function": "main"}, {"function": name}]});
        let threads = json!({"values": [{"id": 1, "current": true, "stacktrace": stack("idle")}, {"id": 2, "crashed": true, "stacktrace": stack("decode")}]});
        let event = json!({"exception": {"values": [{"type": "SIGSEGV", "stacktrace": null}]}, "threads": threads});
        assert_eq!(functions(&read(event)[0].frames), ["main", "decode"]);
        let named = json!({"exception": [{"type": "E", "thread_id": "7"}], "threads": [{"id": 6, "stacktrace": stack("a")}, {"id": 7, "stacktrace": stack("b")}]});
        assert_eq!(functions(&read(named)[0].frames), ["main", "b"]);
    }

    #[test]
    fn the_innermost_frames_give_the_signature_of_the_whole_stack() {
        let frame =
            |function: &str, in_app: serde_json::Value| serde_json::json!({"function": function, "in_app": in_app});
        let own =
            |count: usize| (0..count).map(|n| frame(&format!("f{n}"), serde_json::json!(null))).collect::<Vec<_>>();
        let foreign = |count: usize| (0..count).map(|n| frame(&format!("x{n}"), false.into())).collect::<Vec<_>>();
        let nameless = vec![serde_json::json!({"lineno": 1}); 5];
        let stacks = [
            own(1),
            own(200),
            foreign(7),
            [own(2), foreign(200)].concat(),
            [own(30), foreign(60)].concat(),
            [own(9), nameless.clone(), own(2), foreign(1)].concat(),
            nameless,
            vec![],
        ];
        for frames in stacks {
            for chain in [
                serde_json::json!([{"type": "Cause", "stacktrace": {"frames": own(4)}}, {"type": "E", "value": "v", "stacktrace": {"frames": frames}}]),
                serde_json::json!([{"type": "E", "stacktrace": {"frames": frames}}, null]),
            ] {
                let event = Value::from(
                    serde_json::json!({"exception": chain, "threads": [{"crashed": true, "stacktrace": {"frames": own(5)}}]}),
                );
                let of = |chain: Vec<Thrown>| {
                    let last = chain.last().expect("one");
                    signature::of(&crate::domain::crash::Exception {
                        kind: last.kind.clone(),
                        value: last.value.clone(),
                        frames: last.frames.clone(),
                    })
                };
                let event = object(&event);
                let (whole, thin) = (thrown(event, &mut Scrubber::new()), last_thrown(event, &mut Scrubber::new()));
                assert_eq!(of(thin.into_iter().map(|(thrown, _)| thrown).collect()), of(whole));
            }
        }
    }

    #[test]
    fn both_ends_of_an_endless_stack_are_kept() {
        let frames: Vec<Value> = (0..30_000).map(|n| json!({"function": format!("f{n}")})).collect();
        let kept =
            read(json!({"exception": [{"type": "StackOverflow", "stacktrace": {"frames": frames}}]})).remove(0).frames;
        assert_eq!(kept.len(), MOST_FRAMES);
        assert_eq!((functions(&kept)[0], functions(&kept)[MOST_FRAMES - 1]), ("f0", "f29999"));
    }

    #[test]
    fn a_native_frame_without_symbols_is_known_by_its_image_and_offset() {
        let event = json!({
            "exception": {"values": [{"type": "SIGSEGV", "stacktrace": {"frames": [{"instruction_addr": "0x7f0000001a2b", "package": "/opt/app/libwire.so"}, {"function": null, "instruction_addr": "0x10"}]}}]},
            "debug_meta": {"images": [{"type": "elf", "code_file": "/opt/app/libwire.so", "image_addr": "0x7f0000000000", "image_size": 65536}]},
        });
        let frames = read(event).remove(0).frames;
        assert_eq!(frames[0].module.as_deref(), Some("libwire.so+0x1a2b"));
        assert_eq!(frames[1], Frame::default());
    }

    #[test]
    fn local_variables_never_get_through() {
        let event = json!({"exception": [{"type": "E", "stacktrace": {"frames": [{"function": "f", "vars": {"password": "hunter2"}}]}}]});
        let mut scrubber = Scrubber::new();
        let kept = thrown(object(&event), &mut scrubber);
        assert!(!serde_json::to_string(&kept).expect("plain").contains("hunter2"));
        assert_eq!(scrubber.removed()["local variables"], 1);
    }
}
