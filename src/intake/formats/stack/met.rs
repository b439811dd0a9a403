//! Stacks that were met a moment ago, with what was read of them: in a storm every thread meets a few hundred again and again.

use crate::domain::crash::Frame;
use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

/// How much text a thread remembers, bytes; past that it begins anew.
const MOST: usize = 2 << 20;
/// Longer stacks are not remembered, bytes.
const LONGEST: usize = 16 << 10;
/// The place is found by the end of a text, where the innermost frames stand, bytes. What counts is the whole text.
const END: usize = 256;

#[derive(Default)]
struct Stacks {
    by_end: HashMap<u64, Stack, RandomState>,
    bytes: usize,
}

struct Stack {
    text: Box<str>,
    most: usize,
    frames: Vec<Frame>,
}

thread_local! {
    static STACKS: RefCell<Stacks> = RefCell::default();
}

/// The frames that were read of this text before, of `most` at most; otherwise those that `read` gives.
pub fn frames(text: &str, most: usize, read: impl FnOnce() -> Vec<Frame>) -> Vec<Frame> {
    if text.len() > LONGEST {
        return read();
    }
    let is_it = |stack: &&Stack| stack.most == most && *stack.text == *text;
    let (place, known) = STACKS.with_borrow(|it| {
        let place = it.by_end.hasher().hash_one((text.len(), &text.as_bytes()[text.len().saturating_sub(END)..]));
        (place, it.by_end.get(&place).filter(is_it).map(|stack| stack.frames.clone()))
    });
    known.unwrap_or_else(|| {
        let frames = read();
        STACKS.with_borrow_mut(|it| it.note(place, Stack { text: text.into(), most, frames: frames.clone() }));
        frames
    })
}

impl Stacks {
    fn note(&mut self, place: u64, stack: Stack) {
        if self.bytes + stack.text.len() > MOST {
            *self = Stacks { by_end: HashMap::with_hasher(self.by_end.hasher().clone()), bytes: 0 };
        }
        self.bytes += stack.text.len();
        if let Some(other) = self.by_end.insert(place, stack) {
            self.bytes -= other.text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(function: &str) -> Vec<Frame> {
        vec![Frame { function: Some(function.to_owned()), ..Frame::default() }]
    }

    #[test]
    fn a_stack_is_read_once_and_only_the_same_text_is_the_same_stack() {
        let (one, other) = (format!("a{}", "x".repeat(END)), format!("b{}", "x".repeat(END)));
        assert_eq!(frames(&one, 100, || stack("one")), stack("one"));
        assert_eq!(frames(&one, 100, || panic!("it is known")), stack("one"));
        // Another bound, another beginning.
        assert_eq!(frames(&one, 50, || stack("fewer")), stack("fewer"));
        assert_eq!(frames(&other, 50, || stack("other")), stack("other"));
        assert_eq!(frames(&other, 50, || panic!("it is known")), stack("other"));
    }

    #[test]
    fn no_thread_remembers_more_than_it_may() {
        for number in 0..1_000 {
            frames(&format!("{number}{}", "y".repeat(5_000)), 100, || stack("f"));
            let (bytes, held) =
                STACKS.with_borrow(|it| (it.bytes, it.by_end.values().map(|stack| stack.text.len()).sum::<usize>()));
            assert!(bytes == held && bytes <= MOST, "{bytes} {held}");
        }
        let long = "z".repeat(LONGEST + 1);
        frames(&long, 100, || stack("long"));
        assert_eq!(frames(&long, 100, || stack("again")), stack("again"));
    }
}
