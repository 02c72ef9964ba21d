import pytest

from app.validation import ValidationError, parse_note


@pytest.mark.parametrize("data, field", [
    ({}, "title"),
    ({"title": "  "}, "title"),
    ({"title": 5}, "title"),
    ({"title": "x" * 121}, "title"),
    ({"title": "x", "body": None}, "body"),
    ({"title": "x", "pinned": "yes"}, "pinned"),
    ({"title": "x", "colour": "red"}, "colour"),
    ([], "body"),
])
def test_bad_note_is_refused_with_its_field(data, field):
    with pytest.raises(ValidationError) as caught:
        parse_note(data)
    assert list(caught.value.errors) == [field]


def test_all_problems_are_reported_together():
    with pytest.raises(ValidationError) as caught:
        parse_note({"title": "", "pinned": 1, "x": 1})
    assert set(caught.value.errors) == {"title", "pinned", "x"}


def test_partial_note_needs_one_field():
    assert parse_note({"body": "new"}, partial=True) == {"body": "new"}
    with pytest.raises(ValidationError):
        parse_note({}, partial=True)


def test_body_that_is_no_json_is_refused(client):
    response = client.post("/notes", data="title=x")
    assert response.status_code == 400
    assert response.get_json()["errors"] == {"body": "must be JSON"}


def test_oversized_body_is_refused(client):
    response = client.post("/notes", data=b"x" * 70_000, content_type="application/json")
    assert response.status_code in (400, 413)
