import pytest


def test_create_returns_the_note_and_where_it_is(client):
    response = client.post("/notes", json={"title": " Milk ", "body": "two bottles"})
    assert response.status_code == 201
    note = response.get_json()
    assert (note["title"], note["body"], note["pinned"]) == ("Milk", "two bottles", False)
    assert client.get(response.headers["Location"]).get_json() == note


def test_get_unknown_note_is_404(client):
    response = client.get("/notes/7")
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
    assert "7" in response.get_json()["detail"]


def test_change_keeps_what_was_not_sent(client, add):
    note = add("Milk", body="two bottles")
    changed = client.patch(f"/notes/{note['id']}", json={"title": "Oat milk"}).get_json()
    assert (changed["title"], changed["body"]) == ("Oat milk", "two bottles")
    assert changed["created_at"] == note["created_at"]
    assert changed["updated_at"] > note["updated_at"]


def test_change_unknown_note_is_404(client):
    assert client.patch("/notes/7", json={"title": "x"}).status_code == 404


def test_delete_removes_the_note(client, add):
    note = add("Milk")
    assert client.delete(f"/notes/{note['id']}").status_code == 204
    assert client.get(f"/notes/{note['id']}").status_code == 404
    assert client.delete(f"/notes/{note['id']}").status_code == 404


def test_ids_are_not_used_again(client, add):
    first = add("one")
    client.delete(f"/notes/{first['id']}")
    assert add("two")["id"] != first["id"]


def test_list_shows_pinned_first_then_newest(client, add):
    for title in ("a", "b", "c"):
        add(title, pinned=title == "b")
    titles = [n["title"] for n in client.get("/notes").get_json()["items"]]
    assert titles == ["b", "c", "a"]


def test_health_counts_notes(client, add):
    add("Milk")
    assert client.get("/health").get_json() == {"status": "ok", "notes": 1}


@pytest.mark.parametrize("method", ["post", "put"])
def test_wrong_method_is_a_problem_document(client, method):
    response = getattr(client, method)("/notes/1", json={})
    assert response.status_code == 405
    assert response.get_json()["title"] == "Method Not Allowed"
