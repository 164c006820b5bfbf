"""Makes every figure of docs/parity.md again, on the machine where it runs.

`python -m docs.figures` (`make docs`) trains, exports and proves the models that the page shows,
and replaces what stands between its markers; `--only NAME` makes one section again.
"""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from tqdm import tqdm

from benchmarks.harness.page import replace_section
from benchmarks.harness.random_run import BENT, random_mixed_run, random_run
from benchmarks.peers import exports
from export.cli import torch_option
from export.parity import tables
from export.parity.measure import measure
from export.parity.tables import of_budget, ulp
from export.proof import BundleProof
from export.publish import export_bundle
from export.runtimes import matrix
from export.runtimes.outcome import require
from export.sigmoid import every_float32
from export.sigmoid.every_float32 import SigmoidProof
from export.sigmoid.kernels import KERNELS
from export.text_table import TextTable
from export.verify import verify_bundle
from serve_runtime.commands.progress import live_line
from train.recipe.recipe import Recipe
from train.recipe.toml_file import read_toml
from train.run import train

DOCS = Path(__file__).parent
PAGE = DOCS / "parity.md"
PICTURE = DOCS / "sigmoid.svg"
WIDTHS = (1, 2, 3, 8, 31, 128, 129, 1000, 10_000)
ROWS = 10_000_000

_TITLES = {
    "exported": "exported graph",
    "torchscript": "TorchScript",
    "torch": "torch.sigmoid",
    "plain-negation": "the graph with a plain Neg",
    "onnx-sigmoid": "ONNX Sigmoid in onnxruntime",
}


@dataclass
class Models:
    """The models that the page shows, each trained, exported and proven when it is first needed."""

    folder: Path
    """A temporary folder, for runs and bundles."""
    torches: tuple[Path, ...]
    """Pythons whose torch proves the TorchScript."""
    environments: Path
    """The folder of the virtual environments that have one onnxruntime each."""

    @cached_property
    def breast_cancer(self) -> BundleProof:
        """The proof of the default recipe's bundle."""
        return self._export("breast-cancer")

    @cached_property
    def calendar_years(self) -> BundleProof:
        """The proof of a bundle that subtracts first."""
        return self._export("calendar-years")

    @cached_property
    def mixed(self) -> BundleProof:
        """The proof of a bundle of random weights that encodes its columns."""
        return export_bundle(
            random_mixed_run(self.folder / "runs" / "mixed", bent=BENT), self.folder / "mixed"
        )

    def _export(self, name: str) -> BundleProof:
        recipe = Recipe.from_dict(read_toml(DOCS.parent / "recipes" / f"{name}.toml"))
        train(recipe, self.folder / "runs" / name)
        return export_bundle(self.folder / "runs" / name, self.folder / name)

    @cached_property
    def sigmoids(self) -> Mapping[str, SigmoidProof]:
        """Every kernel on every float32."""
        return {
            name: every_float32.prove(name, make(), progress=True) for name, make in KERNELS.items()
        }


def machine(_: Models) -> str:
    """What the figures were made on."""
    import onnxruntime
    import torch

    versions = {
        "Python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
        "torch": torch.__version__,
    }
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    capability = torch.backends.cpu.get_cpu_capability()
    return f"Made on {platform.system()}, {platform.machine()} with {capability}; {named}."


def bundle(models: Models) -> str:
    """The breast-cancer bundle: every scorer, every range of the logit, all against all."""
    proof = models.breast_cancer
    serving = [name for name in proof.parity.scorers if name.startswith(("onnxr", "Pred"))]
    return "\n\n".join(
        [
            tables.overview(proof.parity).markdown(),
            "The onnxruntime and Predictor lines together, by range of the exact logit:",
            tables.by_logit(proof.parity, serving).markdown(),
            "All against all: below the diagonal the largest difference of two logits as a share "
            "of both budgets, above it the largest difference of two probabilities in float32 "
            'steps, from -87 up; "=" where no row differs.',
            tables.between(proof.parity).markdown(),
        ]
    )


def widths(models: Models) -> str:
    """Random models of every width, features of very different scales: the exported files."""
    rows = []
    for width in WIDTHS:
        run = random_run(models.folder / f"run-{width}", width, seed=width, spread=3.0)
        proof = export_bundle(run, models.folder / f"width-{width}")
        found = [
            measured.overall
            for name, measured in proof.parity.scorers.items()
            if name.startswith(("model.", "onnxruntime", "Predictor"))
        ]
        rows.append((
            f"{width:,}",
            f"{max(figures.rows for figures in found):,}",
            f"{proof.bounds.logit:.2g}",
            of_budget(max(figures.logit.share for figures in found)),
            of_budget(max(figures.probability.share for figures in found)),
            ulp(max(figures.kernel_ulp for figures in found)),
        ))  # fmt: skip
    heading = ("features", "rows", "largest bound of a training row", "logit of budget",
               "prob. of budget", "sigmoid ULP")  # fmt: skip
    return TextTable(heading, rows).markdown()


