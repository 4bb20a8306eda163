"""A student that vLLM can run on a CPU, made on the spot, and one engine for the tests of it."""

import pytest
from material import GPUS, GREEDY, SMALL, student
from valley.lm.engines import with_vllm


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    return student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def greedy(checkpoint):
    engine = with_vllm.Engine(checkpoint, vllm=SMALL, gpus=GPUS, **GREEDY)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def sampling(checkpoint):
    engine = with_vllm.Engine(checkpoint, vllm=SMALL, gpus=GPUS, **GREEDY | {"temperature": 0.8})
    yield engine
    engine.close()
