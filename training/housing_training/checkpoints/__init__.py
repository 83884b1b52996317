"""Trees that outlive their process."""
