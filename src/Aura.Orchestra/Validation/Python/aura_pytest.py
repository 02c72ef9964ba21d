"""Runs pytest under coverage in the jail and streams each result out as it happens.

Started isolated (python3 -I), so nothing in the workspace is imported before pytest, coverage and this file are; the
workspace joins sys.path only after pytest has loaded its plugins.
"""
import ast
import json
import os
import sys

import coverage
import pytest
import _pytest.assertion.rewrite  # noqa: F401  imported early, so that no file of the workspace can stand in for it
import _pytest.junitxml  # noqa: F401
import _pytest.skipping  # noqa: F401

MAX_TEXT = 4000


class Canary(pytest.Item):
    """A test that must fail, at the very end: a run that says otherwise has been tampered with."""

    def __init__(self, *, secret, **arguments):
        super().__init__(**arguments)
        self.secret = secret

    def runtest(self):
        raise AssertionError(self.secret)

    def repr_failure(self, excinfo, style=None):
        return str(excinfo.value)

    def reportinfo(self):
        return self.path, 0, self.name


class Reporter:
    def __init__(self, settings):
        self.settings = settings
        self.nonce = settings["nonce"]
        self.fd = settings["report"]
        os.set_inheritable(self.fd, False)

    def emit(self, kind, **fields):
        data = (json.dumps(dict(fields, nonce=self.nonce, kind=kind)) + "\n").encode()
        while data:
            data = data[os.write(self.fd, data):]

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self):
        # As "python -m pytest" does it, but later: plugins were looked for without the workspace on the path.
        sys.path.insert(0, self.settings["workspace"])

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, session, items):
        items.append(Canary.from_parent(session, name=self.settings["canary"], secret=self.settings["secret"]))

    def pytest_collection_finish(self, session):
        for item in session.items:
            self.emit("collected", id=item.nodeid)

    def pytest_deselected(self, items):
        for item in items:
            self.emit("deselected", id=item.nodeid)

    def pytest_collectreport(self, report):
        if report.failed:
            self.emit("collect_error", id=report.nodeid, text=cut(report.longrepr))
        elif report.skipped:
            self.emit("collect_skip", id=report.nodeid, text=cut(report.longrepr))

    def pytest_runtest_logstart(self, nodeid):
        self.emit("start", id=nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        # A passed setup or teardown says nothing of its own.
        if report.when == "call" or not report.passed:
            self.emit("result", id=report.nodeid, when=report.when, outcome=report.outcome,
                      xfail=hasattr(report, "wasxfail"), text="" if report.passed else cut(report.longrepr))


def cut(text):
    # Half a surrogate pair is legal in a Python string and in no JSON reader.
    text = str(text).encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_TEXT else text[:500] + "\n...\n" + text[500 - MAX_TEXT:]


def declared(workspace, path):
    """The test functions a file declares, read from its text alone: no code of the employee has run yet."""
    with open(os.path.join(workspace, path), "rb") as file:
        try:
            tree = ast.parse(file.read())
        except (SyntaxError, ValueError):
            return
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)

    def walk(body, prefix):
        for node in body:
            if isinstance(node, functions) and node.name.startswith("test"):
                if any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list):
                    continue
                yield prefix + "::" + node.name
            elif isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base) for base in node.bases]
                case = any(base.endswith("TestCase") for base in bases)
                own_init = any(isinstance(n, functions) and n.name == "__init__" for n in node.body)
                if case or (node.name.startswith("Test") and not own_init):
                    yield from walk(node.body, prefix + "::" + node.name)

    yield from walk(tree.body, path)


def main():
    settings = json.load(sys.stdin)
    reporter = Reporter(settings)
    workspace = settings["workspace"]
    for path in settings["declare"]:
        for name in declared(workspace, path):
            reporter.emit("declared", id=name)

    measured = None
    if settings["coverage"]:
        measured = coverage.Coverage(
            data_file=None, config_file=False, source=[workspace],
            omit=["*/tests/*", "*/test_*.py", "*/*_test.py", "*/conftest.py", "*/setup.py"])
        measured.start()
    arguments = [
        "-c", settings["config"], "--rootdir", workspace, "--confcutdir", workspace,
        "-p", "no:cacheprovider", "--continue-on-collection-errors", "--maxfail=0", "--junitxml", settings["junit"],
        "--tb=short", "-q", *settings["arguments"]]
    code = pytest.main(arguments, plugins=[reporter])
    if measured is not None:
        measured.stop()
        target = settings["junit"] + ".coverage.json"
        try:
            measured.json_report(outfile=target)
            with open(target) as file:
                reporter.emit("coverage", totals=json.load(file)["totals"])
        except (coverage.CoverageException, OSError, KeyError, ValueError) as error:
            reporter.emit("coverage", error=str(error)[:1000])
    reporter.emit("session", exit=int(code))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
