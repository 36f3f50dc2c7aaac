#!/usr/bin/env python3
"""Computes what the examples must give on their sample data, by straightforward code that shares nothing with the engine.

`cargo xtask examples` compares. Run this after a change to the data or to an example, and read the difference before committing it.
"""
import csv
import math
import os
import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta

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


def read_lines(name):
    with open(os.path.join(DATA, name), encoding="utf-8") as file:
        return file.read().splitlines()


def utc(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def iso(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def flights_weather():
    weather = {(row["origin"], row["time_hour"]): row for row in read("weather.csv")}
    columns = ["time_hour", "carrier", "flight", "origin", "dest", "dep_delay"]
    measured = ["temp", "wind_speed", "visib"]

    def value(text):
        return "" if text in ("", "NA") else number(float(text))

    rows = []
    for flight in read("flights-day.csv"):
        at = weather.get((flight["origin"], flight["time_hour"]), dict.fromkeys(measured, "NA"))
        known = [flight[column] for column in columns[:-1]] + [value(flight["dep_delay"])]
        rows.append(known + [value(at[column]) for column in measured])
    write("flights_weather.csv", columns + measured, rows)


def enrich():
    weather = {(row["origin"], row["time_hour"]): row for row in read("weather.csv")}
    flight_columns = ["time_hour", "carrier", "flight", "origin", "dest"]
    measured = ["temp", "wind_speed", "visib"]
    enriched, others = [], []
    for flight in read("flights-day.csv"):
        origin, hour = flight["origin"], flight["time_hour"]
        at = weather.get((origin, hour))
        if at is None:
            known = [flight[column] for column in flight_columns[:-1]]
            others.append(known + [f"no weather is known of {origin} at {hour}"])
            continue
        values = ["" if at[column] in ("", "NA") else number(float(at[column])) for column in measured]
        enriched.append([flight[column] for column in flight_columns] + values)
    write("enrich.csv", flight_columns + measured, enriched)
    write("enrich-others.csv", flight_columns[:-1] + ["why"], others)


def stock_trades():
    minutes, days = defaultdict(list), defaultdict(list)
    for row in read("trades.csv"):
        at = utc(row["at"])
        minutes[row["industry"], iso(at.replace(second=0, microsecond=0))].append(float(row["price"]))
        days[row["industry"], iso(at.replace(hour=0, minute=0, second=0, microsecond=0))].append(row)
    write(
        "stock_trades-minutes.csv",
        ["industry", "minute", "trades", "mean_price"],
        [(*key, len(prices), number(math.fsum(prices) / len(prices))) for key, prices in minutes.items()],
    )
    highest = []
    for key, rows in days.items():
        # Of equal prices the earliest counts.
        best = min(rows, key=lambda row: (-float(row["price"]), row["at"]))
        highest.append((*key, best["symbol"], number(float(best["price"])), best["at"]))
    write("stock_trades-highest.csv", ["industry", "day", "symbol", "price", "at"], highest)


def log_errors():
    minutes = defaultdict(Counter)
    for line in read_lines("service.log"):
        match = re.match(r"(\S+) ERROR (\S+): ", line)
        if match:
            minutes[iso(utc(match[1]).replace(second=0, microsecond=0))][match[2]] += 1
    rows = []
    for minute, errors in minutes.items():
        most = sorted(((count, service) for service, count in errors.items()), reverse=True)[:3]
        rows += [(minute, service, count) for count, service in most]
    write("log_errors.csv", ["minute", "service", "errors"], rows)


def sale_windows():
    """The windows are those of the clock: only their sums can be foretold."""
    totals = defaultdict(lambda: [0, 0])
    for line in read_lines("sales.txt"):
        _, month, category, product, profit = line.split(",")
        total = totals[month, product, category]
        total[0] += int(profit)
        total[1] += 1
    write("sale_windows.csv", ["month", "product", "category", "profit", "count"], [(*k, *v) for k, v in totals.items()])


def word_count():
    counts = Counter(word for line in read_lines("river.txt") for word in line.split())
    write("word_count.csv", ["word", "count"], counts.items())


def inactivity_alert():
    of_user = defaultdict(list)
    for row in read("activity.csv"):
        of_user[row["user"]].append(utc(row["at"]))
    rows = []
    for user, times in of_user.items():
        times.sort()
        session = [times[0]]
        for at in times[1:] + [None]:
            if at is None or at - session[-1] > timedelta(minutes=10):
                rows.append((user, precise(session[0]), precise(session[-1]), len(session)))
                session = []
            session.append(at)
    write("inactivity_alert.csv", ["user", "began", "last", "actions"], rows)


def precise(at):
    millis = at.microsecond // 1000
    return at.strftime("%Y-%m-%dT%H:%M:%S") + (f".{millis:03}Z" if millis else "Z")


def dedup():
    payments = {row["id"]: row for row in read("deliveries.csv")}
    columns = ["id", "customer", "cents"]
    rows = [[row[column] for column in columns] + [precise(utc(row["at"]))] for row in payments.values()]
    write("dedup.csv", columns + ["at"], rows)


def stream_sorter():
    last, rows = {}, []
    # Sorting is stable: what happened at one time stays as it came.
    for row in sorted(read("activity.csv"), key=lambda row: utc(row["at"])):
        at = utc(row["at"])
        pause = (at - last[row["user"]]) // timedelta(milliseconds=1) if row["user"] in last else ""
        last[row["user"]] = at
        rows.append((row["user"], row["action"], precise(at), pause))
    write("stream_sorter.csv", ["user", "action", "at", "pause"], rows)


def changing_rules():
    rules = [(row["name"], utc(row["at"]), int(row["minutes"]), row["limit"]) for row in read("rules.csv")]
    names = sorted({name for name, *_ in rules})
    payments = [(row["card"], utc(row["at"]), int(row["cents"])) for row in read("payments.csv")]
    rows = []
    for card, at in sorted({(card, at) for card, at, _ in payments}):
        for name in names:
            versions = [(since, minutes, limit) for of, since, minutes, limit in rules if of == name and since <= at]
            if not versions or not max(versions)[2]:
                continue
            _, minutes, limit = max(versions)
            recent = [cents for of, then, cents in payments if of == card and at - timedelta(minutes=minutes) <= then <= at]
            if sum(recent) > int(limit):
                rows.append((card, precise(at), name, sum(recent), int(limit)))
    write("changing_rules.csv", ["card", "at", "rule", "cents", "limit"], rows)


flights()
flights_weather()
enrich()
stock_trades()
log_errors()
sale_windows()
word_count()
inactivity_alert()
dedup()
stream_sorter()
changing_rules()
