"""Functions that a model defines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from modelyard.dmn.feel.scope import Code, Env
from modelyard.dmn.feel.semantics import coerce
from modelyard.dmn.feel.stack import roomy
from modelyard.dmn.feel.types import ANY, AnyType, FunctionType, class_of
from modelyard.dmn.feel.values import Value
from modelyard.dmn.run import Run


class Closure:
    """A function with the environment in which it was made. Arguments and result are coerced to their types."""

    __slots__ = ("_classes", "_result", "body", "env", "name", "parameters", "type", "types")

    def __init__(
        self, name: str, parameters: tuple[str, ...], types: tuple[AnyType, ...], result: AnyType, body: Code, env: Env | None
    ) -> None:
        self.name, self.parameters, self.types, self.body, self.env = name, parameters, types, body, env
        self.type = FunctionType(types, result)
        self._classes, self._result = tuple(map(class_of, types)), class_of(result)

    def call(self, run: Run, arguments: Sequence[Value]) -> Value:
        if len(arguments) != len(self.parameters):
            return run.null(f"{self.name}() takes {len(self.parameters)} arguments, not {len(arguments)}")
        env: Env = [self.env, run]
        for place, value in enumerate(arguments):
            if value is None or type(value) is self._classes[place]:
                env.append(value)
                continue
            fit = self._fitting(place, value, run)
            if fit is None:
                return None
            env.append(fit)
        run.enter()
        found = roomy(run, self.body, env)
        run.leave()
        result = self.type.result
        if result is ANY or found is None or type(found) is self._result:
            return found
        return coerce(found, result, run, f"the result of {self.name}()")

    def _fitting(self, place: int, value: Value, run: Run) -> Value:
        type_ = self.types[place]
        return value if type_ is ANY else coerce(value, type_, run, f"argument {self.parameters[place]!r} of {self.name}()")

    def call_named(self, run: Run, arguments: Mapping[str, Value]) -> Value:
        return _in_order(self, run, arguments)


class External:
    """A function that is outside of FEEL (Java, PMML): it can be named and passed on; its call gives null and says why."""

    __slots__ = ("language", "name", "parameters", "type")

    def __init__(self, name: str, parameters: tuple[str, ...], types: tuple[AnyType, ...], language: str) -> None:
        self.name, self.parameters, self.language = name, parameters, language
        self.type = FunctionType(types, ANY)

    def call(self, run: Run, arguments: Sequence[Value]) -> Value:
        return run.null(f"{self.name}() is an external {self.language} function, which this engine does not run")

    def call_named(self, run: Run, arguments: Mapping[str, Value]) -> Value:
        return self.call(run, ())


class Wrapped:
    """A function that the engine itself makes of something else: a decision service, an imported model's function."""

    __slots__ = ("implementation", "name", "parameters", "type", "types")

    def __init__(
        self,
        name: str,
        parameters: tuple[str, ...],
        types: tuple[AnyType, ...],
        result: AnyType,
        implementation: Callable[[Run, Sequence[Value]], Value],
    ) -> None:
        self.name, self.parameters, self.types, self.implementation = name, parameters, types, implementation
        self.type = FunctionType(types, result)

    def call(self, run: Run, arguments: Sequence[Value]) -> Value:
        if len(arguments) != len(self.parameters):
            return run.null(f"{self.name}() takes {len(self.parameters)} arguments, not {len(arguments)}")
        run.enter()
        found = roomy(run, lambda env: self.implementation(run, arguments), [])
        run.leave()
        return found

    def call_named(self, run: Run, arguments: Mapping[str, Value]) -> Value:
        return _in_order(self, run, arguments)


def _in_order(function: Closure | Wrapped, run: Run, arguments: Mapping[str, Value]) -> Value:
    for name in arguments:
        if name not in function.parameters:
            return run.null(f"{function.name}() has no parameter {name!r}")
    missing = [name for name in function.parameters if name not in arguments]
    if missing:
        return run.null(f"{function.name}() needs {missing[0]!r}")
    return function.call(run, [arguments[name] for name in function.parameters])
