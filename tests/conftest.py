"""What tests share: a clock, a store, the data. What needs the full evaluation data skips without it, and says why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings

from evals.model import Sample, Turn
from memstore import MemoryStore

# A loaded machine must not fail a property, and the same tree gives the same result; the long forms search anew.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None)
settings.load_profile("suite")

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = REPOSITORY / "data"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is moved; with a `tick` it moves by that much whenever it is read."""

    def __init__(self, now: datetime = NOON, tick: timedelta = timedelta(0)) -> None:
        self.now = now
        self.tick = tick

    def __call__(self) -> datetime:
        self.now += self.tick
        return self.now

    def advance(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


def ticking() -> Clock:
    """No two moments are the same: what happens later has a later time."""
    return Clock(NOON, tick=timedelta(seconds=1))


def turns(sample: Sample) -> dict[str, Turn]:
    """What a sample says, by reference."""
    return {item.ref: item for item in sample.items if isinstance(item, Turn)}


@pytest.fixture
def clock() -> Clock:
    return ticking()


@pytest.fixture
def memory(tmp_path: Path, clock: Clock) -> MemoryStore:
    """An empty store at `memory.db`."""
    return MemoryStore(tmp_path / "memory.db", clock=clock)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="the long form of the proofs of the ledger (see `make soak`)")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--long"):
        settings.load_profile("long")


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether the proofs run in their long form."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="session", autouse=True)
def patient_hooks() -> Iterator[None]:
    """A hook that runs out of time ends its process: here that would be the tests', on a machine that is busy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("memstore.agents.claude_code.run.SECONDS_WHILE_AN_AGENT_WAITS", 300.0)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The directory of full evaluation data, beside the checkout; a plain clone does not have it."""
    path = REPOSITORY.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("full evaluation data (../shared/data) is not part of the repository")
    return path
