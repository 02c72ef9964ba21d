"""Every error leaves as a problem document (RFC 9457)."""

from flask import jsonify
from werkzeug.exceptions import HTTPException

from app.validation import ValidationError


def problem(status, title, **more):
    response = jsonify(status=status, title=title, **more)
    response.status_code = status
    response.content_type = "application/problem+json"
    return response


def register_errors(app):
    @app.errorhandler(ValidationError)
    def invalid(error):
        return problem(400, "The request is not valid", errors=error.errors)

    @app.errorhandler(HTTPException)
    def http_error(error):
        return problem(error.code, error.name, detail=error.description)
