"""Tools that keep the template."""
