"""What becomes of answers: refused, quoted, baked, cleaned up."""
