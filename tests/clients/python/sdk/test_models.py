"""The list of models."""

import openai
import pytest


def test_the_list_holds_both_models(client, model, embedding_model):
    names = {item.id for item in client.models.list()}
    assert {model, embedding_model} <= names


def test_one_model(client, model):
    found = client.models.retrieve(model)
    assert (found.id, found.object) == (model, "model")
    assert found.created > 0 and found.owned_by


@pytest.mark.parametrize("name", ["nothing", "team/nothing", "nothing:7b"])
def test_an_unknown_model_is_not_found(client, name):
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve(name)
    assert refused.value.code == "model_not_found"
