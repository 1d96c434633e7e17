"""Speed of llama.cpp on the model file and rows of models/engine/examples/chat_bench.rs.

Prints one JSON document {name, rows: [{what, peer, unit}]}. The prompt is read in one batch, streams are decoded
together as sequences of one batch, and the best run of three counts, as ours does. Weights stay as the file has
them: repacked buffers (`use_extra_bufts`) crash in some builds for this model's sizes.
"""

import json
import os
import pathlib
import sys
import time

import llama_cpp
import numpy as np

READ, WRITE, SHORT, RUNS = 512, 64, 32, 3
CACHE = pathlib.Path(os.environ.get("KUBEMATE_CACHE") or pathlib.Path.home() / ".cache/kubemate")
FILE = CACHE / "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf"
BANNED = (0, 2)


def prompt(tokens, start):
    return [1000 + (start + index) * 7919 % 40_000 for index in range(tokens)]


QUIET = llama_cpp.llama_log_callback(lambda level, text, data: None)


class Engine:
    """One context of llama.cpp with a number of threads."""

    def __init__(self, file, threads, streams):
        settings = llama_cpp.llama_model_default_params()
        settings.n_gpu_layers = 0
        settings.use_extra_bufts = False
        self.model = llama_cpp.llama_model_load_from_file(str(file).encode(), settings)
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = 1024 * streams
        settings.n_batch = settings.n_ubatch = READ
        settings.n_seq_max = streams
        settings.n_threads = settings.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, settings)
        vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.size = llama_cpp.llama_vocab_n_tokens(vocabulary)
        self.batch = llama_cpp.llama_batch_init(READ, 0, 1)

    def close(self):
        llama_cpp.llama_batch_free(self.batch)
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)

    def forget(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def compute(self, rows):
        """Rows are (token, position, sequence, wanted). Returns the likeliest next token of each wanted row."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for index, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[index] = token
            batch.pos[index] = position
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = sequence
            batch.logits[index] = wanted
        if llama_cpp.llama_decode(self.context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        return [self.likeliest(index) for index, row in enumerate(rows) if row[3]]

    def likeliest(self, index):
        scores = llama_cpp.llama_get_logits_ith(self.context, index)
        scores = np.ctypeslib.as_array(scores, shape=(self.size,))
        for token in BANNED:
            scores[token] = -1e9
        return int(scores.argmax())

    def read(self):
        self.forget()
        started = time.perf_counter()
        self.compute([(token, index, 0, index == READ - 1) for index, token in enumerate(prompt(READ, 0))])
        return READ / (time.perf_counter() - started)

    def write(self, streams):
        self.forget()
        rows = [
            (token, index, stream, index == SHORT - 1)
            for stream in range(streams)
            for index, token in enumerate(prompt(SHORT, stream))
        ]
        tokens = self.compute(rows)
        started = time.perf_counter()
        for position in range(SHORT, SHORT + WRITE - 1):
            tokens = self.compute([(token, position, stream, True) for stream, token in enumerate(tokens)])
        return streams * (WRITE - 1) / (time.perf_counter() - started)


def main():
    file = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    llama_cpp.llama_log_set(QUIET, None)
    llama_cpp.llama_backend_init()
    rows = []

    def row(what, run):
        speed = max(run() for _ in range(RUNS))
        rows.append({"what": what, "peer": round(speed, 1), "unit": "tokens/s"})

    for threads in (1, 2):
        for streams in (1, 8):
            started = time.perf_counter()
            engine = Engine(file, threads, streams)
            if not rows:
                rows.append({"what": "load", "peer": round((time.perf_counter() - started) * 1000), "unit": "ms"})
            if streams == 1:
                row(f"read {READ} tokens, {threads} threads", engine.read)
            row(f"write, {streams} streams, {threads} threads", lambda: engine.write(streams))
            engine.close()
    print(json.dumps({"name": "chat", "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
