"""Reasons for which a test may be skipped even in CI: what no machine of CI must carry.

A test that skips for another reason fails CI, so that CI never tests less than it seems to.
"""

NO_TERRAFORM = "neither terraform nor tofu is on PATH; install one to check the module's format"
NO_PROVIDER = "terraform can't get the juju/juju provider here, so it can't validate the module"
NOT_ROOT = "only root can become another user, as a service or a container does here"
EXPLAINED = (NO_TERRAFORM, NO_PROVIDER, NOT_ROOT)

# CI carries these, so a test that misses one fails there.
NO_PEBBLE = "no Pebble: neither `pebble` on PATH nor in Go's bin folder, where .ci/tools puts it"
NO_ACTIONLINT = "no actionlint: neither on PATH nor in Go's bin folder, where .ci/tools puts it"
NO_REDIS = "no redis-server: the system package of that name, which .ci/tools installs, has it"
NO_PYTHON_FOR_REVIEWERS = "no Python 3.12 or newer, which charmlint and the listing review need"
NO_SYSTEMD_ANALYZE = "no systemd-analyze here: the system package systemd has it"
NO_MOUNT = "mounting a file system in a name space of one's own is not allowed here"
NO_OLDER_VERSION = "a shallow clone has no older version of the template to update from"
NO_PYTHON_OF_A_BASE = "no Python that a base carries, such as 3.12"
