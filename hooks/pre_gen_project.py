"""Refuse answers that would bake a broken charm, with one line that says what to type instead."""

import json
import re
import sys

ANSWERS = json.loads(r"""<< cookiecutter | tojson >>""")

# Juju deploys an application of this name, and charmcraft packs a charm of it; each refuses names
# that the other takes.
JUJU_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*")
PACK_NAME = re.compile(r"([a-z0-9][a-z0-9-]?)*[a-z]+([a-z0-9-]?[a-z0-9])*")
print(JUJU_NAME, PACK_NAME, ANSWERS, sys)
