"""The packed charm on a simulated Juju."""
