"""Charts as inline SVG: no script draws them, so they print, and they follow the page's light or dark colours.

Every function returns markup that is safe to put into the page: names are escaped here. Colours are CSS variables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from evals.stats import Estimate


@dataclass(frozen=True, slots=True)
class Frame:
    """A plot area of `width` × `height` with room for labels, and how values become positions in it."""

    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]
    log: bool = False
    left: int = 52
    right: int = 12
    top: int = 12
    bottom: int = 40

    def px(self, value: float) -> float:
        return self.left + self._share(value, self.x) * (self.width - self.left - self.right)

    def py(self, value: float) -> float:
        return self.height - self.bottom - self._share(value, self.y) * (self.height - self.top - self.bottom)

    def _share(self, value: float, over: tuple[float, float]) -> float:
        low, high = over
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, 1e-12))
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5


def whisker(e: Estimate, low: float, high: float) -> Markup:
    """A dot with its interval, on a scale that all cells of a column share."""
    if e.mean is None:
        return Markup("")
    frame = Frame(104, 14, (low, high), (0, 1), left=4, right=4, top=0, bottom=0)
    line = ""
    if e.low is not None and e.high is not None:
        line = f'<line x1="{frame.px(e.low):.1f}" x2="{frame.px(e.high):.1f}" y1="7" y2="7" class="w"/>'
    return Markup(
        f'<svg class="whisker" viewBox="0 0 104 14" aria-hidden="true"><line x1="4" x2="100" y1="7" y2="7" class="g"/>'
        f'{line}<circle cx="{frame.px(e.mean):.1f}" cy="7" r="3.2"/></svg>'
    )


def scatter(points: Sequence[tuple[str, Estimate, Estimate]], x_label: str, y_label: str, title: str) -> Markup:
    """Named points with both intervals; x runs from 0 to 1, y ends at 1. No label hides another."""
    least = min([y.mean for _, _, y in points if y.mean is not None], default=0.0)
    bottom = max(0, math.floor(10 * least) - 1) / 10
    frame = Frame(900, 440, (0, 1), (bottom, 1), left=56, right=24, top=16, bottom=48)
    rungs = [bottom + i * (1 - bottom) / 4 for i in range(5)]
    parts = [_axes(frame, [0, 0.25, 0.5, 0.75, 1], rungs, x_label, y_label)]
    for _, x, y in points:
        if x.low is not None and x.high is not None and y.mean is not None:
            parts.append(_line(frame.px(x.low), frame.py(y.mean), frame.px(x.high), frame.py(y.mean), "w"))
        if y.low is not None and y.high is not None and x.mean is not None:
            parts.append(_line(frame.px(x.mean), frame.py(y.low), frame.px(x.mean), frame.py(y.high), "w"))
    placed = [
        (n, frame.px(x.mean), frame.py(y.mean)) for n, x, y in points if x.mean is not None and y.mean is not None
    ]
    for name, x, y, label_x, label_y, anchor in _labels(placed, frame):
        if math.hypot(label_x - x, label_y - y) > 22:
            parts.append(_line(x, y, label_x, label_y - 4, "lead"))
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" class="dot"><title>{escape(name)}</title></circle>')
        parts.append(
            f'<text x="{label_x:.1f}" y="{label_y:.1f}" text-anchor="{anchor}" class="name">{escape(name)}</text>'
        )
    return _svg(frame, parts, title)


def curves(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    colours: Mapping[str, int],
    title: str,
    x_label: str,
    y_label: str,
) -> Markup:
    """Named lines on logarithmic axes, each labelled at its right end."""
    xs = [x for line in lines.values() for x, _ in line]
    ys = [y for line in lines.values() for _, y in line if y > 0]
    if not xs or not ys:
        return Markup("")
    frame = Frame(
        900, 440, (min(xs), max(xs)), (min(ys) * 0.8, max(ys) * 1.25), log=True, left=64, right=150, bottom=48
    )
    parts = [_axes(frame, _decades(*frame.x), _decades(*frame.y), x_label, y_label)]
    ends: list[tuple[str, float]] = []
    for name, line in lines.items():
        path = " ".join(f"{frame.px(x):.1f},{frame.py(y):.1f}" for x, y in line if y > 0)
        parts.append(
            f'<polyline points="{path}" class="curve c{colours[name]}"><title>{escape(name)}</title></polyline>'
        )
        if path:
            ends.append((name, frame.py(line[-1][1])))
    edge = frame.width - frame.right
    for (name, y), label_y in zip(*_apart(ends, frame), strict=True):
        parts.append(_line(edge + 2, y, edge + 12, label_y, f"lead c{colours[name]}"))
        parts.append(f'<text x="{edge + 15}" y="{label_y + 4:.1f}" class="name c{colours[name]}">{escape(name)}</text>')
    return _svg(frame, parts, title)


def reliability(bins: Sequence[tuple[float, float, int]], title: str) -> Markup:
    """Stated confidence against what turned out; the diagonal is perfect, a dot's area is its count."""
    frame = Frame(300, 260, (0, 1), (0, 1), left=48, bottom=44)
    parts = [_axes(frame, [0, 0.5, 1], [0, 0.5, 1], "confidence stated", "share right")]
    parts.append(_line(frame.px(0), frame.py(0), frame.px(1), frame.py(1), "lead"))
    most = max(n for _, _, n in bins)
    for confidence, share, n in bins:
        radius = 3 + 8 * math.sqrt(n / most)
        tip = f"{n} recollections: stated {confidence:.2f}, right {share:.2f}"
        parts.append(
            f'<circle cx="{frame.px(confidence):.1f}" cy="{frame.py(share):.1f}" r="{radius:.1f}" class="dot soft">'
            f"<title>{tip}</title></circle>"
        )
    return _svg(frame, parts, title)


