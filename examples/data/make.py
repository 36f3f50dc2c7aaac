#!/usr/bin/env python3
"""Makes the invented sample data: the same files every time. The flights and the weather are real and not made here."""
import os
import random
from datetime import datetime, timedelta, timezone

HERE = os.path.dirname(os.path.abspath(__file__))


def write(name, lines):
    with open(os.path.join(HERE, name), "w", encoding="utf-8", newline="") as file:
        file.writelines(line + "\n" for line in lines)


def iso(at):
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def disordered(rows, seconds):
    """Rows of (time, line), each put up to so many seconds too late."""
    delayed = [(at + timedelta(seconds=random.uniform(0, seconds)), line) for at, line in rows]
    return [line for _, line in sorted(delayed)]


def trades():
    stocks = {
        "BRKY": ("bakeries", 41.0), "LOAF": ("bakeries", 12.5), "FLUR": ("mills", 77.0), "GRST": ("mills", 58.0),
        "STNE": ("mills", 103.0), "BRGE": ("barges", 9.8), "LOCK": ("barges", 21.0), "SAIL": ("barges", 33.0),
    }
    price, rows = {symbol: start for symbol, (_, start) in stocks.items()}, []
    for day in (4, 5):
        open_at = datetime(2024, 3, day, 14, 30, tzinfo=timezone.utc)
        for at in sorted(open_at + timedelta(seconds=random.uniform(0, 3600)) for _ in range(1500)):
            symbol = random.choice(list(stocks))
            price[symbol] = max(1.0, price[symbol] * random.gauss(1.0, 0.002))
            line = f"{symbol},{stocks[symbol][0]},{price[symbol]:.2f},{random.randint(1, 20) * 100},{iso(at)}"
            rows.append((at, line))
    write("trades.csv", ["symbol,industry,price,shares,at"] + disordered(rows, 5))


def sales():
    products = {"grain": ["oats", "rye", "wheat"], "flour": ["bread flour", "semolina"], "tools": ["sack", "sieve"]}
    lines = []
    for _ in range(300):
        day = datetime(2024, 6, 1) + timedelta(days=random.randrange(61))
        category = random.choice(list(products))
        product = random.choice(products[category])
        lines.append(f"{day:%Y-%m-%d},{day:%B},{category},{product},{random.randint(-5, 60)}")
    write("sales.txt", lines)


def log():
    services = ["billing", "gate-1", "gate-2", "ledger", "mailer", "search"]
    weights = [5, 2, 9, 1, 3, 4]
    errors = ["timed out after 300 ms", "connection reset by peer", "answer 503 from upstream", "queue is full"]
    start, rows = datetime(2024, 3, 4, 9, 0, tzinfo=timezone.utc), []
    for _ in range(2000):
        at = start + timedelta(seconds=random.uniform(0, 600))
        service = random.choices(services, weights)[0]
        level = random.choices(["INFO", "WARN", "ERROR"], [6, 2, 3])[0]
        text = random.choice(errors) if level != "INFO" else f"served request {random.randrange(10_000)}"
        rows.append((at, f"{iso(at)} {level} {service}: {text}"))
    lines = disordered(rows, 2)
    # What real logs have too: a stack trace below its error.
    lines[500:500] = ["    at Ledger.post (ledger.rs:31)", "    at Ledger.close (ledger.rs:77)"]
    write("service.log", lines)


def activity():
    """What users did, in bursts with pauses between them."""
    users = ["ada", "bert", "cleo", "dora", "edgar", "fay", "gil", "hugo", "ida", "jon"]
    start, rows = datetime(2024, 3, 4, 8, 0, tzinfo=timezone.utc), []
    for user in users:
        at = start + timedelta(seconds=random.uniform(0, 1800))
        for _ in range(random.randrange(3, 7)):
            for _ in range(random.randrange(1, 25)):
                rows.append((at, f"{user},{random.choice(['open', 'read', 'search', 'edit', 'save'])},{iso(at)}"))
                at += timedelta(milliseconds=round(random.expovariate(1 / 90_000)))
            at += timedelta(minutes=random.uniform(5, 40))
    write("activity.csv", ["user,action,at"] + disordered(rows, 5))


def deliveries():
    """Payments, each delivered once or more within half a minute."""
    start, rows = datetime(2024, 3, 4, 12, 0, tzinfo=timezone.utc), []
    for number in range(1500):
        at = start + timedelta(milliseconds=random.randrange(3_600_000))
        customer = random.choice(["Abel", "Bree", "Cobb", "Dunn", "Ekre", "Finn"])
        line = f"{10_000 + number},{customer},{random.randint(100, 50_000)},{iso(at)}"
        rows += [(at, line)] * random.choices([1, 2, 3], [8, 2, 1])[0]
    write("deliveries.csv", ["id,customer,cents,at"] + disordered(rows, 29))


def payments():
    """Payments of a few cards, and rules that are announced, changed and withdrawn meanwhile."""
    start, rows = datetime(2024, 3, 4, 18, 0, tzinfo=timezone.utc), []
    for _ in range(800):
        at = start + timedelta(milliseconds=random.randrange(4 * 3_600_000))
        cents = round(min(random.lognormvariate(8.0, 1.2), 500_000))
        rows.append((at, f"card-{random.randrange(1, 13):02},{cents},{iso(at)}"))
    write("payments.csv", ["card,cents,at"] + disordered(rows, 5))
    changes = [(0, "burst", 10, 60_000), (0, "large", 0, 30_000), (75, "burst", 10, 30_000), (110, "large", 0, ""),
               (130, "hour", 60, 180_000), (190, "burst", 5, 30_000), (200, "large", 0, 20_000)]
    write("rules.csv", ["name,minutes,limit,at"]
          + [f"{name},{of},{limit},{iso(start + timedelta(minutes=after))}" for after, name, of, limit in changes])


random.seed(20240304)
trades()
sales()
log()
activity()
deliveries()
payments()
