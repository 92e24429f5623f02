"""Boxes: decoded, suppressed, matched with true ones and measured."""
