"""The steps of the workflow, each one function over typed values."""
