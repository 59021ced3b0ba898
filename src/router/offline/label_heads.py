"""One head for each of many labels (one against the rest), fitted in two processes where there are two cores.

liblinear draws from one generator a process, which threads would race for. Labels are fitted in two blocks, each with
draws of its own, so that weights are the same with and without the second process. It is a plain
``python -m router.offline.label_heads``: scripts need no ``__main__`` guard, and only arrays go through its pipes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from safetensors.numpy import load, save
from sklearn.svm import LinearSVC
from sklearn.utils.class_weight import compute_class_weight

__all__ = ["Helper", "cores", "many_heads"]

Arrays = dict[str, npt.NDArray[Any]]
_F64 = npt.NDArray[np.float64]
# What the rows of the other block's labels weigh as a label of their own: that head is thrown away, and fitted fast.
_NEXT_TO_NOTHING = 1e-9
_WORTH_ASKING = 20_000  # rows times labels: less is done before the second process has started


class Helper:
    """A second process, alive within ``with``, started when first asked; where it fails, the first one does all."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._is_able = cores() > 1 and bool(sys.executable)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def ask(self, problem: Arrays) -> bool:
        """Hand over a block of labels; whether it was taken."""
        if not self._is_able:
            return False
        try:
            if self._process is None:
                self._process = _started()
            assert self._process.stdin is not None
            _send(self._process.stdin, problem)
        except OSError:
            self._stop()
        return self._is_able

    def answer(self) -> Arrays | None:
        """What :meth:`ask` asked for, once it is there; None when the process has died."""
        if self._process is None:
            return None
        assert self._process.stdout is not None
        found = _received(self._process.stdout)
        if found is None:
            self._stop()
        return found

    def _stop(self) -> None:
        self._is_able = False
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.communicate()


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def many_heads(
    matrix: sp.csr_matrix,
    target: npt.NDArray[np.intp],
    weigh: _F64,
    *,
    c: float,
    balanced: bool,
    seed: int,
    helper: Helper | None = None,
) -> tuple[_F64, _F64]:
    """Weights ``(features, K)`` and biases ``(K,)`` of labels 0 to K - 1, each of which ``target`` has.

    Settings as ``LinearMaker`` has them.
    """
    count = int(target.max()) + 1
    kind = "balanced" if balanced else None
    weights = compute_class_weight(kind, classes=np.arange(count), y=target, sample_weight=weigh)
    half = (count + 1) // 2
    problem: Arrays = {
        "data": matrix.data,
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "shape": np.array(matrix.shape, np.int64),
        "weigh": weigh,
        "numbers": np.array([c, seed], np.float64),
    }
    blocks = []
    for at, stop in ((0, half), (half, count)):
        mine = (target >= at) & (target < stop)
        blocks.append(problem | {"target": np.where(mine, target - at, stop - at), "weights": weights[at:stop]})
    is_asked = helper is not None and len(target) * count >= _WORTH_ASKING and helper.ask(blocks[1])
    first = _solved_aside(blocks[0])
    second = helper.answer() if helper is not None and is_asked else None
    found = [first, _solved_aside(blocks[1]) if second is None else second]
    return np.concatenate([part["weights"] for part in found]).T, np.concatenate([part["biases"] for part in found])


def _solved(problem: Arrays) -> Arrays:
    """Heads of labels 0 to n - 1, each against all other rows; rows of target n are of no label of the block."""
    weights = problem["weights"]
    c, seed = problem["numbers"]
    machine = LinearSVC(
        C=c,
        dual=True,
        class_weight={**dict(enumerate(weights)), len(weights): _NEXT_TO_NOTHING},
        tol=0.1,
        max_iter=3000,
        random_state=int(seed),
    )
    matrix = sp.csr_matrix((problem["data"], problem["indices"], problem["indptr"]), shape=tuple(problem["shape"]))
    machine.fit(matrix, problem["target"], sample_weight=problem["weigh"])
    return {"weights": machine.coef_[: len(weights)], "biases": machine.intercept_[: len(weights)]}


def _solved_aside(problem: Arrays) -> Arrays:
    """As :func:`_solved`, by a thread that nobody has to wait for: liblinear does not hear Ctrl-C, waiting does."""
    done: Future[Arrays] = Future()

    def solve() -> None:
        try:
            done.set_result(_solved(problem))
        except BaseException as error:  # noqa: BLE001 raised where the heads are asked for
            done.set_exception(error)

    threading.Thread(target=solve, daemon=True).start()
    return done.result()


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "router.offline.label_heads"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def _send(pipe: IO[bytes], arrays: Arrays) -> None:
    data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    pipe.write(len(data).to_bytes(8, "little"))
    pipe.write(data)
    pipe.flush()


def _received(pipe: IO[bytes]) -> Arrays | None:
    """The next arrays, None at the pipe's end."""
    size = pipe.read(8)
    data = pipe.read(int.from_bytes(size, "little"))
    return load(data) if len(size) == 8 and len(data) == int.from_bytes(size, "little") else None


def _serve() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends this one, however it ends itself
    while (problem := _received(sys.stdin.buffer)) is not None:
        _send(sys.stdout.buffer, _solved(problem))


if __name__ == "__main__":
    _serve()
