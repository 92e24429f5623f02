"""Parts of a report as HTML: a drawn network, curves, tables, and the page that holds them.

Everything is computed here and written by templates as SVG and tables: no plotting library draws
in two colour schemes at once, and none of a network's layout is left to the browser.
"""
