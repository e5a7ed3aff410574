"""From columns to the design matrix, by summed statistics."""
