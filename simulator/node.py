"""The XML-like elements of which every WhatsApp stanza is made."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.jid import Jid

Value = str | Jid
Attributes = dict[str, Value]
Content = bytes | str | list["Node"] | None


class Node:
    """An element: tag, attributes, and either child elements, bytes, a token or nothing."""

    __slots__ = ("attributes", "content", "tag")

    def __init__(self, tag: str, attributes: Attributes | None = None, content: Content = None) -> None:
        self.tag = tag
        self.attributes: Attributes = {} if attributes is None else attributes
        self.content = content

    @property
    def children(self) -> list[Node]:
        """Child elements; none if the content is bytes."""
        return self.content if isinstance(self.content, list) else []

    @property
    def data(self) -> bytes:
        """Content as bytes; empty if it has none or has child elements."""
        if isinstance(self.content, str):
            return self.content.encode()
        return self.content if isinstance(self.content, bytes) else b""

    def child(self, *path: str) -> Node | None:
        """First child with the tag, first grandchild of that, and so on."""
        found: Node | None = self
        for tag in path:
            found = next((child for child in found.children if child.tag == tag), None)
            if found is None:
                return None
        return found

    def all(self, tag: str) -> Iterator[Node]:
        """Children with the tag."""
        return (child for child in self.children if child.tag == tag)

    def text(self, attribute: str, default: str = "") -> str:
        """An attribute as text."""
        value = self.attributes.get(attribute, default)
        return value if isinstance(value, str) else str(value)

    def jid(self, attribute: str) -> Jid | None:
        """An attribute as an address (clients may also write it as text); None if absent or no address."""
        value = self.attributes.get(attribute)
        if isinstance(value, str):
            try:
                return Jid.parse(value) if value else None
            except ValueError:
                return None
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return (self.tag, self.attributes, self.content) == (other.tag, other.attributes, other.content)

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        """The element with lengths in place of bytes, which may be secrets."""
        attributes = "".join(f" {name}={value}" for name, value in self.attributes.items())
        if self.content is None:
            return f"<{self.tag}{attributes}/>"
        inner = "".join(map(repr, self.children)) if isinstance(self.content, list) else f"({len(self.data)} bytes)"
        return f"<{self.tag}{attributes}>{inner}</{self.tag}>"
