"""Checks what comes in. All problems of a request are reported together."""

MAX_TITLE = 120
MAX_BODY = 10_000


class ValidationError(Exception):
    """The request cannot be accepted; `errors` maps a field to what is wrong with it."""

    def __init__(self, errors):
        super().__init__("; ".join(f"{field}: {text}" for field, text in errors.items()))
        self.errors = errors


def parse_note(data, partial=False):
    """Returns the checked fields of a note. With `partial`, only those that were sent."""
    if not isinstance(data, dict):
        raise ValidationError({"body": "must be a JSON object"})
    checks = {
        "title": _title,
        "body": _body,
        "pinned": _pinned,
    }
    errors = {name: "is not a known field" for name in data if name not in checks}
    fields = {}
    for name, check in checks.items():
        if name not in data:
            continue
        try:
            fields[name] = check(data[name])
        except ValueError as error:
            errors[name] = str(error)
    if not partial and "title" not in data:
        errors["title"] = "is required"
    if partial and not data:
        errors["body"] = "must change at least one field"
    if errors:
        raise ValidationError(errors)
    return fields


def parse_page(args, default_size, max_size):
    """Reads `page` and `size` from the query string; both count from 1."""
    errors = {}
    page = _number(args, "page", 1, None, errors)
    size = _number(args, "size", default_size, max_size, errors)
    if errors:
        raise ValidationError(errors)
    return page, size


def _title(value):
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text that is not empty")
    if len(value.strip()) > MAX_TITLE:
        raise ValueError(f"must have at most {MAX_TITLE} characters")
    return value.strip()


def _body(value):
    if not isinstance(value, str):
        raise ValueError("must be a text")
    if len(value) > MAX_BODY:
        raise ValueError(f"must have at most {MAX_BODY} characters")
    return value


def _pinned(value):
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _number(args, name, default, maximum, errors):
    text = args.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        errors[name] = "must be a whole number from 1"
        return default
    if maximum is not None and int(text) > maximum:
        errors[name] = f"must be at most {maximum}"
        return default
    return int(text)
