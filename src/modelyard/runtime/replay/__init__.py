"""Replay: what was decided is asked again of another version, at a bounded rate, logged as a shadow's answers, and compared.

    question = Question(endpoint="hold", version="delay@4", since=monday, until=tuesday)
    replayed = Replays(place).run(question)
    replayed.same, replayed.different, replayed.fields

The version is an arm of the endpoint that its release permits as a shadow: nothing unapproved is asked. The rows are those that
live arms answered, with the inputs that the log has of them: where a field was masked, hashed or encrypted there, the model gets
no value for it, and rows that then do not fit are passed over and counted.

A replayed row bears the time of the decision that it repeats: erasure, retention and legal holds do to it what they do to that
one, also when they come while the replay is under way. Its id follows from that decision and the version, so that a replay that
was stopped, killed or given twice logs nothing twice: what an earlier run answered is compared from the log.
"""

from modelyard.runtime.replay.asking import Asking, replay_id
from modelyard.runtime.replay.model import Progress, Quantiles, Question, Replayed
from modelyard.runtime.replay.running import Replays

__all__ = ["Asking", "Progress", "Quantiles", "Question", "Replayed", "Replays", "replay_id"]
