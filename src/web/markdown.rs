//! What people write, as HTML: CommonMark with tables, raw HTML left out, and then only tags of a short list.
//!
//! This is the one place that makes HTML out of text that came from outside. Everything else is escaped by the templates.

use askama::filters::HtmlSafe;
use comrak::{Options, markdown_to_html};
use std::{
    collections::{HashMap, HashSet},
    fmt,
};

/// HTML that needs no escaping, since it went through [`render`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prose(String);

impl Prose {
    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Prose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Prose {}

/// Everything that prose may consist of. No pictures: a page here loads nothing from elsewhere.
const TAGS: [&str; 26] = [
    "a",
    "blockquote",
    "br",
    "code",
    "del",
    "em",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
];

/// Turns Markdown into HTML. Headings begin below those of the page; links lead to http, https and mailto only.
pub fn render(text: &str) -> Prose {
    let mut options = Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options.render.r#unsafe = false;
    let html = markdown_to_html(&lower_headings(text), &options);
    Prose(cleaner().clean(&html).to_string().trim().to_owned())
}

fn cleaner() -> ammonia::Builder<'static> {
    let mut tags: HashSet<&'static str> = TAGS.into_iter().collect();
    tags.insert("ul");
    let mut cleaner = ammonia::Builder::empty();
    cleaner
        .tags(tags)
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href", "title"])),
            ("ol", HashSet::from(["start"])),
            ("td", HashSet::from(["align"])),
            ("th", HashSet::from(["align"])),
        ]))
        .clean_content_tags(HashSet::from(["script", "style"]))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .link_rel(Some("noopener nofollow ugc"));
    cleaner
}

/// A page has one `h1` and its sections have `h2`: what people write begins at `h3`. Lines inside code stay as they are.
fn lower_headings(text: &str) -> String {
    let mut fence: Option<&str> = None;
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) if (1..=4).contains(&level) && line[level..].starts_with(' ') => out.push_str("##"),
            (None | Some(_), _) => {}
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str) -> String {
        render(text).to_string()
    }

    #[test]
    fn what_people_write_becomes_prose_below_the_headings_of_the_page() {
        assert_eq!(
            html("# Why\n\nB packs **several** frames.\n\n- one\n- two"),
            "<h3>Why</h3>\n<p>B packs <strong>several</strong> frames.</p>\n<ul>\n<li>one</li>\n<li>two</li>\n</ul>"
        );
        assert!(html("```\n# not a heading\n```").contains("<code># not a heading"));
        assert!(html("| a | b |\n|---|---|\n| 1 | 2 |").contains("<td>1</td>"));
        assert_eq!(html("   \n"), "");
    }

    #[test]
    fn links_lead_outside_without_vouching_for_what_is_there() {
        let link = html("[the change](https://example.com/c?a=1&b=2)");
        assert!(link.contains("href=\"https://example.com/c?a=1&amp;b=2\""), "{link}");
        assert!(link.contains("rel=\"noopener nofollow ugc\""), "{link}");
        assert!(html("<mailto:dana@example.com>").contains("href=\"mailto:dana@example.com\""));
    }

    #[test]
    fn nothing_that_runs_or_loads_gets_through() {
        for hostile in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html;base64,PHNjcmlwdD4=)",
            "![x](https://example.com/tracker.png)",
            "<a href=\"/x\" onclick=\"alert(1)\" style=\"position:fixed\">x</a>",
            "<svg><style><img src=x onerror=alert(1)></style></svg>",
            "<iframe src=\"https://example.com\"></iframe>",
            "<form action=\"/sign-out\"><button>x</button></form>",
            "[x]: javascript:alert(1)\n\n[x]",
        ] {
            let out = html(hostile).to_lowercase();
            for bad in ["<script", "<img", "javascript:", "data:", "onclick", "onerror=", "style=", "<iframe", "<form"]
            {
                assert!(!out.contains(bad), "{hostile} became {out}");
            }
        }
    }
}
