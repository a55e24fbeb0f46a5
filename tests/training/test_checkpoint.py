import sys

import pytest
import torch

from seq2sum.training import checkpoint as checkpoint_module
from seq2sum.training.checkpoint import Checkpoint, CheckpointStore

CPU = torch.device("cpu")


def checkpoint(value: float) -> Checkpoint:
    return Checkpoint({"weights": torch.full((3,), value)}, {"value": value})


def test_the_newest_comes_back_and_old_ones_go(tmp_path):
    store = CheckpointStore(tmp_path, keep=2)
    for step in (5, 10, 15):
        store.save(step, checkpoint(step))
    found = store.latest(CPU)
    assert found.facts == {"value": 15}
    assert torch.equal(found.tensors["weights"], torch.full((3,), 15.0))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000000010-000.json", "step-000000010-000.safetensors",
        "step-000000015-000.json", "step-000000015-000.safetensors",
    ]  # fmt: skip


@pytest.mark.parametrize("keep", [1, 2])
def test_a_step_that_is_saved_again_keeps_what_was_there_until_it_is_whole(tmp_path, monkeypatch, keep):
    store = CheckpointStore(tmp_path, keep)
    store.save(5, checkpoint(1))
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_module, "write_json", lambda *_: sys.exit("killed"))
        with pytest.raises(SystemExit):
            store.save(5, checkpoint(2))
    found = store.latest(CPU)
    assert found.facts == {"value": 1}
    assert torch.equal(found.tensors["weights"], torch.full((3,), 1.0))
    for value in range(3, 15):
        store.save(5, checkpoint(value))
        assert store.latest(CPU).facts == {"value": value}
    assert len(list(tmp_path.iterdir())) == 2 * keep


@pytest.mark.parametrize("damage", ["bit", "cut", "facts", "gone"])
def test_a_damaged_newest_falls_back_to_the_one_before(tmp_path, damage):
    store = CheckpointStore(tmp_path)
    store.save(5, checkpoint(5))
    store.save(10, checkpoint(10))
    tensors, facts = tmp_path / "step-000000010-000.safetensors", tmp_path / "step-000000010-000.json"
    content = tensors.read_bytes()
    if damage == "bit":
        tensors.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "cut":
        tensors.write_bytes(content[:-4])
    elif damage == "facts":
        facts.write_text(facts.read_text()[:-9])
    else:
        tensors.unlink()
    assert store.latest(CPU).facts == {"value": 5}


def test_tensors_without_facts_do_not_count(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save(5, checkpoint(5))
    (tmp_path / "step-000000005-000.json").unlink()
    assert store.latest(CPU) is None


@pytest.mark.parametrize("keep", [1, 2])
def test_what_is_saved_after_damage_outlives_the_damaged(tmp_path, keep):
    store = CheckpointStore(tmp_path, keep)
    for step in (500, 1000):
        store.save(step, checkpoint(step))
    for damaged in tmp_path.glob("*.safetensors"):
        damaged.write_bytes(b"")
    (tmp_path / "step-000000737-000.safetensors").write_bytes(b"killed before its facts were written")
    assert store.latest(CPU) is None
    for step in (0, 250):
        store.save(step, checkpoint(step))
    assert store.latest(CPU).facts == {"value": 250}
    assert len(list(tmp_path.iterdir())) == 2 * keep
