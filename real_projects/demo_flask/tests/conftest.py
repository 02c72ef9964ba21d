from datetime import datetime, timedelta, timezone

import pytest

from app import create_app
from app.store import NoteStore


class Clock:
    """Moves on by a second each time it is looked at."""

    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=timezone.utc)

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def store():
    return NoteStore(clock=Clock())


@pytest.fixture
def client(store):
    return create_app({"TESTING": True}, store=store).test_client()


@pytest.fixture
def add(client):
    """Creates a note over HTTP and returns it."""
    def create(title, **fields):
        response = client.post("/notes", json={"title": title, **fields})
        assert response.status_code == 201, response.get_json()
        return response.get_json()
    return create
