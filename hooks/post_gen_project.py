"""Tell a person at a terminal what to do next; scripts and cruft see nothing."""

import json
import sys

# tojson escapes the quote that would end this literal, so an answer can't become code.
NAME = json.loads(r'''<< cookiecutter.charm_name | tojson >>''')  # fmt: skip

if __name__ == "__main__" and sys.stdout.isatty():
    for affix in sorted({"charm", "operator"} & set(NAME.split("-"))):
        print(f"Hint: the names of charms usually go without {affix!r}.")
    print(f"Next: cd {NAME} && git init && tox, then replace the placeholder in src/workload.py")
