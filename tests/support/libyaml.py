"""Let PyYAML use libyaml: Scenario reads and writes YAML for each run, half of the run's time.

A plugin of pytest (`-p libyaml` with this folder in PYTHONPATH), for a charm's own unit tests.
"""

import yaml

CLASSES = {"SafeDumper": yaml.CSafeDumper, "SafeLoader": yaml.CSafeLoader}


def pytest_configure() -> None:
    """Replace the slow classes for as long as the process lives."""
    for name, fast in CLASSES.items():
        setattr(yaml, name, fast)
