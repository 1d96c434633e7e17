"""Vectors of all-MiniLM-L6-v2 by sentence-transformers: a JSON request on standard input, an answer on standard output."""

import json
import pathlib
import sys
import tempfile

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

request = json.load(sys.stdin)
with tempfile.TemporaryDirectory() as folder:
    for file in pathlib.Path(request["weights"]).iterdir():
        (pathlib.Path(folder) / file.name).symlink_to(file)
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
    (pathlib.Path(folder) / "tokenizer_config.json").write_text(json.dumps(config))
    words = Transformer(folder, max_seq_length=256)
model = SentenceTransformer(modules=[words, Pooling(384, "mean"), Normalize()], device="cpu").eval()
print(json.dumps({name: model.encode(request[name], show_progress_bar=False).tolist() for name in ("texts", "questions")}))
