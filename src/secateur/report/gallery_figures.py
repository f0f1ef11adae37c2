"""The gallery's figures: relevance maps over reference images, and the images that pruned networks get wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from secateur.errors import SecateurError
from secateur.report.drawing import Drawing, read_arrays, setting
from secateur.report.style import Style

FOR, AGAINST = (213, 94, 0), (0, 114, 178)
"""Colours (RGB, 0…255) of relevance that speaks for and against the class."""
LONGEST_NAME = 12
"""Letters of a class's name that fit above a small picture."""


def drawings(folder: str | Path | None, look: Style) -> Iterator[Drawing]:
    """For every study's archive in `folder` the maps (section "maps") and the mistakes (section "wrong").

    Args:
        folder: what the gallery stage wrote, or None.
        look: order and colours of the criteria.

    Raises:
        SecateurError: an archive that cannot be read.
    """
    for path in sorted(Path(folder).glob("*.npz")) if folder is not None else ():
        arrays = read_arrays(path, "pictures")
        try:
            yield from _of_study(path.stem, arrays, look)
        except (ValueError, KeyError) as error:
            raise SecateurError(f"{path}: not an archive of pictures ({error!r}). Remove it and run again.") from None


def _of_study(study: str, arrays: dict[str, np.ndarray], look: Style) -> Iterator[Drawing]:
    seed, rate, samples = int(arrays["seed"]), float(arrays["rate"]), str(arrays["samples_per_class"])
    maps = [name for name in look.colours if f"map/{name}" in arrays]
    if maps:
        yield Drawing(
            "maps", (study,), study,
            "Reference images and, below each, which pixels speak for its class (orange) or against it (blue) in the "
            "unpruned network, by the rule of each LRP criterion; each map has its own scale, on which its strongest "
            "pixels (3 %) have full colour. The same relevance, summed over a filter instead of a pixel, is what the "
            "criterion ranks by. In a residual network much of it lies in the upper left corner: its strided shortcuts "
            "read only every second pixel, so that corner of what is below them; that is the network's doing, not "
            "something in the image.",
            relevance(arrays, maps), study, "", "", f"n = 1 network (seed {seed}), one image a class.",
        )  # fmt: skip
    names = [name for name in look.colours if f"wrong/{name}/count" in arrays]
    if names:
        total = int(arrays["test_samples"])
        yield Drawing(
            "wrong", (study,), f"{setting(study, 'fewshot', samples)} · {100 * rate:.0f} % removed",
            "Test images that the unpruned network gets right and the pruned one gets wrong: the surest mistake of "
            "each class first. Above each: the true class → the answer. The fewer mistakes, the better the criterion "
            "knew what to remove.",
            mistakes(arrays, names), study, "", "", f"n = 1 network (seed {seed}), {total:,} test images.",
        )  # fmt: skip


def relevance(arrays: dict[str, np.ndarray], names: list[str]) -> Any:
    """Reference images in a row; below it a row a criterion of `names`, its maps over the faded images."""
    import matplotlib.pyplot as plt

    images, labels = arrays["reference/images"], arrays["reference/labels"]
    figure, grid = plt.subplots(
        1 + len(names), len(images), figsize=(1.02 * len(images) + 0.9, 1.04 * (1 + len(names)) + 0.3), squeeze=False
    )
    rows = [images, *(overlaid(images, arrays[f"map/{name}"]) for name in names)]
    for axes, name, row in zip(grid, ["image", *names], rows, strict=True):
        _label(axes[0], name)
        for place, picture in zip(axes, row, strict=True):
            _show(place, picture)
    for place, label in zip(grid[0], labels, strict=True):
        place.set_title(short(str(label)), fontsize=9.5, loc="center", fontweight="normal")
    return figure


def mistakes(arrays: dict[str, np.ndarray], names: list[str]) -> Any:
    """A row a criterion, fewest mistakes first: how many test images are wrong, and some of them."""
    import matplotlib.pyplot as plt

    names = sorted(names, key=lambda name: int(arrays[f"wrong/{name}/count"]))
    most = max(1, *(len(arrays[f"wrong/{name}/images"]) for name in names))
    total = int(arrays["test_samples"])
    figure, grid = plt.subplots(len(names), most, figsize=(0.86 * most + 1.3, 1.06 * len(names)), squeeze=False)
    for axes, name in zip(grid, names, strict=True):
        count = int(arrays[f"wrong/{name}/count"])
        _label(axes[0], f"{name}\n{count:,} wrong\n{100 * count / total:.1f} %")
        wrong = [arrays[f"wrong/{name}/{part}"] for part in ("images", "labels", "predictions")]
        for place in axes:
            _show(place, None)
        if not len(wrong[0]):
            words = "the unpruned network gets them wrong, too" if count else "none"
            axes[0].text(0, 0.5, words, transform=axes[0].transAxes, va="center", fontsize=8.5).set_in_layout(False)
        for place, picture, label, answer in zip(axes, *wrong, strict=False):
            _show(place, picture)
            words = f"{short(str(label), 5)} → {short(str(answer), 5)}"
            place.set_title(words, fontsize=8.5, loc="center", fontweight="normal", pad=3)
    return figure


def overlaid(images: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Relevance as colour over faded grey images.

    Args:
        images: N × H × W × C uint8, one or three channels.
        maps: N × h × w in −1…1; where the sizes differ, images are brought to the maps' by nearest neighbours.

    Returns:
        N × h × w × 3 uint8.
    """
    grey = images.astype(float).mean(-1)
    across, down = (np.arange(size) * old // size for size, old in zip(maps.shape[1:], grey.shape[1:], strict=True))
    faded = (255 - 0.35 * grey[:, across][:, :, down])[..., None]
    strength = np.sqrt(np.abs(maps))[..., None]  # small relevance is seen too
    colour = np.where((maps > 0)[..., None], FOR, AGAINST)
    return ((1 - strength) * faded + strength * colour).round().astype(np.uint8)


def short(name: str, most: int = LONGEST_NAME) -> str:
    """A name of at most `most` letters, the last one an ellipsis where some are left out."""
    return name if len(name) <= most else name[: most - 1] + "…"


def _show(place: Any, picture: np.ndarray | None) -> None:
    place.grid(False)
    place.set(xticks=[], yticks=[])
    for side in place.spines.values():
        side.set_visible(False)
    if picture is not None:
        one = picture.shape[-1] == 1
        place.imshow(picture[..., 0] if one else picture, cmap="gray", vmin=0, vmax=255, interpolation="none")


def _label(place: Any, text: str) -> None:
    """Lines of text at the left of a row, the first one bold."""
    lines = text.split("\n")
    for number, line in enumerate(lines):  # each by itself, so that a browser with another font aligns it too
        offset = (-9, 13 * ((len(lines) - 1) / 2 - number))
        face: Any = {"fontsize": 9.5} if number else {"fontsize": 10, "fontweight": "bold"}
        place.annotate(line, (0, 0.5), offset, xycoords="axes fraction", textcoords="offset points", ha="right",
                       va="center", **face)  # fmt: skip
