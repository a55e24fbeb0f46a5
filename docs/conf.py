"""Sphinx's settings: `make docs` builds the site into docs/_build/html. Nothing is loaded from another host."""

project = "seq2sum"
author = "the seq2sum authors"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "seq2sum"
html_show_sphinx = False
html_copy_source = False
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]
nitpicky = True
# ARCHITECTURE.md, which a page includes, has its headings from its own second level on.
suppress_warnings = ["myst.header"]
