"""Writes reference.json: token ids and scores that the chat model's tests compare with.

    python -m venv venv && venv/bin/pip install torch transformers accelerate gguf
    venv/bin/python reference.py ~/.cache/kubemate/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf

transformers turns the file's weights into 32-bit numbers and computes in 32 bits, so the scores are what the file
says, without any engine's rounding.
"""

import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

CASES = [
    [{"role": "user", "content": "What is the capital of France?"}],
    [
        {"role": "system", "content": "You answer in one word."},
        {"role": "user", "content": "Which animal says meow?\n\nA dog,  a cat or a cow?"},
        {"role": "assistant", "content": "A cat."},
        {"role": "user", "content": "And woof?"},
    ],
    [{"role": "user", "content": "Grüße! 北京在哪里？ It's €uro-priced, isn't it? 😀"}],
    [{"role": "user", "content": "Hello 2024 world 12345!\n    indented\tcode = f(x1, 10_000)"}],
    [{"role": "user", "content": "The harbour was quiet, and nobody spoke. " * 40 + "Who spoke?"}],
]


def main() -> None:
    file = pathlib.Path(sys.argv[1])
    torch.set_num_threads(1)
    source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32).eval()
    cases = []
    for messages in CASES:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            scores = model(torch.tensor([ids])).logits[0, -1]
        top = torch.topk(scores, 10)
        cases.append(
            {
                "messages": messages,
                "ids": ids,
                "top": [[int(i), round(float(s), 4)] for i, s in zip(top.indices, top.values)],
                "sample": [round(float(s), 4) for s in scores[::97]],
            }
        )
    out = pathlib.Path(__file__).with_name("reference.json")
    out.write_text(json.dumps({"cases": cases}, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
