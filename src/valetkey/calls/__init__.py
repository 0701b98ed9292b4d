"""From a caller, a tool's name and arguments to a result, or to the one error that says why not."""
