"""The server as a client sees it: shapes, exactness, refusals, weights."""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from agemem_grpo.policy_server import PolicyServer, ServerOptions
from agemem_grpo.policy_server.errors import WeightsError
from policy_server.tiny_chat import plain_logps, save_policy, tiny_model

TOOLS = [{"type": "function", "function": {"name": "Add_memory", "parameters": {"type": "object"}}}]


def body(text: str = "hello", **fields: Any) -> dict[str, Any]:
    asked = {"model": "policy", "messages": [{"role": "user", "content": text}], "max_tokens": 12}
    return {**asked, "logprobs": True, "return_token_ids": True, **fields}


def chat(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    response = client.post("/chat/completions", json=body(**fields))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def refused(client: httpx.Client, **fields: Any) -> tuple[int, str, str | None]:
    response = client.post("/chat/completions", json=body(**fields))
    error = response.json()["error"]
    assert error["message"]
    return response.status_code, error["code"], error["param"]


def test_log_probabilities_are_those_of_the_trainers_forward_pass(client: httpx.Client) -> None:
    texts = [f"message {'x' * (i * 7 % 60)}" for i in range(24)]
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda text: chat(client, text=text, max_tokens=3 + len(text) % 40), texts))
    prompts = [answer["prompt_token_ids"] for answer in answers]
    ids = [answer["choices"][0]["token_ids"] for answer in answers]
    expected = plain_logps(tiny_model(), prompts, ids)
    assert len({len(prompt) for prompt in prompts}) > 5
    for answer, logps in zip(answers, expected, strict=True):
        given = [entry["logprob"] for entry in answer["choices"][0]["logprobs"]["content"]]
        assert given == pytest.approx(logps, abs=1e-4)
        assert answer["usage"]["completion_tokens"] == len(given) == len(answer["choices"][0]["token_ids"])
        assert answer["usage"]["prompt_tokens"] == len(answer["prompt_token_ids"])


def test_renders_the_prompt_with_the_models_template(server: PolicyServer, client: httpx.Client) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "Add_memory", "arguments": '{"content": "a"}'}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Ann "}, {"type": "text", "text": "moved"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "stored", "tool_call_id": "c1"},
    ]
    answer = chat(client, messages=messages, tools=TOOLS)
    assert server.texts.tokenizer.decode(answer["prompt_token_ids"]) == (
        "<|im_start|>tools\nAdd_memory <|im_end|>\n<|im_start|>user\nAnn moved<|im_end|>\n<|im_start|>assistant\n"
        '<tool_call>\n{"name": "Add_memory", "arguments": {"content": "a"}}\n</tool_call><|im_end|>\n'
        "<|im_start|>tool\nstored<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_seed_repeats_and_names_the_version(client: httpx.Client) -> None:
    first, second, other = chat(client, seed=7), chat(client, seed=7), chat(client, seed=8)
    assert first["choices"][0]["token_ids"] == second["choices"][0]["token_ids"]
    assert first["choices"][0]["token_ids"] != other["choices"][0]["token_ids"]
    assert (first["policy_version"], first["system_fingerprint"]) == (3, "agemem-grpo-v3")


def test_says_the_text_before_a_stop_string_and_all_its_tokens(client: httpx.Client) -> None:
    free = chat(client, seed=1, max_tokens=40)["choices"][0]
    text = free["message"]["content"]
    stop = next(letter for letter in text[5:] if letter.isascii())
    ended = chat(client, seed=1, max_tokens=40, stop=["never seen", stop])["choices"][0]
    assert ended["message"]["content"] == text[: text.index(stop)]
    assert (ended["finish_reason"], ended["stop_reason"]) == ("stop", stop)
    assert ended["token_ids"] == free["token_ids"][: len(ended["token_ids"])]
    assert len(ended["token_ids"]) > 0


def test_ends_with_the_stop_token_and_counts_it(server: PolicyServer, client: httpx.Client) -> None:
    end = server.texts.tokenizer.eos_token_id
    ended = next(
        choice
        for seed in range(100)
        if (choice := chat(client, seed=seed, max_tokens=200)["choices"][0])["finish_reason"] == "stop"
    )
    assert ended["token_ids"][-1] == end
    assert len(ended["logprobs"]["content"]) == len(ended["token_ids"])
    assert "<|im_end|>" not in ended["message"]["content"]
    ignoring = chat(client, ignore_eos=True, max_tokens=200, seed=0)["choices"][0]
    assert (ignoring["finish_reason"], len(ignoring["token_ids"])) == ("length", 200)


def test_leaves_out_what_was_not_asked_for(client: httpx.Client) -> None:
    answer = chat(client, logprobs=None, return_token_ids=None)
    assert "prompt_token_ids" not in answer
    assert "token_ids" not in answer["choices"][0]
    assert answer["choices"][0]["logprobs"] is None


def test_names_tokens_by_id_when_asked(client: httpx.Client) -> None:
    choice = chat(client, return_tokens_as_token_ids=True)["choices"][0]
    assert [entry["token"] for entry in choice["logprobs"]["content"]] == [f"token_id:{i}" for i in choice["token_ids"]]


def test_streams_the_same_with_the_prompts_ids_first(client: httpx.Client) -> None:
    whole = chat(client, seed=5)
    asked = body(seed=5, stream=True, stream_options={"include_usage": True})
    with client.stream("POST", "/chat/completions", json=asked) as response:
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines.pop() == "[DONE]"
    first, middle, last = map(json.loads, lines)
    assert first["prompt_token_ids"] == whole["prompt_token_ids"]
    assert middle["choices"][0]["token_ids"] == whole["choices"][0]["token_ids"]
    assert middle["choices"][0]["delta"]["content"] == whole["choices"][0]["message"]["content"]
    assert last["usage"] == whole["usage"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"messages": []}, (400, "invalid_request", "messages")),
        ({"messages": [{"role": "robot", "content": "x"}]}, (400, "invalid_request", "messages.0.role")),
        ({"temperature": -1}, (400, "invalid_request", "temperature")),
        ({"top_p": 0}, (400, "invalid_request", "top_p")),
        ({"n": 2}, (400, "invalid_request", "n")),
        ({"presence_penalty": 0.5}, (400, "invalid_request", "presence_penalty")),
        ({"top_logprobs": 5}, (400, "invalid_request", "top_logprobs")),
        ({"tool_choice": "required"}, (400, "invalid_request", "tool_choice")),
        ({"response_format": {"type": "json_object"}}, (400, "invalid_request", "response_format")),
        ({"model": "other"}, (404, "model_not_found", "model")),
        ({"text": "x" * 300}, (400, "context_length_exceeded", "messages")),
    ],
)
def test_refuses(client: httpx.Client, fields: dict[str, Any], expected: tuple[int, str, str]) -> None:
    status, code, param = refused(client, **fields)
    assert (status, code) == expected[:2]
    assert (param or "").startswith(expected[2])


