"""Methods of a third party: one module each."""
