//! Elements of a picture as text: escaped, with finite numbers, and with classes and presentation attributes only.
//!
//! Every text remembers the box that it covers, so that a label can ask for room before it is drawn.

use super::words::width_of;
use std::fmt::Write;

/// Text for an element's content or for an attribute in double quotes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Not allowed in XML at all, escaped or not.
            control if control.is_control() && control != '\n' && control != '\t' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

/// A coordinate with one decimal at most. What is not finite becomes 0, so that no path is ever lost to it.
pub(super) fn n(value: f64) -> String {
    let tenths = (value * 10.0).round();
    if !tenths.is_finite() || tenths == 0.0 {
        return "0".to_owned();
    }
    // There are thousands in a picture, and whole numbers are written several times as fast as broken ones.
    let (sign, tenths) = (if tenths < 0.0 { "-" } else { "" }, tenths.abs() as u64);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{sign}{whole}"),
        (whole, part) => format!("{sign}{whole}.{part}"),
    }
}

/// A run of points as path data; empty where there are none.
pub(super) fn points(run: &[(f64, f64)]) -> String {
    let mut data = String::with_capacity(run.len() * 12);
    for (i, (x, y)) in run.iter().enumerate() {
        data.push(if i == 0 { 'M' } else { 'L' });
        data.push_str(&n(*x));
        data.push(' ');
        data.push_str(&n(*y));
    }
    data
}

/// Which end of a text its x is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// The text begins there.
    Start,
    /// The text is centred there.
    Middle,
    /// The text ends there.
    End,
}

/// A box covered by a text, px.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Covered {
    pub(super) x0: f64,
    pub(super) y0: f64,
    pub(super) x1: f64,
    pub(super) y1: f64,
    pub(super) text: String,
}

impl Covered {
    fn meets(&self, other: &Covered) -> bool {
        self.x0 < other.x1 && other.x0 < self.x1 && self.y0 < other.y1 && other.y0 < self.y1
    }
}

/// How big and how heavy the letters of a class are, as in the style sheet.
fn face(class: &str) -> (f64, bool) {
    match class.split(' ').next().unwrap_or_default() {
        "t-name" => (12.5, true),
        "t-hour" => (12.0, true),
        "t-strong" => (12.0, true),
        "t-label" => (12.0, false),
        "t-tick" => (11.0, false),
        "t-who" => (10.5, true),
        "t-now" | "t-heat" => (11.0, true),
        "t-cell" => (9.5, true),
        "t-mark" | "t-a" | "t-b" | "t-c" => (if class.contains("t-big") { 14.0 } else { 11.5 }, true),
        _ => (11.5, false),
    }
}

/// A picture in the making.
pub(super) struct Svg {
    head: String,
    body: String,
    width: f64,
    /// Boxes of the texts drawn so far, and of marks that text may not cover.
    pub(super) covered: Vec<Covered>,
}

