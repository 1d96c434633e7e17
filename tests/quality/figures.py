"""nDCG@10, recall@10 and mean reciprocal rank where each question has one right document, with bootstrap intervals."""

import math

import numpy

DEPTH = 10
DRAWS = 2000


def gains(rankings, right):
    """Of each question: nDCG@10, whether it is among the first ten, 1 / rank."""
    rows = []
    for found, wanted in zip(rankings, right):
        rank = found[:DEPTH].index(wanted) if wanted in found[:DEPTH] else None
        rows.append((0.0, 0.0, 0.0) if rank is None else (1 / math.log2(rank + 2), 1.0, 1 / (rank + 1)))
    return numpy.array(rows).reshape(-1, 3)


def summary(rows):
    ndcg, recall, mrr = rows.mean(axis=0)
    low, high = interval(rows[:, 0])
    return {"ndcg@10": short(ndcg), "interval": [low, high], "recall@10": short(recall), "mrr": short(mrr)}


def difference(rows, others):
    """How much better the first is in nDCG@10, question by question: mean and 95 % interval."""
    paired = rows[:, 0] - others[:, 0]
    return {"ndcg@10": short(paired.mean()), "interval": list(interval(paired))}


def interval(values):
    # The same draws every time, so that a run can be repeated to the digit.
    chance = numpy.random.default_rng(1)
    means = values[chance.integers(0, len(values), (DRAWS, len(values)))].mean(axis=1)
    return short(numpy.quantile(means, 0.025)), short(numpy.quantile(means, 0.975))


def short(value):
    return round(float(value), 4)
