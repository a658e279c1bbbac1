"""Handlers of batches: asking makes a job, and what became of the job is noted."""

from __future__ import annotations

from typing import Any

from modelyard.core.bus import Handling, Request, Work
from modelyard.core.errors import InvalidInput, NotFound, WrongState
from modelyard.core.messages import Event, Subject
from modelyard.core.records import Transaction
from modelyard.delivery.batches.commands import CancelBatch, RecordBatch, StartBatch
from modelyard.delivery.batches.events import BatchCancelled, BatchFailed, BatchFinished, BatchStarted
from modelyard.delivery.batches.model import BATCHES, Batch, BatchState
from modelyard.delivery.batches.places import Places
from modelyard.delivery.service import endpoint_named
from modelyard.jobs import Order, enqueue
from modelyard.jobs.commands import CancelJob
from modelyard.jobs.service import cancel_job

JOB_KIND = "batch.score"
RESOURCE = "batches"
_ENDED = (BatchState.DONE, BatchState.CANCELLED)


def start_batch(work: Work, command: StartBatch, places: Places) -> Batch:
    """Keep the order and enqueue its job. Nothing is read yet, but no path outside the lent folders gets this far."""
    endpoint = endpoint_named(work.tx, work.organisation, command.endpoint)
    if command.arm is not None and command.shares:
        raise InvalidInput("an arm and a draw by shares exclude each other", field="arm")
    made = work.new("bat")
    order = command.model_dump(mode="json", exclude={"engine", "processes", "longest", "blob_format"})
    order |= {"inputs": [places.input(text) for text in command.inputs], "out": places.output(command.out, made["id"])}
    payload = {"batch": made["id"], "order": order, "blob_format": command.blob_format}
    payload |= {"engine": command.engine, "processes": command.processes}
    job = enqueue(work, Order(JOB_KIND, payload, timeout_s=command.longest, max_attempts=3, resource=RESOURCE))
    batch = Batch(
        **made,
        endpoint=endpoint.name,
        use_case=endpoint.use_case,
        tier=endpoint.tier,
        order=order,
        job=job.id,
        requested_by=work.actor.id,
    )
    kept = work.add(BATCHES, batch)
    work.emit(BatchStarted(batch=kept.id, endpoint=kept.endpoint, job=job.id), f"batch:{kept.id}")
    return kept


def cancel_batch(work: Work, command: CancelBatch) -> Batch:
    """Ask its job to stop; the batch is cancelled when the job says so."""
    batch = batch_of(work.tx, work.organisation, command.batch)
    if batch.state in (*_ENDED, BatchState.FAILED):
        raise WrongState(f"batch {batch.id} is {batch.state.value} already", field="batch")
    cancel_job(work, CancelJob(job=batch.job))
    return batch


def record_batch(work: Work, command: RecordBatch) -> Batch:
    """Note a state. What is done or cancelled stays so; being told of it again changes nothing."""
    batch = batch_of(work.tx, work.organisation, command.batch)
    state = BatchState(command.state)
    if batch.state is state or batch.state in _ENDED:
        return batch
    if state is BatchState.RUNNING:
        return work.save(BATCHES, batch.model_copy(update={"state": state}))
    changes: dict[str, Any] = {"state": state, "error": command.error, "finished_at": work.now}
    if command.result is not None:
        changes |= {name: command.result[name] for name in _TOLD} | {"output": command.result["out"]}
    kept = work.save(BATCHES, Batch.model_validate(batch.model_dump() | changes))
    work.emit(_event(kept), f"batch:{kept.id}")
    return kept


_TOLD = ("read", "answered", "rejected", "logged", "by_arm", "arms", "epoch", "snapshot", "input")


def _event(batch: Batch) -> Event:
    if batch.state is BatchState.DONE:
        versions = tuple(str(arm["version"]) for arm in batch.arms)
        return BatchFinished(
            batch=batch.id, endpoint=batch.endpoint, versions=versions, answered=batch.answered, rejected=batch.rejected
        )
    if batch.state is BatchState.CANCELLED:
        return BatchCancelled(batch=batch.id, endpoint=batch.endpoint)
    return BatchFailed(batch=batch.id, endpoint=batch.endpoint, error=batch.error or "")


def batch_of(tx: Transaction, organisation: str, batch_id: str) -> Batch:
    """The organisation's batch of that id. Raises NotFound."""
    batch = tx.get(BATCHES, batch_id)
    if batch.organisation != organisation:
        raise NotFound(f"no record {batch_id!r} in {BATCHES.name}", field="batch")
    return batch


def _of_endpoint(tx: Transaction, request: Request, command: StartBatch) -> Subject:
    endpoint = endpoint_named(tx, request.organisation, command.endpoint)
    attributes = {"stage": endpoint.stage, "tier": endpoint.tier, "use_case": endpoint.use_case}
    return Subject(type="endpoint", id=endpoint.name, attributes=attributes)


def _of_batch(tx: Transaction, request: Request, command: CancelBatch | RecordBatch) -> Subject:
    batch = batch_of(tx, request.organisation, command.batch)
    return Subject(type="batch", id=batch.id, attributes={"tier": batch.tier, "use_case": batch.use_case})


def handlings(places: Places) -> list[Handling[Any]]:
    """The commands of batches, for an installation that lends these places."""
    return [
        Handling(StartBatch, lambda work, command: start_batch(work, command, places), _of_endpoint, Batch),
        Handling(CancelBatch, cancel_batch, _of_batch, Batch),
        Handling(RecordBatch, record_batch, _of_batch, Batch),
    ]
