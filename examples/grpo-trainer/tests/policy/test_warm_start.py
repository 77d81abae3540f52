"""Imitation: what is learned from a recorded step, and that a short run makes a policy whose calls can be read."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from agemem_grpo.policy.imitation import IGNORED, imitate, to_examples
from agemem_grpo.policy.model import build_model
from agemem_grpo.policy.rows import RowsError, read_rows, shortened, with_taught_answers
from agemem_grpo.policy.tokenizer import CALL_HEADS, train_tokenizer
from agemem_grpo.policy.warm_start import main, warm_start
from agemem_grpo.policy_server.tool_parser import parse_tool_calls

TOOLS = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in CALL_HEADS]
NAMES = ["Ada", "Bo", "Cleo", "Dan", "Eve", "Finn"]
PLACES = ["Porto", "Ghent", "Graz", "Cork", "Tartu"]


def recorded(fact: str, question: str, said: str, task: str = "t1") -> list[dict]:
    """A fact that is stored with a thought and needless arguments, then a question that is answered."""
    arguments = {"content": fact, "memory_type": "fact", "metadata": {"title": "x"}}
    call = {"id": "c", "type": "function", "function": {"name": "Add_memory", "arguments": json.dumps(arguments)}}
    start = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": fact}]
    acted = {"role": "assistant", "content": "[offline rules] I store it.", "tool_calls": [call]}
    then = [
        {"role": "tool", "content": "Stored as memory m0000000a.", "tool_call_id": "c"},
        {"role": "user", "content": question},
    ]
    answered = {"role": "assistant", "content": said}
    return [
        {"messages": [*start, acted], "tools": TOOLS, "metadata": {"task_id": task, "stage": 1}},
        {"messages": [*start, acted, *then, answered], "tools": TOOLS, "metadata": {"task_id": task, "stage": 3}},
    ]


def corrected(name: str, arguments: dict) -> dict:
    """A step that ends with a call about a memory."""
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    messages = [
        {"role": "user", "content": "Ada left."},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    return shortened({"messages": messages, "tools": TOOLS, "metadata": {"task_id": "t1", "stage": 1}})


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    chance = random.Random(1)
    path = tmp_path / "rows.jsonl"
    with path.open("w") as file:
        for _ in range(300):
            name, place = chance.choice(NAMES), chance.choice(PLACES)
            for row in recorded(f"{name} lives in {place}.", f"Where does {name} live?", place):
                file.write(json.dumps(row) + "\n")
    return path


def test_thoughts_and_needless_arguments_are_left_out() -> None:
    stored, answered = (shortened(row) for row in recorded("Ada left.", "Where?", "[offline rules] I do not know."))
    call = stored["messages"][-1]["tool_calls"][0]["function"]
    assert json.loads(call["arguments"]) == {"content": "Ada left."}
    assert stored["messages"][-1]["content"] == ""
    assert answered["messages"][-1]["content"] == "Unknown"


def test_the_loss_falls_on_what_the_assistant_said_and_joined_rows_say_it_once() -> None:
    rows = [shortened(row) for row in recorded("Ada lives in Graz.", "Where does Ada live?", "Graz")]
    tokenizer = train_tokenizer(str(m["content"]) for row in rows for m in row["messages"])
    (example,) = to_examples(rows, tokenizer)
    assert len(example.ids) == len(example.labels)
    spoken = [label for label in example.labels if label != IGNORED]
    assert all(a == b for a, b in zip(example.ids, example.labels, strict=True) if b != IGNORED)
    assert tokenizer.decode(spoken) == (
        '<tool_call>\n{"name":"Add_memory","arguments":{"content":"Ada lives in Graz."}}\n</tool_call><|im_end|>'
        " Graz<|im_end|>"
    )
    assert to_examples(rows, tokenizer, max_length=5) == []


def test_a_row_weighs_what_it_ends_with() -> None:
    first, last = (shortened(row) for row in recorded("Ada lives in Graz.", "Where does Ada live?", "Graz"))
    tokenizer = train_tokenizer(str(m["content"]) for m in last["messages"])
    plain, answered = (to_examples([first, {**last, "weight": weight}], tokenizer) for weight in (1.0, 5.0))
    spoken = [weight for weight, label in zip(answered[0].weights, answered[0].labels, strict=True) if label != IGNORED]
    answer = len(tokenizer.encode(" Graz<|im_end|>"))
    assert spoken == [1.0] * (len(spoken) - answer) + [5.0] * answer

    model = build_model(tokenizer, hidden=32, layers=1, seed=0)
    call, both, weighed = (
        next(imitate(model, rows, steps=1, learning_rate=1e-9))
        for rows in (to_examples([first], tokenizer), plain, answered)
    )
    # The means of n tokens of the call and m of the answer, each token of the answer counted w times.
    n, m = len(spoken) - answer, answer
    of_answer = (both * (n + m) - call * n) / m
    assert weighed == pytest.approx((call * n + 5 * of_answer * m) / (n + 5 * m), rel=1e-3)


def test_the_id_of_a_memory_may_weigh_more_to_its_end() -> None:
    arguments = {"memory_id": "mé3k9x0ab", "content": 'Ada\'s "m3k9x0ab" left.'}
    row = corrected("Update_memory", arguments)
    tokenizer = train_tokenizer(["Ada left mé3k9x0ab."] * 3)
    (plain,), (weighed,) = (to_examples([row], tokenizer, id_weight=weight) for weight in (1.0, 10.0))
    assert set(plain.weights) == {1.0}
    heavy = [token for token, weight in zip(weighed.ids, weighed.weights, strict=True) if weight != 1.0]
    assert tokenizer.decode(heavy) == 'mé3k9x0ab","content":"'
    assert set(weighed.weights) == {1.0, 10.0}
    (twice,) = to_examples([{**row, "weight": 2}], tokenizer, id_weight=10.0)
    assert set(twice.weights) == {2.0, 20.0}
    (other,) = to_examples([corrected("Add_memory", {"content": "Ada left."})], tokenizer, id_weight=10.0)
    assert set(other.weights) == {1.0}


def test_ids_are_practiced_after_the_other_steps(chat: Path, tmp_path: Path) -> None:
    options = {"hidden": 32, "layers": 1, "seed": 3}
    figures = warm_start(chat, tmp_path / "both", steps=6, id_steps=3, **options)
    warm_start(chat, tmp_path / "first", steps=6, **options)
    both, first = (json.loads((tmp_path / name / "warm_start.json").read_text()) for name in ("both", "first"))
    assert figures["id_steps"] == 3
    assert len(both["losses"]) == 9
    assert both["losses"][:6] == first["losses"]


def test_expected_answers_are_taught_only_where_they_can_be_read() -> None:
    readable = recorded("Ada lives in Graz.", "Where does Ada live?", "Ada", task="t1")
    hidden = recorded("Ada lives here.", "Where does Ada live?", "Ada", task="t2")
    answers = {"t1": "Graz", "t2": "Cork"}
    taught = list(with_taught_answers([*readable, *hidden], answers, share=1, weight=5))
    assert [row.get("weight") for row in taught] == [None, 5, None, None]
    assert [row["messages"][-1]["content"] for row in taught[1::2]] == ["Graz", "Ada"]
    assert taught[0] == readable[0]
    assert list(with_taught_answers(readable, answers, share=0)) == readable


def test_a_file_that_is_no_chat_rows_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "hi"}]}\n')
    with pytest.raises(RowsError, match=r"x.jsonl:1: no messages"):
        list(read_rows(path))


def test_a_short_run_makes_a_policy_whose_calls_can_be_read(chat: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    figures = warm_start(chat, tmp_path / "policy", steps=120, hidden=64, layers=2, learning_rate=4e-3, seed=3)
    assert figures["loss"] < 0.35 * figures["first_loss"]

    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "policy")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "policy")
    calls = 0
    for name in NAMES:
        (row, _) = recorded(f"{name} lives in Graz.", "", "")
        prompt = tokenizer.apply_chat_template(
            row["messages"][:2], tools=TOOLS, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        ids = model.generate(**prompt, do_sample=False, max_new_tokens=40)[0, prompt["input_ids"].shape[1] :]
        parsed = parse_tool_calls(tokenizer.decode(ids, skip_special_tokens=True))
        calls += len(parsed.tool_calls) == 1 and parsed.tool_calls[0].name == "Add_memory"
    assert calls >= 5


def test_the_command_refuses_a_folder_that_holds_files(chat: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="name a new folder"):
        main(["--chat", str(chat), "--out", str(tmp_path)])


def copied(*, copying: bool, seed: int) -> list[float]:
    """Of random tokens that stood once before, the share that an untrained model names, by how far back they stood."""
    texts = [f"{name} {i} lives in {place}." for name in NAMES for place in PLACES for i in range(40)]
    tokenizer = train_tokenizer(texts, vocabulary=600)
    model = build_model(tokenizer, copying=copying, seed=seed).eval()
    draw = torch.Generator().manual_seed(seed)
    shares = []
    for gap in (0, 100, 300):
        told, between = (torch.randint(0, len(tokenizer), (8, n), generator=draw) for n in (20, gap))
        with torch.no_grad():
            scores = model(torch.cat([told, between, told], dim=1)).logits[:, -20:-1]
        shares.append(float((scores.argmax(-1) == told[:, 1:]).float().mean()))
    return shares


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_model_may_copy_what_it_has_read_before_any_training(seed: int) -> None:
    assert min(copied(copying=True, seed=seed)) > 0.3
    assert max(copied(copying=False, seed=seed)) < 0.05


def test_copying_needs_the_heads_that_it_sets() -> None:
    tokenizer = train_tokenizer(["Ada lives in Graz."])
    for sizes in ({"heads": 2}, {"layers": 1}):
        with pytest.raises(ValueError, match="4 heads and at least 2 layers"):
            build_model(tokenizer, copying=True, **sizes)  # type: ignore[arg-type]
    assert build_model(tokenizer, hidden=32, layers=2, copying=True).num_parameters() > 0


def test_the_same_seed_gives_the_same_weights() -> None:
    tokenizer = train_tokenizer(["Ada lives in Graz."])
    first, again = (build_model(tokenizer, hidden=32, layers=1, seed=5).state_dict() for _ in range(2))
    other = build_model(tokenizer, hidden=32, layers=1, seed=6).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["model.embed_tokens.weight"], other["model.embed_tokens.weight"])
    with pytest.raises(ValueError, match="do not divide"):
        build_model(tokenizer, hidden=30)
