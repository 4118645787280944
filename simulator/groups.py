"""Groups: who is in them, and what clients ask and change (whatsmeow group.go)."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from simulator.jid import GROUP, HIDDEN, PERSON, Jid
from simulator.node import Attributes, Content, Node
from simulator.queries import Queries, QueryError
from simulator.registry import Registry
from simulator.stanzas import fresh_id, now

if TYPE_CHECKING:
    from simulator.client import Client
    from simulator.world import World

_LONGEST_SUBJECT = 100
_CHANGES = ("add", "remove", "promote", "demote")
_SWITCHES = {
    "announcement": ("announcement", True),
    "not_announcement": ("announcement", False),
    "locked": ("locked", True),
    "unlocked": ("locked", False),
}


@dataclass
class Group:
    """A group; `members` are phone numbers with the role each has: "" (member), admin or superadmin."""

    user: str
    subject: str
    creator: str
    created: int
    members: dict[str, str]
    subject_at: int = 0
    description: str = ""
    description_id: str = ""
    switches: dict[str, bool] = field(default_factory=dict[str, bool])

    @property
    def jid(self) -> Jid:
        return Jid(self.user, GROUP)


class Groups:
    """All groups; they are kept in the registry."""

    def __init__(self, world: World) -> None:
        self._world = world
        documents: list[dict[str, Any]] = [json.loads(document) for document in world.registry.groups()]
        self._groups = {document["user"]: Group(**document) for document in documents}

    @property
    def _registry(self) -> Registry:
        return self._world.registry

    def find(self, jid: Jid) -> Group | None:
        return self._groups.get(jid.user)

    def register(self, queries: Queries) -> None:
        for tag, handler in (
            ("create", self._create),
            ("query", self._query),
            ("participating", self._participating),
            ("leave", self._leave),
            ("subject", self._subject),
            ("description", self._description),
            ("invite", self._invite),
            *((change, self._change_members) for change in _CHANGES),
            *((switch, self._switch) for switch in _SWITCHES),
        ):
            queries.add("w:g2", tag, handler)

    def _create(self, client: Client, query: Node) -> Content:
        create = query.children[0]
        subject = create.text("subject")
        if not subject or len(subject) > _LONGEST_SUBJECT:
            raise QueryError(406, "not-acceptable")
        numbers = [self._number(participant.jid("jid")) for participant in create.all("participant")]
        members = {client.phone: "superadmin"} | {number: "" for number in numbers if number != client.phone}
        created = int(time.time())
        user = f"1203634{secrets.randbelow(10**11):011d}"
        switches = {name: True for name in ("announcement", "locked") if create.child(name) is not None}
        group = Group(user, subject, client.phone, created, members, created, switches=switches)
        self._groups[user] = group
        self._save(group)
        self._notify(
            client, group, Node("create", {"type": "new", "key": fresh_id()}, [self._node(group)]), told=members
        )
        return [self._node(group)]

    def _query(self, client: Client, query: Node) -> Content:
        return [self._node(self._of(client, query))]

    def _participating(self, client: Client, query: Node) -> Content:  # noqa: ARG002  # it names no group
        mine = [self._node(group) for group in self._groups.values() if client.phone in group.members]
        return [Node("groups", {}, [*mine])]

    def _leave(self, client: Client, query: Node) -> Content:
        left: list[Node] = []
        for asked in query.children[0].all("group"):
            jid = asked.jid("id")
            group = self.find(jid) if jid is not None else None
            if group is None or client.phone not in group.members:
                raise QueryError(404, "item-not-found")
            told = dict(group.members)
            del group.members[client.phone]
            self._save(group)
            self._notify(client, group, Node("remove", {}, [self._participant(client.phone, "")]), told=told)
            left.append(Node("group", {"id": group.jid, "code": "200"}))
        return [Node("leave", {}, [*left])]

    def _change_members(self, client: Client, query: Node) -> Content:
        group, change = self._of(client, query, admin=True), query.children[0]
        numbers = [self._number(participant.jid("jid")) for participant in change.all("participant")]
        told = dict(group.members)
        for number in numbers:
            match change.tag:
                case "add":
                    group.members.setdefault(number, "")
                case "remove":
                    group.members.pop(number, None)
                case _ if number in group.members:
                    group.members[number] = "admin" if change.tag == "promote" else ""
                case _:
                    raise QueryError(404, "item-not-found")
        self._save(group)
        changed = [self._participant(number, group.members.get(number, "")) for number in numbers]
        self._notify(client, group, Node(change.tag, {}, [*changed]), told=told | group.members)
        return [Node(change.tag, {}, [*changed])]

    def _subject(self, client: Client, query: Node) -> Content:
        group = self._of(client, query)
        group.subject, group.subject_at = query.children[0].data.decode(errors="replace"), int(time.time())
        self._save(group)
        subject: Attributes = {"subject": group.subject, "s_t": now(), "s_o": client.device.lid_jid.bare}
        self._notify(client, group, Node("subject", subject), told=group.members)
        return None

    def _description(self, client: Client, query: Node) -> Content:
        group, change = self._of(client, query), query.children[0]
        body = change.child("body")
        group.description = body.data.decode(errors="replace") if body is not None else ""
        group.description_id = change.text("id", fresh_id())
        self._save(group)
        content = [Node("body", {}, group.description.encode()) if group.description else Node("delete")]
        self._notify(client, group, Node("description", {"id": group.description_id}, content), told=group.members)
        return None

    def _switch(self, client: Client, query: Node) -> Content:
        group, tag = self._of(client, query, admin=True), query.children[0].tag
        name, value = _SWITCHES[tag]
        group.switches[name] = value
        self._save(group)
        self._notify(client, group, Node(tag, {"v_id": fresh_id()}), told=group.members)
        return None

    def _invite(self, client: Client, query: Node) -> Content:
        return [Node("invite", {"code": self._of(client, query).user[-22:]})]

    def _of(self, client: Client, query: Node, *, admin: bool = False) -> Group:
        """The group a query is sent to. Raises `QueryError` if the client may not ask."""
        jid = query.jid("to")
        group = self.find(jid) if jid is not None else None
        if group is None:
            raise QueryError(404, "item-not-found")
        if client.phone not in group.members or (admin and not group.members[client.phone]):
            raise QueryError(403, "forbidden")
        return group

    def _number(self, jid: Jid | None) -> str:
        number = self._registry.number_of(jid) if jid is not None else None
        if number is None or self._registry.is_absent(number):
            raise QueryError(404, "item-not-found")
        return number

    def _save(self, group: Group) -> None:
        if group.members:
            self._registry.save_group(group.user, json.dumps(asdict(group)))
        else:
            del self._groups[group.user]
            self._registry.remove_group(group.user)

    def _node(self, group: Group) -> Node:
        creator = self._registry.phone(group.creator)
        attributes: Attributes = {
            "id": group.user,
            "subject": group.subject,
            "s_t": str(group.subject_at),
            "s_o": Jid(creator.lid, HIDDEN),
            "creation": str(group.created),
            "creator": Jid(creator.lid, HIDDEN),
            "creator_pn": Jid(creator.number, PERSON),
            "addressing_mode": "lid",
            "size": str(len(group.members)),
        }
        content = [self._participant(number, role) for number, role in group.members.items()]
        content += [Node(name) for name, value in group.switches.items() if value]
        if group.description:
            body = [Node("body", {}, group.description.encode())]
            content.append(Node("description", {"id": group.description_id, "t": str(group.subject_at)}, body))
        return Node("group", attributes, [*content])

    def _participant(self, number: str, role: str) -> Node:
        phone = self._registry.phone(number)
        attributes: Attributes = {"jid": Jid(phone.lid, HIDDEN), "phone_number": Jid(number, PERSON)}
        return Node("participant", attributes | {"type": role} if role else attributes)

    def _notify(self, client: Client, group: Group, change: Node, told: dict[str, str]) -> None:
        """Tell every device of those concerned what somebody changed, but the one that did it."""
        attributes: Attributes = {
            "from": group.jid,
            "type": "w:gp2",
            "t": now(),
            "participant": client.device.lid_jid.bare,
            "participant_pn": client.device.jid.bare,
            "addressing_mode": "lid",
            "notify": self._registry.phone(client.phone).name,
        }
        for device in (device for number in told for device in self._registry.devices_of(number)):
            if device.jid != client.device.jid:
                self._world.mailbox.post(device, Node("notification", attributes | {"id": fresh_id()}, [change]))
