"""What a user sees while `make setup` installs and builds."""

import io
import sys
import time
from pathlib import Path

import pytest

from tests.toolchain.support.programs import install_program, put_on_path
from toolchain import go, progress, python, tools
from toolchain.atomic_file import replacing
from toolchain.errors import ToolError
from toolchain.progress import step
from toolchain.subprocesses import run
from toolchain.versions import Tool

REQUIREMENTS = """\
alpha==1.0 \\
    --hash=sha256:00
beta[extra]==2.0 \\
    --hash=sha256:00
    # via alpha
"""

PIP = """
print("Collecting alpha==1.0 (from -r requirements.txt (line 1))")
print("  Downloading alpha-1.0-py3-none-any.whl (1 kB)")
time.sleep(0.3)
print("Collecting beta==2.0 (from -r requirements.txt (line 3))")
time.sleep(0.3)
print("Installing collected packages: alpha, beta")
site = pathlib.Path(sys.argv[0]).parents[1] / "lib/python3.11/site-packages"
(site / "alpha-1.0.dist-info").mkdir(parents=True)
time.sleep(0.3)
"""

FAILING_PIP = """
print("Collecting alpha==1.0 (from -r requirements.txt (line 1))")
print("ERROR: no matching distribution", file=sys.stderr)
sys.exit(1)
"""

GO = """
command = sys.argv[1]
if command == "env":
    print("go1.26.1")
elif command == "list":
    for module in ("example.com/a", "example.com/b"):
        print(f"go: downloading {module} v1.0.0", file=sys.stderr)
    time.sleep(0.3)
    print("errors\\nexample.com/a\\nexample.com/tool")
else:
    print("errors", file=sys.stderr)
    print("example.com/a", file=sys.stderr)
    time.sleep(0.3)
    if "-tags" in sys.argv:
        print("# example.com/tool\\nmain.go:7: syntax error\\nexample.com/b", file=sys.stderr)
        sys.exit(1)
    pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).write_text("built")
"""


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (
        ("ANNOUNCE_AFTER_S", 0.02),
        ("LOG_INTERVAL_S", 0.05),
        ("TERMINAL_INTERVAL_S", 0.05),
    ):
        monkeypatch.setattr(progress, name, seconds)


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the virtual environment's interpreter, where a test installs its pip."""
    (tmp_path / "requirements.txt").write_text(REQUIREMENTS)
    install_program(tmp_path / "python3", "")
    monkeypatch.setattr(python, "VENV", tmp_path / "venv")
    monkeypatch.setattr(python, "REQUIREMENTS", tmp_path / "requirements.txt")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    return tmp_path / "venv/bin/python"


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """A tool that the Go of this test builds."""
    install_program(tmp_path / "bin/go", GO)
    put_on_path(tmp_path / "bin", monkeypatch)
    monkeypatch.setattr(go, "TOOLCHAIN_DIR", tmp_path)
    (tmp_path / "tool").mkdir()
    return Tool(name="tool", version="1.0.0", package="example.com/tool")


def test_pip_shows_downloads_and_installed_packages(
    pip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install_program(pip, PIP)
    python.install_requirements()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "  ..  install Python packages into .venv"
    output = "\n".join(lines)
    for status in (
        "downloading 1 of 2 packages: alpha",
        "downloading 2 of 2 packages: beta",
        "installed 1 of 2 packages",
    ):
        assert f" s  {status}\n" in output
    assert lines[-1].startswith("  ok  install Python packages into .venv  ")
    assert python.is_up_to_date()


def test_a_failure_of_pip_shows_its_error_and_is_not_remembered_as_done(
    pip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install_program(pip, FAILING_PIP)
    with pytest.raises(ToolError, match=r"failed:\nERROR: no matching distribution$"):
        python.install_requirements()
    result = capsys.readouterr().err.splitlines()[-1]
    assert result.startswith("fail  install Python packages into .venv")
    assert not python.is_up_to_date()


def test_a_build_shows_modules_and_compiled_packages(
    tool: Tool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    go.build(tool, tmp_path / "built/tool")
    output = capsys.readouterr().err
    assert " s  downloaded 2 modules\n" in output
    assert " s  compiled 2 of 3 packages\n" in output
    assert output.splitlines()[-1].startswith("  ok  build tool 1.0.0  ")
    assert [file.name for file in (tmp_path / "built").iterdir()] == ["tool"]


def test_a_failed_build_shows_the_compiler_s_error_only(tool: Tool, tmp_path: Path) -> None:
    broken = Tool(name="tool", version="1.0.0", package=tool.package, tags="broken")
    with pytest.raises(ToolError) as raised:
        go.build(broken, tmp_path / "built/tool")
    assert str(raised.value).split("failed:\n")[1] == (
        "# example.com/tool\nmain.go:7: syntax error"
    )
    assert list((tmp_path / "built").iterdir()) == []


class Terminal(io.StringIO):
    """A terminal that keeps what is printed."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_one_line_that_is_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "30")
    counts = iter(range(1000))
    with step("build tool", lambda: f"compiled {next(counts)} of 1000 packages"):
        time.sleep(0.3)
    *updates, result = terminal.getvalue().split("\r\033[K")
    assert "  ..  build tool  0 s  compil" in updates
    assert all(len(update) <= 29 for update in updates)
    assert result == "  ok  build tool  0.3 s\n"


def test_a_terminal_gets_coloured_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    progress.print_line("ok", "build tool", "2 s")
    assert terminal.getvalue() == "\033[32m  ok\033[0m  build tool  2 s\n"


def test_a_quick_step_prints_its_result_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "ANNOUNCE_AFTER_S", 60.0)
    with step("link tool"):
        pass
    assert capsys.readouterr().err == "  ok  link tool  0.0 s\n"


def test_the_first_line_of_a_step_appears_within_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    assert progress.ANNOUNCE_AFTER_S < 1 and progress.LOG_INTERVAL_S <= 15


def test_a_command_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"cannot run .*/absent: No such file"):
        run([str(tmp_path / "absent")])


def test_a_failed_replacement_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "stamp"
    file.write_text("old")
    with pytest.raises(OSError, match="disk is full"), replacing(file) as new:
        new.write_text("half")
        raise OSError("disk is full")
    assert [path.name for path in tmp_path.iterdir()] == ["stamp"] and file.read_text() == "old"


def test_a_link_is_replaced(tmp_path: Path) -> None:
    for target in (tmp_path / "old", tmp_path / "new"):
        tools._link(tmp_path / "tool", target)
        assert (tmp_path / "tool").readlink() == target
    assert [path.name for path in tmp_path.iterdir()] == ["tool"]
