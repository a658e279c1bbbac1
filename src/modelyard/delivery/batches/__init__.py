"""Batches that the platform scores: asked for by a command, done by a job, ended by what became of the job."""

from modelyard.delivery.batches.erasing import BatchCopies
from modelyard.delivery.batches.events import EVENTS
from modelyard.delivery.batches.model import BATCHES, TABLES, Batch, BatchState
from modelyard.delivery.batches.places import Places
from modelyard.delivery.batches.service import JOB_KIND, handlings

__all__ = ["BATCHES", "EVENTS", "JOB_KIND", "TABLES", "Batch", "BatchCopies", "BatchState", "Places", "handlings"]
