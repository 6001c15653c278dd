# SPDX-License-Identifier: Apache-2.0
"""Pictures of measurements as SVG, by hand: no package is needed."""
import html
import math

COLOURS = ("#1f6fb4", "#c2571a", "#2e8540", "#7a4fa3")
FONT = 'font-family="sans-serif" font-size="12"'


def _ticks(most):
    """From 0 to beyond most in at most six round steps."""
    power = 10.0 ** (math.floor(math.log10(most)) - 1)
    step = next(power * n for n in (2, 5, 10, 20) if most / (power * n) <= 6)
    return [i * step for i in range(int(most / step) + 2)]


def _number(x):
    return f"{x:.3g}" if x < 1000 else f"{x:.0f}"


def _page(width, height, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
            f'<rect width="{width}" height="{height}" fill="white"/>\n' + "\n".join(body) + "\n</svg>\n")


def lines(title, x_name, y_name, series):
    """series: {name: [(x, y), ...]}; both axes begin at 0."""
    width, height, left, top, right, bottom = 560, 340, 64, 40, 24, 48
    points = [p for s in series.values() for p in s]
    most_x = max(x for x, _ in points)
    ticks = _ticks(max(y for _, y in points))

    def place(x, y):
        return left + (width - left - right) * x / most_x, height - bottom - (height - top - bottom) * y / ticks[-1]

    body = [f'<text x="{left}" y="22" {FONT} font-weight="bold">{html.escape(title)}</text>']
    for t in ticks:
        _, y = place(0, t)
        body.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width - right}" y2="{y:.1f}" stroke="#dddddd"/>')
        body.append(f'<text x="{left - 6}" y="{y + 4:.1f}" {FONT} text-anchor="end">{_number(t)}</text>')
    for x in sorted({x for x, _ in points}):
        body.append(f'<text x="{place(x, 0)[0]:.1f}" y="{height - bottom + 18}" {FONT} text-anchor="middle">{x}</text>')
    body.append(f'<text x="{(left + width - right) / 2}" y="{height - 10}" {FONT} text-anchor="middle">{html.escape(x_name)}</text>')
    body.append(f'<text x="14" y="{top - 6}" {FONT}>{html.escape(y_name)}</text>')
    for n, (name, s) in enumerate(series.items()):
        colour = COLOURS[n % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*p) for p in s))
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in (place(*p) for p in s)]
        body.append(f'<text x="{left + 12}" y="{top + 14 + 16 * n}" {FONT} fill="{colour}">{html.escape(name)}</text>')
    return _page(width, height, body)


def bars(title, values):
    """values: [(name, {series: y}), ...], a group of bars for each name."""
    row, left, width = 16, 250, 760
    names = list(values[0][1])
    most = max(y for _, group in values for y in group.values())
    height = 56 + len(values) * (row * len(names) + 6)
    body = [f'<text x="12" y="22" {FONT} font-weight="bold">{html.escape(title)}</text>']
    for n, name in enumerate(names):
        body.append(f'<text x="{left + 140 * n}" y="42" {FONT} fill="{COLOURS[n]}">{html.escape(name)}</text>')
    y = 52
    for name, group in values:
        body.append(f'<text x="{left - 8}" y="{y + row * len(names) / 2 + 4:.0f}" {FONT} text-anchor="end">{html.escape(name)}</text>')
        for n, v in enumerate(group.values()):
            length = (width - left - 60) * v / most
            body.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{row - 3}" fill="{COLOURS[n]}"/>')
            body.append(f'<text x="{left + length + 4:.1f}" y="{y + row - 5}" {FONT}>{_number(v)}</text>')
            y += row
        y += 6
    return _page(width, height, body)
