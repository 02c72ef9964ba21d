using Aura.Orchestra.Prds;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Tests.Sandboxes;
using Aura.Orchestra.Validation;

namespace Aura.Orchestra.Tests.Validation;

/// <summary>Whole proofs: a project, what a job did to it, and what pytest in the jail says about it.</summary>
public sealed class ValidationTests
{
    private static readonly (string Path, string Content)[] Calculator = Bench.Calculator;

    [Fact]
    public async Task RunAsync_GoodChange_Passes()
    {
        await using var bench = await Bench.CreateAsync(Calculator);
        var log = bench.Project.Store().RunLogOf("job-1");
        var tree = await bench.TreeAsync(
        [
            ("calc/core.py", Calculator[1].Content + "\n\ndef mul(a, b):\n    \"\"\"The product.\"\"\"\n    return a * b\n"),
            ("tests/test_mul.py", "from calc.core import mul\n\n\ndef test_mul():\n    assert mul(2, 3) == 6\n"),
        ]);
        tree.Outcome.ShouldBe(ApplyOutcome.Applied);

        var verdict = await bench.Pytest.RunAsync(tree, log);
        var lint = await bench.Linters.RunAsync(tree, log);

        verdict.Problems.ShouldBeEmpty();
        verdict.Counts.ShouldBe(new TestCounts(4, 0, 1));
        verdict.ProtectedTotal.ShouldBe(4);
        verdict.TestsPassed.ShouldBeTrue();
        verdict.ProtectedTestsPassed.ShouldBeTrue();
        verdict.Coverage.ShouldBe(1.0);
        lint.Problem.ShouldBeNull();
        lint.Total.ShouldBe(0);
        var ticks = Ticks.From(tree, verdict, lint, new());
        ticks.Select(t => t.Name).ShouldBe(["tests", "protected_tests", "coverage", "lint", "size", "duration"]);
        ticks.ShouldAllBe(t => t.Passed);
        verdict.Output.ShouldContain("passed");
        var text = await log.ReadTailAsync();
        text.ShouldContain("pytest (in the jail");
        text.ShouldContain("flake8 (in the jail)");
        // The tree on disk is only ever read.
        Directory.EnumerateDirectories(tree.TreeDirectory, "__pycache__", SearchOption.AllDirectories).ShouldBeEmpty();
    }

    [Fact]
    public async Task RunAsync_BrokenCode_FailsAndTheReportSaysWhat()
    {
        await using var bench = await Bench.CreateAsync(Calculator);
        var tree = await bench.TreeAsync([("calc/core.py", "import os\n\n\ndef add(a, b):\n    return a - b\n\n\ndef sub(a, b):\n    return undefined_name\n")]);
        var verdict = await bench.Pytest.RunAsync(tree);
        var lint = await bench.Linters.RunAsync(tree);

        verdict.IsConclusive.ShouldBeTrue();
        verdict.TestsPassed.ShouldBeFalse();
        verdict.Counts.ShouldBe(new TestCounts(0, 3, 1));
        verdict.ProtectedFailed.ShouldBe(["tests/test_core.py::test_add", "tests/test_core.py::test_sub[1]", "tests/test_core.py::test_sub[2]"]);
        lint.Messages.Select(m => m.Code).ShouldBe(["F401", "F821"]);
        lint.Messages[1].IsSerious.ShouldBeTrue();
        var ticks = Ticks.From(tree, verdict, lint, new());
        ticks.Single(t => t.Name == Ticks.Lint).Passed.ShouldBeFalse();
        var report = FailureReport.Of(ticks, verdict, lint);
        report.ShouldContain("assert -1 == 3");
        report.ShouldContain("undefined name 'undefined_name'");
        report.ShouldNotContain("control");
    }

    [Fact]
    public async Task RunAsync_SyntaxError_IsAnErrorAndProtectedTestsAreMissing()
    {
        await using var bench = await Bench.CreateAsync(Calculator);
        var verdict = await bench.ProveAsync(("calc/core.py", "def add(a, b:\n"));
        verdict.IsConclusive.ShouldBeTrue(string.Join(' ', verdict.Problems));
        verdict.Errors.ShouldBe(1);
        verdict.ProtectedMissing.Count.ShouldBe(4);
        verdict.TestsPassed.ShouldBeFalse();
    }

