"""Do a charm's own unit tests refuse what nobody faked before it does harm, and name it?"""

from __future__ import annotations

import pathlib
import re

import pytest

from tests.support import baking, edits, parameters, unit_tests

# What a careless edit does, by what the failing tests say that it would have done.
CALLS = {
    r"start \['touch', '.*harm'\]": 'subprocess.run(["touch", "HARM"])',
    r"start .*touch .*harm.*": 'os.system("touch HARM")',
    r"start a process": "os.fork()",
    r"write .*harm": 'pathlib.Path("HARM").write_text("")',
    r"connect to 127.0.0.1": 'socket.create_connection(("127.0.0.1", 9))',
    r"connect to \('127.0.0.1', 9\)": 'socket.socket().connect(("127.0.0.1", 9))',
    r"connect to example.com": 'urllib.request.urlopen("http://example.com")',
}
EDIT = """
--- src/charm.py
@@
+import os
+import pathlib
+import socket
+import subprocess
+import urllib.request
 import dataclasses
@@
         self.leadership.reconcile()
+        CALL
"""


@pytest.mark.parametrize("message", CALLS)
@parameters.SUBSTRATES
def test_a_call_that_nobody_faked_fails(
    baker: baking.Baker, tmp_path: pathlib.Path, substrate: str, message: str
):
    charm = baker.copy({"substrate": substrate}, tmp_path / "charm")
    call = CALLS[message].replace("HARM", str(tmp_path / "harm"))

    edits.apply(EDIT.replace("CALL", call), charm)

    code, output = unit_tests.run(charm, "test_status.py")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert re.search(f"a unit test would {message}; fake it in tests/unit/fakes.py", output)
    assert not (tmp_path / "harm").exists()
