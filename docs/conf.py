"""Settings of `make docs`: Sphinx reads the pages where they are, so links work on every host."""

from pathlib import Path

import prunus

project = "prunus"
author = "The prunus developers"
version = release = prunus.__version__
copyright = author

extensions = ["myst_nb"]

# the source directory is the repository: pages of plugins and measurements stay beside their code
include_patterns = [
    "docs/*.md",
    "docs/*/*.md",
    "docs/notebooks/*.ipynb",
    "plugins/*/README.md",
    "examples/methods/README.md",
    "examples/plugins/*/README.md",
    "examples/toy_format/README.md",
    "benchmarks/RESULTS.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CODE_OF_CONDUCT.md",
    "CHANGELOG.md",
]
exclude_patterns = [".*", "build", "dist", "docs/changes", "docs/parts", "**/src", "**/tests"]
root_doc = "docs/index"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# headings of pages that are read on their own start where the page likes
suppress_warnings = ["myst.header"]

# notebooks run again when they changed; an error in a cell ends the build
nb_execution_mode = "cache"
nb_execution_cache_path = str(Path(__file__).parents[1] / "build" / "notebook-cache")
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_output_stderr = "remove"

html_theme = "furo"
html_title = "prunus"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_extra"]  # the root of the site leads to its first page
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-code-background": "#f3f4f6"},
    "navigation_with_keys": True,
    "top_of_page_buttons": [],
}
highlight_language = "text"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
