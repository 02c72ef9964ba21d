"""Where notes are kept. Safe for several threads."""

import dataclasses
import itertools
import threading
from datetime import datetime, timezone


@dataclasses.dataclass(frozen=True)
class Note:
    id: int
    title: str
    body: str
    pinned: bool
    created_at: datetime
    updated_at: datetime

    def to_dict(self):
        return {
            "id": self.id,
            "title": self.title,
            "body": self.body,
            "pinned": self.pinned,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }


class NoteStore:
    def __init__(self, clock=lambda: datetime.now(timezone.utc)):
        self._clock = clock
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._notes = {}

    def add(self, fields):
        """Creates a note from checked fields and returns it."""
        with self._lock:
            now = self._clock()
            note = Note(
                id=next(self._ids),
                title=fields["title"],
                body=fields.get("body", ""),
                pinned=fields.get("pinned", False),
                created_at=now,
                updated_at=now,
            )
            self._notes[note.id] = note
            return note

    def get(self, note_id):
        """The note, or None."""
        with self._lock:
            return self._notes.get(note_id)

    def update(self, note_id, fields):
        """Changes the given fields; returns the new note, or None when there is none."""
        with self._lock:
            note = self._notes.get(note_id)
            if note is None:
                return None
            changed = dataclasses.replace(note, **fields, updated_at=self._clock())
            self._notes[note_id] = changed
            return changed

    def delete(self, note_id):
        """True when there was such a note."""
        with self._lock:
            return self._notes.pop(note_id, None) is not None

    def all(self):
        """Pinned notes first, then the newest."""
        with self._lock:
            return sorted(self._notes.values(), key=lambda n: (not n.pinned, -n.id))

    def count(self):
        with self._lock:
            return len(self._notes)