def folding(models: Models) -> str:
    """What folding costs one model that can afford it and one that cannot."""
    rows = []
    for name, proof in (
        ("breast-cancer", models.breast_cancer),
        ("calendar-years", models.calendar_years),
    ):
        folding = proof.folding
        rows.append((
            name,
            folding.form,
            *(f"{total.total:.2g} ({total.rounding / total.total:.1%} rounding)"
              for total in (folding.folded, folding.subtract_first)),
            f"{folding.share:.0%}",
        ))  # fmt: skip
    heading = ("bundle", "written", "folded", "subtract-first", "folding owes")
    return TextTable(heading, rows).markdown()


def kernels(models: Models) -> str:
    """The sigmoid on all floats: the output of prove-sigmoid, and all kernels side by side."""
    proofs = models.sigmoids
    rows = []
    for i, (low, high) in enumerate(pairwise(every_float32.EDGES)):
        cells = [f"[{low:g}, {high:g})"]
        for name in _TITLES:
            found = proofs[name].ranges[i]
            falls = f", {found.decreases.times:,} falls" if found.decreases.times else ""
            cells.append(ulp(found.ulp) + falls)
        rows.append(cells)
    whole = ["outside [0, 1]"]
    whole += [f"{proofs[name].whole.outside.times:,}" for name in _TITLES]
    table = TextTable(("worst ULP for logits", *_TITLES.values()), [*rows, whole])
    _draw(PICTURE)
    text = every_float32.report(proofs["exported"])
    return f"```text\n{text}\n```\n\n{table.markdown()}\n\n![ULP by logit]({PICTURE.name})"


def side_by_side(models: Models) -> str:
    """Other exporters' graphs of the breast-cancer model in the same harness."""
    proof = models.breast_cancer
    ours = {name: proof.parity.scorers[name] for name in ("Predictor, rows", "Predictor, columns")}
    parity = measure(exports.scorers(proof.affine), proof.batches, proof.affine)
    rows = []
    for name, measured in {**ours, **parity.scorers}.items():
        buckets = measured.buckets
        ranges = ("[-87, -18)", "[-18, -8)", "[-8, 0)", "[0, 8)")
        rows.append((
            name,
            f"{measured.outside:,} of {measured.overall.rows:,}",
            of_budget(measured.overall.logit.share),
            *(f"{ulp(buckets[label].kernel_ulp)} ULP, {of_budget(buckets[label].probability.share)}"
              for label in ranges),
        ))  # fmt: skip
    heading = ("", "rows outside", "logit of budget", *(f"prob., logit in {r}" for r in ranges))
    return TextTable(heading, rows).markdown()


def many_rows(models: Models) -> str:
    """The breast-cancer bundle on many more rows than its proof has."""
    assert models.breast_cancer
    with live_line() as show:
        proof = verify_bundle(models.folder / "breast-cancer", rows=ROWS, show=show)
    return tables.overview(proof.parity).markdown()


def runtimes(models: Models) -> str:
    """Every onnxruntime minor release, and the torch of each Python given."""
    assert models.breast_cancer
    assert models.calendar_years
    assert models.mixed
    bundles = [models.folder / name for name in ("breast-cancer", "calendar-years", "mixed")]
    outcomes = list(
        tqdm(
            matrix.prove(bundles, matrix.MINORS, models.torches, models.environments),
            "runtimes",
            leave=False,
            disable=None,
        )
    )
    require(outcomes)
    versions: dict[tuple[str, ...], list[str]] = {}
    for runtime, _, _, *figures in matrix.table(outcomes).rows:
        library, version = runtime.split()
        versions.setdefault((library, *figures), []).append(version)
    rows = [(f"{library} {', '.join(found)}", *figures)
            for (library, *figures), found in versions.items()]  # fmt: skip
    heading = ("runtimes", "bundle", "logit of budget", "prob. of budget", "sigmoid ULP", "bits")
    return TextTable(heading, rows).markdown()


SECTIONS: Mapping[str, Callable[[Models], str]] = {
    "machine": machine,
    "bundle": bundle,
    "widths": widths,
    "folding": folding,
    "sigmoid": kernels,
    "peers": side_by_side,
    "rows": many_rows,
    "runtimes": runtimes,
}


def _draw(path: Path) -> None:
    """The largest error of each kernel by logit, as a picture."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    edges = np.arange(-87.0, 30.25, 0.5)
    mpl.rcParams["svg.hashsalt"] = "parity"  # the same figures give the same file
    figure, axes = plt.subplots(figsize=(8, 4))
    for name, title in _TITLES.items():
        if name in ("torchscript", "plain-negation"):  # hidden by the lines of others
            continue
        proof = every_float32.prove(name, KERNELS[name](), edges=edges.tolist(), sample=6_000_000)
        axes.step(edges[:-1], [span.ulp for span in proof.ranges], where="post", label=title)
    axes.axhline(every_float32.PROVEN_ULP, color="grey", linestyle=":", label="what is proven")
    axes.set(yscale="symlog", ylim=(0, 1e9), xlabel="logit",
             ylabel="largest error of the probability, ULP")  # fmt: skip
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(SECTIONS)), help="These sections.")
@torch_option
def main(only: tuple[str, ...], torches: tuple[Path, ...]) -> None:
    """Make the figures of docs/parity.md again."""
    with TemporaryDirectory() as folder:
        models = Models(Path(folder), torches, DOCS.parent / ".matrix")
        for name in only or SECTIONS:
            click.echo(name, err=True)
            content = SECTIONS[name](models)
            page = replace_section(PAGE.read_text(encoding="utf-8"), name, content)
            PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