    [Fact]
    public async Task RunAsync_ProtectedTestEditedDeletedOrSkipped_IsRestoredAndNamed()
    {
        await using var bench = await Bench.CreateAsync([.. Calculator, ("tests/test_more.py", "def test_more():\n    assert True\n"), ("tests/conftest.py", "# shared\n")]);
        var tree = await bench.TreeAsync(
        [
            ("tests/test_core.py", "import pytest\n\npytest.skip('later', allow_module_level=True)\n"),
            ("tests/test_more.py", null),
            ("tests/conftest.py", "def pytest_collection_modifyitems(items):\n    items.clear()\n"),
        ]);
        var verdict = await bench.Pytest.RunAsync(tree);

        tree.Tampered.ShouldBe(["tests/conftest.py (edited)", "tests/test_core.py (edited)", "tests/test_more.py (deleted)"]);
        verdict.Counts.ShouldBe(new TestCounts(4, 0, 1));
        verdict.TestsPassed.ShouldBeTrue();
        verdict.ProtectedTestsPassed.ShouldBeFalse();
        var tick = Ticks.From(tree, verdict, new([], 0, null, TimeSpan.Zero), new()).Single(t => t.Name == Ticks.ProtectedTests);
        tick.Passed.ShouldBeFalse();
        tick.Details.ShouldContain("tests/test_more.py (deleted)");
    }

    [Fact]
    public async Task RunAsync_ReleasedTest_MayBeChanged()
    {
        await using var bench = await Bench.CreateAsync(Calculator);
        var tree = await bench.TreeAsync([("tests/test_core.py", "def test_other():\n    assert True\n")], null, "tests/test_core.py");
        var verdict = await bench.Pytest.RunAsync(tree);
        tree.Tampered.ShouldBeEmpty();
        verdict.ProtectedTestsPassed.ShouldBeTrue();
        verdict.Counts.ShouldBe(new TestCounts(1, 0, 0));
    }

    [Theory]
    [InlineData("conftest.py", "def pytest_collection_modifyitems(items):\n    items.clear()\n")]
    [InlineData("tests/conftest.py", "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef nothing():\n    pytest.skip('no')\n")]
    [InlineData("tests/pytest.ini", "[pytest]\naddopts = --collect-only\n")]
    [InlineData("sitecustomize.py", "import os\nos._exit(0)\n")]
    [InlineData("evil-1.0.dist-info/entry_points.txt", "[pytest11]\nevil = calc.core\n")]
    [InlineData("pytest.py", "def main(*a, **k):\n    return 0\n")]
    public async Task RunAsync_NewFileThatCouldHijack_IsLeftOut(string path, string content)
    {
        await using var bench = await Bench.CreateAsync(Calculator);
        var tree = await bench.TreeAsync([(path, content)]);
        var verdict = await bench.Pytest.RunAsync(tree);
        tree.LeftOut.ShouldBe([path]);
        verdict.Counts.ShouldBe(new TestCounts(3, 0, 1));
        verdict.ProtectedTestsPassed.ShouldBeTrue();
        FailureReport.Of([], verdict).ShouldContain(path);
    }

    [Fact]
    public async Task RunAsync_PytestConfigurationEdited_TheBaseOneIsUsed()
    {
        await using var bench = await Bench.CreateAsync([.. Calculator, ("pyproject.toml", "[project]\nname = \"calc\"\n\n[tool.pytest.ini_options]\ntestpaths = [\"tests\"]\naddopts = \"-ra\"\n")]);
        var tree = await bench.TreeAsync(
        [
            ("pyproject.toml", "[project]\nname = \"calc2\"\n\n[tool.pytest.ini_options]\naddopts = \"--deselect tests/test_core.py::test_add -k nothing\"\n"),
            ("tox.ini", "[pytest]\naddopts = -k nothing\n"),
            ("setup.cfg", "[tool:pytest]\naddopts = -k nothing\n"),
        ]);
        var verdict = await bench.Pytest.RunAsync(tree);
        tree.ConfigurationFile.ShouldBe("pyproject.toml");
        tree.Tampered.ShouldBeEmpty();
        verdict.Counts.ShouldBe(new TestCounts(3, 0, 1));
        verdict.ProtectedTestsPassed.ShouldBeTrue();
        (await File.ReadAllTextAsync(Path.Combine(tree.TreeDirectory, "pyproject.toml"))).ShouldContain("calc2");
    }

