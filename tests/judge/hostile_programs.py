"""Programs that mean harm, each with the verdict that shows it did none.

Many try something and print `safe` if it failed: for those `accepted` says that the attempt was
in vain, and any success would show as a wrong answer. `{secret}` and `{folder}` become a file that
holds a secret and the folder it lies in. SEARCHES look for the answer that is expected of them and
would print it: for those `wrong_answer` says that it is nowhere to be found.
"""

from hostile_answers import FUNCTIONS, OUTPUT, SEARCHES
from hostile_system import SYSTEM

CASES = SYSTEM + OUTPUT + FUNCTIONS + SEARCHES

__all__ = ["CASES", "SEARCHES"]