impl Svg {
    /// An empty picture with a name for those who do not see it.
    pub(super) fn new(class: &str, width: f64, height: f64, label: &str) -> Svg {
        let (w, h) = (n(width), n(height));
        let head = format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"group\" aria-label=\"{}\">",
            escape(label)
        );
        Svg { head, body: String::new(), width, covered: Vec::new() }
    }

    /// Adds an element that is already written.
    pub(super) fn add(&mut self, element: &str) {
        self.body.push_str(element);
    }

    /// A rectangle; nothing where it has no area.
    pub(super) fn rect(&mut self, x: f64, y: f64, w: f64, h: f64, class: &str) {
        self.rect_with(x, y, w, h, class, "");
    }

    /// A rectangle with further attributes, each with a space before it.
    pub(super) fn rect_with(&mut self, x: f64, y: f64, w: f64, h: f64, class: &str, more: &str) {
        if w > 0.0 && h > 0.0 && w.is_finite() && h.is_finite() {
            let _ = write!(
                self.body,
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{more}/>",
                n(x),
                n(y),
                n(w),
                n(h)
            );
        }
    }

    /// A straight line.
    pub(super) fn line(&mut self, x1: f64, y1: f64, x2: f64, y2: f64, class: &str) {
        let _ = write!(
            self.body,
            "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
            n(x1),
            n(y1),
            n(x2),
            n(y2)
        );
    }

    /// A path; nothing where its data is empty.
    pub(super) fn path(&mut self, data: &str, class: &str) {
        if !data.is_empty() {
            let _ = write!(self.body, "<path class=\"{class}\" d=\"{data}\"/>");
        }
    }

    /// The box that a text would cover.
    pub(super) fn extent(&self, x: f64, y: f64, text: &str, class: &str, anchor: Anchor) -> Covered {
        let (size, bold) = face(class);
        let wide = width_of(text, size, bold);
        let x0 = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x - wide / 2.0,
            Anchor::End => x - wide,
        };
        Covered { x0, y0: y - size * 0.76, x1: x0 + wide, y1: y + size * 0.2, text: text.to_owned() }
    }

    /// A text, whatever is there already.
    pub(super) fn text(&mut self, x: f64, y: f64, text: &str, class: &str, anchor: Anchor) {
        self.text_split(x, y, "", text, class, anchor);
    }

    /// A text whose first part is set in strong ink.
    pub(super) fn text_split(&mut self, x: f64, y: f64, strong: &str, rest: &str, class: &str, anchor: Anchor) {
        let whole = format!("{strong}{rest}");
        if whole.is_empty() {
            return;
        }
        let covered = self.extent(x, y, &whole, class, anchor);
        self.covered.push(covered);
        let at = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let _ = write!(self.body, "<text x=\"{}\" y=\"{}\" class=\"{class}\"{at}>", n(x), n(y));
        if !strong.is_empty() {
            let _ = write!(self.body, "<tspan class=\"t-strong\">{}</tspan>", escape(strong));
        }
        let _ = write!(self.body, "{}</text>", escape(rest));
    }

    /// A lane's name with quieter words after it, as one text that flows.
    pub(super) fn text_with_sub(&mut self, x: f64, y: f64, name: &str, sub: &str) {
        let covered = self.extent(x, y, &format!("{name} {sub}"), "t-name", Anchor::Start);
        let wide = width_of(name, 12.5, true) + width_of(sub, 11.5, false) + 4.0;
        self.covered.push(Covered { x1: x + wide, ..covered });
        let _ = write!(self.body, "<text x=\"{}\" y=\"{}\" class=\"t-name halo\">{}", n(x), n(y), escape(name));
        if !sub.is_empty() {
            let _ = write!(self.body, " <tspan class=\"t-sub\">{}</tspan>", escape(sub));
        }
        self.body.push_str("</text>");
    }

    /// Whether a box lies within the picture and covers nothing that must be read.
    pub(super) fn is_free(&self, wanted: &Covered) -> bool {
        let room = Covered { x0: wanted.x0 - 2.0, x1: wanted.x1 + 2.0, ..wanted.clone() };
        wanted.x0 >= 0.0 && wanted.x1 <= self.width && !self.covered.iter().any(|other| other.meets(&room))
    }

    /// Keeps texts off a box.
    pub(super) fn reserve(&mut self, x0: f64, y0: f64, x1: f64, y1: f64) {
        self.covered.push(Covered { x0, y0, x1, y1, text: String::new() });
    }

    /// Draws a text at the first of these places that is free; says whether there was one.
    pub(super) fn text_where_free(&mut self, places: &[(f64, f64, Anchor)], text: &str, class: &str) -> bool {
        self.split_where_free(places, "", text, class)
    }

    /// The same, with a first part in strong ink.
    pub(super) fn split_where_free(
        &mut self,
        places: &[(f64, f64, Anchor)],
        strong: &str,
        rest: &str,
        class: &str,
    ) -> bool {
        let whole = format!("{strong}{rest}");
        let free = places.iter().find(|(x, y, anchor)| self.is_free(&self.extent(*x, *y, &whole, class, *anchor)));
        match free {
            Some(&(x, y, anchor)) => {
                self.text_split(x, y, strong, rest, class, anchor);
                true
            }
            None => false,
        }
    }

    /// A mark: a symbol of the sprite that is a link with a title, with a target of at least 24 px.
    pub(super) fn mark(&mut self, mark: &Mark<'_>) {
        let hit = mark.size.max(24.0);
        let (x, y, half) = (mark.x, mark.y, mark.size / 2.0);
        self.reserve(x - half, y - half, x + half, y + half);
        self.open_link(mark.href, &format!("mark {}", mark.class), mark.title);
        self.rect(x - hit / 2.0, y - hit / 2.0, hit, hit, "hit");
        let _ = write!(
            self.body,
            "<use href=\"#i-{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></a>",
            mark.symbol,
            n(x - half),
            n(y - half),
            n(mark.size),
            n(mark.size)
        );
    }

    /// Opens a link with a title; the caller adds `</a>`.
    pub(super) fn open_link(&mut self, href: &str, class: &str, title: &str) {
        let _ = write!(
            self.body,
            "<a href=\"{}\" class=\"{class}\"><title>{}</title>",
            escape(safe_href(href)),
            escape(title)
        );
    }

    /// Opens a link that the keyboard passes over, because a table beside the picture has the same.
    pub(super) fn open_quiet_link(&mut self, href: &str, title: &str) {
        let _ = write!(
            self.body,
            "<a href=\"{}\" tabindex=\"-1\"><title>{}</title>",
            escape(safe_href(href)),
            escape(title)
        );
    }

    /// The finished picture.
    pub(super) fn done(self) -> String {
        let mut out = self.head;
        out.push_str(&self.body);
        out.push_str("</svg>");
        out
    }
}

