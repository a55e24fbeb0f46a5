"""The page to try a model on: its files, and the answers to what it asks. Nothing is loaded from elsewhere."""

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.batch import Row
from pipeline.demo.batch import rows_of
from pipeline.demo.shown import Gate, ShownModel
from pipeline.demo.stream import Send, lines_of
from pipeline.demo.votes import Choice, Vote, Votes
from pipeline.serving.limits import TooLarge
from seq2sum.errors import UserError
from seq2sum.params_file import describe_problem
from seq2sum.service.requests import check_document, check_num_rows

_STATIC = Path(__file__).parent / "static"
# So that a browser, too, keeps the page from loading anything from elsewhere.
_POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
# Rows of a batch that are summarized between two signs of progress.
_STEP = 8
_CHANGES = TypeAdapter(dict[str, Any])
JSON_LINES = "application/x-ndjson"


class Ask(BaseModel):
    """A document for the model of that name."""

    model_config = ConfigDict(extra="forbid")
    model: str
    document: str


class SummarizeAsk(Ask):
    """``search`` holds changes to the model's own search settings."""

    search: dict[str, Any] = {}
    best: int = Field(default=1, ge=1, le=10)


class ExplainAsk(Ask):
    """``ids`` are the pieces of a summary."""

    ids: list[int] = Field(max_length=2_000)


class GatesAsk(Ask):
    """Which gate of the LSTM that reads ahead or back."""

    gate: Gate
    direction: Literal["ahead", "back"]


class VoteAsk(BaseModel):
    """Both models' summaries of a document, and the better one."""

    model_config = ConfigDict(extra="forbid")
    document: str
    champion: str
    challenger: str
    choice: Choice


def create_app(models: Sequence[ShownModel], votes: Votes, allowed_hosts: Sequence[str]) -> FastAPI:
    """The application over one model, or over champion and challenger."""
    app = FastAPI(title="seq2sum", docs_url=None, redoc_url=None, openapi_url=None)
    by_name = {model.name: model for model in models}

    def named(name: str) -> ShownModel:
        if name not in by_name:
            raise UserError(f"There is no model {name!r} here, but: {', '.join(by_name)}.")
        return by_name[name]

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html")

    @app.get("/api/about")
    def about() -> dict[str, Any]:
        return {"models": [model.about() for model in models], "votes": votes.counts()}

    @app.post("/api/summarize")
    def summarize(ask: SummarizeAsk) -> StreamingResponse:
        model, document = named(ask.model), check_document(ask.document)
        return _streamed(lambda send: _summarize(model, document, ask, send))

    @app.post("/api/explain")
    def explain(ask: ExplainAsk) -> dict[str, Any]:
        return named(ask.model).explain(check_document(ask.document), ask.ids)

    @app.post("/api/gates")
    def gates(ask: GatesAsk) -> dict[str, Any]:
        return named(ask.model).gates(check_document(ask.document), ask.gate, reverse=ask.direction == "back")

    @app.post("/api/batch")
    async def batch(
        request: Request,
        model: str,
        name: str,
        column: Annotated[str, Query(min_length=1)],
        search: str = "{}",
    ) -> StreamingResponse:
        rows = rows_of(name, await request.body(), column)
        check_num_rows(len(rows))
        shown, changes = named(model), _changes(search)
        shown.settings(changes)  # told before the answer begins
        return _streamed(lambda send: _summarize_all(shown, rows, changes, send))

    @app.post("/api/votes")
    def vote(ask: VoteAsk) -> dict[str, int]:
        check_document(ask.document)
        champion, challenger = named("champion").sha256, named("challenger").sha256
        votes.add(Vote(ask.document, ask.champion, ask.challenger, champion, challenger, ask.choice))
        return votes.counts()

    @app.get("/api/votes.jsonl")
    def pairs(
        document: str = "document", summary: str = "summary", key: Annotated[Sequence[str], Query()] = ()
    ) -> StreamingResponse:
        headers = {"Content-Disposition": 'attachment; filename="votes.jsonl"'}
        return StreamingResponse(votes.pairs(document, summary, key), media_type=JSON_LINES, headers=headers)

    @app.exception_handler(UserError)
    def told(_request: Request, error: UserError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=422)

    @app.exception_handler(RequestValidationError)
    def misunderstood(_request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": " ".join(map(describe_problem, error.errors()))}, status_code=422)

    @app.middleware("http")
    async def with_policy(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await answer(request)
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    app.mount("/static", StaticFiles(directory=_STATIC))
    app.add_middleware(TooLarge)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts))
    return app


def _changes(search: str) -> dict[str, Any]:
    try:
        return _CHANGES.validate_json(search)
    except ValidationError as error:
        raise UserError("search: no JSON object of changes to the search settings.") from error


def _streamed(work: Callable[[Send], None]) -> StreamingResponse:
    lines: Iterator[str] = lines_of(work)
    return StreamingResponse(lines, media_type=JSON_LINES)


def _summarize(model: ShownModel, document: str, ask: SummarizeAsk, send: Send) -> None:
    began = time.perf_counter()
    (found,) = model.summarize([document], ask.search, ask.best, watch=lambda _place, text: send({"writing": text}))
    seconds = time.perf_counter() - began
    send(
        {
            "summaries": [{"text": one.text, "score": round(one.score, 4), "ids": one.ids} for one in found],
            "truncated": found[0].truncated,
            "foreign": model.is_foreign(document),
            "seconds": round(seconds, 3),
            "explanation": model.explain(document, found[0].ids),
        }
    )


def _summarize_all(model: ShownModel, rows: Sequence[Row], search: dict[str, Any], send: Send) -> None:
    send({"total": len(rows)})
    for start in range(0, len(rows), _STEP):
        part = rows[start : start + _STEP]
        documents = [row.document for row in part if row.document is not None]
        summaries = iter(model.summarize(documents, search, 1))
        for row in part:
            if row.document is None:
                send({"row": row.number, "rejected": row.rejected})
                continue
            best, *_ = next(summaries)
            told = {"document": row.document, "summary": best.text, "score": round(best.score, 4)}
            send({"row": row.number, **told, "truncated": best.truncated})
