//! Parts of a page that are not its text: navigation, forms, hidden elements.

use super::token::Tag;

/// Follows the element being left out until its end tag.
pub(super) struct Skip {
    boilerplate: bool,
    /// Name of the element being left out and how many of that name are open in it.
    inside: Option<(String, usize)>,
}

impl Skip {
    /// Leaves out what is not the text of the page.
    pub(super) fn boilerplate() -> Self {
        Self { boilerplate: true, inside: None }
    }

    /// Leaves out nothing but what browsers do not show.
    pub(super) fn nothing() -> Self {
        Self { boilerplate: false, inside: None }
    }

    pub(super) fn is_on(&self) -> bool {
        self.inside.is_some()
    }

    /// Whether a start tag is left out; begins leaving out when the element asks for it.
    pub(super) fn open(&mut self, tag: &Tag<'_>, in_main: bool) -> bool {
        if let Some((name, depth)) = &mut self.inside {
            *depth += usize::from(*name == tag.name);
            return true;
        }
        if is_void(&tag.name) || !self.unwanted(tag, in_main) {
            return false;
        }
        self.inside = Some((tag.name.clone().into_owned(), 1));
        true
    }

    /// Whether an end tag is left out.
    pub(super) fn close(&mut self, closed: &str) -> bool {
        let Some((name, depth)) = &mut self.inside else { return false };
        if name == closed {
            *depth -= 1;
            if *depth == 0 {
                self.inside = None;
            }
        }
        true
    }

    fn unwanted(&self, tag: &Tag<'_>, in_main: bool) -> bool {
        if matches!(&*tag.name, "template" | "noscript" | "svg" | "math" | "object" | "audio" | "video" | "canvas") {
            return true;
        }
        if !self.boilerplate {
            return false;
        }
        match &*tag.name {
            "nav" | "button" | "select" | "dialog" => true,
            "aside" | "footer" => !in_main,
            "div" | "section" | "ul" | "ol" | "table" | "header" | "p" | "span" | "li" | "form" | "a" => {
                is_hidden(tag) || is_navigation(tag)
            }
            _ => false,
        }
    }
}

fn is_hidden(tag: &Tag<'_>) -> bool {
    let style = tag.attribute("style").unwrap_or_default();
    tag.attribute("hidden").is_some_and(|value| value != "until-found")
        || tag.attribute("aria-hidden").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || style.split(';').any(|rule| {
            rule.split_once(':').is_some_and(|(name, value)| name.trim() == "display" && value.trim() == "none")
        })
}

/// Class, id and role words that page generators give to navigation (DocBook, Sphinx, Bootstrap, MediaWiki).
const NAVIGATION: [&str; 12] = [
    "navheader",
    "navfooter",
    "navigation",
    "navbar",
    "nav",
    "breadcrumb",
    "breadcrumbs",
    "sidebar",
    "sphinxsidebar",
    "menubar",
    "cookie-banner",
    "headerlink",
];

fn is_navigation(tag: &Tag<'_>) -> bool {
    let words = ["class", "id", "role"].into_iter().filter_map(|name| tag.attribute(name));
    words
        .flat_map(str::split_ascii_whitespace)
        .any(|word| NAVIGATION.iter().any(|name| word.eq_ignore_ascii_case(name)))
}

/// Elements without content and so without an end tag.
fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "source"
            | "track"
            | "wbr"
    )
}
