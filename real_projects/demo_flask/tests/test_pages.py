import pytest


@pytest.fixture(autouse=True)
def five_notes(add):
    for number in range(1, 6):
        add(f"note {number}")


def test_pages_are_cut_and_counted(client):
    page = client.get("/notes?page=2&size=2").get_json()
    assert [n["title"] for n in page["items"]] == ["note 3", "note 2"]
    assert (page["page"], page["size"], page["total"], page["pages"]) == (2, 2, 5, 3)


def test_page_behind_the_end_is_empty(client):
    page = client.get("/notes?page=9&size=2").get_json()
    assert page["items"] == []
    assert page["total"] == 5


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=x", "size=101", "size=", "page=²"])
def test_bad_page_is_refused_with_its_field(client, query):
    response = client.get(f"/notes?{query}")
    assert response.status_code == 400
    assert list(response.get_json()["errors"]) == [query.split("=")[0]]
