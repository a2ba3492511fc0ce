"""The example of an agent loop runs, against a scripted API."""

from __future__ import annotations

import json

import pytest

from memstore import MemoryStore
from memstore.agents import example_loop


def test_the_agent_loop_keeps_its_prefix_and_the_next_session_knows_an_option_from_a_decision(tmp_path):
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
        first = example_loop.Agent(memory, client, purpose="the URL shortener")
        first.ask("We decided to use Redis for the URL shortener.")
        first.ask("We could refresh the TTL of the URL shortener on each access.")
        first.end()
        second = example_loop.Agent(memory, client, purpose="the URL shortener")
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
