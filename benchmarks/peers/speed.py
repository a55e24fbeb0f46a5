"""One measurement of a peer in a process of its own, in the peers' environment: ``speed.py JOB SIZE FOLDER``.

Prints a line of JSON, like ``benchmarks.ours``. The peers' own training loops run, on one thread and the same pairs.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sizes import SIZES, Size, read_rows

WARM_UP_STEPS = 2
# A measurement ends after so many CPU seconds, but not before so many steps.
ENOUGH_SECONDS, FEWEST_STEPS = 12.0, 4


class Measured(Exception):  # noqa: N818 - the end of a measurement is no error
    """Enough steps were made."""


class Steps:
    """Notes the process's CPU seconds at each step, and what the steps between read."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.counts: list[tuple[int, int, int]] = []

    def begin(self, pairs: int, source_tokens: int, target_tokens: int) -> None:
        """A step with so much to read begins."""
        self.seconds.append(time.process_time())
        self.counts.append((pairs, source_tokens, target_tokens))
        measured = len(self.seconds) - 1 - WARM_UP_STEPS
        if measured >= FEWEST_STEPS and self.seconds[-1] - self.seconds[WARM_UP_STEPS] >= ENOUGH_SECONDS:
            raise Measured

    def result(self) -> dict[str, float]:
        """The measurement, without the steps that warm up."""
        pairs, source_tokens, target_tokens = (
            sum(column) for column in zip(*self.counts[WARM_UP_STEPS:-1], strict=True)
        )
        return {
            "seconds": self.seconds[-1] - self.seconds[WARM_UP_STEPS],
            "pairs": pairs,
            "source_tokens": source_tokens,
            "target_tokens": target_tokens,
        }


def opennmt_options(size: Size, folder: Path, recipe: list[str]) -> list[str]:
    """The command line that trains an RNN of that size; ``recipe`` sets attention and copying."""
    corpus = {"path_src": str(folder / "train.src"), "path_tgt": str(folder / "train.tgt")}
    return [
        *("onmt_train", "-data", json.dumps({"corpus": corpus})),
        *("-src_vocab", str(folder / "vocabulary"), "-tgt_vocab", str(folder / "vocabulary"), "-share_vocab"),
        *("-src_vocab_size", "100000", "-tgt_vocab_size", "100000", "-share_embeddings"),
        *("-encoder_type", "brnn", "-decoder_type", "rnn", "-rnn_type", "LSTM", "-layers", "1", "-bridge"),
        *("-word_vec_size", str(size.embedding_size), "-hidden_size", str(size.decoder_size)),
        *("-dropout", "0.1", "-optim", "adam", "-learning_rate", "0.001", "-max_grad_norm", "2"),
        *("-batch_size", str(size.batch_pairs), "-bucket_size", str(size.num_pairs), "-num_workers", "0"),
        *("-train_steps", "100000", "-save_checkpoint_steps", "0", "-report_every", "1000", "-seed", "1"),
        *("-save_model", str(folder / "opennmt"), *recipe),
    ]


# The documentation's recipe for summaries, and the fastest that the options allow.
OPENNMT_COPY = ["-global_attention", "mlp", "-copy_attn", "-reuse_copy_attn", "-copy_loss_by_seqlength"]
OPENNMT_FASTEST = ["-global_attention", "general", "-input_feed", "0"]
OPENNMT_PLAIN = ["-global_attention", "mlp"]


def train_opennmt(size: Size, folder: Path, recipe: list[str]) -> dict[str, Any]:
    """Training pairs by ``onmt_train``."""
    import onmt.bin.train
    from onmt.trainer import Trainer

    steps, step = Steps(), Trainer._gradient_accumulation

    def watched(trainer: Trainer, batches: list[dict[str, Any]], *args: object) -> None:
        (batch,) = batches
        is_real = batch["tgt"][:, 1:, 0].ne(trainer.train_loss.padding_idx)
        steps.begin(len(batch["tgt"]), int(batch["srclen"].sum()), int(is_real.sum()))
        step(trainer, batches, *args)

    Trainer._gradient_accumulation = watched
    sys.argv = opennmt_options(size, folder, recipe)
    _until_measured(onmt.bin.train.main)
    return steps.result()


def train_joeynmt(size: Size, folder: Path) -> dict[str, Any]:
    """Training pairs by JoeyNMT's trainer."""
    from joeynmt.training import TrainManager, train

    steps, step = Steps(), TrainManager._train_step

    def watched(manager: TrainManager, batch: Any) -> object:
        steps.begin(int(batch.nseqs), int(batch.src_length.sum()), int(batch.ntokens))
        return step(manager, batch)

    TrainManager._train_step = watched
    side = {"level": "word", "voc_file": str(folder / "vocabulary")}
    embeddings = {"embedding_dim": size.embedding_size}
    layers = {"type": "recurrent", "rnn_type": "lstm", "embeddings": embeddings, "num_layers": 1, "dropout": 0.1}
    with tempfile.TemporaryDirectory() as store:
        config = {
            "name": "speed",
            "model_dir": store,
            "use_cuda": False,
            "data": {
                **{"train": str(folder / "train"), "dev": str(folder / "train"), "dataset_type": "plain"},
                **{"src": {"lang": "src", **side}, "trg": {"lang": "tgt", **side}},
            },
            "testing": {},
            "training": {
                **{"optimizer": "adam", "learning_rate": 0.001, "clip_grad_norm": 1.0, "normalization": "tokens"},
                **{"batch_size": size.batch_pairs, "epochs": 100, "shuffle": True},
                **{"validation_freq": 100000, "logging_freq": 1000, "early_stopping_metric": "loss"},
            },
            "model": {
                "tied_embeddings": True,
                "encoder": {**layers, "hidden_size": size.encoder_size, "bidirectional": True},
                "decoder": {
                    **{**layers, "hidden_size": size.decoder_size, "hidden_dropout": 0.1, "input_feeding": True},
                    **{"init_hidden": "bridge", "attention": "luong"},
                },
            },
        }
        _without_plateau(config)
        _until_measured(lambda: train(rank=0, world_size=0, cfg=config, skip_test=True))
    return steps.result()


