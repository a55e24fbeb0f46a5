"""``memory.svg``: a stage's own memory as bars, one for each size of the corpus."""

from typing import Any

BAR, GAP, LEFT, WIDTH, TOP = 11, 12, 130, 480, 40
COLOURS = ("#9ecae1", "#4292c6", "#08519c")


def as_svg(results: dict[str, Any]) -> str:
    """The figure for ``memory.json``'s content."""
    sizes = sorted(results, key=int)
    stages = list(results[sizes[0]]["stages"])
    largest = max(results[size]["stages"][stage]["own_mib"] for size in sizes for stage in stages)
    height = TOP + len(stages) * (len(sizes) * BAR + GAP)
    marks = []
    for index, size in enumerate(sizes):
        x = LEFT + 150 * index
        marks.append(f'<rect x="{x}" y="8" width="12" height="12" fill="{COLOURS[index % 3]}"/>')
        marks.append(_text(x + 18, 18, f"{int(size):,} pairs"))
    y = TOP
    for stage in stages:
        marks.append(_text(LEFT - 8, y + len(sizes) * BAR / 2 + 4, stage, "end"))
        for index, size in enumerate(sizes):
            mib = results[size]["stages"][stage]["own_mib"]
            width = mib / largest * WIDTH
            marks.append(
                f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 1}" fill="{COLOURS[index % 3]}"/>'
            )
            marks.append(_text(LEFT + width + 5, y + BAR - 2, f"{mib:,.0f} MiB"))
            y += BAR
        y += GAP
    body = "\n".join(marks)
    size = f'width="{LEFT + WIDTH + 90}" height="{height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
