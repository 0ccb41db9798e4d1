"""Configuration of the documentation, which ``make docs`` builds into ``docs/_build/html``.

Nothing is fetched, neither when the pages are built nor when they are read: formulas are MathML, and the theme brings its files.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext")]

import pages  # noqa: E402

import jmeta  # noqa: E402

pages.write(HERE)

project = "jmeta"
author = "the jmeta authors"
copyright = "the jmeta authors"
version = release = jmeta.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_nb",
    "sphinx_copybutton",
    "jmeta_sphinx",
]
exclude_patterns = ["_build", "_ext", "**.ipynb_checkpoints"]
suppress_warnings = ["config.cache"]

# Docstrings
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_custom_sections = [
    ("Deviations", "notes_style"),
    ("Deviations from the paper", "notes_style"),
    ("Deviations from the papers", "notes_style"),
]
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
autodoc_typehints = "none"
add_module_names = False
python_use_unqualified_type_names = True

# Markdown and notebooks
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_merge_streams = True

# HTML
html_theme = "furo"
html_title = f"jmeta {version}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["jmeta.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
