#!/usr/bin/env python3
"""Makes the inputs of the golden jobs from a fixed seed, and computes what they must give by straightforward code.

Run it in its directory after a change, and read the difference before committing it. It stands alone on purpose: what the engine gives is
compared with something that shares no line with it.
"""
import csv
import os
import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone

HERE = os.path.dirname(os.path.abspath(__file__))
DRAW = random.Random(20240501)
START = datetime(2024, 5, 1, 9, 30, tzinfo=timezone.utc)
DISORDER_MS = 30_000
SYMBOLS = ["AERO", "BOLT", "CORN", 'D"Q"T', "EAST,W", "Fjørd", "GRID", "H"]
WORDS = "the mill turns slowly while Water runs over the wheel and Under the bridge, \"again\" and again Über Fluss".split()


def write(path, header, rows):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def text(at):
    millis = at.microsecond // 1000
    return at.strftime("%Y-%m-%dT%H:%M:%S") + (f".{millis:03d}Z" if millis else "Z")


def trades():
    """In the order of arrival, each at most DISORDER_MS behind the latest before it."""
    latest, rows = START, []
    for _ in range(1200):
        at = latest + timedelta(milliseconds=DRAW.randrange(-DISORDER_MS, 10_000))
        latest = max(latest, at)
        price = None if DRAW.random() < 0.1 else DRAW.randrange(100, 25_000) / 100
        rows.append((DRAW.choice(SYMBOLS), price, DRAW.randrange(1, 500), at))
    return rows


def cell(price):
    return "" if price is None else repr(price)


