"""The types that an expression names (DMN 1.5, 10.3.1.2 rule 54)."""

from __future__ import annotations

from modelyard.dmn.feel.names import WORD, NameScope, normalise
from modelyard.dmn.feel.scanner import ARROW, Text
from modelyard.dmn.feel.syntax import TypeName
from modelyard.dmn.feel.types import ANY

_GENERIC = frozenset({"list", "range", "context", "function"})
_TYPES = NameScope(dict.fromkeys(("days and time duration", "years and months duration", "date and time"), ANY))


class TypeReader(Text):
    """Reads types."""

    __slots__ = ()

    def whole_type(self) -> TypeName:
        """A type, where anything that is no generic type is a name as a whole."""
        text = normalise(self.text[: self.end])
        if not any(character in text for character in '<>(){}[],:"\0') and WORD.match(text) is not None:
            self.pos = self.end
            return TypeName(text)
        return self.type_name()

    def type_name(self) -> TypeName:
        self.deeper()
        self.skip()
        at = self.pos
        name = self.simple_type()
        arguments: tuple[TypeName, ...] = ()
        fields: tuple[tuple[str, TypeName], ...] = ()
        if name in _GENERIC and self.accept("<"):
            if name == "context":
                fields = self.typed_fields()
            elif name == "function":
                arguments = self.signature()
            else:
                arguments = (self.type_name(),)
                self.expect(">", "at the end of the type")
        self.depth -= 1
        return TypeName(name, arguments, fields, at=at)

    def simple_type(self) -> str:
        """A built-in type, or the name of an item definition: words, with points between them."""
        found = WORD.match(self.text, self.pos)
        if found is None:
            self.fail("a type was expected")
        known = _TYPES.longest(self.text, found[0], found.end())
        if known is not None:
            self.pos = known[1]
            return known[0]
        name = self.words(found[0], found.end())
        while self.text[self.pos] == "." and (found := WORD.match(self.text, self.pos + 1)) is not None:
            name += "." + self.words(found[0], found.end())
        return name

    def typed_fields(self) -> tuple[tuple[str, TypeName], ...]:
        fields = []
        while True:
            name = self.declared("the name of an entry")
            fields.append((name, self.type_name()))
            if not self.accept(","):
                break
        self.expect(">", "at the end of the type")
        return tuple(fields)

    def signature(self) -> tuple[TypeName, ...]:
        types = []
        if not self.accept(">"):
            types.append(self.type_name())
            while self.accept(","):
                types.append(self.type_name())
            self.expect(">", "at the end of the parameters' types")
        arrow = ARROW.match(self.text, self.pos)
        if arrow is None:
            self.fail("'->' was expected before the type of the result")
        self.pos = arrow.end()
        return (*types, self.type_name())
