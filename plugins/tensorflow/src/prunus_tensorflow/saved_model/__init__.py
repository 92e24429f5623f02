"""SavedModels: one signature as a graph, its variables and signatures kept."""
