"""A small notes service: Flask, kept in memory, with an honest HTTP interface."""

from flask import Flask, jsonify

from app.errors import register_errors
from app.notes import blueprint
from app.store import NoteStore


def create_app(config=None, store=None):
    """Builds an application of its own; nothing is shared between two of them."""
    app = Flask(__name__)
    app.config.update(
        DEFAULT_PAGE_SIZE=20,
        MAX_PAGE_SIZE=100,
        MAX_CONTENT_LENGTH=64 * 1024,
    )
    app.config.update(config or {})
    app.extensions["notes"] = store if store is not None else NoteStore()
    app.register_blueprint(blueprint)
    register_errors(app)

    @app.get("/health")
    def health():
        return jsonify(status="ok", notes=app.extensions["notes"].count())

    return app
