"""Redis in the place of the placeholder, and a client of it."""
