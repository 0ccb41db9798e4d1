"""Sphinx extension for docstrings, formulas and links; it also checks that every public symbol is on a page."""

import ast
import dataclasses
import functools
import inspect
import re
import textwrap
import tokenize
from io import StringIO
from typing import Any

import docstring_parser
import pages
from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.domains.python import PyObject
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

from jmeta.algorithms import ALGORITHMS

logger = logging.getLogger(__name__)

ARXIV = re.compile(r"(arXiv:? \d{4}\.\d{4,5})")
APART = pages.on_pages_of_their_own()


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.connect("autodoc-process-docstring", process_docstring, priority=100)  # before napoleon, which has 500
    app.connect("autodoc-process-signature", process_signature)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("doctree-resolved", link_literals)
    app.connect("env-check-consistency", check_public_symbols)
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


# Docstrings


def process_docstring(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Prepares a docstring for napoleon.

    Indented blocks become literal blocks, since they are equations or code. The settings of algorithms and task families are
    left out, since their pages list them in a table. Other classes get all their fields, those of base classes too, with the
    texts of the class that documents them.
    """
    sections = list(pages.sections(lines))
    if name in APART:
        sections = [(title, body) for title, body in sections if title not in ("Args", "Attributes")]
    elif what == "class":
        if any(line.startswith(f"{thing.__name__}(") for line in lines[:1]):
            sections = []  # the signature, which dataclasses writes where there is no docstring
        sections = _with_fields(thing, sections)
    described: list[str] = []
    for title, body in sections:
        if title in ("Example", "Examples"):
            described += [f"{title}:", *body]
        elif title:
            described += [f"{title}:", *map(pages.escaped, body)]
        else:
            described += pages.literal_blocks(body)
    lines[:] = described


def skip_member(app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Leaves out members of other libraries, such as a learner's default optimiser, and fields of named tuples."""
    if type(thing).__name__ == "_tuplegetter":
        return True
    module = getattr(thing, "__module__", None) if inspect.isroutine(thing) or inspect.isclass(thing) else None
    return True if module and not module.startswith("jmeta") else None


def _with_fields(kind: type, sections: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Returns the sections of a class with a complete list of its fields, if it is a dataclass or a named tuple."""
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind) if not field.name.startswith("_")]
    elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
        names = list(kind._fields)
    else:
        return sections
    texts = _texts_of(kind)
    lines = [f"  {name} ({_type_of(kind, name)}): {texts[name]}" for name in names if texts.get(name)]
    lines += [f"  {name} ({_type_of(kind, name)}):" for name in names if not texts.get(name)]
    lines.sort(key=lambda line: names.index(line.split()[0]))
    others = [(title, body) for title, body in sections if title not in ("Args", "Attributes")]
    return [*others[:1], ("Attributes", [*lines, ""]), *others[1:]] if lines else sections


def _texts_of(kind: type) -> dict[str, str]:
    """Returns the description of each field, from the nearest class that documents it."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        comments, documented = _fields_in_source(base), inspect.cleandoc(base.__doc__ or "")
        parsed = docstring_parser.parse(documented, docstring_parser.DocstringStyle.GOOGLE).params
        texts |= {name: comment for name, (_, comment) in comments.items() if comment}
        texts |= {each.arg_name: " ".join(each.description.split()) for each in parsed if each.description}
    return texts


def _type_of(kind: type, name: str) -> str:
    found = next((fields[name][0] for base in kind.__mro__ if name in (fields := _fields_in_source(base))), "")
    return f"``{found}``" if found else ""


@functools.cache
def _fields_in_source(kind: type) -> dict[str, tuple[str, str]]:
    """Returns the annotation and the comment of each field that a class declares itself."""
    if not kind.__module__.startswith("jmeta"):
        return {}
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):
        return {}
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(StringIO(source).readline)
        if token.type == tokenize.COMMENT and not token.string.startswith("# type:")
    }
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    return {
        node.target.id: (ast.unparse(node.annotation), _for_text(comments.get(node.end_lineno or 0, "")))
        for node in definition.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def _for_text(comment: str) -> str:
    return re.sub(r"\s*#? ?type: ignore.*$", "", comment)


def process_signature(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Shortens the signatures of algorithms and task families, whose settings are in a table."""
    if name in APART and what == "function":
        return "(tasks, *, **settings)".replace("*, ", ""), returns
    if name in APART and what == "class":
        return "(**settings)", None
    if signature:
        signature = re.sub(r"<(?:function|class) '?([\w.]+)'?[^>]*>", r"\1", signature)
        signature = re.sub(r"<factory>|<object object at 0x[0-9a-f]+>", "...", signature)
    return signature, returns


# Links and formulas


def link_literals(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Makes a link of each literal that is the name of an algorithm or of a public symbol."""
    for text in list(doctree.findall(nodes.Text)):
        if not isinstance(text.parent, nodes.literal | nodes.literal_block | nodes.reference | nodes.title):
            _link_papers(text)
    objects = app.env.domains.python_domain.objects
    short: dict[str, list[str]] = {}
    for full in objects:
        short.setdefault(full.rpartition(".")[2], []).append(full)
    pages_of = {spelled: name for name in ALGORITHMS for spelled in (name, name.replace("-", "_"))}
    for literal in list(doctree.findall(nodes.literal)):
        if isinstance(literal.parent, nodes.reference | nodes.title) or "xref" in literal["classes"]:
            continue
        text = literal.astext()
        target = re.sub(r"\(\)$", "", text)
        if target in pages_of and docname != f"algorithms/{pages_of[target]}":
            place, anchor = f"algorithms/{pages_of[target]}", ""
        elif (found := _found(target, objects, short)) and objects[found].docname != docname:
            place, anchor = objects[found].docname, objects[found].node_id
        else:
            continue
        reference = make_refnode(app.builder, docname, place, anchor, literal.deepcopy(), text)
        literal.replace_self(reference)


def _link_papers(text: nodes.Text) -> None:
    """Makes a link of each ``arXiv 1703.03400`` in a text."""
    pieces = ARXIV.split(text.astext())
    if len(pieces) > 1:
        paper = [nodes.reference("", each, refuri=f"https://arxiv.org/abs/{each[-10:].strip()}") for each in pieces[1::2]]
        found = [nodes.Text(each) for each in pieces]
        found[1::2] = paper
        text.parent.replace(text, [each for each in found if each.astext()])


def _found(name: str, objects: dict[str, Any], short: dict[str, list[str]]) -> str | None:
    """Returns the object of a name that begins with ``jmeta.``, or of a class name that is unique."""
    if name.startswith("jmeta."):
        if name in objects or name.count(".") == 1:
            return name if name in objects else pages.homes().get(name)
        return next(
            (full for full in objects if full.startswith(f"{name}.")), None
        )  # a module: the first class that is on a page
    if not re.fullmatch(r"[A-Z]\w+(\.\w+)?", name):
        return None
    candidates = [full for full in short.get(name.rpartition(".")[2], []) if full.endswith(f".{name}")]
    documented = {objects[full].node_id: full for full in candidates if not objects[full].aliased}
    return next(iter(documented.values())) if len(documented) == 1 else None


def inline_math(translator: Any, node: nodes.math) -> None:
    """Writes a formula in a line of text as MathML, which browsers draw without a script."""
    translator.body.append(_mathml(node, False))
    raise nodes.SkipNode


def block_math(translator: Any, node: nodes.math_block) -> None:
    """Writes a formula in a paragraph of its own as MathML."""
    translator.body.append(f'<div class="math">{_mathml(node, True)}</div>')
    raise nodes.SkipNode


def _mathml(node: nodes.Element, as_block: bool) -> str:
    tex = re.sub(r"\\[Bb]igg?[lr]?(?=[^a-z])", "", node.astext())  # MathML stretches brackets by itself
    try:
        return str(tex2mathml(tex, as_block=as_block))
    except MathError as error:
        logger.warning("formula %r: %s", tex, error, location=node)
        return f"<code>{tex}</code>"


# Completeness


def check_public_symbols(app: Sphinx, env: BuildEnvironment) -> None:
    """Warns of each public name whose object has no description on any page."""
    objects = env.domains.python_domain.objects
    for name, home in pages.homes().items():
        if home not in objects:
            logger.warning("%s is public and has no page (it should be described as %s)", name, home)