    [Fact]
    public async Task RunAsync_EndlessTest_NamesTheTestThatRan()
    {
        await using var bench = await Bench.CreateAsync(Calculator);
        var project = bench.Project;
        var tree = await bench.TreeAsync([("calc/core.py", "def add(a, b):\n    while True:\n        pass\n\n\ndef sub(a, b):\n    return 0\n")]);
        var options = JailTests.Small;
        options.WallTime = TimeSpan.FromSeconds(4);
        var runner = new PytestRunner(new(options, project.Processes, TimeProvider.System), bench.Trees, Path.Combine(project.Root, "state"));
        var verdict = await runner.RunAsync(tree);
        verdict.JailEnd.ShouldBe(JailEnd.TimedOut);
        verdict.Running.ShouldBe("tests/test_core.py::test_add");
        verdict.ProtectedMissing.Count.ShouldBe(4);
        var ticks = Ticks.From(tree, verdict, new([], 0, null, TimeSpan.Zero), new());
        ticks.Single(t => t.Name == Ticks.Tests).Details.ShouldContain("time limit of 4 s. It was running tests/test_core.py::test_add.");
        ticks.Single(t => t.Name == Ticks.Duration).Passed.ShouldBeFalse();
    }

    [Fact]
    public async Task RunAsync_FullDisk_SaysSo()
    {
        await using var bench = await Bench.CreateAsync(Calculator);
        var verdict = await bench.ProveAsync(("calc/core.py",
            "import os\n\n\ndef add(a, b):\n    for i in range(100):\n        open(f'x{i}', 'wb').write(b'x' * (4 << 20))\n\n\ndef sub(a, b):\n    return a - b\n"));
        verdict.JailEnd.ShouldBe(JailEnd.TreeTooLarge);
        verdict.TestsPassed.ShouldBeFalse();
    }

    [Fact]
    public async Task RunAsync_AcceptanceTests_FailBeforeAndPassAfterAndCannotBeReplaced()
    {
        await using var bench = await Bench.CreateAsync(Calculator);
        AcceptanceTest[] acceptance = [new("tests/acceptance/test_mul.py",
            "import pytest\nfrom calc.core import mul\n\n\n@pytest.fixture\ndef test_data():\n    return 3\n\n\n@pytest.mark.parametrize('a', [1, 2])\ndef test_mul(a, test_data):\n    assert mul(a, test_data) == a * 3\n\n\nclass TestSign:\n    def test_negative(self):\n        assert mul(-1, 2) == -2\n")];
        var before = await bench.Pytest.RunCommitAsync(bench.Project.Repository, bench.Project.Commit, acceptance);
        before.Counts.ShouldBe(new TestCounts(3, 1, 1));
        before.IsConclusive.ShouldBeTrue(string.Join(' ', before.Problems));

        var without = await bench.Pytest.RunAsync(await bench.TreeAsync([("README.md", "x\n")], acceptance));
        without.ProtectedMissing.ShouldBe(["tests/acceptance/test_mul.py::test_mul", "tests/acceptance/test_mul.py::TestSign::test_negative"]);

        var core = Calculator[1].Content + "\n\ndef mul(a, b):\n    return a * b\n";
        var after = await bench.Pytest.RunAsync(await bench.TreeAsync([("calc/core.py", core), ("tests/acceptance/test_mul.py", "def test_x():\n    pass\n")], acceptance));
        after.Problems.ShouldBeEmpty();
        after.ProtectedMissing.Concat(after.ProtectedFailed).ShouldBeEmpty();
        after.Tampered.ShouldBe(["tests/acceptance/test_mul.py (written over)"]);
        after.ProtectedTestsPassed.ShouldBeFalse();
        after.Counts.ShouldBe(new TestCounts(6, 0, 1));
        after.ProtectedTotal.ShouldBe(6);

        var half = await bench.Pytest.RunAsync(await bench.TreeAsync([("calc/core.py", core.Replace("a * b", "3 * abs(a)"))], acceptance));
        half.ProtectedFailed.ShouldBe(["tests/acceptance/test_mul.py::TestSign::test_negative"]);
    }