def main():
    rows = trades()
    columns = ["symbol", "price", "shares", "at"]
    write("trades.csv", columns, [(s, cell(p), n, text(at)) for s, p, n, at in rows])
    priced = [row for row in rows if row[1] is not None]

    write(
        "filter_map/expected.csv",
        ["symbol", "cents", "at"],
        [(s, round(p * 100) * n, text(at)) for s, p, n, at in priced if p >= 50.0],
    )

    windows = defaultdict(list)
    for symbol, price, shares, at in priced:
        windows[symbol, at.replace(second=0, microsecond=0)].append((price, shares))
    write(
        "tumbling/expected.csv",
        ["symbol", "start", "end", "trades", "shares", "average"],
        [
            (s, text(start), text(start + timedelta(minutes=1)), len(of), sum(n for _, n in of), sum(p for p, _ in of) / len(of))
            for (s, start), of in sorted(windows.items())
        ],
    )

    minute = timedelta(minutes=1)

    def by_window(spans):
        """The shares of all trades by symbol and window; `spans` gives the windows around a time."""
        found = defaultdict(list)
        for symbol, _, shares, at in rows:
            for start, end in spans(at):
                assert start <= at < end
                found[symbol, start, end].append(shares)
        return sorted(found.items())

    def sliding(size, slide):
        def spans(at):
            midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
            starts = (midnight + n * slide for n in range(-100, 2000))
            return [(start, start + size) for start in starts if start <= at < start + size]

        return spans

    def cumulating(at):
        start = at.replace(minute=at.minute // 10 * 10, second=0, microsecond=0)
        return [(start, start + n * 2 * minute) for n in range(1, 6) if at < start + n * 2 * minute]

    traded = ["symbol", "start", "end", "trades", "shares"]
    for name, spans in [("sliding", sliding(5 * minute, 1.5 * minute)), ("cumulating", cumulating)]:
        found = [(s, text(start), text(end), len(of), sum(of)) for (s, start, end), of in by_window(spans)]
        write(f"overlapping/expected/{name}.csv", traded, found)
    found = [(s, text(start), min(of), max(of)) for (s, start, _), of in by_window(sliding(7 * minute, minute))]
    write("overlapping/expected/extremes.csv", ["symbol", "start", "least", "most"], found)

    gap, found = timedelta(seconds=25), []
    for symbol in sorted({s for s, *_ in rows}):
        burst = []
        for at, shares in sorted((at, shares) for s, _, shares, at in rows if s == symbol):
            if burst and at > burst[-1][0] + gap:
                found.append((symbol, burst))
                burst = []
            burst.append((at, shares))
        found.append((symbol, burst))
    write(
        "sessions/expected.csv",
        ["symbol", "start", "end", "trades", "least"],
        [(s, text(of[0][0]), text(of[-1][0] + gap), len(of), min(n for _, n in of)) for s, of in found],
    )

    shares = ["symbol", "start", "end", "shares"]
    aligned = [(s, text(start), text(end), " ".join(map(str, sorted(of)))) for (s, start, end), of in by_window(sliding(6 * minute, 4 * minute))]
    write("panes/expected/aligned.csv", shares, aligned)
    stretches, twenty = [], timedelta(seconds=20)
    for symbol in sorted({s for s, *_ in rows}):
        stretch = []
        for at, n in sorted((at, n) for s, _, n, at in rows if s == symbol) + [(datetime.max.replace(tzinfo=timezone.utc), 0)]:
            assert not stretch or at - stretch[-1][0] != twenty, "windows that just touch merge only if neither has fired"
            if stretch and at - stretch[-1][0] > twenty:
                listed = " ".join(map(str, sorted(n for _, n in stretch)))
                stretches.append((symbol, text(stretch[0][0]), text(stretch[-1][0] + twenty), listed))
                stretch = []
            stretch.append((at, n))
    write("panes/expected/stretches.csv", shares, stretches)

    dear = [row for row in priced if row[1] > 100.0]
    write("split_union/expected/dear.csv", columns, [(s, cell(p), n, text(at)) for s, p, n, at in dear])
    labelled = [(s, "dear" if p is not None and p > 100.0 else "cheap", n) for s, p, n, _ in rows]
    write("split_union/expected/all.csv", ["symbol", "label", "shares"], labelled)

    told = sorted((at, shares) for _, _, shares, at in rows if shares < 20)
    found, nth = [], Counter()
    for symbol, at, shares in sorted((s, at, n) for s, _, n, at in rows):
        limits = [limit for since, limit in told if since <= at]
        if limits and shares > 20 * limits[-1]:
            nth[symbol] += 1
            found.append((symbol, nth[symbol], shares, limits[-1], text(at)))
    write("broadcast/expected.csv", ["symbol", "nth", "shares", "limit", "at"], found)

    of_symbol = defaultdict(list)
    for symbol, price, shares, _ in rows:
        of_symbol[symbol].append((price, shares))
    write(
        "keyed/expected/running.csv",
        ["symbol", "nth"],
        [(s, nth) for s, of in sorted(of_symbol.items()) for nth in range(1, len(of) + 1)],
    )
    write(
        "keyed/expected/totals.csv",
        ["symbol", "trades", "shares", "highest"],
        [(s, len(of), sum(n for _, n in of), max(p or 0.0 for p, _ in of)) for s, of in sorted(of_symbol.items())],
    )

    bursts = []
    for symbol in sorted(of_symbol):
        burst = []
        for at, shares in sorted((at, shares) for s, _, shares, at in rows if s == symbol) + [(datetime.max.replace(tzinfo=timezone.utc), 0)]:
            if burst and at - burst[-1][0] >= timedelta(seconds=20):
                listed = [n for _, n in burst]
                number = 1 + sum(1 for b in bursts if b[0] == symbol)
                bursts.append((symbol, number, text(burst[0][0]), text(burst[-1][0]), len(burst), sum(listed), max(listed), " ".join(map(str, listed))))
                burst = []
            burst.append((at, shares))
    write("process/expected/bursts.csv", ["symbol", "number", "first", "last", "trades", "shares", "largest", "listed"], bursts)
    write("process/expected/batches.csv", columns, [(s, cell(p), n, text(at)) for s, p, n, at in rows])

    ordered = defaultdict(list)
    for symbol, _, shares, at in sorted(rows, key=lambda row: row[3]):
        ordered[symbol].append((at, shares))
    steps, firsts, largest = [], [], []
    for symbol in sorted(ordered):
        of, before = ordered[symbol], None
        for nth, (at, _) in enumerate(of):
            steps.append((symbol, nth + 1, text(at), "" if before is None else (at - before) // timedelta(milliseconds=1)))
            before = at
        minutes = defaultdict(list)
        for at, shares in of:
            minutes[at.replace(second=0, microsecond=0)].append((at, shares))
        for minute, trades_of in sorted(minutes.items()):
            firsts.append((symbol, text(trades_of[0][0])))
            best = sorted((shares for _, shares in trades_of), reverse=True)[:3]
            largest += [(symbol, text(minute), rank + 1, shares) for rank, shares in enumerate(best)]
    write("by_key/expected/steps.csv", ["symbol", "nth", "at", "since"], steps)
    write("by_key/expected/firsts.csv", ["symbol", "at"], firsts)
    write("by_key/expected/largest.csv", ["symbol", "minute", "rank", "shares"], largest)

    per_minute = Counter()
    for symbol, _, shares, at in rows:
        per_minute[symbol, at.replace(second=0, microsecond=0)] += shares
    write(
        "async_io/expected/windows.csv",
        ["symbol", "minute", "shares"],
        [(symbol, text(minute), shares) for (symbol, minute), shares in sorted(per_minute.items())],
    )
    write(
        "async_io/expected/steps.csv",
        ["symbol", "nth", "follows"],
        [(symbol, nth + 1, "true") for symbol in sorted(of_symbol) for nth in range(len(of_symbol[symbol]))],
    )
    write("async_io/expected/wanted.csv", ["symbol", "shares", "at"], [(s, n, text(at)) for s, _, n, at in rows if n % 3])

    counts = Counter()
    for number in range(3):
        lines = [" ".join(DRAW.choice(WORDS) for _ in range(DRAW.randrange(12))) for _ in range(150)]
        lines = [line for line in lines if line]
        write(f"word_count/input/{number}.csv", ["line"], [(line,) for line in lines])
        counts.update(word.lower() for line in lines for word in line.split())
    write("word_count/expected.csv", ["word", "count"], sorted(counts.items()))

    large = [row for row in rows if row[2] >= 480]
    small = [row for row in rows if row[2] <= 150]
    dear = [row for row in rows if row[2] < 480 and row[1] is not None and row[1] > 247.0]
    minute = lambda at: at.replace(second=0, microsecond=0)
    meet = lambda a, b: a[0] == b[0] and minute(a[3]) == minute(b[3])
    windows = [(a[0], text(minute(a[3])), a[2], b[2]) for a in large for b in small if meet(a, b)]
    windows += [(a[0], text(minute(a[3])), a[2], "") for a in large if not any(meet(a, b) for b in small)]
    windows += [(b[0], text(minute(b[3])), "", b[2]) for b in small if not any(meet(a, b) for a in large)]
    write("joins/expected/windows.csv", ["symbol", "minute", "large", "small"], sorted(windows, key=str))
    bursts, gap = [], timedelta(seconds=25)
    for symbol in sorted({s for s, *_ in rows}):
        burst = []
        for row in sorted((row for row in large + small if row[0] == symbol), key=lambda row: row[3]):
            assert not burst or row[3] != burst[-1][3] + gap, "sessions that just touch become one only if neither has fired"
            if burst and row[3] > burst[-1][3] + gap:
                bursts.append(burst)
                burst = []
            burst.append(row)
        bursts.append(burst)
    met = []
    for burst in bursts:
        several, few = [row for row in burst if row[2] >= 480], [row for row in burst if row[2] <= 150]
        met += [(a[0], text(minute(a[3])), a[2], b[2]) for a in several for b in few]
        met += [(a[0], text(minute(a[3])), a[2], "") for a in several if not few]
        met += [(b[0], text(minute(b[3])), "", b[2]) for b in few if not several]
    write("joins/expected/sessions.csv", ["symbol", "minute", "large", "small"], sorted(met, key=str))
    pairs = [(a, b) for a in large for b in small if a[0] == b[0]]
    write("joins/expected/pairs.csv", ["symbol", "large", "small"], [(a[0], a[2], b[2]) for a, b in pairs])
    near = lambda a, b: timedelta(seconds=-30) <= b[3] - a[3] < timedelta(minutes=1)
    write("joins/expected/near.csv", ["symbol", "large", "small"], [(a[0], a[2], b[2]) for a, b in pairs if near(a, b)])
    semi = [a for a in large if any(a[0] == b[0] for b in dear)]
    write("joins/expected/semi.csv", columns, [(s, cell(p), n, text(at)) for s, p, n, at in semi])


if __name__ == "__main__":
    main()
