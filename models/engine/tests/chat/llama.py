"""Writes llama.json: token ids, greedy continuations and scores of llama.cpp, which the chat model's tests compare with.

    python -m venv venv && venv/bin/pip install -r tests/bench/chat_peer.txt
    venv/bin/python models/engine/tests/chat/llama.py \\
        ~/.cache/kubemate/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf

llama.cpp 0.3.36's tokenizer, the file's own chat template and the weights as the file has them. Both engines round
activations to bytes, and each sums in its own order, so scores differ in the first decimal and near ties may fall to
either side: the tests follow llama.cpp's continuation token by token instead of comparing texts.
"""

import ctypes
import json
import pathlib
import sys

import llama_cpp
import numpy as np
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

STEPS = 12
CASES = [
    [{"role": "user", "content": "What is the capital of France?"}],
    [{"role": "user", "content": "北京在哪里？请用中文回答。"}],
    [{"role": "user", "content": "Hello 2024 world 12345! What is 17 + 25?"}],
    [
        {"role": "system", "content": "You answer in one word."},
        {"role": "user", "content": "Which animal says meow?"},
        {"role": "assistant", "content": "A cat."},
        {"role": "user", "content": "And which one says woof?"},
    ],
]


class Engine:
    """The model with one context."""

    def __init__(self, file):
        llama_cpp.llama_backend_init()
        settings = llama_cpp.llama_model_default_params()
        settings.n_gpu_layers = 0
        settings.use_extra_bufts = False
        self.model = llama_cpp.llama_model_load_from_file(str(file).encode(), settings)
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = settings.n_batch = 512
        self.context = llama_cpp.llama_init_from_model(self.model, settings)
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.size = llama_cpp.llama_vocab_n_tokens(self.vocabulary)

    def said(self, key):
        text = ctypes.create_string_buffer(1 << 16)
        llama_cpp.llama_model_meta_val_str(self.model, key.encode(), text, len(text))
        return text.value.decode()

    def ids(self, text):
        text = text.encode()
        out = (llama_cpp.llama_token * (len(text) + 8))()
        count = llama_cpp.llama_tokenize(self.vocabulary, text, len(text), out, len(out), False, True)
        return list(out[:count])

    def scores(self, ids):
        """Scores of the token after `ids`, read from an empty memory."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        tokens = (llama_cpp.llama_token * len(ids))(*ids)  # the batch only points to it
        batch = llama_cpp.llama_batch_get_one(tokens, len(ids))
        if llama_cpp.llama_decode(self.context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        scores = llama_cpp.llama_get_logits_ith(self.context, -1)
        return np.ctypeslib.as_array(scores, shape=(self.size,)).copy()


def main():
    engine = Engine(sys.argv[1])
    template = Jinja2ChatFormatter(engine.said("tokenizer.chat_template"), "<|im_end|>", "<|im_start|>")
    cases = []
    for messages in CASES:
        ids = engine.ids(template(messages=messages).prompt)
        first = engine.scores(ids)
        continuation = []
        while len(continuation) < STEPS and continuation[-1:] != [2]:
            continuation.append(int(engine.scores(ids + continuation).argmax()))
        cases.append(
            {
                "messages": messages,
                "ids": ids,
                "continuation": continuation,
                "sample": [round(float(score), 4) for score in first[::97]],
            }
        )
    out = pathlib.Path(__file__).with_name("llama.json")
    out.write_text(json.dumps({"cases": cases}, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
