"""The site that ``make site`` builds with Sphinx, out of the pages as they are.

The root of the sources is the repository, so that links between pages mean the same on
a forge and here.  The pages are README.md and all that its links lead to; a linked file
that is no page becomes one that shows it.  The table of contents is docs/README.md.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx import addnodes
from sphinx.errors import SphinxError
from sphinx.parsers import Parser

from gru2np_runtime import __version__

ROOT = Path(__file__).resolve().parent.parent
INDEX = ROOT / "docs" / "README.md"
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
# The first link of an item of a list, with its words.
ITEM = re.compile(r"^- \[([^\]]+)\]\(([^)#]+)\)", re.M)
IMAGES = {".svg"}
LANGUAGES = {".json": "json", ".py": "python"}

project = "gru2np"
author = project_copyright = "gru2np contributors"
version = release = __version__
html_title = f"gru2np {version}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "README"
source_suffix = {".md": "markdown", **dict.fromkeys(LANGUAGES, "source")}


def linked(page):
    """The files that a page links to."""
    for target in LINK.findall(page.read_text("utf-8")):
        if "://" not in target and Path(target).suffix not in IMAGES:
            yield (page.parent / target).resolve()


def reached(start):
    """The page, and all that its links and theirs lead to."""
    found, pending = set(), [start]
    while pending:
        page = pending.pop()
        if page not in found:
            found.add(page)
            pending += linked(page) if page.suffix == ".md" else ()
    return found


def name_of(path):
    """A file or folder as Sphinx names it."""
    return path.relative_to(ROOT).as_posix()


PAGES = reached(ROOT / "README.md")
FOLDERS = {parent for page in PAGES for parent in page.parents}
include_patterns = sorted(map(name_of, PAGES))
# Sphinx walks through all other folders, virtual environments too.
exclude_patterns = [
    name_of(folder)
    for parent in FOLDERS
    if parent.is_relative_to(ROOT)
    for folder in parent.iterdir()
    if folder.is_dir() and folder not in FOLDERS
]

# Headings have the anchors that forges give them.
myst_heading_anchors = 4
highlight_language = "text"
pygments_dark_style = "github-dark"
nitpicky = True
# Types of other projects, and the short names in signatures that docs/api/ explains.
nitpick_ignore_regex = [("py:.*", r"(?!gru2np).*")]
# Both packages have the errors of the runtime, so a bare name leads to either.
suppress_warnings = ["ref.python"]
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 72
python_use_unqualified_type_names = True

html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = html_use_index = html_domain_indices = False
html_show_sourcelink = False
# The summaries are fetched, which a browser refuses to pages that are files.
html_show_search_summary = False
html_theme_options = {"top_of_page_buttons": []}

COMMENT = re.compile(r"<!--.*?-->", re.S)
REPORT_MARK = "<!-- report -->"
REPORT = """\
<figure class="report">
<iframe src="report.html" title="The report of gru2np verify"></iframe>
<figcaption><a href="report.html">The page that <code>gru2np verify digits.h5 --input
pictures.npy --layers --report</code> writes</a>: the same pictures, in a Keras of today
that ran when this site was built.</figcaption>
</figure>
"""


class SourceParser(Parser):
    """Shows a file of another kind than a page."""

    supported = ("source",)

    def parse(self, inputstring, document):
        """Make a document of the file's name and its text."""
        path = Path(document["source"])
        name = name_of(path)
        section = nodes.section("", nodes.title("", "", nodes.literal("", name)))
        section["ids"] = [nodes.make_id(name)]
        section += nodes.literal_block(
            inputstring, inputstring, language=LANGUAGES[path.suffix]
        )
        document += section


def contents():
    """Tables of contents: a section of docs/README.md each, hidden in the page."""
    _, *sections = re.split(r"^## ", INDEX.read_text("utf-8"), flags=re.M)
    for section in ["", *sections]:
        caption, _, items = section.partition("\n")
        yield "```{toctree}\n:hidden:"
        yield f":caption: {caption}\n" if caption else "All pages </docs/README>\n"
        for words, target in ITEM.findall(items):
            path = (INDEX.parent / target).resolve()
            name = "/" + name_of(path.with_suffix(""))
            title = words.replace("`", "")
            yield f"{title} <{'self' if name == '/' + root_doc else name}>"
        yield "```\n"


def read_page(app, docname, source):
    """Leave comments out; complete the first page."""
    text = source[0]
    if app.env.doc2path(docname).suffix != ".md":
        return
    if docname == root_doc:
        text = text.replace(REPORT_MARK, REPORT)
        text += "\n" + "\n".join(contents())
    # Warnings keep the numbers of their lines.
    source[0] = COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text)


def allow_unlisted(app, doctree):
    """Files, and pages outside docs/, may be linked from other pages alone."""
    metadata = app.env.metadata[app.env.docname]
    if Path(app.env.doc2path(app.env.docname)).suffix in LANGUAGES:
        metadata["orphan"] = metadata["nosearch"] = True
    elif not app.env.docname.startswith("docs/"):
        metadata["orphan"] = True


def keep_any(app, doctree):
    """``Any`` in a signature is Python's, not the layer of that name."""
    for reference in doctree.findall(addnodes.pending_xref):
        if reference["reftarget"] == "Any":
            reference["reftarget"] = "typing.Any"


def hide_arguments(app, what, name, thing, options, signature, returned):
    """A class that documents attributes and no arguments is not called by users."""
    called = "Args:" in (thing.__doc__ or "") or "Attributes:" not in thing.__doc__
    return ("", None) if what in ("class", "exception") and not called else None


def start_report(app):
    """Let Keras run while the pages are built."""
    demo = ROOT / "examples" / "demo"
    model, inputs = demo / "digits.h5", demo / "pictures.npy"
    page = Path(app.outdir) / "report.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "gru2np", "verify", model, "--input", inputs]
    options = ["--layers", "--quiet", "--force", "--report", page]
    app.report = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(app, exception):
    """The first page is what the root shows; its report is there."""
    if exception is not None:
        app.report.kill()
        return
    out, _ = app.report.communicate()
    if app.report.returncode:
        raise SphinxError(f"gru2np verify made no report:\n{out}")
    shutil.copy(app.outdir / "README.html", app.outdir / "index.html")


def setup(app):
    """Connect the parts."""
    app.add_source_parser(SourceParser)
    app.add_lexer("console", TextLexer)  # the usual one takes export for a word of Bash
    app.connect("builder-inited", start_report)
    app.connect("source-read", read_page)
    app.connect("doctree-read", allow_unlisted)
    app.connect("doctree-read", keep_any)
    app.connect("autodoc-process-signature", hide_arguments)
    app.connect("build-finished", finish)
