#!/usr/bin/env python3
"""Writes orders-1k.json and orders-27k.json: bodies that the definition beside them takes, the same on every run."""

import json
import random

random.seed(5)
CITIES = ["Ljubljana", "Tromsø", "Évora", "Graz", "Łódź", "Ghent"]


def text(words):
    pool = "quick brown fox jumps over lazy dog while seven wizards brew stronger coffee before dawn".split()
    return " ".join(random.choice(pool) for _ in range(words))


def order(number):
    return {
        "id": f"{number:08x}-1c5e-4f1b-8c3a-{random.getrandbits(48):012x}",
        "number": 1_000_000 + number,
        "created": f"2026-{1 + number % 12:02}-{1 + number % 28:02}T08:{number % 60:02}:00Z",
        "status": random.choice(["open", "paid", "sent", "closed"]),
        "customer": {
            "email": f"customer{number}@example.com",
            "name": text(2),
            "address": {"street": text(3), "city": random.choice(CITIES), "postcode": f"{number % 90000 + 10000}", "country": "SI"},
            "vat": None if number % 3 else "SI12345678",
        },
        "lines": [
            {
                "sku": f"SKU-{random.randrange(10**6):06}",
                "title": text(4),
                "quantity": random.randrange(1, 9),
                "price": {"amount": random.randrange(100, 99999) / 100, "currency": "EUR"},
                "tags": random.sample(["new", "sale", "fragile", "heavy", "gift"], 2),
            }
            for _ in range(1 + number % 3)
        ],
        "payment": {"kind": "card", "last4": f"{number % 10000:04}", "brand": "visa"}
        if number % 2
        else {"kind": "transfer", "iban": "SI56192001234567892"},
        "total": round(random.randrange(1000, 999999) / 100, 2),
        "notes": text(12 if number > 1 else 50),
        "metadata": {f"key{at}": text(1) for at in range(number % 4)},
    }


for name, orders in [("orders-1k.json", 1), ("orders-27k.json", 36)]:
    body = {"orders": [order(number + 1) for number in range(orders)]}
    with open(name, "w") as file:
        json.dump(body, file, separators=(",", ":"), ensure_ascii=False)