    [Fact]
    public async Task BuildAsync_DiffThatDoesNotFitOrMayNotBe_IsAValue()
    {
        await using var bench = await Bench.CreateAsync(Calculator);
        var request = new ValidationTreeRequest
        {
            Name = "x",
            RepositoryPath = bench.Project.Repository,
            BaseCommit = bench.Project.Commit,
            Diff = "diff --git a/calc/core.py b/calc/core.py\n--- a/calc/core.py\n+++ b/calc/core.py\n@@ -1 +1 @@\n-nothing like it\n+x\n",
        };
        var objects = await bench.Project.Git.RunAsync(bench.Project.Repository, ["count-objects"]);
        var conflict = await bench.Trees.BuildAsync(request);
        conflict.Outcome.ShouldBe(ApplyOutcome.Conflict);
        conflict.Details.ShouldContain("calc/core.py");
        (await bench.Trees.BuildAsync(request with { Diff = "" })).Outcome.ShouldBe(ApplyOutcome.Empty);
        var link = await bench.Trees.BuildAsync(request with
        {
            Diff = "diff --git a/l b/l\nnew file mode 120000\nindex 0000000..1\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n",
        });
        link.Outcome.ShouldBe(ApplyOutcome.Refused);
        link.Details.ShouldContain("symbolic link");
        (await bench.Trees.BuildAsync(request with { Diff = "", AcceptanceTests = [new("../x.py", "")] })).Outcome.ShouldBe(ApplyOutcome.Refused);
        await Should.ThrowAsync<ArgumentException>(bench.Pytest.RunAsync(conflict));
        // Nothing of an unproven diff gets into the project's own objects.
        (await bench.Project.Git.RunAsync(bench.Project.Repository, ["count-objects"])).ShouldBe(objects);
    }

    [Fact]
    public async Task RunAsync_ProtectedFileReplacedByAFolder_IsRestored()
    {
        await using var bench = await Bench.CreateAsync(Calculator);
        var tree = await bench.TreeAsync([("tests/test_core.py", null), ("tests/test_core.py/x.py", "x = 1\n")]);
        tree.Tampered.ShouldBe(["tests/test_core.py (deleted)"]);
        var verdict = await bench.Pytest.RunAsync(tree);
        verdict.Counts.ShouldBe(new TestCounts(3, 0, 1));
        verdict.ProtectedTestsPassed.ShouldBeFalse();
    }

    [Fact]
    public async Task RunAsync_StrangeCharactersInAFailure_AreCarriedAsText()
    {
        await using var bench = await Bench.CreateAsync(("test_a.py", "def test_x():\n    raise ValueError('a\\0b\\ud800c\\u00e4')\n"));
        var verdict = await bench.Pytest.RunCommitAsync(bench.Project.Repository, bench.Project.Commit);
        verdict.Problems.ShouldBeEmpty();
        verdict.Failed.ShouldBe(1);
        verdict.Failures.Single().Message.ShouldContain("b?cä");
        verdict.Failures.Single().Message.ShouldNotContain('\0');
    }

    [Fact]
    public async Task RunAsync_SessionFixtureThatFailsAtTheEnd_IsAnError()
    {
        await using var bench = await Bench.CreateAsync(("test_a.py", "import pytest\n\n\n@pytest.fixture(scope='session')\ndef thing():\n    yield 1\n    raise ValueError('late')\n\n\ndef test_x(thing):\n    assert thing\n"));
        var verdict = await bench.Pytest.RunCommitAsync(bench.Project.Repository, bench.Project.Commit);
        verdict.Problems.ShouldBeEmpty();
        verdict.Errors.ShouldBe(1);
        verdict.Failures.Single().Message.ShouldContain("late");
    }

    [Fact]
    public async Task RunAsync_UnittestAndAnEmptyProject_AreCounted()
    {
        await using var bench = await Bench.CreateAsync(("a.py", "x = 1\n"));
        var tree = await bench.TreeAsync([("test_a.py", "import unittest\n\nimport a\n\n\nclass T(unittest.TestCase):\n    def test_x(self):\n        self.assertEqual(a.x, 1)\n\n    def tearDown(self):\n        raise ValueError('late')\n")]);
        var verdict = await bench.Pytest.RunAsync(tree);
        verdict.Problems.ShouldBeEmpty();
        verdict.TestsPassed.ShouldBeFalse();
        verdict.Failed.ShouldBe(1);

        var nothing = await bench.Pytest.RunCommitAsync(bench.Project.Repository, bench.Project.Commit);
        nothing.Counts.ShouldBe(new TestCounts(0, 0, 0));
        nothing.IsConclusive.ShouldBeTrue(string.Join(' ', nothing.Problems));
        nothing.TestsPassed.ShouldBeFalse();
    }
}