/// A link that cannot run anything: a path, a query, a fragment, http or https; else the page itself.
fn safe_href(href: &str) -> &str {
    let plain = href.starts_with('/') || href.starts_with('?') || href.starts_with('#');
    if plain || href.starts_with("https://") || href.starts_with("http://") { href } else { "#" }
}

/// What a mark needs.
pub(super) struct Mark<'a> {
    pub(super) symbol: &'a str,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) size: f64,
    pub(super) class: &'a str,
    pub(super) href: &'a str,
    pub(super) title: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_number_never_reaches_a_path() {
        assert_eq!(points(&[(f64::NAN, 1.0), (f64::INFINITY, -0.01)]), "M0 1L0 0");
    }

    #[test]
    fn a_coordinate_has_one_decimal_at_most() {
        let written = [0.0, -0.04, 0.05, 0.96, -0.5, -12.34, 7.0, 1234.56, 960.04].map(n);
        assert_eq!(written, ["0", "0", "0.1", "1", "-0.5", "-12.3", "7", "1234.6", "960"]);
    }

    #[test]
    fn markup_in_a_text_stays_text() {
        assert_eq!(escape("<b a=\"x\">&'\u{1}"), "&lt;b a=&quot;x&quot;&gt;&amp;&#39; ");
    }

    #[test]
    fn a_link_cannot_carry_a_script() {
        assert_eq!(safe_href("javascript:alert(1)"), "#");
        assert_eq!(safe_href("/pushes/relay-118"), "/pushes/relay-118");
    }

    #[test]
    fn a_label_without_room_is_left_out() {
        let mut svg = Svg::new("timeline", 100.0, 20.0, "x");
        svg.text(10.0, 12.0, "first", "t-label", Anchor::Start);
        assert!(!svg.text_where_free(&[(12.0, 12.0, Anchor::Start)], "second", "t-label"));
        assert!(svg.text_where_free(&[(12.0, 12.0, Anchor::Start), (98.0, 12.0, Anchor::End)], "second", "t-label"));
    }
}
