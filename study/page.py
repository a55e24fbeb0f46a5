"""Stage page: the claims beside what was measured, with tables and pictures, in one HTML file."""

import base64
import html
from collections.abc import Sequence
from dataclasses import asdict
from statistics import mean

from pipeline.stages.runner import run_guarded
from seq2sum.files import write_json, write_text
from seq2sum.params_file import load_yaml
from study import figures, settings
from study.claims import judge_all
from study.judging import Judged
from study.results import Results, mean_score, read_results, seconds_per_token
from study.settings import StudyParams

Rows = Sequence[Sequence[str]]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem; }
th, td { border-bottom: 1px solid #ddd; padding: 0.35rem 0.7rem; text-align: left; vertical-align: top; }
td.number { text-align: right; white-space: nowrap; }
td.holds { color: #00694a; font-weight: bold; } td.not { color: #b34700; font-weight: bold; }
img { max-width: 100%; } .scroll { overflow-x: auto; }
"""


def page_of(results: Results, judged: Sequence[Judged], params: StudyParams) -> str:
    """The page as HTML that needs no other file."""
    chance = 1 / params.recall.num_symbols
    seeds = ", ".join(map(str, params.runs.recall.seeds))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>What is said of LSTMs, and what we measured</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>
<h1>What is said of LSTMs, and what we measured</h1>
<p>Each claim of the text that this project grew from stands beside measurements on a synthetic recall task and on the
default corpus. No verdict is written by hand: the rule in the third column gives it. Where seeds disagree, where a
difference is not significant, or where two costs differ by less than {params.claims.ratio:g} times, it is not
settled.</p>
{_claims_table(judged)}
<h2>The recall task</h2>
<p>A mark, a symbol, distractors from the same alphabet of {params.recall.num_symbols}, and then the question for the
symbol: the lag is the number of positions between symbol and question. Every encoder has states of
{params.recall.state_size} features and learns for {params.recall.num_steps:,} updates of {params.recall.batch_rows}
sequences, first on short lags and then on all; seeds {seeds}, a line each.</p>
{_image(figures.accuracy_figure(results, chance), "accuracy against lag")}
{_recall_table(results)}
<h2>Gradients</h2>
<p>Norm of the gradient of the right answer's logit with respect to the symbol's embedding. Recurrent weights start
orthogonal, the best case for a plain RNN. What is below 10<sup>−20</sup> leaves the picture.</p>
{_image(figures.gradient_figure(results), "gradient against lag")}
<h2>The forget gate</h2>
<p>Read from the gate-by-gate LSTM with the trained weights, at lag {params.recall.gate_lag}.</p>
{_image(figures.forget_gate_figure(results), "values of the forget gate")}
<h2>The corpus</h2>
<p>The summarizer with each encoder, states of {params.corpus.state_size} features, at equal budget: at most
{params.corpus.params["train"]["max_steps"]:,} updates of {params.corpus.params["train"]["batch_tokens"]:,} padded
tokens, one seed. ROUGE on {params.corpus.num_test_pairs:,} test pairs.</p>
{_corpus_table(results)}
{_image(figures.training_figure(results), "validation loss against CPU time")}
{_image(figures.size_figure(results), "ROUGE-1 against training pairs")}
<h2>Time</h2>
<p>Encoders forward and backward on {params.cost.batch_tokens:,} tokens a batch, and the decoder; the fastest of
{params.cost.repeats}. Dashed: all threads.</p>
{_cost_table(results)}
{_image(figures.cost_figure(results), "time per token against row length")}
{_image(figures.decoder_figure(results), "time of the decoder against its steps")}
</body></html>
"""


def _claims_table(judged: Sequence[Judged]) -> str:
    rows = []
    for one in judged:
        kind = {"holds": "holds", "does not hold": "not"}.get(one.verdict, "")
        cells = "".join(f"<td>{html.escape(text)}</td>" for text in (one.claim, one.measured, one.rule))
        rows.append(f'<tr>{cells}<td class="{kind}">{one.verdict}</td></tr>')
    head = "<tr><th>Claim</th><th>Measured</th><th>Rule</th><th>Verdict</th></tr>"
    return f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def _recall_table(results: Results) -> str:
    head = ["encoder", "parameters", "CPU seconds", *(f"lag {lag}" for lag in results.lags)]
    rows = [
        [
            encoder,
            f"{runs[0]['num_parameters']:,}",
            f"{mean(run['cpu_seconds'] for run in runs):.0f}",
            *(f"{mean(run['accuracy'][str(lag)] for run in runs):.2f}" for lag in results.lags),
        ]
        for encoder, runs in results.recall.items()
    ]
    return _table(head, rows)


def _corpus_table(results: Results) -> str:
    head = ["encoder", "pairs", "parameters", "updates", "loss", "R-1", "R-2", "R-L", "lead R-1", "wall s", "CPU s"]
    parts = [run for runs in results.sizes.values() for run in runs[:-1]]
    rows = [
        [
            run["encoder"],
            f"{run['num_pairs']:,}",
            f"{run['num_parameters']:,}",
            f"{run['steps']:,}",
            f"{min(run['validation']['losses']):.3f}",
            *(f"{mean_score(run, kind):.2f}" for kind in ("rouge1", "rouge2", "rougeL")),
            f"{mean_score(run, system='lead'):.2f}",
            f"{run['wall_seconds']:.0f}",
            f"{run['cpu_seconds']:.0f}",
        ]
        for run in [*results.corpus.values(), *parts]
    ]
    return _table(head, rows)


def _cost_table(results: Results) -> str:
    head = ["encoder", "parameters", *(f"µs a token, rows of {length}" for length in results.lengths)]
    rows = [
        [
            encoder,
            f"{cost['num_parameters']:,}",
            *(f"{seconds_per_token(results, encoder, length) * 1e6:.2f}" for length in results.lengths),
        ]
        for encoder, cost in results.cost["encoders"].items()
    ]
    return _table(head, rows)


def _table(head: Sequence[str], rows: Rows) -> str:
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr><td>{html.escape(first)}</td>" + "".join(f'<td class="number">{cell}</td>' for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    return f'<div class="scroll"><table><tr>{top}</tr>{body}</table></div>'


def _image(svg: str, what: str) -> str:
    """A picture of its own: inlined as markup, the ids of two pictures would clash."""
    data = base64.b64encode(svg.encode()).decode()
    return f'<p><img alt="{what}" src="data:image/svg+xml;base64,{data}"></p>'


def stage() -> None:
    """Judges, writes the verdicts and the page, and prints the verdicts."""
    params = load_yaml(settings.PARAMS, StudyParams)
    results = read_results(params.runs)
    judged = judge_all(results, params.claims)
    write_json(settings.CLAIMS, [asdict(one) for one in judged])
    write_text(settings.PAGE, page_of(results, judged, params))
    for one in judged:
        print(f"{one.verdict:<14} {one.claim}")
    print(f"{settings.PAGE} sets them beside the numbers.", flush=True)


if __name__ == "__main__":
    run_guarded("page", stage)
