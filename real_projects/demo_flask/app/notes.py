"""The HTTP interface of notes."""

from flask import Blueprint, abort, current_app, jsonify, request, url_for

from app.validation import ValidationError, parse_note, parse_page

blueprint = Blueprint("notes", __name__, url_prefix="/notes")


def _store():
    return current_app.extensions["notes"]


def _json():
    data = request.get_json(silent=True)
    if data is None:
        raise ValidationError({"body": "must be JSON"})
    return data


def _page(notes):
    """One page of a list, as every list of this service looks."""
    config = current_app.config
    page, size = parse_page(request.args, config["DEFAULT_PAGE_SIZE"], config["MAX_PAGE_SIZE"])
    start = (page - 1) * size
    return {
        "items": [note.to_dict() for note in notes[start:start + size]],
        "page": page,
        "size": size,
        "total": len(notes),
        "pages": (len(notes) + size - 1) // size,
    }


@blueprint.get("")
def list_notes():
    return jsonify(_page(_store().all()))


@blueprint.post("")
def create_note():
    note = _store().add(parse_note(_json()))
    location = url_for("notes.get_note", note_id=note.id)
    return jsonify(note.to_dict()), 201, {"Location": location}


@blueprint.get("/<int:note_id>")
def get_note(note_id):
    note = _store().get(note_id)
    if note is None:
        abort(404, f"There is no note {note_id}.")
    return jsonify(note.to_dict())


@blueprint.patch("/<int:note_id>")
def change_note(note_id):
    note = _store().update(note_id, parse_note(_json(), partial=True))
    if note is None:
        abort(404, f"There is no note {note_id}.")
    return jsonify(note.to_dict())


@blueprint.delete("/<int:note_id>")
def delete_note(note_id):
    if not _store().delete(note_id):
        abort(404, f"There is no note {note_id}.")
    return "", 204
