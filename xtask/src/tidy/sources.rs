//! Rules about Rust sources: length, printing, skipped tests, module names.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Block, Ident, ImplItemFn, ItemFn, ItemMod, Macro, TraitItemFn,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::{Finding, names};

/// A file is about 120 lines; past this nobody finds anything in it.
const FILE_LINES: usize = 600;
/// A function is 5 to 25 lines of code; clippy.toml states the same limit.
const FUNCTION_LINES: usize = 80;
/// What prints; a server logs through tracing.
const PRINTING: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];

/// Checks one file, `place` being its path from the root.
pub(crate) fn check(place: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_LINES {
        let message = format!("{lines} lines, above {FILE_LINES}; split it by reason to change");
        findings.push(Finding::new(place, message));
    }
    match syn::parse_file(text) {
        Ok(file) => {
            let prints = may_print(place) || file.attrs.iter().any(is_for_tests);
            let mut reader = Reader { place, text, may_print: prints, findings };
            reader.visit_file(&file);
            findings = reader.findings;
        }
        Err(error) => {
            let line = error.span().start().line;
            findings.push(Finding::new(format!("{place}:{line}"), format!("cannot be parsed: {error}")));
        }
    }
    findings
}

/// Programs that talk on the terminal by design, and tests.
fn may_print(place: &str) -> bool {
    let folders = ["tests", "benches", "examples", "fuzz"];
    place.starts_with("xtask/")
        || place.ends_with("build.rs")
        || place.ends_with("tests.rs")
        || place.split('/').any(|part| folders.contains(&part))
}

struct Reader<'a> {
    place: &'a str,
    text: &'a str,
    may_print: bool,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn find(&mut self, line: usize, message: impl Into<String>) {
        self.findings.push(Finding::new(format!("{}:{line}", self.place), message));
    }

    fn measure(&mut self, name: &Ident, body: &Block) {
        let (first, last) = (body.span().start().line, body.span().end().line);
        let lines = self.text.lines().skip(first).take(last.saturating_sub(first + 1));
        let code = lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        if code > FUNCTION_LINES {
            let message = format!("`{name}` has {code} lines of code, above {FUNCTION_LINES}; give its parts names");
            self.find(first, message);
        }
    }

    /// Visits what only tests see, where printing is fine.
    fn for_tests(&mut self, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        let before = self.may_print;
        self.may_print |= attributes.iter().any(is_for_tests);
        visit(self);
        self.may_print = before;
    }

    fn check_printing(&mut self, tokens: TokenStream) {
        let mut previous: Option<Ident> = None;
        for token in tokens {
            match (&previous, &token) {
                (Some(name), TokenTree::Punct(punct)) if punct.as_char() == '!' => self.check_name(&name.clone()),
                (_, TokenTree::Group(group)) => self.check_printing(group.stream()),
                _ => {}
            }
            previous = if let TokenTree::Ident(name) = token { Some(name) } else { None };
        }
    }

    fn check_name(&mut self, name: &Ident) {
        if !self.may_print && PRINTING.iter().any(|printing| name == printing) {
            let message =
                format!("`{name}!` in a room; log through tracing, or write to the output that was handed in");
            self.find(name.span().start().line, message);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.measure(&item.sig.ident, &item.block);
        self.for_tests(&item.attrs, |reader| visit::visit_item_fn(reader, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.measure(&item.sig.ident, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.measure(&item.sig.ident, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if names::is_shapeless(&item.ident.to_string()) {
            self.find(
                item.ident.span().start().line,
                format!("module `{}` says nothing about what it does", item.ident),
            );
        }
        self.for_tests(&item.attrs, |reader| visit::visit_item_mod(reader, item));
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let line = attribute.span().start().line;
        if attribute.path().is_ident("ignore") {
            self.find(line, "a skipped test proves nothing: a missing service fails with the command that starts it");
        }
        if attribute.path().is_ident("should_panic") {
            self.find(line, "return a Result and assert the error instead of `should_panic`");
        }
    }

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        if let Some(last) = invocation.path.segments.last() {
            self.check_name(&last.ident.clone());
        }
        self.check_printing(invocation.tokens.clone());
    }
}

/// `#[test]`, `#[tokio::test]` or `#[cfg(test)]`, also inside `all(…)` and `any(…)`.
fn is_for_tests(attribute: &Attribute) -> bool {
    let is_test = attribute.path().segments.last().is_some_and(|segment| segment.ident == "test");
    let is_cfg = attribute.path().is_ident("cfg")
        && attribute.meta.require_list().is_ok_and(|list| mentions_test(list.tokens.clone()));
    is_test || is_cfg
}

fn mentions_test(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(name) => name == "test",
        TokenTree::Group(group) => mentions_test(group.stream()),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: &str = "store/ledger/src/rows.rs";

    fn found(place: &str, text: &str) -> Vec<String> {
        check(place, text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(found(ROOM, &"// line\n".repeat(600)), [""; 0]);
        assert_eq!(found(ROOM, &"// line\n".repeat(601)).len(), 1);
    }

    #[test]
    fn a_long_function_is_found_where_it_starts_and_comments_do_not_count() {
        let body = |lines: usize| format!("\nimpl A {{ fn f() {{\n{}// why\n\n}} }}", "    g();\n".repeat(lines));
        assert_eq!(found(ROOM, &body(80)), [""; 0]);
        let found = found(ROOM, &body(81));
        assert!(found.iter().any(|line| line.starts_with("store/ledger/src/rows.rs:2: `f` has 81")), "{found:?}");
    }

    #[test]
    fn printing_in_a_room_is_found_also_inside_other_macros() {
        assert_eq!(found(ROOM, "fn f() { println!(\"x\"); }").len(), 1);
        assert_eq!(found(ROOM, "fn f() { select! { _ = a => { std::eprintln!(\"x\") } } }").len(), 1);
        assert_eq!(found(ROOM, "fn f() { info!(\"println! is a word here\"); writeln!(out, \"x\"); }"), [""; 0]);
    }

    #[test]
    fn tests_and_tools_may_print() {
        let text = "#[cfg(test)] mod tests { fn f() { println!(\"x\"); } } #[tokio::test] async fn g() { dbg!(1); }";
        assert_eq!(found(ROOM, text), [""; 0]);
        assert_eq!(found("xtask/src/main.rs", "fn main() { println!(\"x\"); }"), [""; 0]);
        assert_eq!(found("models/engine/examples/embed_bench.rs", "fn main() { println!(\"x\"); }"), [""; 0]);
        assert_eq!(found("gateway/src/load.rs", "#![cfg(test)]\nfn f() { println!(\"x\"); }"), [""; 0]);
    }

    #[test]
    fn skipped_and_panicking_tests_are_found() {
        assert_eq!(found(ROOM, "#[test] #[ignore = \"slow\"] fn f() {}").len(), 1);
        assert_eq!(found(ROOM, "mod a { #[test] #[should_panic] fn f() {} }").len(), 1);
    }

    #[test]
    fn a_shapeless_module_is_found_where_it_is_declared() {
        assert_eq!(found(ROOM, "mod helpers { }").len(), 1);
    }

    #[test]
    fn a_file_that_does_not_parse_is_a_finding() {
        assert_eq!(found(ROOM, "fn f( {").len(), 1);
    }
}
