"""The seed: puts the first products into the store, then is done. Harmless when it runs again."""

import os
import urllib.request

PRODUCTS = {"apples": 2.40, "bread": 3.90, "cheese": 7.20}

store = os.environ["STORE_URL"].rstrip("/")
for name, price in PRODUCTS.items():
    request = urllib.request.Request(f"{store}/{name}", data=str(price).encode(), method="PUT")
    with urllib.request.urlopen(request, timeout=5):
        print(f"{name} costs {price:.2f}")
