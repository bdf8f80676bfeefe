import time

while True:
    work = [number * number for number in range(100_000)]
    time.sleep(1)
