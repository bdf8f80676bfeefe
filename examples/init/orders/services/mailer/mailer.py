"""Mails about orders: fills its templates, and waits for more."""

import time

TEMPLATES = [f"Dear customer {number},\n" + "your order is on its way.\n" * 200 for number in range(500)]
while True:
    print("mailed", sum(len(template) for template in TEMPLATES), "characters")
    time.sleep(1)
