"""The peer of parse_bench: pypdf, and langchain's splitter on what it gives.

Prints {"name", "rows": [{"what", "peer", "unit"}]} with the same `what` as ingest/corpus/examples/parse_bench.rs for each
file that is named. Passages have the same limits on both sides: 240 tokens of all-MiniLM-L6-v2's tokenizer, 48 of
them shared. Both sides cut page by page, so that a passage has a page. `split by characters` is langchain's splitter
without a tokenizer, four characters for a token; we have no such row.
"""

import json
import logging
import os
import pathlib
import sys
import time

from langchain_text_splitters import RecursiveCharacterTextSplitter
from pypdf import PdfReader
from tokenizers import Tokenizer

RUNS, TOKENS, OVERLAP, CHARACTERS = 3, 240, 48, 4
CACHE = pathlib.Path(os.environ.get("KUBEMATE_CACHE") or pathlib.Path.home() / ".cache/kubemate") / "models"


def by_tokens():
    tokenizer = Tokenizer.from_file(str(CACHE / "all-MiniLM-L6-v2" / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def length(text):
        return len(tokenizer.encode(text, add_special_tokens=False))

    return RecursiveCharacterTextSplitter(chunk_size=TOKENS, chunk_overlap=OVERLAP, length_function=length)


def by_characters():
    return RecursiveCharacterTextSplitter(chunk_size=TOKENS * CHARACTERS, chunk_overlap=OVERLAP * CHARACTERS)


def best(work):
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result


def rows_of(path, splitter):
    size = path.stat().st_size / 1e6
    parsing, pages = best(lambda: [page.extract_text() for page in PdfReader(path).pages])
    text = sum(len(page.encode(errors="replace")) for page in pages) / 1e6
    splitting, _ = best(lambda: [splitter.split_text(page) for page in pages])
    plainly, _ = best(lambda: [by_characters().split_text(page) for page in pages])
    rows = []
    for what, seconds in [("parse", parsing), ("parse + split", parsing + splitting)]:
        rows.append((what, size / seconds, "MB/s"))
        rows.append((what, len(pages) / seconds, "pages/s"))
    rows.append(("split", text / splitting, "MB of text/s"))
    rows.append(("split by characters", text / plainly, "MB of text/s"))
    return [{"what": f"{what} {path.name}", "peer": round(speed, 3), "unit": unit} for what, speed, unit in rows]


def main():
    # pypdf reports every font it is unsure of.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    splitter = by_tokens()
    rows = [row for name in sys.argv[1:] for row in rows_of(pathlib.Path(name), splitter)]
    print(json.dumps({"name": "parse", "rows": rows}, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
