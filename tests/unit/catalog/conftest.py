"""The shipped catalogue beside the facts it was made from."""

from __future__ import annotations

import json
from typing import Any

import make_catalog
import msgspec
import pytest

from qwen_desktop.core.models import Catalog

FACTS: dict[str, dict[str, Any]] = {
    entry["model"].lower(): entry for entry in json.loads(make_catalog.FACTS.read_text(encoding="utf-8"))
}
SHIPPED: Catalog = msgspec.json.decode(make_catalog.TARGET.read_bytes(), type=Catalog)


@pytest.fixture
def facts() -> dict[str, dict[str, Any]]:
    """The raw facts by id."""
    return FACTS


@pytest.fixture
def shipped() -> Catalog:
    """The catalogue in the repository."""
    return SHIPPED


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with ``model`` runs for each model of the catalogue."""
    if "model" in metafunc.fixturenames:
        metafunc.parametrize("model", SHIPPED.models, ids=[m.id for m in SHIPPED.models])
