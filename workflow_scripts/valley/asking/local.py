"""Teachers that are run here, by the engines that let students answer."""

import importlib
from collections.abc import Sequence
from pathlib import Path

from valley.asking.questions import Answers, Question, Reply, Stopping, with_think_tags
from valley.asking.settings import AskSettings, Model
from valley.core import tempfiles
from valley.core.files import write_json
from valley.lm.requests import Request, room


class Local:
    """A model of the hub, or of a local folder, as a teacher.

    Args:
        model: the model, and what runs it.
        options: how answers are drawn.
        gpus: of the job.
    """

    def __init__(self, model: Model, options: AskSettings, gpus: int = 0):
        module = importlib.import_module(f"valley.lm.engines.with_{model.engine}")
        settings = {
            "precision": model.precision,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "stop": [],
            "batch_size": model.batch_size,
            "vllm": model.vllm,
        }
        with tempfiles.scratch() as folder:
            manifest = Path(folder) / "checkpoint.json"
            write_json(manifest, {"hub": {"id": model.id, "revision": model.revision}})
            self._engine = module.Engine(manifest, gpus=gpus, **settings)
        self._max_tokens = options.max_tokens

    @property
    def measured(self) -> dict:
        return self._engine.measured

    def answers(self, questions: Sequence[Question], stopping: Stopping) -> Answers:
        """Yield answers as they finish; a prompt without room for one is answered by nobody."""
        prompts = [self._engine.encode(question.prompt) for question in questions]
        rooms = [room(ids, self._engine.window, self._max_tokens) for ids in prompts]
        crowded = [number for number, tokens in enumerate(rooms) if not tokens]
        yield [(number, Reply(None, "refused: the prompt fills the window")) for number in crowded]
        asked = [number for number, tokens in enumerate(rooms) if tokens]
        requests = [Request(prompts[n], questions[n].seed, rooms[n]) for n in asked]
        for finished in self._engine.answers(requests, stopping):
            yield [
                (
                    asked[at],
                    Reply(
                        with_think_tags(None, self._engine.decode(answer.ids)),
                        answer.finish_reason,
                        len(answer.ids),
                        len(prompts[asked[at]]),
                    ),
                )
                for at, answer in finished
            ]
