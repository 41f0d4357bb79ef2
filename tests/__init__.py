"""The template's own tests: a file per question."""
