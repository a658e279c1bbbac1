"""What reading one DMN file carries along: its namespaces, its problems, and how attributes become model values."""

from __future__ import annotations

from dataclasses import dataclass, field

from modelyard.dmn.errors import InvalidModel
from modelyard.dmn.model import Place, Ref
from modelyard.dmn.xml.tree import Node

MODEL_NAMESPACES = {
    "http://www.omg.org/spec/DMN/20151101/dmn.xsd": "1.1",
    "http://www.omg.org/spec/DMN/20180521/MODEL/": "1.2",
    "https://www.omg.org/spec/DMN/20191111/MODEL/": "1.3",
    "https://www.omg.org/spec/DMN/20211108/MODEL/": "1.4",
    "https://www.omg.org/spec/DMN/20230324/MODEL/": "1.5",
}
"""The versions by the namespace of their schema."""

FEEL_NAMESPACES = frozenset(
    {
        "http://www.omg.org/spec/FEEL/20140401",
        "http://www.omg.org/spec/DMN/20180521/FEEL/",
        "https://www.omg.org/spec/DMN/20191111/FEEL/",
        "https://www.omg.org/spec/DMN/20211108/FEEL/",
        "https://www.omg.org/spec/DMN/20230324/FEEL/",
    }
)

_PROBLEMS = 100
"""Further problems of one file are not kept: nobody reads them."""


def normalised(name: str) -> str:
    """A name with single spaces inside and none around (10.3.1.2: names are compared so)."""
    return " ".join(name.split())


@dataclass(slots=True)
class Reading:
    """One file being read. Problems are collected, so that an author sees all of them at once."""

    file: str | None
    namespace: str = ""
    language: str | None = None
    imports: dict[str, str] = field(default_factory=dict)
    """Namespaces of imported models and the names under which they are known."""
    problems: list[InvalidModel] = field(default_factory=list)
    _ids: dict[str, Node] = field(default_factory=dict)

    def problem(self, node: Node, detail: str, element: str | None = None) -> None:
        if len(self.problems) < _PROBLEMS:
            named = element or node.attributes.get("id") or node.attributes.get("name") or node.tag
            self.problems.append(InvalidModel(detail, file=self.file, element=named, line=node.line))

    def required(self, node: Node, attribute: str, element: str | None = None) -> str:
        value = node.attributes.get(attribute)
        if value is None:
            self.problem(node, f"<{node.tag}> has no {attribute}", element)
            return ""
        return value

    def name(self, node: Node, element: str | None = None) -> str:
        """The name that an element must have."""
        name = normalised(self.required(node, "name", element))
        if not name and "name" in node.attributes:
            self.problem(node, f"the name of <{node.tag}> is empty", element)
        return name

    def place(self, node: Node, above: Place | None = None) -> Place:
        """Where an element stands; one without id and name is known by the element around it."""
        id_ = node.attributes.get("id")
        if id_ is not None:
            self._unique(node, id_)
        name = normalised(node.attributes.get("name", "")) or None
        return Place(self.file, id_ or name or (above.element if above else None), node.line)

    def _unique(self, node: Node, id_: str) -> None:
        first = self._ids.setdefault(id_, node)
        if first is not node:
            self.problem(node, f"the id {id_!r} is used a second time; first in line {first.line}")

    def ref(self, node: Node, element: str | None) -> Ref:
        """The target of an href: `#id` in this file, `namespace#id` in another (6.3.2, DMNElementReference)."""
        href = self.required(node, "href", element)
        namespace, hash_, id_ = href.strip().rpartition("#")
        if href and not (hash_ and id_):
            self.problem(node, f"the href {href!r} of <{node.tag}> does not have the form '#id' or 'namespace#id'", element)
        return Ref(namespace if namespace and namespace != self.namespace else None, id_)

    def type_ref(self, node: Node, written: str | None) -> str | None:
        """A type's name. The QNames of DMN 1.1 are resolved by the namespaces in scope; later versions write names plainly."""
        name = normalised(written or "")
        if name in {"", "Undefined"}:
            return None
        prefix, colon, local = name.partition(":")
        if not colon or "<" in name:  # context<a: number> is no QName
            return name
        namespace = node.prefixes.get(prefix)
        if namespace in FEEL_NAMESPACES or namespace == self.namespace:
            return local if local != "Undefined" else None
        import_name = self.imports.get(namespace, prefix) if namespace is not None else prefix
        return f"{import_name}.{local}" if import_name else local

    def foreign_language(self, written: str | None) -> str | None:
        """The language of an expression if it is not FEEL; the file's when the expression says none."""
        language = (written or self.language or "").strip()
        return None if not language or language in FEEL_NAMESPACES or language.lower() == "feel" else language
