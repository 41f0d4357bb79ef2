"""Do a charm's own unit tests refuse what nobody faked before it does harm, and name it?"""

from __future__ import annotations

import pathlib
import re

import pytest

from tests.support import baking, edits, parameters, unit_tests

# What a careless edit does, and what the failing tests say that it would have done.
CALLS = {
    'subprocess.run(["touch", "HARM"])': r"start \['touch', '.*harm'\]",
    'os.system("touch HARM")': r"start .*touch .*harm.*",
    "os.fork()": r"start a process",
    "os.kill(1, 0)": r"send a signal to 1",
    'pathlib.Path("HARM").write_text("")': r"write .*harm",
    'os.replace(tempfile.mkstemp()[1], "HARM")': r"write .*harm",
    'os.link(tempfile.mkstemp()[1], "HARM")': r"write .*harm",
    'os.symlink("/", "HARM")': r"write .*harm",
    'os.truncate("HARM", 0)': r"write .*harm",
    'shutil.rmtree("HARM")': r"write .*harm",
    'socket.create_connection(("127.0.0.1", 9))': r"connect to 127.0.0.1",
    'socket.socket().connect(("127.0.0.1", 9))': r"connect to \('127.0.0.1', 9\)",
    'urllib.request.urlopen("http://example.com")': r"connect to example.com",
}
EDIT = """
--- src/charm.py
@@
+import os
+import pathlib
+import shutil
+import socket
+import subprocess
+import tempfile
+import urllib.request
 import dataclasses
@@
         self.leadership.reconcile()
+        CALL
"""


@pytest.mark.parametrize(("call", "message"), CALLS.items())
@parameters.SUBSTRATES
def test_a_call_that_nobody_faked_fails(
    baker: baking.Baker, tmp_path: pathlib.Path, substrate: str, call: str, message: str
):
    charm = baker.copy({"substrate": substrate}, tmp_path / "charm")
    harmful = call.replace("HARM", str(tmp_path / "harm"))

    edits.apply(EDIT.replace("CALL", harmful), charm)

    code, output = unit_tests.run(charm, "test_status.py")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert re.search(f"a unit test would {message}; fake it in tests/unit/fakes.py", output)
    assert not (tmp_path / "harm").exists()
