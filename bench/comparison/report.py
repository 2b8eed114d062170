"""Samples, and the tables made of them."""

import dataclasses
import math
import statistics


@dataclasses.dataclass
class Row:
    """One measured quantity; each contender has one value a round, or None where it has failed."""

    label: str
    unit: str
    digits: int = 1
    samples: dict = dataclasses.field(default_factory=dict)

    def add(self, contender, value, turn):
        """As that of round `turn`; rounds before it that the contender missed have none."""
        values = self.samples.setdefault(contender, [])
        values += [None] * (turn - len(values)) + [value]

    def values(self, contender):
        return [value for value in self.samples.get(contender, ()) if value is not None]

    def ratios(self, ours, theirs):
        return [a / b for a, b in zip(self.samples.get(ours, ()), self.samples.get(theirs, ()), strict=False)
                if a is not None and b]

    def cell(self, contender):
        values = self.values(contender)
        if not values:
            return ""
        low, middle, high = (f"{value:,.{self.digits}f}"
                             for value in (min(values), statistics.median(values), max(values)))
        return middle if low == high else f"{middle} ({low} to {high})"


class Rows(dict):
    """Rows by label, in the order of their first value."""

    round = 0

    def add(self, contender, label, unit, value, digits=1):
        self.setdefault(label, Row(label, unit, digits)).add(contender.name, value, self.round)


@dataclasses.dataclass
class Curve:
    """One quantity at several sizes."""

    label: str
    unit: str
    digits: int = 1
    rows: dict = dataclasses.field(default_factory=dict)

    def add(self, contender, size, value, turn):
        self.rows.setdefault(size, Row(self.label, self.unit, self.digits)).add(contender, value, turn)

    def slopes(self):
        """What one more costs, from the smallest size to the largest: one for each round that has both."""
        low, high = min(self.rows), max(self.rows)
        found = Row(self.label, self.unit, self.digits)
        for name in self.rows[high].samples if high > low else ():
            pairs_of_rounds = zip(self.rows[low].samples.get(name, ()), self.rows[high].samples[name], strict=False)
            found.samples[name] = [(b - a) / (high - low) for a, b in pairs_of_rounds
                                   if a is not None and b is not None]
        return found


class Curves(dict):
    """Curves by label, in the order of their first value."""

    round = 0

    def add(self, contender, label, unit, size, value, digits=1):
        self.setdefault(label, Curve(label, unit, digits)).add(contender, size, value, self.round)


def ratio(row, ours, theirs):
    found = row.ratios(ours, theirs)
    return f"{statistics.median(found):.2f}" if found else ""


def comparison(title, rows, ours, references):
    """Contenders side by side; the ratios are ours to each of the references."""
    names = list(dict.fromkeys(name for row in rows for name in row.samples))
    references = [name for name in references if name in names]
    lines = [f"### {title}", "",
             f"| median (lowest to highest) | {' | '.join(names)} | {' | '.join(f'x {name}' for name in references)} |",
             "|---" + "|---:" * (len(names) + len(references)) + "|"]
    for row in rows:
        cells = [row.cell(name) for name in names] + [ratio(row, ours, name) for name in references]
        lines.append(f"| {row.label}, {row.unit} | {' | '.join(cells)} |")
    return lines


SMALLER_UNITS = {"us": ("ns", 1000), "KB": ("B", 1024)}


def growth(title, what, curves, ours, references):
    """A row for each size, and one for what one more of them costs, in a smaller unit."""
    names = list(dict.fromkeys(name for curve in curves for row in curve.rows.values() for name in row.samples))
    references = [name for name in references if name in names]
    lines = [f"### {title}", "",
             f"| median (lowest to highest) | {' | '.join([what, *names, *(f'x {name}' for name in references)])} |",
             "|---" + "|---:" * (1 + len(names) + len(references)) + "|"]
    for curve in curves:
        for size in sorted(curve.rows):
            row = curve.rows[size]
            cells = [row.cell(name) for name in names] + [ratio(row, ours, name) for name in references]
            lines.append(f"| {curve.label}, {curve.unit} | {size:,} | {' | '.join(cells)} |")
        slopes = curve.slopes()
        unit, factor = SMALLER_UNITS[curve.unit]
        cells = [f"**{statistics.median(values) * factor:,.1f}**" if (values := slopes.values(name)) else ""
                 for name in names] + [""] * len(references)
        lines.append(f"| {curve.label}, {unit} | each more | {' | '.join(cells)} |")
    return lines


def confidence(values):
    """The median, and what it lies between at 95 % (order statistics; nothing is assumed normal)."""
    ordered = sorted(values)
    count = len(ordered)
    # The rank is binomial with p = 1/2; its normal approximation serves from about ten values on.
    reach = 1.96 * math.sqrt(count) / 2
    low = max(0, math.floor(count / 2 - reach))
    high = min(count - 1, math.ceil(count / 2 + reach) - 1)
    return statistics.median(ordered), ordered[low], ordered[max(high, low)]


def pairs(title, rows, base, changed):
    """Where a difference of a few per mille counts: medians of ratios within pairs, and how sure they are."""
    lines = [f"### {title}", "", f"| | {base} | {changed} | ratio | its 95 % interval | pairs |",
             "|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        ratios = row.ratios(changed, base)
        middle, low, high = confidence(ratios)
        medians = (f"{statistics.median(row.values(name)):,.{row.digits}f}" for name in (base, changed))
        lines.append(f"| {row.label}, {row.unit} | {' | '.join(medians)} | {middle:.4f} | {low:.4f} to {high:.4f} "
                     f"| {len(ratios)} |")
    return lines


def summary(row):
    """For each contender the median and the spread, and the ratio to each of the others."""
    found = {}
    for name in row.samples:
        values = row.values(name)
        if values:
            ratios = {other: row.ratios(name, other) for other in row.samples if other != name}
            found[name] = {"median": statistics.median(values), "lowest": min(values), "highest": max(values),
                           "ratio_to": {other: statistics.median(those) for other, those in ratios.items() if those}}
    return found


def curves_as_json(curves):
    return [{"label": curve.label, "unit": curve.unit, "sizes": {size: as_json([curve.rows[size]])[0]
                                                                for size in sorted(curve.rows)},
             "each": as_json([curve.slopes()])[0]} for curve in curves]


def as_json(rows):
    return [{**dataclasses.asdict(row), "summary": summary(row)} for row in rows]
