import re
from pathlib import Path

import pytest
import yaml

from seq2sum.errors import UserError
from seq2sum.params_file import load_params

COMMITTED = Path(__file__).parents[1] / "params.yaml"


@pytest.fixture
def params(tmp_path):
    """The committed params as a dict, and a function that writes and loads them."""
    values = yaml.safe_load(COMMITTED.read_text())

    def load():
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(values))
        return load_params(path)

    return values, load


def test_the_committed_params_are_valid_and_frozen():
    loaded = load_params(COMMITTED)
    with pytest.raises(Exception, match="frozen"):
        loaded.train.seed = 3


def test_an_unknown_key_is_named_with_its_path(params):
    values, load = params
    values["train"]["model"]["embeding_size"] = 3
    with pytest.raises(UserError, match=r"params\.yaml[\s\S]*train\.model\.embeding_size: unknown"):
        load()


def test_every_missing_key_is_named(params):
    values, load = params
    del values["train"]["seed"], values["evaluate"]
    with pytest.raises(UserError, match=r"2 bad key\(s\):[\s\S]*train\.seed: missing[\s\S]*evaluate: missing"):
        load()


def test_a_section_that_an_older_file_lacks_is_told_with_the_lines_to_add(params):
    values, load = params
    report, search = values.pop("report"), values["evaluate"].pop("search")
    with pytest.raises(UserError, match=r"report: missing\. Add it\.") as raised:
        load()
    told = str(raised.value)
    assert "docs/reference/params.md" in told
    # What is told is YAML, and filled with the values of the reference it is all that is missing.
    blocks = re.findall(r"These lines .*:\n((?: {4}.*\n?)+)", told)
    expected = [{"evaluate": {"search": dict.fromkeys(search)}}, {"report": dict.fromkeys(report)}]
    assert [yaml.safe_load(block) for block in blocks] == expected


def test_numbers_may_be_written_as_dvc_writes_them(params, tmp_path):
    values, _ = params
    path = tmp_path / "params.yaml"
    text = yaml.safe_dump(values)
    rate = values["train"]["learning_rate"]
    path.write_text(text.replace(f"learning_rate: {rate}", "learning_rate: 1e-3"))
    assert load_params(path).train.learning_rate == 0.001


@pytest.mark.parametrize(
    ("key", "value"),
    [("dropout", 1.0), ("dropout", None), ("embedding_size", 0), ("embedding_size", 12.5), ("copy_source", "yes")],
)
def test_values_out_of_range_or_of_another_type_are_refused(params, key, value):
    values, load = params
    values["train"]["model"][key] = value
    with pytest.raises(UserError, match=rf"train\.model\.{key}: .*found"):
        load()


def test_lengths_that_exclude_each_other_are_refused(params):
    values, load = params
    values["evaluate"]["search"] |= {"min_tokens": 9, "max_tokens": 8}
    with pytest.raises(UserError, match=r"evaluate\.search: min_tokens \(9\) is larger than max_tokens \(8\)"):
        load()


def test_pretraining_needs_sentences_to_learn_from(params):
    values, load = params
    values["train"]["pretrain"]["max_steps"] = 5
    values["encode"]["pretrain_sentences"] = 0
    with pytest.raises(UserError, match=r"train\.pretrain\.max_steps needs encode\.pretrain_sentences"):
        load()
    values["encode"]["pretrain_sentences"] = 1
    assert load().train.pretrain.max_steps == 5


def test_dot_attention_asks_for_a_decoder_of_the_size_of_the_encoders_states(params):
    values, load = params
    model = values["train"]["model"]
    model |= {"attention": "dot", "encoder": "bilstm", "encoder_size": 6, "decoder_size": 12}
    assert load().train.model.attention == "dot"
    model["encoder"] = "lstm"
    with pytest.raises(UserError, match=r"train\.model: attention `dot` needs a decoder_size \(12\).*\(6: 6 for each"):
        load()


def test_windows_that_leave_pieces_unread_are_refused(params):
    values, load = params
    values["train"]["model"] |= {"conv_width": 3, "conv_stride": 4}
    with pytest.raises(UserError, match=r"train\.model: conv_stride \(4\) is larger than conv_width \(3\)"):
        load()


@pytest.mark.parametrize(
    ("names", "fits"),
    [
        (["all"], True),
        (["train", "val", "test"], True),
        (["train", "test"], True),
        (["train"], True),
        (["all", "test"], False),
        (["val", "test"], False),
        ([], False),
    ],
)
def test_a_source_names_all_or_its_train_split(params, names, fits):
    values, load = params
    values["ingest"]["source"] = {
        "kind": "files", "paths": {name: [f"{name}.jsonl"] for name in names},
        "document": "text", "summary": "title", "id": None, "group": None,
    }  # fmt: skip
    if fits:
        assert set(load().ingest.source.paths) == set(names)
    else:
        with pytest.raises(UserError, match=r"ingest\.source\.files\.paths: give `all`"):
            load()


@pytest.mark.parametrize("content", ["a: [", "- 1\n- 2\n", "", "\tx: 1"])
def test_a_file_that_is_no_params_file_is_named(tmp_path, content):
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=r"params\.yaml"):
        load_params(path)
    with pytest.raises(UserError, match="not found"):
        load_params(tmp_path / "other.yaml")