def _without_plateau(config: dict[str, Any]) -> None:
    """JoeyNMT's default scheduler passes an argument that PyTorch 2.13 refuses; a decay by epochs costs no time."""
    config["training"] |= {"scheduling": "exponential", "decrease_factor": 0.99}


def decode_opennmt(size: Size, folder: Path) -> dict[str, Any]:
    """Summaries by ``onmt_translate`` with untrained weights: beam 4, each of the mean length."""
    import onmt.bin.train
    import onmt.bin.translate
    from onmt.inference_engine import InferenceEnginePY
    from onmt.trainer import Trainer

    Trainer.train = lambda trainer, *args, **settings: trainer.model_saver.save(0)
    sys.argv = opennmt_options(size, folder, OPENNMT_PLAIN)
    onmt.bin.train.main()

    seconds: list[float] = []
    infer = InferenceEnginePY.infer_file

    def timed(engine: InferenceEnginePY) -> object:
        start = time.process_time()
        result = infer(engine)
        seconds.append(time.process_time() - start)
        return result

    InferenceEnginePY.infer_file = timed
    length, output = str(size.mean_target), folder / "opennmt.out"
    sys.argv = [
        *("onmt_translate", "-model", str(folder / "opennmt_step_0.pt"), "-src", str(folder / "decode.src")),
        *("-output", str(output), "-beam_size", "4", "-min_length", length, "-max_length", length),
        *("-batch_size", str(size.batch_pairs)),
    ]
    onmt.bin.translate.main()
    return {"seconds": seconds[0], "pairs": len(output.read_text().splitlines())}


# Widths that give BART-base's six layers our number of parameters, and that of OpenNMT-py's network of these sizes.
BART_LAYERS, BART_HEADS = 6, 4
BART_WIDTHS = {"": 180, "_long": 164}
LARGE_BART_WIDTHS = {"": 256, "_long": 336}


def decode_bart(size: Size, folder: Path, width: int) -> dict[str, Any]:
    """Summaries by an untrained network of BART's shape (Lewis et al. 2020): beam 4, each of the mean length."""
    from transformers import BartConfig, BartForConditionalGeneration

    shape = {
        f"{side}_{what}": value
        for side in ("encoder", "decoder")
        for what, value in (("layers", BART_LAYERS), ("attention_heads", BART_HEADS), ("ffn_dim", 4 * width))
    }
    config = BartConfig(vocab_size=size.vocab_size, d_model=width, max_position_embeddings=512, **shape)
    torch.manual_seed(1)
    model = BartForConditionalGeneration(config).eval()
    rows = [torch.from_numpy(row).long() for row in read_rows(folder / "decode.src")]
    length = {"min_new_tokens": size.mean_target, "max_new_tokens": size.mean_target}

    def summarize(batch: list[torch.Tensor]) -> int:
        ids = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True, padding_value=config.pad_token_id)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in batch], batch_first=True)
        return len(model.generate(ids, attention_mask=mask, num_beams=4, do_sample=False, **length))

    summarize(rows[:2])
    start = time.process_time()
    batches = range(0, len(rows), size.batch_pairs)
    num_pairs = sum(summarize(rows[first : first + size.batch_pairs]) for first in batches)
    seconds = time.process_time() - start
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"seconds": seconds, "pairs": num_pairs, "num_parameters": num_parameters}


def _until_measured(run: Callable[[], object]) -> None:
    try:
        run()
    except Measured:
        return
    raise AssertionError("the training ended by itself")


JOBS: dict[str, Callable[[Size, Path], dict[str, Any]]] = {
    "train_opennmt_copy": lambda size, folder: train_opennmt(size, folder, OPENNMT_COPY),
    "train_opennmt_fastest": lambda size, folder: train_opennmt(size, folder, OPENNMT_FASTEST),
    "train_joeynmt": train_joeynmt,
    "decode_opennmt": decode_opennmt,
    "decode_bart": lambda size, folder: decode_bart(size, folder, BART_WIDTHS[size.key]),
    "decode_large_bart": lambda size, folder: decode_bart(size, folder, LARGE_BART_WIDTHS[size.key]),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    job, size_name, folder_name = sys.argv[1:]
    outcome = JOBS[job](SIZES[size_name], Path(folder_name))
    outcome["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(outcome))
