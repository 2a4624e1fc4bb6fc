"""The thread that works for the loop: order, results, errors, and nobody who waits any more."""

import asyncio
import threading

import pytest

from overflight_ground.ingest.worker import Worker


async def test_jobs_are_done_one_after_the_other_in_a_thread_of_their_own() -> None:
    where: list[tuple[int, str]] = []

    def job(number: int) -> int:
        where.append((number, threading.current_thread().name))
        return number * 2

    with Worker("worker-of-a-test") as worker:
        results = await asyncio.gather(*[worker.do(job, n) for n in range(5)])
    assert results == [0, 2, 4, 6, 8]
    assert where == [(n, "worker-of-a-test") for n in range(5)]


async def test_an_error_reaches_who_waits_and_the_next_job_is_done() -> None:
    with Worker("worker") as worker:
        with pytest.raises(ZeroDivisionError):
            await worker.do(divmod, 1, 0)
        assert await worker.do(divmod, 7, 2) == (3, 1)


async def test_who_gives_up_waiting_stops_nothing_and_leaving_waits_for_the_last_job() -> None:
    go, done = threading.Event(), []

    def slow() -> None:
        go.wait(10)
        done.append("slow")

    with Worker("worker") as worker:
        waiting = asyncio.ensure_future(worker.do(slow))
        last = worker.do(done.append, "last")
        await asyncio.sleep(0)
        waiting.cancel()
        go.set()
    assert done == ["slow", "last"]
    await last
    assert waiting.cancelled()
