//! Signatures of stacks that were met a moment ago: in a storm every thread meets a few hundred again and again.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

/// What a signature is made of, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stack<'a> {
    /// The kind of the exception; empty where it has none.
    pub kind: &'a str,
    /// The frames, as JSON.
    pub frames: &'a str,
    /// How many of them are looked at.
    pub most: usize,
}

/// How much text a thread remembers, bytes; past that it begins anew.
const MOST: usize = 2 << 20;
/// Longer stacks are not remembered, bytes.
const LONGEST: usize = 16 << 10;
/// The place is found by the end of the frames, where the innermost stand, bytes. What counts is the whole text.
const END: usize = 256;

#[derive(Default)]
struct Met {
    by_end: HashMap<u64, Known, RandomState>,
    bytes: usize,
}

struct Known {
    kind: Box<str>,
    frames: Box<str>,
    most: usize,
    signature: Box<str>,
}

thread_local! {
    static MET: RefCell<Met> = RefCell::default();
}

/// The signature that this stack had before; otherwise the one that `compute` gives, which also says whether the stack alone makes it.
pub fn signature(stack: Stack, compute: impl FnOnce() -> (String, bool)) -> String {
    if stack.kind.len() + stack.frames.len() > LONGEST {
        return compute().0;
    }
    let (place, known) = MET.with_borrow(|it| {
        let end = &stack.frames.as_bytes()[stack.frames.len().saturating_sub(END)..];
        let place = it.by_end.hasher().hash_one((stack.kind, stack.frames.len(), end));
        let known = it.by_end.get(&place).filter(|known| known.is(&stack));
        (place, known.map(|known| known.signature.to_string()))
    });
    known.unwrap_or_else(|| {
        let (signature, lasts) = compute();
        if lasts {
            MET.with_borrow_mut(|it| it.note(place, Known::of(&stack, &signature)));
        }
        signature
    })
}

impl Known {
    fn of(stack: &Stack, signature: &str) -> Known {
        let Stack { kind, frames, most } = *stack;
        Known { kind: kind.into(), frames: frames.into(), most, signature: signature.into() }
    }

    fn is(&self, stack: &Stack) -> bool {
        Stack { kind: &self.kind, frames: &self.frames, most: self.most } == *stack
    }

    fn bytes(&self) -> usize {
        self.kind.len() + self.frames.len() + self.signature.len()
    }
}

impl Met {
    fn note(&mut self, place: u64, known: Known) {
        if self.bytes + known.bytes() > MOST {
            *self = Met { by_end: HashMap::with_hasher(self.by_end.hasher().clone()), bytes: 0 };
        }
        self.bytes += known.bytes();
        if let Some(other) = self.by_end.insert(place, known) {
            self.bytes -= other.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, frames: &str, most: usize, made: &str) -> String {
        signature(Stack { kind, frames, most }, || (made.to_owned(), true))
    }

    #[test]
    fn a_signature_is_made_once_and_only_the_same_text_is_the_same_stack() {
        let (one, other) = (format!("a{}", "x".repeat(END)), format!("b{}", "x".repeat(END)));
        assert_eq!(of("K", &one, 100, "one"), "one");
        assert_eq!(of("K", &one, 100, "again"), "one");
        // Another kind, another bound, another beginning.
        assert_eq!(of("L", &one, 100, "kind"), "kind");
        assert_eq!(of("K", &one, 50, "fewer"), "fewer");
        assert_eq!(of("K", &other, 50, "other"), "other");
        assert_eq!(of("K", &other, 50, "again"), "other");
        // What more than the stack makes is made each time.
        let passing = |made: &str| signature(Stack { kind: "P", frames: &one, most: 1 }, || (made.to_owned(), false));
        assert_eq!((passing("first"), passing("second")), ("first".to_owned(), "second".to_owned()));
    }

    #[test]
    fn no_thread_remembers_more_than_it_may() {
        for number in 0..1_000 {
            of("K", &format!("{number}{}", "y".repeat(5_000)), 100, "s");
            let (bytes, held) =
                MET.with_borrow(|it| (it.bytes, it.by_end.values().map(|known| known.bytes()).sum::<usize>()));
            assert!(bytes == held && bytes <= MOST, "{bytes} {held}");
        }
        let long = "z".repeat(LONGEST + 1);
        of("K", &long, 100, "long");
        assert_eq!(of("K", &long, 100, "again"), "again");
    }
}
