"""Shared fixtures. What needs the full evaluation data skips without it, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# A loaded machine must not fail a property.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="the long form of the proofs of the ledger (see `make soak`)")


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether the proofs run in their long form."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The directory of full evaluation data, beside the checkout; a plain clone does not have it."""
    path = REPOSITORY.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("full evaluation data (../shared/data) is not part of the repository")
    return path
