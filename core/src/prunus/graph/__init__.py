"""Facts about a neutral graph: shapes, costs, digests."""
