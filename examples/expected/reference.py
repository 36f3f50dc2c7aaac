#!/usr/bin/env python3
"""Computes what the examples must give on their sample data, by straightforward code that shares nothing with the engine.

`cargo xtask examples` compares. Run this after a change to the data or to an example, and read the difference before committing it.
"""
import csv
import os
from collections import Counter, defaultdict

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "data")


def read(name):
    with open(os.path.join(DATA, name), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(name, header, rows):
    with open(os.path.join(HERE, name), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(sorted(rows))


def number(value):
    """As the CSV sink writes floats: the shortest text that reads back as the same, without a fraction of zero."""
    return repr(value).removesuffix(".0")


def flights():
    departed = [row for row in read("flights.csv") if row["dep_delay"] not in ("", "NA")]
    hours = defaultdict(list)
    for row in departed:
        hours[row["origin"], row["time_hour"]].append(float(row["dep_delay"]))
    write(
        "flights-departures.csv",
        ["origin", "hour", "departures", "mean_delay"],
        [(origin, hour, len(delays), number(sum(delays) / len(delays))) for (origin, hour), delays in hours.items()],
    )
    columns = ["time_hour", "carrier", "flight", "origin", "dest", "dep_delay"]
    delayed = [row for row in departed if float(row["dep_delay"]) > 60.0]
    write("flights-delayed.csv", columns, [[row[column] for column in columns] for row in delayed])


def word_count():
    counts = Counter(word for row in read("river.csv") for word in row["line"].split())
    write("word_count.csv", ["word", "count"], counts.items())


flights()
word_count()
