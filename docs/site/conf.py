"""Sphinx's settings for the site; `make docs` (build.py beside this file) runs it on pages that are gathered first."""

from secateur import __version__

project = "Secateur"
author = "the Secateur authors"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["files/**", "extra/**"]

html_theme = "furo"
html_title = f"Secateur {__version__}"
html_copy_source = False
html_show_sphinx = False
html_extra_path = ["extra"]

# Headings are linked to as GitHub does it, so that the pages' links work in both places; a missing one is a warning.
myst_heading_anchors = 6
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["misc.highlighting_failure", "myst.header"]  # a page may begin below the first level

add_module_names = False
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
