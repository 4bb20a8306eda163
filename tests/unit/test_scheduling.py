"""The scheduler looks again once in each time of its rate limit, however many ask for it."""

from types import SimpleNamespace

from valley.workflow import scheduling


def test_of_many_who_ask_for_a_look_all_get_the_same_one(monkeypatch):
    clock, looks = [0.0], []
    monkeypatch.setattr(scheduling, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    ask = scheduling.once(lambda self, delay: looks.append((clock[0], delay)))
    scheduler, other = SimpleNamespace(), SimpleNamespace()
    for tenth in range(25):  # a job ends ten times a second
        clock[0] = tenth / 10
        ask(scheduler, 1)
        ask(scheduler, 10)
    ask(other, 1)
    assert [at for at, delay in looks if delay == 1] == [0, 1, 2, 2.4]
    assert [at for at, delay in looks if delay == 10] == [0]
