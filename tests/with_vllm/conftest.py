"""A student that vLLM can run on a CPU, made on the spot, and one engine for the tests of it."""

import pytest
import torch
from lm import students
from lm.engines import with_vllm
from lm_material import TEXTS
from material import GREEDY, SPEED


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    tokenizer = students.train_tokenizer(TEXTS, 400)
    model = students.create(tokenizer, hidden=128, layers=4, heads=4, positions=256, seed=5)
    with torch.no_grad():  # an untrained model repeats itself: larger weights make it say more
        for weight in model.parameters():
            weight.mul_(3)
    manifest = tmp_path_factory.mktemp("student") / "checkpoint.json"
    students.save(model, tokenizer, manifest)
    return manifest


@pytest.fixture(scope="module")
def greedy(checkpoint):
    engine = with_vllm.Engine(checkpoint, vllm=SPEED, **GREEDY)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def sampling(checkpoint):
    engine = with_vllm.Engine(checkpoint, vllm=SPEED, **GREEDY | {"temperature": 0.8})
    yield engine
    engine.close()
