"""The worker: every few seconds changes the price of something, until it is told to stop."""

import json
import os
import random
import signal
import sys
import threading
import urllib.error
import urllib.request

STORE = os.environ["STORE_URL"].rstrip("/")
told_to_stop = threading.Event()


def change_a_price() -> str:
    with urllib.request.urlopen(f"{STORE}/", timeout=5) as answer:
        products: dict[str, float] = json.load(answer)
    if not products:
        return "nothing for sale yet"
    name = random.choice(sorted(products))
    price = round(products[name] * random.uniform(0.9, 1.1), 2)
    request = urllib.request.Request(f"{STORE}/{name}", data=str(price).encode(), method="PUT")
    with urllib.request.urlopen(request, timeout=5):
        return f"{name} now costs {price:.2f}"


signal.signal(signal.SIGTERM, lambda *_: told_to_stop.set())
while not told_to_stop.wait(3):
    try:
        print(change_a_price())
    except urllib.error.URLError as error:
        print(f"the store cannot be reached: {error.reason}", file=sys.stderr)
print("no more changes")
