"""Settings for all tests."""

import os
from importlib.util import find_spec

# One thread a process, as the workflow's jobs have: two processes of two threads each on two cores
# wait for one another in a loop and crawl.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# They need an environment of their own: make test-vllm.
collect_ignore = [] if find_spec("vllm") else ["with_vllm"]
