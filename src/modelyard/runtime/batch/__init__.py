"""Batches: files scored by what was released, and by nothing else, with every decision in the log exactly once.

    order = Order(endpoint="hold", inputs=("arrivals/",), out="answers")
    result = Batches(place).run(order)

The input is cut into parts (a row group, a record batch, a range of lines). Each part is answered, made durable, logged and
published by itself; whoever is killed leaves parts that are done or not, and the same order goes on where it ended.
"""

from modelyard.runtime.batch.model import Invalid, Order, Place, Progress, Result
from modelyard.runtime.batch.running import Batches

__all__ = ["Batches", "Invalid", "Order", "Place", "Progress", "Result"]
