"""Labelled questions made of Debian's documentation: a heading asks, its own section without the heading answers.

Everything is read from packages that were unpacked, not installed. Each set is a list of (question, text of the one right
document); the questions of a set are all asked of all its documents.
"""

import gzip
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

SHORTEST = 40  # characters below a heading that can answer anything
LISTED = 3  # headings of the same page named in a text, from which it is a table of contents
LONGEST_PAGE = 4000  # characters of a manual page that are kept

# name: package, folder in it, end of the files' names, language
BOOKS = {
    "debian-faq-zh-cn": ("debian-faq-zh-cn", "usr/share/doc/debian/FAQ/zh-cn", ".zh-cn.html", "zh"),
    "debian-faq": ("debian-faq", "usr/share/doc/debian/FAQ", ".en.html", "en"),
    "debian-reference-zh-cn": ("debian-reference-zh-cn", "usr/share/debian-reference", ".zh-cn.html", "zh"),
    "debian-reference-en": ("debian-reference-en", "usr/share/debian-reference", ".en.html", "en"),
    "libreoffice-help-zh-cn": (
        "libreoffice-help-zh-cn", "usr/share/libreoffice/help/zh-CN/text/scalc/guide", ".html", "zh"),
    "libreoffice-help-en-us": (
        "libreoffice-help-en-us", "usr/share/libreoffice/help/en-US/text/scalc/guide", ".html", "en"),
    "manpages-zh": ("manpages-zh", "usr/share/man/zh_CN", ".gz", "zh"),
}


def is_dev(question):
    """Whether a question is in the half that weights may be learned on; the other half is what is reported."""
    return hashlib.sha256(question.encode()).digest()[0] % 2 == 0


def load(name, cache):
    package, folder, suffix, _ = BOOKS[name]
    paths = sorted((Path(cache) / "bench" / package / folder).rglob(f"*{suffix}"))
    read = manual_page if name == "manpages-zh" else page
    found, seen = [], set()
    for path in paths:
        if path.name.startswith("index."):
            continue
        for question, text in read(path):
            # A text that stands twice has no one right place.
            if text not in seen:
                seen.add(text)
                found.append((question, text))
    return found


class Reader(HTMLParser):
    """Headings and the text below each; what surrounds the page's own text is left out."""

    BLOCKS = {"p", "li", "dt", "dd", "tr", "pre", "div", "table", "br", "h1", "h2", "h3", "h4", "h5", "h6"}
    SKIPPED = {"script", "style", "nav", "aside", "header", "footer", "title"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.sections = []
        self.in_heading = False
        self.open = []  # tags with whether each is skipped
        self.pre = 0

    def skipped(self):
        return any(skip for _, skip in self.open)

    def handle_starttag(self, tag, attributes):
        if tag in ("br", "hr", "img", "meta", "link", "input", "col", "base"):
            self.text("\n" if tag == "br" else " ")
            return
        classes = dict(attributes).get("class") or ""
        skip = tag in self.SKIPPED or any(word in ("navheader", "navfooter", "toc") for word in classes.split())
        self.open.append((tag, skip))
        if re.fullmatch("h[1-6]", tag) and not self.skipped():
            self.sections.append(["", ""])
            self.in_heading = True
        elif tag in self.BLOCKS:
            self.text("\n")
        self.pre += tag == "pre"

    def handle_endtag(self, tag):
        while self.open:
            last, _ = self.open.pop()
            if last == tag:
                break
        self.pre = max(0, self.pre - (tag == "pre"))
        if re.fullmatch("h[1-6]", tag):
            self.in_heading = False
        elif tag in self.BLOCKS:
            self.text("\n")

    def handle_data(self, data):
        if not self.pre:
            data = re.sub(r"\s+", " ", data)
        self.text(data)

    def text(self, data):
        if self.sections and not self.skipped():
            self.sections[-1][0 if self.in_heading else 1] += data


def page(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8", errors="replace"))
    sections = [(plain(heading), tidy(text)) for heading, text in reader.sections]
    headings = [heading for heading, _ in sections if heading]
    for heading, text in sections:
        listed = sum(other in text for other in headings)
        if heading and len(text) >= SHORTEST and listed < LISTED:
            yield heading, text


def plain(heading):
    """A heading without its number."""
    heading = " ".join(heading.split())
    return re.sub(r"^(Chapter\s+\d+\.|第\s*\d+\s*章|[A-Z]?\.?[\d.]+(?=\s))\s*", "", heading).strip(" .。")


def tidy(text):
    lines = [line.strip() for line in text.split("\n")]
    return re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip()


def manual_page(path):
    """A manual page: the sentence behind its name asks for the rest of the page."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        source = file.read()
    parts = re.split(r"(?m)^\.S[Hh]\s+", source)
    named = [at for at, part in enumerate(parts) if re.match(r'"?(NAME|名称|名字)', part)]
    if not named or named[0] + 1 >= len(parts):
        return
    name = roff(parts[named[0]].split("\n", 1)[-1])
    question = re.split(r"\s[-–—]+\s|\s+-{1,2}", name, maxsplit=1)[-1].strip()
    body = roff("\n".join(parts[named[0] + 1:]))[:LONGEST_PAGE]
    if len(re.findall("[\u4e00-\u9fff]", question)) >= 4 and len(body) >= SHORTEST:
        yield " ".join(question.split()), body


def roff(source):
    lines = []
    for line in source.split("\n"):
        if line.startswith(('.\\"', "'\\\"")):
            continue
        line = re.sub(r"^\.(SH|SS|Sh|Ss)\s*", "\n", line)
        line = re.sub(r"^[.'][A-Za-z]{1,2}\s*", "", line)
        line = re.sub(r"\\f[A-Z]|\\f\(..|\\s[-+]?\d|\\&|\\c$|\\\|", "", line)
        line = line.replace("\\-", "-").replace("\\(bu", "*").replace('\\"', "").replace("\\e", "\\")
        lines.append(line.replace('"', "").strip())
    return tidy("\n".join(lines))
