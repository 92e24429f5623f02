"""Built-in criteria and allocations: plugins like any third party's."""