def test_refuses_what_is_no_json_and_unknown_addresses(client: httpx.Client) -> None:
    assert client.post("/chat/completions", content=b"{").status_code == 400
    assert client.get("/nothing").json()["error"]["code"] == "not_found"
    assert client.get("/chat/completions").status_code == 405


def test_gives_a_response_what_the_window_leaves(client: httpx.Client) -> None:
    answer = chat(client, max_tokens=10_000, ignore_eos=True)
    assert answer["usage"]["total_tokens"] == 256
    assert answer["choices"][0]["finish_reason"] == "length"


def test_a_client_that_hangs_up_frees_its_row(server: PolicyServer, folder: Path) -> None:
    with PolicyServer(folder, ServerOptions(max_model_len=256, max_rows=1)) as own:
        slow = own.engine._decoder.step
        own.engine._decoder.step = lambda: (time.sleep(0.02), slow())[1]  # type: ignore[method-assign]
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{own.url}/chat/completions", json=body(max_tokens=200, ignore_eos=True), timeout=0.3)
        deadline = time.monotonic() + 2
        while own.engine.figures()["active"] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert own.engine.figures()["active"] == 0
        assert own.engine.generated_tokens < 150


def test_answers_429_with_retry_after_when_the_queue_is_full(folder: Path) -> None:
    with PolicyServer(folder, ServerOptions(max_rows=1, max_waiting=2)) as own, ThreadPoolExecutor(20) as pool:
        slow = own.engine._decoder.step
        own.engine._decoder.step = lambda: (time.sleep(0.005), slow())[1]  # type: ignore[method-assign]

        def ask(_: int) -> httpx.Response:
            return httpx.post(f"{own.url}/chat/completions", json=body(max_tokens=40, ignore_eos=True), timeout=30)

        responses = list(pool.map(ask, range(20)))
    statuses = [response.status_code for response in responses]
    assert 200 in statuses
    turned_away = [response for response in responses if response.status_code == 429]
    assert turned_away
    assert {response.headers["retry-after"] for response in turned_away} == {"1"}
    assert set(statuses) == {200, 429}


@pytest.fixture
def own(folder: Path) -> Any:
    with PolicyServer(folder, version=0) as running:
        yield running


def update(server: PolicyServer, path: Path, version: int) -> httpx.Response:
    return httpx.post(
        server.url.replace("/v1", "/update_weights"), json={"path": str(path), "version": version}, timeout=30
    )


