#!/usr/bin/env python3
"""The peer of Kubemate's parsing: pypdf, and langchain's splitter on what it gives.

    python parse_peer.py [--splits] FILE...

Prints {"name", "rows": [{"what", "peer", "unit"}]} with the same `what` as parse_bench: for each PDF megabytes and
pages a second, the best of three runs. With --splits also `parse + split FILE`, the pages cut into chunks of 512
tokens' worth of characters by RecursiveCharacterTextSplitter. Files that are not PDF are read as text and only split.
"""

import json
import logging
import pathlib
import sys
import time

from langchain_text_splitters import RecursiveCharacterTextSplitter
from pypdf import PdfReader

RUNS = 3
# 512 tokens of English at four characters each, with the usual tenth of overlap.
SPLITTER = RecursiveCharacterTextSplitter(chunk_size=2048, chunk_overlap=204)


def pages_of(path):
    if path.suffix == ".pdf":
        return [page.extract_text() for page in PdfReader(path).pages]
    return [path.read_text(encoding="utf-8")]


def best_of(work):
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result


def rows_of(path, splits):
    size = path.stat().st_size / 1e6
    seconds, pages = best_of(lambda: pages_of(path))
    rows = [{"what": f"parse {path.name}", "peer": round(size / seconds, 3), "unit": "MB/s"}]
    if path.suffix == ".pdf":
        rows.append({"what": f"parse {path.name}", "peer": round(len(pages) / seconds, 2), "unit": "pages/s"})
    if splits:
        more, _ = best_of(lambda: [SPLITTER.split_text(page) for page in pages])
        rows.append({"what": f"parse + split {path.name}", "peer": round(size / (seconds + more), 3), "unit": "MB/s"})
    return rows


def main():
    # pypdf reports every font it is unsure of.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    arguments = sys.argv[1:]
    splits = "--splits" in arguments
    rows = []
    for name in arguments:
        if name != "--splits":
            rows += rows_of(pathlib.Path(name), splits)
    print(json.dumps({"name": "parse", "rows": rows}, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
