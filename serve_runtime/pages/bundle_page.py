"""The page of a bundle: `serve-runtime inspect --html`."""

import math
from collections.abc import Iterator

from serve_runtime.bundle.card import ModelCard
from serve_runtime.pages.column_parts import ColumnPart, column_parts
from serve_runtime.pages.facts import Facts
from serve_runtime.pages.html import facts as fact_list
from serve_runtime.pages.html import page, section, shown, text
from serve_runtime.pages.model_sections import (
    columns_section,
    curves_section,
    levels_section,
    ranked_parts,
    weights_section,
)
from serve_runtime.pages.proof_section import proof_section
from serve_runtime.pages.usage_section import files_section, usage_section

_METRICS = {"auc": "AUC", "accuracy": "accuracy", "log_loss": "log loss"}


def bundle_page(found: Facts) -> str:
    """The page as ASCII text."""
    sections = {"files": ("Files", files_section(found))}
    head = ""
    if found.model is not None:
        card = found.model.card
        ranked = ranked_parts(column_parts(found.model))
        head = fact_list(_summary(found, card, ranked))
        sections = {
            "takes": ("What it takes", columns_section(card, ranked)),
            "drives": ("What drives the score", weights_section(card, ranked)),
            "curves": ("Numbers that bend", curves_section(ranked)),
            "levels": ("Levels", levels_section(ranked)),
            "threshold": ("From which probability on", _threshold(card)),
            "proof": ("Is it proven?", proof_section(found.certificate)),
            **sections,
            "usage": ("How to call it", usage_section(found, card)),
        }
    sections = {key: named for key, named in sections.items() if named[1]}
    links = "".join(
        f'<li><a href="#{key}">{title}</a></li>' for key, (title, _) in sections.items()
    )
    name = shown(found.name)
    body = (
        f"<header><h1>The model {name}</h1>\n{_problems(found)}{head}"
        f'<nav aria-label="On this page"><ul>{links}</ul></nav></header>\n<main>\n'
        + "".join(section(key, *named) for key, named in sections.items())
        + "</main>\n"
    )
    return page(f"The model {name}", body)


def _problems(found: Facts) -> str:
    if not found.problems:
        return ""
    items = "".join(f"<li>{shown(problem, 1500)}</li>\n" for problem in found.problems)
    return (
        '<section class="problem" role="alert" aria-labelledby="problem-h">'
        '<h2 id="problem-h">Do not trust these files: they do not match</h2>\n'
        f"<ul>{items}</ul></section>\n"
    )


def _summary(found: Facts, card: ModelCard, ranked: list[ColumnPart]) -> Iterator[tuple[str, str]]:
    """What a reader wants to know first, as names and values."""
    negative, positive = (shown(label) for label in card.classes)
    yield "It answers", f"the probability of {positive} (the other label is {negative})"
    yield "It says so", f"where the probability is {card.threshold:g} or more"
    if (told := _how_good(card)) is not None:
        yield told
    yield "What drives it most", ", ".join(shown(part.column.name) for part in ranked[:3])
    rows = card.training.get("rows")
    if type(rows) is int and 0 <= rows < 10**18:
        yield "Trained on", f"{rows:,} rows, {len(card.columns):,} columns"
    if found.problems:
        yield "Are the files right?", "no: see above"
    elif found.certificate is not None:
        yield "Are the files right?", "yes: digests match, scores are proven"
    yield "model_id", card.model_id


def _how_good(card: ModelCard) -> tuple[str, str] | None:
    """On the rows kept aside if there were some, else on the training rows."""
    metrics = card.training.get("metrics")
    for split, words in (("holdout", "rows kept aside"), ("training", "its training rows")):
        figures = metrics.get(split) if isinstance(metrics, dict) else None
        if not isinstance(figures, dict):
            continue
        told = [
            f"{called} {value:.4g}"
            for key, called in _METRICS.items()
            if isinstance(value := figures.get(key), float) and math.isfinite(value)
        ]
        if told:
            return f"How good, on {words}", ", ".join(told)
    return None


def _threshold(card: ModelCard) -> str:
    negative, positive = (shown(label) for label in card.classes)
    threshold = card.threshold
    logit = ""
    if 0 < threshold < 1:
        logit = f", which is the logit {math.log(threshold / (1 - threshold)):.4g}"
    return (
        f"<p>A row is labelled <strong>{positive}</strong> where its probability is "
        f"{threshold:g} or more{logit}, else <strong>{negative}</strong>. Probabilities stay the "
        "same whatever the threshold is. Where they are right and missing a positive row costs k "
        "times as much as a false alarm, the cheapest threshold is 1 / (1 + k). "
        f"<code>{text('python -m export bundle RUN BUNDLE --threshold 0.2')}</code> sets "
        "another one, and <code>serve-runtime evaluate</code> tells what it would do on labelled "
        "rows.</p>\n"
    )
