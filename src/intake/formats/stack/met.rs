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

/// As many signatures of the same frames are remembered.
const MOST_OF_ONE: usize = 8;

#[derive(Default)]
struct Met {
    by_end: HashMap<u64, Known, RandomState>,
    bytes: usize,
}

/// Frames, and the signatures that they have with a kind and as far as so many of them are looked at.
struct Known {
    frames: Box<str>,
    signatures: Vec<Signature>,
}

struct Signature {
    kind: Box<str>,
    most: usize,
    signature: Box<str>,
}

thread_local! {
    static MET: RefCell<Met> = RefCell::default();
}

/// Whether these frames were met a moment ago, and so are a list in JSON.
pub fn is_known(frames: &str) -> bool {
    frames.len() <= LONGEST && MET.with_borrow(|it| it.known(it.place(frames), frames).is_some())
}

/// The signature that this stack had before; otherwise the one that `compute` gives, which also says whether the stack alone makes it.
pub fn signature(stack: Stack, compute: impl FnOnce() -> (String, bool)) -> String {
    if stack.kind.len() + stack.frames.len() > LONGEST {
        return compute().0;
    }
    let (place, known) = MET.with_borrow(|it| {
        let place = it.place(stack.frames);
        let known = it.known(place, stack.frames).and_then(|known| known.signature(&stack));
        (place, known.map(str::to_owned))
    });
    known.unwrap_or_else(|| {
        let (signature, lasts) = compute();
        if lasts {
            MET.with_borrow_mut(|it| it.note(place, &stack, &signature));
        }
        signature
    })
}

impl Known {
    fn signature(&self, stack: &Stack) -> Option<&str> {
        let is_it = |it: &&Signature| *it.kind == *stack.kind && it.most == stack.most;
        self.signatures.iter().find(is_it).map(|it| &*it.signature)
    }

    fn bytes(&self) -> usize {
        self.frames.len() + self.signatures.iter().map(Signature::bytes).sum::<usize>()
    }
}

impl Signature {
    fn bytes(&self) -> usize {
        self.kind.len() + self.signature.len()
    }
}

impl Met {
    fn place(&self, frames: &str) -> u64 {
        let end = &frames.as_bytes()[frames.len().saturating_sub(END)..];
        self.by_end.hasher().hash_one((frames.len(), end))
    }

    fn known(&self, place: u64, frames: &str) -> Option<&Known> {
        self.by_end.get(&place).filter(|known| *known.frames == *frames)
    }

    fn note(&mut self, place: u64, stack: &Stack, signature: &str) {
        let signature = Signature { kind: stack.kind.into(), most: stack.most, signature: signature.into() };
        if self.bytes + stack.frames.len() + signature.bytes() > MOST {
            *self = Met { by_end: HashMap::with_hasher(self.by_end.hasher().clone()), bytes: 0 };
        }
        let known = self.by_end.entry(place).or_insert_with(|| Known { frames: "".into(), signatures: Vec::new() });
        self.bytes -= known.bytes();
        if *known.frames != *stack.frames || known.signatures.len() >= MOST_OF_ONE {
            *known = Known { frames: stack.frames.into(), signatures: Vec::new() };
        }
        known.signatures.push(signature);
        self.bytes += known.bytes();
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
        // They share a place, which the last one has.
        assert_eq!((is_known(&other), is_known(&one), is_known(&other[1..])), (true, false, false));
        // What more than the stack makes is made each time.
        let passing = |made: &str| signature(Stack { kind: "P", frames: &one, most: 1 }, || (made.to_owned(), false));
        assert_eq!((passing("first"), passing("second")), ("first".to_owned(), "second".to_owned()));
    }

    #[test]
    fn of_the_same_frames_a_few_signatures_are_known() {
        for number in 0..100 {
            of(&format!("K{number}"), "[{}]", 100, &format!("S{number}"));
        }
        assert_eq!(of("K99", "[{}]", 100, "again"), "S99");
        assert_eq!(of("K0", "[{}]", 100, "again"), "again");
        assert!(MET.with_borrow(|it| it.by_end.values().all(|known| known.signatures.len() <= MOST_OF_ONE)));
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
