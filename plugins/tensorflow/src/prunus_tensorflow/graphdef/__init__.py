"""Graphs without Keras: GraphDef or MetaGraphDef with a checkpoint, and frozen graphs."""
