"""What a baked charm does: events, faults, histories, cost, mutants, growth."""
