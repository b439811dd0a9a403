//! The project's own files, and their code without comments and texts.

use std::path::{Path, PathBuf};

/// A file of the project.
pub struct Source {
    /// Its path from the project's folder: `src/judge/mod.rs`.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl Source {
    /// The folder under `src` that it belongs to, or the file's own name where it lies in `src` itself.
    pub fn folder(&self) -> &str {
        let rest = self.path.trim_start_matches("src/");
        rest.split('/').next().unwrap_or(rest).trim_end_matches(".rs")
    }

    /// The code alone: comments gone, texts emptied, lines kept.
    pub fn code(&self) -> String {
        code(&self.text)
    }
}

/// The project's files under a folder with one of these endings, in order of their paths.
pub fn sources(folder: &str, endings: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join(folder), &mut files);
    files.sort();
    let found: Vec<Source> = files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted)))
        .map(|path| Source {
            path: path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned(),
            text: std::fs::read_to_string(&path).expect("a text file"),
        })
        .collect();
    assert!(!found.is_empty(), "nothing found under {folder}");
    found
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

/// Takes comments, texts and character literals out of Rust code.
fn code(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let next = |at: usize| bytes.get(at).copied().unwrap_or(' ');
    while at < bytes.len() {
        match bytes[at] {
            '/' if next(at + 1) == '/' => {
                while at < bytes.len() && bytes[at] != '\n' {
                    at += 1;
                }
            }
            'r' if (next(at + 1) == '"' || (next(at + 1) == '#' && next(at + 2) != '!'))
                && !at.checked_sub(1).is_some_and(|before| bytes[before].is_alphanumeric() || bytes[before] == '_') =>
            {
                let mut hashes = 0;
                while next(at + 1 + hashes) == '#' {
                    hashes += 1;
                }
                if next(at + 1 + hashes) != '"' {
                    out.push('r');
                    at += 1;
                    continue;
                }
                at += 2 + hashes;
                let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                while at < bytes.len() && !bytes[at..].starts_with(&end) {
                    if bytes[at] == '\n' {
                        out.push('\n');
                    }
                    at += 1;
                }
                at += end.len();
                out.push_str("\"\"");
            }
            '"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != '"' {
                    if bytes[at] == '\n' {
                        out.push('\n');
                    }
                    at += if bytes[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
                out.push_str("\"\"");
            }
            '\'' if next(at + 1) == '\\' => {
                at += 3;
                while at < bytes.len() && bytes[at] != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' if next(at + 2) == '\'' => at += 3,
            letter => {
                out.push(letter);
                at += 1;
            }
        }
    }
    out
}

/// Every first name after `root::`, also within the braces of a `use`: for `crate`, the folders that the code mentions.
pub fn names_below(code: &str, root: &str) -> Vec<String> {
    let start = format!("{root}::");
    let mut names = Vec::new();
    for (at, _) in code.match_indices(&start) {
        if code[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':') {
            continue;
        }
        let rest = code[at + start.len()..].trim_start();
        match rest.strip_prefix('{') {
            Some(list) => names.extend(first_names(list)),
            None => names.push(word(rest)),
        }
    }
    names
}

/// The first name of each item of a brace list, up to its closing brace.
fn first_names(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut fresh) = (0, Vec::new(), true);
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            letter if fresh && depth == 0 && !letter.is_whitespace() => {
                names.push(word(&list[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// Whether a name stands in the code as a whole word (or a whole path such as `Instant::now`).
pub fn mentions(code: &str, name: &str) -> bool {
    let inside = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    code.match_indices(name)
        .any(|(at, _)| !inside(code[..at].chars().next_back()) && !inside(code[at + name.len()..].chars().next()))
}

#[test]
fn the_reader_of_sources_sees_imports_and_neither_comments_nor_texts() {
    let text = r##"
        //! Nothing from crate::web here.
        use crate::{domain::{Time, time}, store::Store, judge};
        fn f<'a>(it: &'a str) -> char { let _ = "crate::flows"; let _ = r#"crate::intake "x""#; crate::ledger::verify(); '"' }
        use std::{fs, io::Read};
    "##;
    let code = code(text);
    assert_eq!(names_below(&code, "crate"), ["domain", "store", "judge", "ledger"]);
    assert_eq!(names_below(&code, "std"), ["fs", "io"]);
    assert!(mentions(&code, "verify") && !mentions(&code, "veri") && !mentions(&code, "flows"));
}
