using Aura.Orchestra.Validation;

namespace Aura.Orchestra.Tests.Validation;

/// <summary>Code under test that tries to talk its way to a pass.</summary>
public sealed class ForgedRunTests
{
    // Each of these lies in the code under test, where no file check can see it.
    [Theory]
    [InlineData("import os\nos._exit(0)\n")]
    [InlineData("import os\nos._exit(1)\n")]
    [InlineData("import sys\nsys.exit(0)\n")]
    [InlineData("import atexit, os\natexit.register(lambda: os._exit(0))\n\n\ndef add(a, b):\n    return 0\n\n\ndef sub(a, b):\n    return 1\n")]
    [InlineData("import os, threading, time\n\n\ndef later():\n    time.sleep(0.05)\n    os._exit(1)\n\n\nthreading.Thread(target=later).start()\n\n\ndef add(a, b):\n    time.sleep(1)\n    return 3\n")]
    [InlineData("import pytest\npytest.skip('nothing to see', allow_module_level=True)\n")]
    [InlineData("import pytest\n\n\ndef add(a, b):\n    pytest.skip('no')\n\n\ndef sub(a, b):\n    pytest.xfail('no')\n")]
    [InlineData("import pytest\n\n\ndef add(a, b):\n    pytest.exit('enough', 0)\n")]
    [InlineData("import _pytest.runner as r\nr.check_interactive_exception = lambda *a: False\n\n\ndef quiet(item, nextitem):\n    return True\n\n\nimport _pytest.main\n_pytest.main.pytest_runtestloop = quiet\n\n\ndef add(a, b):\n    return 0\n\n\ndef sub(a, b):\n    return 1\n")]
    [InlineData("from _pytest.reports import TestReport\nbefore = TestReport.from_item_and_call.__func__\n\n\ndef lie(cls, item, call):\n    call.excinfo = None\n    return before(cls, item, call)\n\n\nTestReport.from_item_and_call = classmethod(lie)\n\n\ndef add(a, b):\n    return 0\n\n\ndef sub(a, b):\n    return 1\n")]
    [InlineData("import os\nfor fd in range(3, 30):\n    try:\n        os.write(fd, b'{\"kind\": \"result\", \"id\": \"x\"}\\n')\n    except OSError:\n        pass\n\n\ndef add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return a - b\n")]
    [InlineData("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos.kill(-1, signal.SIGKILL)\n")]
    public async Task RunAsync_CodeThatForgesTheRun_NeverPasses(string core)
    {
        await using var bench = await Bench.CreateAsync(Bench.Calculator);
        var verdict = await bench.ProveAsync(("calc/core.py", core));
        // The jail and the base run worked: what follows is the forger's doing.
        verdict.ProtectedTotal.ShouldBe(4);
        (verdict.TestsPassed && verdict.ProtectedTestsPassed).ShouldBeFalse();
        var ticks = Ticks.From(1, 1, verdict, new([], 0, null, TimeSpan.Zero), new());
        ticks.ShouldContain(t => !t.Passed && t.Details.Length > 10);
    }

    [Fact]
    public async Task RunAsync_JunitForgedAtExit_IsNotBelieved()
    {
        await using var bench = await Bench.CreateAsync(Bench.Calculator);
        var verdict = await bench.ProveAsync(("calc/core.py", """
            import atexit, glob, os, re


            def forge():
                for path in glob.glob("/tmp/*/junit.xml"):
                    text = re.sub("<failure.*?</failure>", "", open(path).read(), flags=re.S)
                    open(path, "w").write(text)
                os._exit(1)


            atexit.register(forge)


            def add(a, b):
                return 0


            def sub(a, b):
                return 0
            """));
        verdict.Failed.ShouldBe(1);
        verdict.Problems.ShouldContain(p => p.Contains("do not agree"));
    }
}
