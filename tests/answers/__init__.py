"""What becomes of answers: rejected, quoted, baked, cleaned up."""