def weights_behind(server: PolicyServer) -> tuple[int, int]:
    """Version, and which seed of `tiny_model` the log-probabilities are of."""
    with httpx.Client(base_url=server.url) as client:
        answer = chat(client)
    choice = answer["choices"][0]
    given = [entry["logprob"] for entry in choice["logprobs"]["content"]]
    for seed in (0, 1):
        (expected,) = plain_logps(tiny_model(seed), [answer["prompt_token_ids"]], [choice["token_ids"]])
        if given == pytest.approx(expected, abs=1e-4):
            return answer["policy_version"], seed
    raise AssertionError("the log-probabilities are of no known weights")


def test_new_weights_answer_under_their_version(own: PolicyServer, tmp_path: Path) -> None:
    assert weights_behind(own) == (0, 0)
    assert update(own, save_policy(tmp_path / "new", seed=1), 5).json() == {"status": "ok", "policy_version": 5}
    assert weights_behind(own) == (5, 1)
    (model,) = httpx.get(f"{own.url}/models").json()["data"]
    assert (model["id"], model["policy_version"], model["root"]) == ("policy", 5, str(tmp_path / "new"))


def test_serves_a_lora_adapter_merged_into_its_base(own: PolicyServer, folder: Path, tmp_path: Path) -> None:
    base = AutoModelForCausalLM.from_pretrained(folder)
    adapted = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"]))
    torch.manual_seed(0)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    adapted.save_pretrained(tmp_path / "adapter")
    assert update(own, tmp_path / "adapter", 2).status_code == 200
    with httpx.Client(base_url=own.url) as client:
        answer = chat(client)
    prompts, ids = [answer["prompt_token_ids"]], [answer["choices"][0]["token_ids"]]
    given = [entry["logprob"] for entry in answer["choices"][0]["logprobs"]["content"]]
    assert given == pytest.approx(plain_logps(adapted.eval(), prompts, ids)[0], abs=1e-4)
    assert given != pytest.approx(plain_logps(tiny_model(), prompts, ids)[0], abs=1e-2)


def test_all_requests_are_answered_while_weights_change(own: PolicyServer, tmp_path: Path) -> None:
    folders = [save_policy(tmp_path / str(seed), seed=seed) for seed in (0, 1)]
    with ThreadPoolExecutor(12) as pool, httpx.Client(base_url=own.url, timeout=30) as client:
        pending = []
        for version in range(1, 5):
            pending += [pool.submit(chat, client, text=f"{version} {i}", max_tokens=30) for i in range(12)]
            assert update(own, folders[version % 2], version).status_code == 200
        answers = [one.result(30) for one in pending]
    for parity in (0, 1):
        mine = [answer for answer in answers if answer["policy_version"] % 2 == parity]
        ids = [answer["choices"][0]["token_ids"] for answer in mine]
        expected = plain_logps(tiny_model(parity), [answer["prompt_token_ids"] for answer in mine], ids)
        for answer, logps in zip(mine, expected, strict=True):
            given = [entry["logprob"] for entry in answer["choices"][0]["logprobs"]["content"]]
            assert given == pytest.approx(logps, abs=1e-4)


def torn(folder: Path) -> str:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    return "cannot be read"


def without_a_weight(folder: Path) -> str:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return "missing keys: model.layers.1.mlp.up_proj.weight"


def diverged(folder: Path) -> str:
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][3] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return "NaN or infinity in model.norm.weight"


def other_shape(folder: Path) -> str:
    save_policy(folder, seed=1, intermediate_size=48)
    return "not the architecture"


def gone(folder: Path) -> str:
    shutil.rmtree(folder)
    return "is not a folder"


@pytest.mark.parametrize("spoil", [torn, without_a_weight, diverged, other_shape, gone])
def test_weights_that_cannot_be_served_change_nothing(own: PolicyServer, tmp_path: Path, spoil: Any) -> None:
    folder = save_policy(tmp_path / "new", seed=1)
    expected = spoil(folder)
    response = update(own, folder, 9)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "weights_refused")
    assert expected in error["message"]
    assert "Version 0 stays in use" in error["message"]
    assert weights_behind(own) == (0, 0)
    assert update(own, save_policy(tmp_path / "good", seed=1), 9).status_code == 200
    assert weights_behind(own) == (9, 1)


def test_refuses_an_update_without_a_version(own: PolicyServer) -> None:
    response = httpx.post(own.url.replace("/v1", "/update_weights"), json={"path": "x"})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "version")


def test_refuses_to_start_without_a_chat_template(folder: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(folder, tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(WeightsError, match="no chat template"):
        PolicyServer(bare)
