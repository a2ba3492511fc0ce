"""The examples run, against a scripted API."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from memstore import MemoryStore

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture
def agent_loop():
    spec = importlib.util.spec_from_file_location("agent_loop", EXAMPLES / "agent_loop.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_agent_loop_keeps_its_prefix_and_the_next_session_knows_an_option_from_a_decision(agent_loop, tmp_path):
    anthropic = pytest.importorskip("anthropic")
    httpx = pytest.importorskip("httpx2")
    requests: list[dict] = []

    def api(request):
        requests.append(json.loads(request.content))
        answer = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn"}
        content = [{"type": "text", "text": "Understood."}]
        return httpx.Response(
            200, json={**answer, "content": content, "usage": {"input_tokens": 1, "output_tokens": 1}}
        )

    http = anthropic.DefaultHttpxClient(transport=httpx.MockTransport(api))
    client = anthropic.Anthropic(api_key="none", http_client=http)
    with MemoryStore(tmp_path / "agent.db") as memory:
        first = agent_loop.Agent(memory, client, purpose="the URL shortener")
        first.ask("We decided to use Redis for the URL shortener.")
        first.ask("We could refresh the TTL of the URL shortener on each access.")
        first.end()
        second = agent_loop.Agent(memory, client, purpose="the URL shortener")
        for text in ("What about Redis?", "And the TTL?", "What else?"):
            assert second.ask(text) == "Understood."
        assert memory.stats()["events"] == 10
    *_, one, two, three = requests
    assert one["system"] == two["system"] == three["system"]
    standing = one["system"][-1]
    assert standing["cache_control"] == {"type": "ephemeral"}
    assert "[DECIDED" in standing["text"]
    assert "[option, not decided" in standing["text"]
    assert three["messages"][: len(two["messages"])] == two["messages"]
