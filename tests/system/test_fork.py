"""Threads compile while the process forks: children are right and none hangs."""

import os
import signal
import subprocess
import sys
import threading

from weft.runtime.forks import Lock

SCRIPT = """
import os, random, signal, threading, time
import numpy as np
import weft

functions = [weft.compile(lambda a, b, k=k: (a + b) * np.float32(k) - np.sum(a)) for k in range(6)]
wrong = []
end = time.time() + 2

def work(seed):
    chosen = random.Random(seed)
    while time.time() < end:
        k, n = chosen.randrange(6), chosen.choice([1, 3, 8, 9, 17, 40])
        a, b = np.arange(n, dtype=np.float32), np.ones(n, np.float32)
        if not np.allclose(functions[k](a, b), (a + b) * np.float32(k) - np.sum(a)):
            wrong.append((k, n))

threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
for thread in threads:
    thread.start()
while time.time() < end:
    time.sleep(0.05)
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # ends the child
        a = np.arange(random.randrange(2, 30), dtype=np.float32)
        os._exit(not np.allclose(weft.compile(lambda a: a * 2 + 1)(a), a * 2 + 1))
    if os.waitpid(child, 0)[1]:
        wrong.append("child")
for thread in threads:
    thread.join()
print(wrong)
"""


def test_forks_while_threads_compile(tmp_path, monkeypatch):
    monkeypatch.setenv("WEFT_CACHE_DIR", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=200)
    assert done.stdout == "[]\n", done.stderr


def test_a_lock_that_another_thread_holds_is_free_in_a_child():
    lock, is_held, may_end = Lock(), threading.Event(), threading.Event()

    def hold():
        with lock:
            is_held.set()
            may_end.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # ends the child
        with lock:
            os._exit(0)
    may_end.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