def bars(rows: Sequence[tuple[str, Mapping[str, float]]], purposes: Sequence[str], title: str) -> Markup:
    """Tokens by purpose on one logarithmic axis, side by side: a stack would hide the small ones."""
    values = [v for _, row in rows for v in row.values() if v >= 1]
    if not values:
        return Markup("")
    step = 12 * len(purposes) + 10
    frame = Frame(
        900, 44 + step * len(rows), (1, max(10.0, max(values))), (0, 1), log=True, left=170, right=64, bottom=36
    )
    ticks = _decades(*frame.x)
    parts = [_line(frame.px(t), frame.top, frame.px(t), frame.height - frame.bottom, "g") for t in ticks]
    parts += [_text(frame.px(t), frame.height - frame.bottom + 16, _short(t), "middle", "tick") for t in ticks]
    parts.append(_text(frame.px(1), frame.height - 4, "tokens, logarithmic", "start", "axis"))
    for i, (name, row) in enumerate(rows):
        top = frame.top + i * step
        parts.append(_text(frame.left - 8, top + step / 2, name, "end", "name"))
        for j, purpose in enumerate(purposes):
            value = row.get(purpose, 0.0)
            if value >= 1:
                y = top + 4 + j * 12
                width = frame.px(value) - frame.px(1)
                tip = f"{name}: {value:,.0f} tokens to {purpose}"
                parts.append(
                    f'<rect x="{frame.px(1):.1f}" y="{y}" width="{width:.1f}" height="8" rx="1.5" class="fill p{j}">'
                    f"<title>{escape(tip)}</title></rect>"
                )
                parts.append(_text(frame.px(value) + 4, y + 8, _short(value), "start", "tick"))
    return _svg(frame, parts, title)


def _axes(frame: Frame, xs: Sequence[float], ys: Sequence[float], x_label: str, y_label: str) -> str:
    bottom, right = frame.height - frame.bottom, frame.width - frame.right
    parts = [_line(frame.px(x), frame.top, frame.px(x), bottom, "g") for x in xs]
    parts += [_line(frame.left, frame.py(y), right, frame.py(y), "g") for y in ys]
    parts += [_text(frame.px(x), bottom + 16, _short(x), "middle", "tick") for x in xs]
    parts += [_text(frame.left - 6, frame.py(y) + 4, _short(y), "end", "tick") for y in ys]
    middle_x, middle_y = (frame.left + right) / 2, (frame.top + bottom) / 2
    parts.append(_text(middle_x, frame.height - 8, x_label, "middle", "axis"))
    turn = f'transform="rotate(-90 13 {middle_y:.1f})"'
    parts.append(f'<text x="13" y="{middle_y:.1f}" text-anchor="middle" class="axis" {turn}>{escape(y_label)}</text>')
    return "".join(parts)


def _labels(
    points: Sequence[tuple[str, float, float]], frame: Frame
) -> list[tuple[str, float, float, float, float, str]]:
    """(name, x, y, label x, label y, anchor): each label beside its point where there is room, else pushed down."""
    taken: list[tuple[float, float, float, float]] = [(x - 6, y - 6, x + 6, y + 6) for _, x, y in points]
    result = []
    for name, x, y in sorted(points, key=lambda p: (p[2], p[1])):
        width = 7.0 * len(name)
        best = None
        for distance in range(0, 260, 13):
            for dy in (distance, -distance):
                for right in (True, False):
                    left = x + 9 if right else x - 9 - width
                    box = (left, y + dy - 8, left + width, y + dy + 5)
                    inside = (
                        box[0] >= frame.left
                        and box[2] <= frame.width - 2
                        and box[1] >= 8
                        and box[3] <= frame.height - frame.bottom
                    )
                    if inside and not any(_overlap(box, other) for other in taken):
                        best = (left if right else left + width, y + dy + 4, "start" if right else "end", box)
                        break
                if best:
                    break
            if best:
                break
        if best:
            taken.append(best[3])
            result.append((name, x, y, best[0], best[1], best[2]))
        else:
            result.append((name, x, y, x + 9, y + 4, "start"))
    return result


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _apart(ends: Sequence[tuple[str, float]], frame: Frame) -> tuple[list[tuple[str, float]], list[float]]:
    """Line ends from top to bottom, and label positions at least 14 px apart within the frame."""
    ordered = sorted(ends, key=lambda end: end[1])
    places: list[float] = []
    for _, y in ordered:
        places.append(max(y, places[-1] + 14) if places else max(y, frame.top + 4))
    overflow = places[-1] - (frame.height - frame.bottom) if places else 0
    for i in range(len(places) - 1, -1, -1):
        if overflow > 0:
            limit = places[i + 1] - 14 if i + 1 < len(places) else frame.height - frame.bottom
            places[i] = min(places[i], limit)
    return ordered, places


def _decades(low: float, high: float) -> list[float]:
    return [10.0**e for e in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]


def _short(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g}M" if value % 1e5 == 0 else f"{value / 1e6:.1f}M"
    if value >= 1e3:
        return f"{value / 1e3:g}k" if value % 100 == 0 else f"{value / 1e3:.1f}k"
    return f"{value:.3g}" if value == int(value) or value < 1 else f"{value:.0f}"


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'


def _text(x: float, y: float, text: str, anchor: str, css: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">{escape(text)}</text>'


def _svg(frame: Frame, parts: Sequence[str], title: str) -> Markup:
    return Markup(
        f'<svg class="chart" viewBox="0 0 {frame.width} {frame.height}" style="max-width:{frame.width}px" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
