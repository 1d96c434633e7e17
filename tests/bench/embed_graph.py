"""BERT encoders as ONNX graphs of the operators that onnxruntime itself fuses them to.

onnxruntime's optimizer makes these operators (Attention, SkipLayerNormalization, BiasGelu and so on) out of an exported
graph; writing them down needs no PyTorch and leaves nothing to an optimizer's luck. With `four_bits` a model whose
weights are blocks of 32 four-bit numbers keeps them so (MatMulNBits, activations rounded to bytes), as ours does.
"""

import json

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

MICROSOFT = "com.microsoft"


class Graph:
    """Nodes and weights in the making."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, name, array):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind, inputs, out, domain=MICROSOFT, more=(), **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [out, *more], domain=domain, **attributes))
        return out


def layers(graph, model, x, four_bits):
    for index in range(model.layers):
        name = f"l{index}"

        def linear(part, x):
            if four_bits:
                packed, scales = model.blocks(f"{name}.{part}")
                columns, blocks = packed.shape[:2]
                inputs = [x, graph.weight(f"{name}.{part}.q", packed), graph.weight(f"{name}.{part}.s", scales.ravel())]
                sizes = {"K": blocks * 32, "N": columns, "bits": 4, "block_size": 32, "accuracy_level": 4}
                return graph.node("MatMulNBits", inputs, f"{name}.{part}.x", **sizes)
            weight = graph.weight(f"{name}.{part}.w", model.matrix(f"{name}.{part}").T)
            return graph.node("MatMul", [x, weight], f"{name}.{part}.x", domain="")

        def bias(*parts):
            return graph.weight(f"{name}.{parts}.b", np.concatenate([model.bias(f"{name}.{part}") for part in parts]))

        if four_bits:
            parts = [linear(part, x) for part in "qkv"]
            inputs = [*parts, bias("q", "k", "v"), "lengths"]
            context = graph.node("MultiHeadAttention", inputs, f"{name}.context", num_heads=model.heads)
        else:
            weights = np.concatenate([model.matrix(f"{name}.{part}").T for part in "qkv"], axis=1)
            inputs = [x, graph.weight(f"{name}.qkv", weights), bias("q", "k", "v"), "lengths"]
            context = graph.node("Attention", inputs, f"{name}.context", num_heads=model.heads)

        def add_norm(more, part, norm):
            gamma, beta = (graph.weight(f"{name}.{norm}.{kind}", kept) for kind, kept in model.norm(f"{name}.{norm}"))
            inputs = [more, x, gamma, beta, bias(part)]
            return graph.node("SkipLayerNormalization", inputs, f"{name}.{norm}.out", epsilon=model.epsilon)

        x = add_norm(linear("ao", context), "ao", "aln")
        up = graph.node("BiasGelu", [linear("fi", x), bias("fi")], f"{name}.gelu")
        x = add_norm(linear("fo", up), "fo", "oln")
    return x


def write(model, path, four_bits=False):
    """Inputs are `ids` and `mask` (padded on the right), the output is one vector of length one per text."""
    graph = Graph()
    gamma, beta = (graph.weight(f"emb.{kind}", kept) for kind, kept in model.norm("emb.ln"))
    tables = [graph.weight("words", model.words()), graph.weight("positions", model.positions())]
    inputs = ["ids", "", *tables, "", gamma, beta, "mask"]
    x = graph.node("EmbedLayerNormalization", inputs, "embedded", more=["lengths"], epsilon=model.epsilon)
    x = layers(graph, model, x, four_bits)
    axis, last = graph.weight("axis", np.array([1])), graph.weight("last", np.array([2]))
    graph.node("Cast", ["mask"], "seen", domain="", to=TensorProto.FLOAT)
    graph.node("Unsqueeze", ["seen", last], "weights", domain="")
    graph.node("Mul", [x, "weights"], "kept", domain="")
    graph.node("ReduceSum", ["kept", axis], "sums", domain="", keepdims=0)
    graph.node("LpNormalization", ["sums"], "vectors", domain="", axis=1, p=2)
    sizes = ["texts", "tokens"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT32, sizes) for name in ("ids", "mask")]
    outputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", model.hidden])]
    whole = helper.make_graph(graph.nodes, "bert", inputs, outputs, graph.weights)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    document = helper.make_model(whole, opset_imports=opsets, ir_version=9)
    checker.check_model(document)
    save(document, path)


class MiniLm:
    """all-MiniLM-L6-v2 as Hugging Face publishes it."""

    PARTS = {
        "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
        "ao": "attention.output.dense", "aln": "attention.output.LayerNorm",
        "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm",
    }  # fmt: skip

    def __init__(self, folder):
        from safetensors.numpy import load_file

        config = json.loads((folder / "config.json").read_text())
        self.tensors = load_file(folder / "model.safetensors")
        self.hidden, self.layers, self.heads = (
            config[name] for name in ("hidden_size", "num_hidden_layers", "num_attention_heads")
        )
        self.epsilon = config["layer_norm_eps"]

    def name(self, name):
        if name == "emb.ln":
            return "embeddings.LayerNorm"
        layer, part = name.split(".")
        return f"encoder.layer.{layer[1:]}.{self.PARTS[part]}"

    def matrix(self, name):
        return self.tensors[self.name(name) + ".weight"]

    def bias(self, name):
        return self.tensors[self.name(name) + ".bias"]

    def norm(self, name):
        return [(kind, self.tensors[f"{self.name(name)}.{kind}"]) for kind in ("weight", "bias")]

    def words(self):
        return self.tensors["embeddings.word_embeddings.weight"]

    def positions(self):
        kind = self.tensors["embeddings.token_type_embeddings.weight"][0]
        return self.tensors["embeddings.position_embeddings.weight"] + kind


class E5:
    """multilingual-e5-small in its file of 4-bit weights, read by what makes the tests' reference vectors."""

    def __init__(self, file):
        self.file = file
        self.hidden, self.layers, self.heads, self.epsilon = file.H, file.L, file.heads, file.eps

    def floats(self, name):
        return self.file.tensor(name).astype(np.float32)

    def matrix(self, name):
        return self.floats(name + ".w").reshape(len(self.bias(name)), -1)

    def bias(self, name):
        return self.floats(name + ".b")

    def norm(self, name):
        return [(kind, self.floats(f"{name}.{kind}")) for kind in "wb"]

    def words(self):
        return self.floats("emb.word").reshape(-1, self.hidden)

    def positions(self):
        return self.floats("emb.pos").reshape(-1, self.hidden) + self.floats("emb.type")[: self.hidden]

    def blocks(self, name):
        """Nibbles as onnxruntime wants them, neighbours in one byte, and the step of each block."""
        _, _, offset, size = self.file.tensors[name + ".w"]
        raw = np.frombuffer(self.file.data, np.uint8, size, offset).reshape(len(self.bias(name)), -1, 18)
        scales = raw[:, :, :2].copy().view(np.float16)[:, :, 0].astype(np.float32)
        nibbles = np.concatenate([raw[:, :, 2:] & 15, raw[:, :, 2:] >> 4], axis=2)
        return nibbles[:, :, 0::2] | (nibbles[:, :, 1::2] << 4), scales
